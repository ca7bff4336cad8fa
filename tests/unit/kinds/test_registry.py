"""What flows read, and what is done with all kinds at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.checks.reads import check_reads, reads
from kestra_sync.kinds.base import Loaded
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import Action, Change, Kind, Position, ResourceId, Severity
from kestra_sync.plan.levels import levels
from kestra_sync.plan.selection import selected
from kestra_sync.reasons import Reason
from kestra_sync.resources import resource_named
from kestra_sync.settings import FilesFolder, Rendering, Settings
from tests.support.plans import change, desired

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


def test_what_is_nowhere_has_a_line() -> None:
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
def test_a_name_there_and_back(name: str) -> None:
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
