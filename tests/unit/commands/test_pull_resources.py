"""Where ``pull`` puts files and keys, and how a key is written into its file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kestra_sync.client.response import Progress
from kestra_sync.commands import pull_resources
from kestra_sync.commands.pull_resources import with_key
from kestra_sync.configured import FilesFolder
from kestra_sync.kinds.kv.load import load
from kestra_sync.kinds.kv.values import KvValue, source_of, typed
from kestra_sync.model import Scope
from kestra_sync.observer import Observer
from kestra_sync.resources import LARGE
from kestra_sync.settings import Settings


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        typed("plain", None),
        typed("2026-01-31", None),
        typed("a: b # c", None),
        typed("two\nlines\n", None),
        typed(1.5, None),
        typed(True, None),
        typed({"b": [1, {"c": "yes"}], "a": 10**30}, None),
        typed({"value": 1}, None),
        KvValue("DATE", "2026-01-31"),
        KvValue("DATETIME", "2026-01-31T08:00:00Z"),
        KvValue("DURATION", "PT24H"),
        KvValue("STRING", "x", ttl=3600, description="why: so"),
    ],
)
@pytest.mark.parametrize("before", ["", "# ours\nnamespace: acme\nvalues:\n  key: old # kept\n"])
def test_key__what_is_written_is_what_the_server_has(value: KvValue, before: str) -> None:
    if before:
        Path("a.yaml").write_text(before)
    data = with_key("a.yaml", "acme", "key", source_of(value))
    assert data is not None
    Path("a.yaml").write_bytes(data)
    found = load(["a.yaml"], {})
    assert found.diagnostics == []
    assert [source_of(each.value) for each in found.keys.values()] == [source_of(value)]
    assert data.startswith(b"# ours\n") is bool(before)


@pytest.mark.parametrize(
    ("value", "before"),
    [
        (KvValue("STRING", "x", description="größer"), ""),  # a header cannot carry it
        (KvValue("STRING", None), ""),
        (typed("x", None), "values: [broken"),
        (typed("x", None), "namespace: acme\nvalues: {key: &anchor 1}\n"),
        (KvValue("STRING", "x", masked=True), ""),
    ],
)
def test_key__what_a_file_cannot_declare_is_not_written(value: KvValue, before: str) -> None:
    if before:
        Path("a.yaml").write_text(before)
    assert with_key("a.yaml", "acme", "key", source_of(value)) is None


def test_places() -> None:
    Path("kv").mkdir()
    Path("kv/ops.yaml").write_text("namespace: acme.ops\nvalues: {a: 1}\n")

    def file(patterns: tuple[str, ...], namespace: str, *files: FilesFolder) -> str | None:
        settings = Settings(kv=patterns, files=files, scope=Scope(("acme.sales",)))
        return pull_resources._file_of_keys(settings, namespace)

    assert file(("kv/*.yaml",), "acme.ops") == "kv/ops.yaml"
    assert file(("kv/*.yaml",), "acme.sales") == "kv/acme.sales.yaml"
    assert file(("kv/ops.yaml",), "acme.sales") is None
    assert file(("keys.yaml",), "acme.sales") == "keys.yaml"
    assert file(("keys.yaml",), "acme.other") is None
    assert file(("keys.yaml", "more.yaml"), "acme.sales") is None
    per_namespace = FilesFolder("x/*/files", "*")
    assert (
        file(("x/*/kv/*.yaml",), "acme.sales", per_namespace) == "x/acme.sales/kv/acme.sales.yaml"
    )
    assert file(("x/*/kv.yaml",), "acme.sales", per_namespace) == "x/acme.sales/kv.yaml"
    assert file(("y/*/kv.yaml",), "acme.sales", per_namespace) is None
    projects = FilesFolder("a/files", "acme.a"), FilesFolder("b/files", "acme.b")
    assert file(("a/kv.yaml", "b/kv.yaml"), "acme.b", *projects) == "b/kv.yaml"
    assert file(("a/kv.yaml", "b/kv.yaml"), "acme.c", *projects) is None
    Path("kv/acme.sales.yaml").write_text("x: 1\n")
    assert file(("kv/*.yaml",), "acme.sales") is None

    for name in ("a/files", "b/files", "c/data"):
        Path(name).mkdir(parents=True)
    for folder, namespace, root in [
        (FilesFolder("files/sales", "acme.sales"), "acme.sales", "files/sales"),
        (FilesFolder("files/sales", "acme.sales"), "acme.ops", None),
        (FilesFolder("files", "*"), "acme.sales", "files/acme.sales"),
        (FilesFolder("*/files", "*"), "acme.sales", "acme.sales/files"),
        (FilesFolder("*/data", "acme"), "acme", "c/data"),
        (FilesFolder("*/files", "acme"), "acme", None),  # in which of the two?
    ]:
        assert pull_resources._root((folder,), namespace)[1] == root


def test_files__of_what_is_not_a_namespace_are_not_looked_for() -> None:
    """Its name would lead out of the directory of files."""
    asked: list[str] = []

    def export(namespace: str, progress: Progress) -> dict[str, bytes]:
        asked.append(namespace)
        progress(2 * LARGE, None)
        return {"evil.yml": b"on: push"}

    forged = ("acme./../../.github/workflows", "acme./../../../outside", "acme.x/y")
    client: Any = SimpleNamespace(
        flows=SimpleNamespace(namespaces=lambda: ("acme.sales", *forged)),
        files=SimpleNamespace(export=export),
    )
    planned: Any = SimpleNamespace(
        plan=SimpleNamespace(scope=Scope(("acme",))),
        ownership=None,
        repository=SimpleNamespace(other_resources={}),
    )
    settings = Settings(files=(FilesFolder("files", "*"),), scope=Scope(("acme",)))

    class Bytes(Observer):
        def transfer(self, name: str, done: int, total: int | None) -> None:
            shown.append((name, done, total))

    shown: list[tuple[str, int, int | None]] = []
    found = list(
        pull_resources.only_there(
            client, settings, planned, frozenset(), values=False, observer=Bytes()
        )
    )
    assert [each.path for each in found] == [
        "files/acme/evil.yml", "files/acme.sales/evil.yml",
    ]  # fmt: skip
    assert asked == ["acme", "acme.sales"]
    assert shown == [(f"files of {each}", 2 * LARGE, None) for each in asked]
