"""``init`` in repositories that were laid out for other tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.cli.main import run
from kestra_sync.commands.forges import Forge
from kestra_sync.commands.init import init
from kestra_sync.model import plural


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _write(files: dict[str, str]) -> None:
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)


def _flow(namespace: str, name: str = "f", more: str = "") -> str:
    return (
        f"id: {name}\nnamespace: {namespace}\ntasks:\n  - id: a\n"
        f"    type: io.kestra.plugin.core.log.Log\n    message: hi {more}\n"
    )


def _lines(text: str) -> list[str]:
    """The configuration without comments and without what is the same everywhere."""
    kept = [each for each in text.splitlines() if each and (each[0] != "#" or "{path" in each)]
    return [each for each in kept if not each.startswith(("version", "name", "prune"))]


SALES, OPS = _flow("acme.sales"), _flow("acme.ops", "g")
KEYS = "namespace: acme.sales\nvalues: {region: emea, token: {env: ACME_TOKEN}}\n"
SOURCE, SCOPE = "source: flows", "scope: [acme.sales]"


@pytest.mark.parametrize(
    ("files", "config", "counts"),
    [
        pytest.param(
            {"_flows/f.yaml": SALES, "_files/sql/top.sql": "select 1"},
            ["source: _flows", SCOPE, "files:", "  - {path: _files, namespace: acme.sales}"],
            (1, 1),
            id="SyncFlows and SyncNamespaceFiles of the Git plugin",
        ),
        pytest.param(
            {"kestra/_flows/f.yaml": SALES, "kestra/_files/a.py": "x", "kestra/README.md": "x"},
            [
                "source: kestra/_flows", SCOPE, "files:",
                "  - {path: kestra/_files, namespace: acme.sales}",
            ],
            (1, 1),
            id="the same with a gitDirectory",
        ),
        pytest.param(
            {
                "acme.sales/flows/f.yaml": SALES,
                "acme.sales/files/a.yaml": SALES,
                "acme.ops/flows/g.yaml": OPS,
                "acme.ops/files/b.sql": "x",
            },
            ['source: "."', "scope: [acme]", "files:", '  - {path: "*/files", namespace: "*"}'],
            (2, 2),
            id="NamespaceSync and TenantSync",
        ),
        pytest.param(
            {
                "kestra/acme.sales/flows/f.yaml": SALES,
                "kestra/acme.ops/flows/g.yaml": OPS,
                "kestra/acme.ops/files/b.sql": "x",
            },
            [
                "source: kestra", "scope: [acme]", "files:",
                '  - {path: "kestra/*/files", namespace: "*"}',
            ],
            (2, 1),
            id="TenantSync with a gitDirectory",
        ),
        pytest.param(
            {
                "flows/f.yaml": SALES,
                "files/acme.sales/a.sql": "x",
                "files/acme.sales.emea/b.sql": "x",
                "files/README.md": "about",
            },
            [SOURCE, SCOPE, "files:", '  - {path: files, namespace: "*"}'],
            (1, 2),
            id="a namespace and its children",
        ),
        pytest.param(
            {
                "flows/f.yaml": SALES,
                "flows/g.yaml": OPS,
                "files/sales/a.sql": "x",
                "files/ops/b": "x",
            },
            [
                SOURCE, "scope: [acme]", "files:",
                "  - {path: files/ops, namespace: acme.ops}",
                "  - {path: files/sales, namespace: acme.sales}",
            ],
            (2, 2),
            id="directories named like the last part of a namespace",
        ),
        pytest.param(
            {
                "orders/flows/f.yaml": SALES,
                "orders/files/a.sql": "x",
                "probes/flows/g.yaml": OPS,
                "probes/files/b.py": "x",
            },
            [
                "source: [orders/flows, probes/flows]", "scope: [acme]", "files:",
                "  - {path: orders/files, namespace: acme.sales}",
                "  - {path: probes/files, namespace: acme.ops}",
            ],
            (2, 2),
            id="a directory per project",
        ),
        pytest.param(
            {
                "flows/f.yaml": _flow("acme.sales", more="{{ read('top/orders.sql') }}"),
                "flows/g.yaml": OPS,
                "queries/top/orders.sql": "x",
                "tools/build.py": "x",
                "kv/sales.yaml": KEYS,
            },
            [
                SOURCE, "scope: [acme]", "files:",
                "  - {path: queries, namespace: acme.sales}",
                'kv: ["kv/*.yaml"]',
            ],
            (2, 1),
            id="a file that a flow reads, and keys",
        ),
        pytest.param(
            {
                "flows/f.yaml": SALES,
                "flows/_files/a.sql": "x",
                "flows/_kv/sales.yml": KEYS,
                "kv/x.yaml": "a: 1",
            },
            [
                SOURCE, SCOPE, "files:", "  - {path: flows/_files, namespace: acme.sales}",
                'kv: ["flows/_kv/*.yml"]',
            ],
            (1, 1),
            id="below the flows",
        ),
        pytest.param(
            {"flows/f.yaml": SALES, "flows/g.yaml": OPS, "files/a.sql": "x"},
            [SOURCE, "scope: [acme]", "#   - {path: files, namespace: …}"],
            (2, 0),
            id="of no certain namespace",
        ),
        pytest.param(
            {"flows/f.yaml": SALES, "src/a.py": "x", "files/.gitkeep": ""},
            [SOURCE, SCOPE],
            (1, 0),
            id="nothing of the kind",
        ),
    ],
)  # fmt: skip
def test_init__layouts(
    files: dict[str, str],
    config: list[str],
    counts: tuple[int, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The configuration is written, and is valid: validate finds what it names."""
    _write(files)
    written = init((), name="x", namespaces=(), forge=Forge.NONE)
    assert _lines(written.files[0].text) == config
    assert any("looks like namespace files" in each for each in written.notes) is (
        "#   - {path: files, namespace: …}" in config
    )
    assert run(["validate", "--offline", "--strict"]) == 0, capsys.readouterr()
    told = capsys.readouterr().out
    assert told.startswith(f"{plural(counts[0], 'flow')} in "), told
    assert (f", {plural(counts[1], 'file')}" in told) is (counts[1] > 0), told
    assert ("kv:" in config[-1]) is ("key" in told), told
