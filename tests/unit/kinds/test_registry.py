"""Resources that flows read, and operations on all kinds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kestra_sync.checks.reads import check_reads, reads
from kestra_sync.commands.apply_smoke import with_reads
from kestra_sync.commands.files import load_files
from kestra_sync.configured import FilesFolder, Rendering
from kestra_sync.kinds.base import Loaded
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import Action, Change, Kind, Position, ResourceId, Severity
from kestra_sync.plan.order import levels
from kestra_sync.reasons import Reason
from kestra_sync.report.lines import summary
from kestra_sync.resources import resource_named, selected
from kestra_sync.schemas import load as load_schema
from kestra_sync.settings import Settings
from kestra_sync.smoke.selection import is_due
from kestra_sync.smoke.spec import SmokeSpec
from tests.support.plans import change, desired, plan

_FLOW = ResourceId("acme.sales", "f")
_BOTH = (Kind.FILE, Kind.KV)


def _found(text: str) -> list[str]:
    return [str(each.target) for each in reads([desired(text.encode(), _FLOW)], _BOTH)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: {{ read('x.sql') }}", ["file:acme.sales/x.sql"]),
        ('a: "{{ read(\'/sub/x.sql\') }}"', ["file:acme.sales/sub/x.sql"]),
        ("a: {{ read('nsfile:///x.sql') }}", ["file:acme.sales/x.sql"]),
        ("a: {{ read('x.sql', namespace='acme.ops') }}", ["file:acme.ops/x.sql"]),
        ("a: {{ kv('a') }} {{ kv(\"b\", 'acme') }}", ["kv:acme.sales/a", "kv:acme/b"]),
        ("a: {{ kv(key='k', namespace='acme.ops') }}", ["kv:acme.ops/k"]),
        ("a: {{ kv('k', errorOnMissing=false) }}", []),
        ("a: {{ read(outputs.a.uri) }} {{ kv(inputs.key) }}", []),
        ("a: {{ read('kestra:///x') }}", []),
        ("a: {{ read('x' ~ inputs.a) }}", []),
        ("  # {{ read('x.sql') }}", []),
        ("a: {{ thread('x') }} {{ mykv('y') }}", []),
    ],
)  # fmt: skip
def test_what_a_flow_reads(text: str, found: list[str]) -> None:
    assert _found(text) == found


def test_diagnostic__missing_reference_has_a_line() -> None:
    source = b"id: f\nb: {{ read('gone') }}\nc: {{ kv('up') }} {{ kv('here') }} {{ kv('no') }}\n"
    names = {("file", "acme.sales"): ["other"], ("kv", "acme"): ["up"]}
    found = check_reads(
        reads([desired(source, _FLOW, first_line=10)], _BOTH),
        {ResourceId("acme.sales", "here", Kind.KV)},
        lambda kind, namespace: names.get((str(kind), namespace), []),
    )
    nowhere = "which exists neither in Git nor on the server"
    assert [(each.position, each.severity, each.message) for each in found] == [
        (Position(11, 7), Severity.WARNING, f"reads file:acme.sales/gone, {nowhere}"),
        (Position(12, 39), Severity.WARNING, f"reads kv:acme.sales/no, {nowhere}"),
    ]


def test_included_namespace_files() -> None:
    """By name in any directory, as Kestra looks for them; not patterns and expressions."""
    source = b"""id: f
tasks:
  - id: a
    namespaceFiles:
      enabled: true
      include: [gone.py, top.sql, "*.none", /sql/top.sql, theirs.py]
  - id: b
    tasks:
      - namespaceFiles:
          namespaces: [acme.ops]
          include:
            - op.sql
  - {id: c, namespaceFiles: {enabled: false, include: [off.py]}}
  - {id: d, namespaceFiles: {include: ["{{ inputs.a }}"]}}
  - {id: e, namespaceFiles: {include: "{{ inputs.all }}", enabled: true}}
"""
    found = list(reads([desired(source, _FLOW, first_line=2)], _BOTH))
    known = {ResourceId("acme.sales", "sql/top.sql", Kind.FILE)}
    told = check_reads(found, known, lambda _, namespace: ["x/theirs.py", "o"])
    assert sorted((each.position, each.message.split(",")[0]) for each in told) == [
        (Position(7, 17), "reads file:acme.sales/gone.py"),
        (Position(13, 15), "reads file:acme.ops/op.sql"),
    ]
    assert {each for read in found for each in read.matches(known)} == known
    assert check_reads(reads([desired(b"a: [namespaceFiles", _FLOW)], _BOTH), known, {}.get) == ()  # type: ignore[arg-type]


def test_smoke__a_flow_that_reads_what_was_written_is_due() -> None:
    caller, other = ResourceId("acme.sales", "caller"), ResourceId("acme.ops", "other")
    flows = {
        _FLOW: desired(b"a: {{ read('x.sql') }} {{ kv('up') }}", _FLOW),
        other: desired(b"tasks: [{id: a, namespaceFiles: {enabled: true}}]", other),
    }
    calls = {caller: (_FLOW,), _FLOW: (), other: ()}
    for name, due in {
        "file:acme.sales/x.sql": {caller, _FLOW},
        "file:acme.sales/y.sql": set(),
        "kv:acme/up": {caller, _FLOW},
        "kv:acme.ops/up": set(),
        "file:acme.ops/anything": {other},
    }.items():
        written = {resource_named(name)}
        known = with_reads(calls, flows, written)
        assert {each for each in calls if is_due(SmokeSpec(each), written, known)} == due, name


@pytest.mark.parametrize(
    ("flows", "other_counts", "text"),
    [
        (210, {}, "All 210 flows are up to date."),
        (1, {}, "1 flow is up to date."),
        (0, {Kind.KV: 1}, "1 key is up to date."),
        (0, {Kind.FILE: 2}, "All 2 files are up to date."),
        (1, {Kind.FILE: 1}, "1 flow and 1 file are up to date."),
        (1, {Kind.FILE: 1, Kind.KV: 2}, "1 flow, 1 file and 2 keys are up to date."),
    ],
)
def test_what_is_up_to_date_in_words(flows: int, other_counts: dict[Kind, int], text: str) -> None:
    assert summary(plan(flows=flows, other_counts=other_counts)) == f"No changes. {text}"


def test_what_is_not_up_to_date_in_words() -> None:
    kept = change(Action.NONE, Reason.DRIFT_KEPT, "a", before=b"a", after=b"b")
    told = summary(plan([kept], flows=3, other_counts={Kind.KV: 2}))
    assert told == (
        "No changes. 4 of 5 up to date (3 flows and 2 keys), 1 edited on the server and kept."
    )


def test_kinds__configured_paths_do_not_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``NAMESPACE/flows`` next to ``NAMESPACE/files``, and a file that looks like a flow."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "acme.sales/flows/f.yaml": "id: f\nnamespace: acme.sales\ntasks: []\n",
        "acme.sales/files/template.yaml": "id: t\nnamespace: acme.sales\ntasks: []\n",
        "acme.ops/flows/g.yaml": "id: g\nnamespace: acme.ops\ntasks: []\n",
        "kv/sales.yaml": "namespace: acme.sales\nvalues: {k: 1}\n",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    folder = FilesFolder("*/files", "*")
    settings = Settings(paths=(".",), strict=True, files=(folder,), kv=("kv/*.yaml",))
    loaded = load_files(settings, Kinds(settings))
    assert [each.flow_id.id for each in loaded.flows] == ["g", "f"]
    assert sorted(map(str, loaded.other_resources)) == [
        "file:acme.sales/template.yaml",
        "kv:acme.sales/k",
    ]
    assert loaded.diagnostics == ()

    # The whole directory of a namespace, flows and keys included.
    whole = replace(
        settings, paths=("acme.sales/flows",), files=(FilesFolder("acme.sales", "acme.sales"),)
    )
    assert [each.flow_id.id for each in load_files(whole).flows] == ["f"]
    names = sorted(map(str, Kinds(replace(whole, kv=())).load().desired))
    assert names == ["file:acme.sales/files/template.yaml"]


def test_an_environment_maps_the_namespaces_of_files_and_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a").write_bytes(b"x")
    (tmp_path / "kv.yaml").write_text("namespace: acme.sales\nvalues: {k: 1}\n")
    settings = Settings(
        files=(FilesFolder("files", "acme"),),
        kv=("kv.yaml",),
        rendering=Rendering(namespaces=(("acme", "prod.acme"),)),
    )
    names = [str(each) for each in Kinds(settings).load().desired]
    assert names == ["file:prod.acme/a", "kv:prod.acme.sales/k"]
    assert Kinds(Settings()).load() == Loaded()


@pytest.mark.parametrize(
    "name", ["acme.sales/f", "kv:acme/region", "file:acme.sales/sub/a:b.py", "odd:acme/f"]
)
def test_mapping__name_and_inverse(name: str) -> None:
    assert str(resource_named(name)) == name


def test_patterns_select_by_kind() -> None:
    flow, key = ResourceId("acme", "a"), ResourceId("acme", "a", Kind.KV)
    file = ResourceId("acme", "sub/a.py", Kind.FILE)
    cases = {
        "acme": [flow, key, file], "acme/a": [flow, key], "kv:acme/*": [key], "kv:acme": [key],
        "file:acme/sub/*": [file], "flow:acme": [flow], "other:acme": [],
    }  # fmt: skip
    for pattern, wanted in cases.items():
        assert [each for each in (flow, key, file) if selected(each, [pattern], [])] == wanted, (
            pattern
        )
    assert not selected(key, [], ["kv:acme/a"])


def test_files_and_keys_come_first_and_go_last() -> None:
    def of(action: Action, name: str, kind: Kind) -> Change:
        made = change(action, Reason.NEW, name, before=b"id: x\n", after=b"id: x\n")
        resource = ResourceId("acme", name, kind)
        after = None if action is Action.DELETE else made.after
        return Change(action, Reason.NEW, resource, None, before=made.before, after=after)

    made = levels(
        [
            of(Action.DELETE, "old.py", Kind.FILE), of(Action.DELETE, "old", Kind.FLOW),
            of(Action.CREATE, "new", Kind.FLOW), of(Action.UPDATE, "key", Kind.KV),
            of(Action.CREATE, "new.py", Kind.FILE),
        ]
    )  # fmt: skip
    assert [[each.flow_id.id for each in level] for level in made.levels] == [
        ["key", "new.py"], ["new"], ["old"], ["old.py"],
    ]  # fmt: skip


def test_the_schema_of_the_output_names_every_kind() -> None:
    text = json.dumps(load_schema("result"))
    for kinds in ([str(each) for each in Kind], [str(e) for e in Kind if e is not Kind.FLOW]):
        assert f'"enum": {json.dumps(kinds)}' in text
