"""Patches change only the named values, in the style of the file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kestra_sync.render.patch import Patching
from kestra_sync.render.paths import Id, Index, Key, PathError, Step, parse_path, path_text
from kestra_sync.render.values import same, with_value, without
from kestra_sync.render.writer import PatchError
from kestra_sync.repo import parse as parser
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.parse import parse
from tests.unit.render.corpus import FLOWS, ODD, documents


def patching(text: str) -> Patching:
    """A document to be patched."""
    found = Patching.of(text.encode())
    assert found is not None
    return found


def patched(text: str, path: str, value: Any) -> str:
    """The text with ``value`` at ``path``."""
    found = patching(text).set(parse_path(path), value)
    assert found is not None
    return found.data.decode()


def removed(text: str, path: str) -> str:
    """The text without what is at ``path``."""
    found = patching(text).unset(parse_path(path))
    assert found is not None
    return found.data.decode()


FLOW = """\
id: a # the id
namespace: acme

labels:
    team: 'sales'   # who
    env: dev
# about the variables
variables:
    bucket: "acme-dev"
    many:
    - one
    - two # the second
tasks:
    - id: first
      type: x
      script: |
        echo 1

        echo 2
    # about the next
    - {id: second, type: y}
triggers:
    - id: nightly
      type: s
      cron: "0 1 * * *"
    - id: other
      type: s
      disabled: true
"""


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        ("labels.env", "prod", "env: dev", "env: prod"),
        ("labels.team", "ops", "'sales'   # who", "'ops'   # who"),
        ("labels.new", "a: b", "env: dev\n", "env: dev\n    new: 'a: b'\n"),
        ("variables.bucket", "acme-prod", '"acme-dev"', '"acme-prod"'),
        ("variables.many", ["x"], "    - one\n    - two # the second", "    - x # the second"),
        ("variables.many[1]", 2, "- two # the", "- 2 # the"),
        ("triggers[nightly].cron", "0 3 * * *", '"0 1 * * *"', '"0 3 * * *"'),
        ("tasks[second].type", "z", "type: y}", "type: z}"),
        ("tasks[1].off", True, "type: y}", "type: y, 'off': true}"),
        (
            "tasks[0].script",
            "a\nb",
            "|\n        echo 1\n\n        echo 2",
            "|-\n          a\n          b",
        ),
        ("tasks[0].x.y", 1, "echo 2\n", "echo 2\n      x:\n          y: 1\n"),
        ("id", {"k": 1}, "id: a # the id", "id: # the id\n    k: 1"),
        ('labels."a.b"', None, "env: dev\n", "env: dev\n    a.b: null\n"),
    ],
)
def test_set__in_the_manner_of_the_file(path: str, value: Any, before: str, after: str) -> None:
    assert before in FLOW
    text = FLOW.replace('type: s\n      cron: "0 1', "type: 's'\n      cron: \"0 1")
    text = text.replace("type: x\n", "type: 'x'\n")
    assert patched(text, path, value) == text.replace(before, after.replace("{0}", " " * 10))


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("labels.env", "    env: dev\n", ""),
        ("labels.team", "    team: 'sales'   # who\n", ""),
        ("variables.many[0]", "    - one\n", ""),
        ("tasks[second].type", ", type: y", ""),
        ("triggers[nightly].id", "- id: nightly\n      type", "- type"),
        ("triggers[other]", "    - id: other\n      type: s\n      disabled: true\n", ""),
    ],
)
def test_unset__takes_its_lines_and_leaves_the_rest(path: str, before: str, after: str) -> None:
    assert removed(FLOW, path) == FLOW.replace(before, after)


def test_set__labels_in_their_older_form() -> None:
    text = "id: a\nlabels:\n  - key: env\n    value: dev\n"
    assert patched(text, "labels.env", "prod") == text.replace("dev", "prod")
    assert patched(text, "labels.x", "y") == text + "  - key: x\n    value: y\n"
    assert removed(text + "  - {key: x, value: y}\n", "labels.x") == text


def test_set__what_is_missing_is_added_but_never_an_item_of_a_list() -> None:
    assert patched("id: a\n", "labels.env", "prod") == "id: a\nlabels:\n  env: prod\n"
    assert (
        patched("id: a\nlabels: # none\n", "labels.env", 1) == "id: a\nlabels: # none\n  env: 1\n"
    )
    assert patched("id: a\nlabels: {}", "labels.env", 1) == "id: a\nlabels: {env: 1}"
    for path in ("tasks[third].x", "tasks[7]", "id.x", "tasks.x", "labels[x]"):
        assert patching(FLOW).set(parse_path(path), 1) is None, path
        assert patching(FLOW).unset(parse_path(path)) is None, path


def test_set__an_equal_value_changes_no_byte() -> None:
    assert patched(FLOW, "labels.team", "sales") == FLOW
    assert patched("id: a\nn: 0x10\n", "n", 16) == "id: a\nn: 0x10\n"
    assert patched("id: a\nn: 1\n", "n", True) == "id: a\nn: true\n"


def test_set__an_indented_comment_does_not_become_text() -> None:
    text = "id: a\nmessage: hi\n      # a comment\n"
    assert patched(text, "message", "x\ny") == 'id: a\nmessage: "x\\ny"\n      # a comment\n'


def test_set__anchors_are_refused() -> None:
    with pytest.raises(PatchError, match="anchor"):
        patching("id: &x a\n").set(parse_path("id"), "b")


def test_triggers__off_and_on() -> None:
    off = patching(FLOW).with_triggers(False).data.decode()
    assert off == FLOW.replace('"0 1 * * *"\n', '"0 1 * * *"\n      disabled: true\n')
    on = patching(FLOW).with_triggers(True).data.decode()
    assert on == FLOW.replace("disabled: true", "disabled: false")
    assert patching("id: a\n").with_triggers(False).steps == ()


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("labels.env", (Key("labels"), Key("env"))),
        ("tasks[a.b].x-y", (Key("tasks"), Id("a.b"), Key("x-y"))),
        ("tasks[3]", (Key("tasks"), Index(3))),
        ('tasks["3"].a', (Key("tasks"), Id("3"), Key("a"))),
        ('labels."system.readOnly"', (Key("labels"), Key("system.readOnly"))),
    ],
)
def test_paths__are_understood(text: str, steps: tuple[Step, ...]) -> None:
    assert parse_path(text) == steps
    assert parse_path(path_text(steps).replace("[3].a", '["3"].a')) == steps


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "[x]", "a[", "a[]", "a]b", "a b", 'a"b"']
)
def test_paths__that_are_none_are_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(("a: b", "x\ny\n", "x\n y", "0 3 * * *", "yes", "017", "- a", "#", "{{ x }}")),
)
NESTED = st.one_of(
    VALUES,
    st.dictionaries(st.sampled_from(("id", "a b", "yes", "é")), VALUES, max_size=3),
    st.lists(st.one_of(VALUES, st.just({"id": "x", "script": "a\nb\n"})), max_size=3),
)


def _paths(value: Any, at: tuple[Step, ...] = ()) -> list[tuple[Step, ...]]:
    found = [at]
    if isinstance(value, dict):
        for key, each in value.items():
            found += _paths(each, (*at, Key(key)))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            found += _paths(each, (*at, Index(index)))
    return found


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_property__the_document_means_what_was_asked_for(data: st.DataObject) -> None:
    name, source = data.draw(st.sampled_from(documents()))
    before = Patching.of(source)
    if before is None:
        return
    path = data.draw(st.sampled_from(_paths(before.value)[1:]))
    added = data.draw(st.sampled_from(((), (Key("new key"),), (Key("new"), Key("er")))))
    value = data.draw(NESTED)
    removes = not added and data.draw(st.booleans())
    path = (*path[:-1], *added) if added else path
    wanted = without(before.value, path) if removes else with_value(before.value, path, value)
    try:
        after = before.unset(path) if removes else before.set(path, value)
    except PatchError as error:
        if "anchor" in str(error) or name in ODD:
            return
        raise
    assert (after is None) == (wanted is None)
    if after is not None and wanted is not None:
        parsed = parse(after.data, tolerant=True)
        assert isinstance(parsed, ParsedDocument)
        assert same(parsed.value, wanted[0])


def test_property__the_other_lines_of_the_example_flows_stay() -> None:
    """A ninth of all values is replaced in turn: no line but its own changes."""
    for file in FLOWS:
        before = Patching.of(file.read_bytes())
        if before is None:
            continue
        lines = before.data.split(b"\n")
        for path in _paths(before.value)[1::9]:
            try:
                after = before.set(path, "other")
            except PatchError:
                pytest.fail(f"{file.name}: {path_text(path)}")
            assert after is not None
            now = after.data.split(b"\n")
            start = next((i for i, (a, b) in enumerate(zip(lines, now, strict=False)) if a != b), 0)
            same_behind = len(now) - 1 - start
            assert not same_behind or lines[-same_behind:] == now[-same_behind:]


def test_parses__once_before_and_once_after_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value and the nodes of a document come from the same events of the parser."""
    texts: list[str] = []
    real = parser.event_source

    def counted(text: str, *, pure: bool = False) -> parser.EventSource:
        texts.append(text)
        return real(text, pure=pure)

    monkeypatch.setattr(parser, "event_source", counted)
    found = patching("id: a\nnamespace: acme\nlabels:\n  site: b\n  team: c\n")
    for name in ("site", "team"):
        step = found.set(parse_path(f"labels.{name}"), "new")
        assert step is not None
        found = step
    assert found.data == b"id: a\nnamespace: acme\nlabels:\n  site: new\n  team: new\n"
    assert len(texts) == 3
