"""Namespace files in the repository."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kestra_sync.client.errors import AnswerTooLarge, KestraError, ServerFailure, Unreachable
from kestra_sync.config.config import load_config, settings_from_config
from kestra_sync.configured import FilesFolder
from kestra_sync.kinds.base import Loaded
from kestra_sync.kinds.files import names
from kestra_sync.kinds.files.kind import FilesKind, diff
from kestra_sync.kinds.files.load import load
from kestra_sync.kinds.registry import Kinds, diff_whole
from kestra_sync.model import Base, Kind, ResourceId, Severity
from kestra_sync.resources import MAX_FILE


def _too_slow() -> Unreachable:
    error = Unreachable("no answer")
    error.too_slow = True
    return error


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _write(path: str, data: bytes = b"x") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def _names(loaded: Loaded) -> dict[str, bytes]:
    return {str(resource): each.sent for resource, each in loaded.desired.items()}


def _problems(loaded: Loaded) -> list[str]:
    return [f"{each.path}: {each.rule}" for each in loaded.diagnostics]


def test_every_file_below_the_folder_byte_for_byte() -> None:
    data = bytes(range(256))
    _write("files/sales/top.sql", b"select 1;\r\n")
    _write("files/sales/a/b/c.bin", data)
    loaded = load([FilesFolder("files/sales", "acme.sales")])
    assert _names(loaded) == {
        "file:acme.sales/top.sql": b"select 1;\r\n",
        "file:acme.sales/a/b/c.bin": data,
    }
    assert loaded.diagnostics == ()
    resource = ResourceId("acme.sales", "a/b/c.bin", Kind.FILE)
    assert loaded.desired[resource].path == "files/sales/a/b/c.bin"


def test_ignore_rules_hidden_files_and_flows() -> None:
    for name in ("keep.py", "notes.md", "sub/skip.log", ".env", ".git/config", "_flows/x.yml"):
        _write(f"files/{name}")
    Path("files/.kestraignore").write_text("*.log\n")
    loaded = load([FilesFolder("files", "acme", ignore=("*.md",))])
    assert list(_names(loaded)) == ["file:acme/keep.py"]
    assert [(each.path, each.reason) for each in loaded.skipped] == [
        ("files/_flows/", "flows, not namespace files")
    ]


def test_ignore_file__invalid_one_is_an_error() -> None:
    _write("files/a.py")
    Path("files/.kestraignore").write_text("\n!!\\\n")
    loaded = load([FilesFolder("files", "acme")])
    assert any(each.severity is Severity.ERROR for each in loaded.diagnostics) or _names(loaded)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("all", ["file:acme.ops/files/b.py", "file:acme.sales/files/a.py"]),
        ("all/*/files", ["file:acme.ops/b.py", "file:acme.sales/a.py"]),
        ("all/*", ["file:acme.ops/files/b.py", "file:acme.sales/files/a.py"]),
    ],
)
def test_folders_named_like_their_namespaces(path: str, found: list[str]) -> None:
    _write("all/acme.sales/files/a.py")
    _write("all/acme.ops/files/b.py")
    assert sorted(_names(load([FilesFolder(path, "*")]))) == found


def test_one_namespace_for_many_projects() -> None:
    _write("projects/a/files/a.py")
    _write("projects/b/files/b.py")
    loaded = load([FilesFolder("projects/*/files", "acme")])
    assert sorted(_names(loaded)) == ["file:acme/a.py", "file:acme/b.py"]


def test_a_folder_that_is_not_a_namespace_is_an_error() -> None:
    _write("files/Not A Namespace/a.py")
    assert _problems(load([FilesFolder("files", "*")])) == [
        "files/Not A Namespace: namespace-file-folder"
    ]


def test_directory__missing_is_an_error() -> None:
    assert _problems(load([FilesFolder("absent", "acme")])) == ["absent: namespace-file-folder"]


@pytest.mark.skipif(os.name != "posix", reason="links and modes of POSIX")
def test_namespace_files__links_are_refused_and_modes_reported() -> None:
    file = _write("files/run.sh")
    file.chmod(0o755)
    Path("files/link.sh").symlink_to("run.sh")
    Path("files/folder").symlink_to(".")
    loaded = load([FilesFolder("files", "acme")])
    assert [(each.path, str(each.severity), each.rule) for each in loaded.diagnostics] == [
        ("files/folder", "error", "namespace-file-link"),
        ("files/link.sh", "error", "namespace-file-link"),
        ("files/run.sh", "warning", "namespace-file-mode"),
    ]


def test_two_files_of_one_name_are_an_error() -> None:
    _write("one/a.py")
    _write("two/a.py")
    loaded = load([FilesFolder("one", "acme"), FilesFolder("two", "acme")])
    assert _problems(loaded) == ["two/a.py: namespace-file-duplicate"]


def test_namespace_file__with_the_name_of_a_directory_is_an_error() -> None:
    _write("one/a", b"x")
    _write("two/a/b", b"x")
    loaded = load([FilesFolder("one", "acme"), FilesFolder("two", "acme")])
    assert _problems(loaded) == ["two/a/b: namespace-file-folder"]


def test_a_file_that_is_too_large_is_an_error() -> None:
    with Path(_write("files/large.bin")).open("wb") as file:
        file.truncate(MAX_FILE + 1)
    (found,) = load([FilesFolder("files", "acme")]).diagnostics
    assert (found.path, found.rule) == ("files/large.bin", "namespace-file-size")
    assert found.message == "10,737,418,241 bytes, more than the 10,737,418,240 that Kestra accepts"
    assert "limits.files" not in f"{found.remedy}"


def test_limit__is_of_the_configuration_and_counts_each_file() -> None:
    for name, size in (("a.bin", 2048), ("b.bin", 2049), ("skip/c.bin", 4096)):
        _write(f"files/{name}", b"x" * size)
    Path("files/.kestraignore").write_text("skip/\n")
    Path("kestra-sync.yaml").write_text(
        "version: 1\nlimits: {files: 2 KiB}\nfiles: [{path: files, namespace: acme}]\n"
        "environments: {large: {limits: {files: 5000}}, huge: {limits: {files: 99GiB}},\n"
        "  float: {limits: {files: 5e3}}}\n"
    )

    def loaded(environment: str | None) -> Loaded:
        settings = settings_from_config(load_config("kestra-sync.yaml", environment))
        return Kinds(settings).load()

    (found,) = loaded(None).diagnostics
    assert (found.path, found.severity) == ("files/b.bin", Severity.ERROR)
    assert found.message == "2,049 bytes, more than the 2,048 that `limits.files` allows"
    assert found.remedy is not None
    assert found.remedy.endswith("or raise `limits.files` in kestra-sync.yaml")
    for environment in ("large", "huge", "float"):
        assert not loaded(environment).diagnostics


@pytest.mark.parametrize(
    "path",
    ["a.py", ".dot", "a-b_c.d+e&f=g;h'i", "ä/日本.txt", "a\u0308.txt", "1/2/3", "_flows.txt"],
)
def test_names_that_every_version_keeps(path: str) -> None:
    assert names.problem(path) is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a b.txt", "stores as '+'"),
        ("a%20b", "'%'"),
        ("a[1]", "'['"),
        ("a\\b", "'\\\\'"),
        ("a#b", "'#'"),
        ("a:b", "':'"),
        ("a\tb", "'\\t'"),
        ("😀", "does not keep"),
        ("_flows/a.yml", "as flows"),
        ("a//b", "not a valid path"),
        ("../a", "not a valid path"),
        ("x" * 256, "255 bytes"),
        ("ä" * 128, "255 bytes"),
    ],
)
def test_names_that_some_version_does_not_keep(path: str, words: str) -> None:
    assert words in (names.problem(path) or "")


def test_namespace_file__text_has_a_diff_and_binary_a_size() -> None:
    (text,) = diff(b"one\ntwo\n", b"one\nthree\n")
    assert [(mark.value, line) for mark, line in text.lines] == [
        (" ", "one"), ("-", "two"), ("+", "three"),
    ]  # fmt: skip
    (binary,) = diff(b"\0" * 1000, b"\0" * 1001)
    assert binary.heading == "binary"
    assert [line.partition(",")[0] for _, line in binary.lines] == ["1", "1"]
    assert diff(b"\0", b"\0") == ()


def test_diff__of_a_created_binary_file_is_its_size_and_hash() -> None:
    (hunk,) = diff_whole(Kind.FILE, None, b"\0\1")
    assert hunk.heading == "binary"
    assert hunk.lines[1][1].startswith("2 bytes, SHA-256 ")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ServerFailure(500, "GET", "/files/export"), "the server answers 500"),
        (
            AnswerTooLarge("the response is larger than 9 bytes"),
            "it is larger than the longest response that is read",
        ),
        (_too_slow(), "the server takes longer than the time limit"),
    ],
    ids=["500", "too large", "too slow"],
)
def test_read__says_why_there_is_no_export(error: KestraError, why: str) -> None:
    """The files that Git or the inventory has are read one by one."""

    def export(_namespace: str, **_: object) -> None:
        raise error

    files = SimpleNamespace(
        export=export,
        names=lambda _namespace: ("a.txt", "theirs.txt"),
        read=lambda _namespace, name, **_: name.encode(),
    )
    client: Any = SimpleNamespace(
        files=files, map=lambda work, names, _most: list(map(work, names))
    )
    ours = ResourceId("acme", "a.txt", Kind.FILE)
    reading = FilesKind().read(client, {}, {ours: Base("a.txt", "", frozenset(), None)})
    assert list(reading.live) == [ours]
    (found,) = reading.diagnostics
    assert found.rule == "namespace-files-many"
    assert f"cannot be read in one export ({why})" in found.message


def test_read__server_that_is_not_there_is_an_error() -> None:
    def export(_namespace: str, **_: object) -> None:
        raise Unreachable("no answer")

    client: Any = SimpleNamespace(files=SimpleNamespace(export=export))
    with pytest.raises(Unreachable):
        FilesKind().read(
            client, {}, {ResourceId("acme", "a", Kind.FILE): Base("a", "", frozenset())}
        )
