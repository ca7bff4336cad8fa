"""Rendered flows: names, positions, messages and stamps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kestra_sync.configured import Patch, Rendering
from kestra_sync.edits import Edit, edited, place_before
from kestra_sync.model import Desired, Document, Flow, FlowId, Live, Position, Scope, Severity
from kestra_sync.render.render import map_namespace, render, unmap_namespace
from kestra_sync.render.stamps import (
    added_labels,
    own_labels,
    stamped,
    with_stamp,
    without_stamp,
)
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.parse import parse
from tests.support.examples import examples

PROD = Rendering(namespaces=(("acme", "prod.acme"),), path="kestra-sync.yaml")


def flow(name: str, *, extra: str = "", first_line: int = 1) -> Flow:
    """A flow in a file of its own."""
    namespace, flow_id = name.split("/")
    text = f"id: {flow_id}\nnamespace: {namespace}\n{extra}tasks: []\n"
    document = Document(f"flows/{flow_id}.yaml", 0, first_line, text.encode())
    return Flow(FlowId(namespace, flow_id), document)


def patches(*of: Patch) -> Rendering:
    """A rendering with these patches."""
    return Rendering(patches=of, path="kestra-sync.yaml")


def test_identity__the_very_bytes() -> None:
    flows = [flow("acme/a"), flow("b/b")]
    rendered = render(flows, Rendering())
    assert rendered.diagnostics == ()
    for file, each in zip(flows, rendered.desired, strict=True):
        assert each.sent is file.document.data
        assert (each.flow_id, each.steps, each.name) == (file.flow_id, (), None)


def test_mapping__the_name_on_the_server_and_the_place_in_the_file() -> None:
    extra = "labels: {x: y} # é\n"
    (each,) = render([flow("acme.sales/a", extra=extra, first_line=11)], PROD).desired
    assert each.flow_id == FlowId("prod.acme.sales", "a")
    assert each.flow.flow_id == FlowId("acme.sales", "a")
    assert each.file_position(Position(3, 9)) == Position(13, 9)
    assert each.file_position(Position(2, 1)) == Position(12, 1)
    # Everything that was written came from the place where the old text begins.
    assert each.file_position(Position(2, 14)) == Position(12, 12)
    assert each.file_position(Position(2, 22)) == Position(12, 17)


def test_mapping__its_functions_for_other_kinds() -> None:
    assert map_namespace(PROD, "acme.sales") == "prod.acme.sales"
    assert unmap_namespace(PROD, "prod.acme.sales") == "acme.sales"
    assert unmap_namespace(PROD, "acme.sales") is None


def test_mapping__two_flows_on_one_name_are_errors_at_both() -> None:
    rendering = replace(PROD, namespaces=(("a", "x"), ("b", "x")))
    found = render([flow("a/f"), flow("b/f"), flow("b/g")], rendering).diagnostics
    assert [(each.rule, each.severity) for each in found] == [
        ("namespace-collision", Severity.ERROR)
    ] * 2
    assert "a/f becomes x/f in this environment, as does b/f (flows/f.yaml:1)" in found[0].message


def test_mapping__out_of_the_scope_is_an_error() -> None:
    flows = [flow("acme/f"), flow("other/f")]
    found = render(flows, PROD, scope=Scope(("acme", "prod.team")))
    assert [(each.rule, each.path) for each in found.diagnostics] == [
        ("namespace-out-of-scope", "flows/f.yaml")
    ]
    assert render(flows, PROD, scope=Scope(("prod",))).diagnostics == ()


def test_mapping__an_expression_is_a_warning_at_its_line() -> None:
    extra = "description: \"{{ kv('x', 'acme.sales') }}\"\n"
    (found,) = render([flow("acme/f", extra=extra, first_line=5)], PROD).diagnostics
    assert (found.rule, found.severity) == ("namespace-in-expression", Severity.WARNING)
    assert found.position == Position(7, 27)


def test_patches__select_by_names_in_the_files_and_are_applied_in_order() -> None:
    first = Patch(("*",), set=(("labels.env", "prod"), ("labels.team", "x")))
    second = Patch(("acme.ops/*",), set=(("labels.team", "ops"),), unset=("labels.env",))
    rendering = replace(PROD, patches=(first, second))
    one, two = render([flow("acme/a"), flow("acme.ops/b")], rendering).desired
    assert one.sent == b"id: a\nnamespace: prod.acme\ntasks: []\nlabels:\n  env: prod\n  team: x\n"
    assert two.sent.endswith(b"tasks: []\nlabels:\n  team: ops\n")
    assert two.file_position(Position(5, 3)) == Position(3, 10)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (Patch(("nowhere",), set=(("labels.a", 1),)), "`nowhere` selects no flow"),
        (
            Patch(("acme",), set=(("triggers[x].cron", ""),)),
            "`triggers[x].cron` matches nothing in any of the 2 flows that `acme` selects",
        ),
        (
            Patch(("acme/a",), unset=("labels.no",)),
            "`labels.no` matches nothing in the flow that `acme/a` selects",
        ),
    ],
)
def test_patches__what_matches_nothing_is_an_error_unless_optional(
    patch: Patch, message: str
) -> None:
    flows = [flow("acme/a"), flow("acme/b"), flow("other/c")]
    patch = replace(patch, position=Position(3, 7))
    (found,) = render(flows, patches(patch)).diagnostics
    assert (found.path, found.position, found.rule) == (
        "kestra-sync.yaml",
        Position(3, 7),
        "patch-no-match",
    )
    assert found.message == message
    assert render(flows, patches(replace(patch, optional=True))).diagnostics == ()
    assert render(flows, patches(patch), partial=True).diagnostics == ()


def test_patches__a_path_that_one_of_the_flows_has_is_enough() -> None:
    with_label = flow("acme/a", extra="labels: {draft: x}\n")
    found = render([with_label, flow("acme/b")], patches(Patch(("*",), unset=("labels.draft",))))
    assert found.diagnostics == ()
    assert b"labels: {}" in found.desired[0].sent


def test_patches__triggers_of_all_selected_flows() -> None:
    extra = "triggers:\n  - id: t\n    type: x\n"
    given = [flow("acme/a", extra=extra), flow("acme/b")]
    found = render(given, patches(Patch(("*",), triggers=False)))
    assert found.diagnostics == ()
    assert found.desired[0].sent.count(b"    disabled: true\n") == 1
    assert found.desired[1].steps == ()


def test_patches__one_that_cannot_be_carried_out_is_an_error_of_the_flow() -> None:
    patch = Patch(("*",), set=(("labels", {"a": 1}),), position=Position(9, 1))
    given = flow("acme/a", extra="labels: &l\n  x: y\n")
    (found,) = render([given], patches(patch)).diagnostics
    assert (found.rule, found.path) == ("patch-failed", "flows/a.yaml")
    assert "the patch at kestra-sync.yaml:9 cannot be applied: the value has an anchor" in (
        found.message
    )


def test_patches__a_file_that_is_not_yaml_is_left_to_the_checks() -> None:
    broken = Flow(FlowId("acme", "a"), Document("a.yaml", 0, 1, b"id: [\n"))
    found = render([broken], patches(Patch(("*",), set=(("labels.a", 1),))))
    assert (found.desired[0].sent, found.diagnostics) == (b"id: [\n", ())


STAMP = (("git-commit", "abc"), ("system.readOnly", "true"))


def sent(text: str) -> Desired:
    """A flow with this source."""
    return Desired(Flow(FlowId("a", "b"), Document("b.yaml", 0, 1, text.encode())), text.encode())


def live(text: bytes) -> Live:
    """The same on the server."""
    return Live(FlowId("a", "b"), text)


def test_stamp__labels_are_added_and_own_ones_stay() -> None:
    data = b"id: a\nlabels:\n  git-commit: mine\ntasks: []\n"
    found, steps = stamped(data, STAMP)
    assert found == data.replace(b"mine\n", b'mine\n  system.readOnly: "true"\n')
    assert edited(data, steps[0]) == found
    assert own_labels(data, STAMP) == ("git-commit",)
    assert stamped(b"id: a\n", STAMP)[0] == (
        b'id: a\nlabels:\n  git-commit: abc\n  system.readOnly: "true"\n'
    )


def test_stamp__is_not_a_change_by_itself() -> None:
    for text in ("id: a\ntasks: []\n", "id: a\nlabels: {x: y}\ntasks: []\n"):
        each = sent(text)
        old = stamped(each.sent, (("git-commit", "old"), STAMP[1]))[0]
        assert with_stamp(each, live(old), STAMP).desired.sent == old
        # Neither is a stamp that is new to the configuration, or a flow that has none yet.
        assert with_stamp(each, live(stamped(each.sent, STAMP[1:])[0]), STAMP).desired.sent != old
        assert with_stamp(each, live(each.sent), STAMP).desired is each
        # What changes gets the stamp of now.
        changed = live(old.replace(b"tasks", b"task"))
        assert with_stamp(each, changed, STAMP).desired.sent == stamped(each.sent, STAMP)[0]
        assert with_stamp(each, None, STAMP).desired.sent == stamped(each.sent, STAMP)[0]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "labels", ["", "labels:\n  x: y\n", "labels:\n    x: |\n      y\n    z: a\n"]
)
def test_stamp__of_a_flow_without_changes_needs_no_parser(
    labels: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = sent(f"id: a\nnamespace: x\n{labels}tasks: []\n".replace("\n", ending))
    held = stamped(each.sent, STAMP)[0]
    monkeypatch.setattr("kestra_sync.render.patch.Patching.of", lambda _: pytest.fail("parsed"))
    found = with_stamp(each, live(held), (("git-commit", "new"), STAMP[1])).desired
    assert (found.sent, found.unstamped) == (held, each.sent)
    (step,) = found.steps
    assert edited(each.sent, step) == held


_LABEL_LINES = st.sampled_from(
    """
labels:
  env: a
  env: "b"
  env: 'c'
  env: [d]
  env: e # f
  other: x
    more
  other: |
    env: g
    other: y
  - key: env
    value: h
  "env": i
other: "
"
tasks:
  - env: j
a: {
}
# env: k
""".strip("\n").split("\n")
)


def _are_labels(before: list[str], own: list[str], at: int, after: list[str]) -> bool | None:
    """Whether a label among ``own`` is told from lines; ``None`` if that is not YAML at all."""
    stamp = ["  env: stamped"]
    if not own:
        stamp.insert(0, "labels:")
    kept = ["labels:", *own] if own else []
    at = 1 + min(at, len(own)) if own else 0
    lines = [["id: a", "namespace: x", *before, *each, *after, "tasks:"]
             for each in (kept, [*kept[:at], *stamp, *kept[at:]])]  # fmt: skip
    here, there = ("".join(f"{line}\n" for line in each).encode() for each in lines)
    old, new = parse(here), parse(there)
    if not (isinstance(old, ParsedDocument) and isinstance(new, ParsedDocument)):
        return None
    edits = added_labels(here, there, ("env",))
    if edits is None:
        return False
    assert edited(here, edits) == there
    labels = {key: each for key, each in new.value["labels"].items() if key != "env"}
    assert new.value["labels"]["env"] == "stamped"
    assert {**new.value, "labels": labels} == {"labels": {}, **old.value}
    assert not labels or list(old.value["labels"]) == list(labels)
    return True


@settings(max_examples=examples(1000))
@given(
    *(st.lists(_LABEL_LINES, max_size=size) for size in (1, 3)),
    st.integers(0, 3),
    st.lists(_LABEL_LINES, max_size=2),
)
def test_property__lines_that_are_added_labels_are_nothing_else(
    before: list[str], own: list[str], at: int, after: list[str]
) -> None:
    _are_labels(before, own, at, after)


@pytest.mark.parametrize(
    ("before", "own", "at", "after", "told"),
    [
        ([], [], 0, [], True),
        ([], ["  other: x"], 0, [], True),
        ([], ["  other: x"], 1, ["a: {", "}"], False),  # the rest is not in lines of its own
        ([], ["  other: |", "    other: y"], 2, [], True),
        ([], ["  other: |", "    more"], 1, [], False),  # it would have the text
        ([], ["  other: x", "    more"], 1, [], False),  # its value would have the next line
        ([], ["  other: x", "    more"], 2, [], True),
        (["description: x"], [], 0, ["", "   more"], False),
        ([], ["  other: x"], 0, ["# more", "    # more"], True),
    ],
)
def test_added_labels(
    before: list[str], own: list[str], at: int, after: list[str], told: bool
) -> None:
    assert _are_labels(before, own, at, after) is told


def test_stamp__unknown_one_is_not_a_change_either() -> None:
    each = sent("id: a\ntasks: []\n")
    old = stamped(each.sent, (("git-commit", "old"), STAMP[1]))[0]
    names = [name for name, _ in STAMP]
    assert with_stamp(each, live(old), STAMP[1:], names).desired.sent == old


def test_stamp__is_taken_off_what_goes_into_a_file() -> None:
    for text in (
        b"id: a\ntasks: []\n",
        b"id: a\nlabels: {x: y}\n",
        b"id: a\nlabels:\n  git-commit: mine\n",
    ):
        server = stamped(text, STAMP)[0].replace(b"id: a", b"id: b")
        assert without_stamp(server, text, STAMP) == text.replace(b"id: a", b"id: b")
    assert without_stamp(stamped(b"id: a\n", STAMP)[0], None, STAMP) == b"id: a\n"


def _cases() -> list[tuple[Any, ...]]:
    data = "a: é\r\nb: 2\r\nc: 3".encode()
    insert = Edit(7, 7, b"x: 1\r\n")
    return [
        (data, (), (2, 3), (2, 3)),
        (data, ((Edit(3, 5, b"long"),),), (2, 1), (2, 1)),
        (data, ((insert,),), (3, 4), (2, 4)),
        (data, ((insert,), (Edit(0, 0, b"#\n"),)), (4, 1), (2, 1)),
        (b"\xef\xbb\xbf" + data, ((Edit(10, 10, b"#\n"),),), (3, 2), (2, 2)),
        (data, ((insert,),), (99, 1), (3, 1)),
    ]


@pytest.mark.parametrize(("data", "steps", "place", "before"), _cases())
def test_places__lead_back_through_all_edits(
    data: bytes, steps: Any, place: tuple[int, int], before: tuple[int, int]
) -> None:
    assert place_before(data, steps, *place) == before
