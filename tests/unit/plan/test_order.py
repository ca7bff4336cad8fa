"""Callees come before their callers."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from kestra_sync.model import Action, FlowId, Reason
from kestra_sync.plan.compare import with_moves
from kestra_sync.plan.order import callers, calls, levels, order, single_writes
from tests.support.plans import change, source

_NAMES = [FlowId("acme", name) for name in "abcdef"]
_GRAPHS = st.dictionaries(
    st.sampled_from(_NAMES), st.lists(st.sampled_from(_NAMES), max_size=4), max_size=6
)


def _reachable(graph: dict[FlowId, list[FlowId]], start: FlowId) -> set[FlowId]:
    seen: set[FlowId] = set()
    todo = [start]
    while todo:
        for other in graph.get(todo.pop(), ()):
            if other in graph and other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


@given(_GRAPHS)
def test_order__flow_comes_after_its_callees(graph: dict[FlowId, list[FlowId]]) -> None:
    """Unless they call each other: then they are one cycle, and in one level."""
    found = order(graph, graph)
    level_of = {flow: number for number, level in enumerate(found.levels) for flow in level}
    assert sorted(level_of) == sorted(graph)
    assert sum(map(len, found.levels)) == len(graph)
    reach = {flow: _reachable(graph, flow) for flow in graph}
    cycles = {
        tuple(sorted(other for other in reach[flow] if flow in reach[other])) for flow in graph
    }
    assert set(found.cycles) == {each for each in cycles if len(each) > 1}
    for flow in graph:
        for other in graph[flow]:
            if other in graph and other != flow and flow not in reach[other]:
                assert level_of[other] < level_of[flow]
            elif other in graph and other != flow:
                assert level_of[other] == level_of[flow]
    # No flow waits longer than it has to.
    for flow, level in level_of.items():
        component = {flow, *(other for other in reach[flow] if flow in reach[other])}
        below = {
            level_of[other] for each in component for other in graph[each] if other in graph
        } - {level}
        assert level == 1 + max(below, default=-1)


def test_long_chains_do_not_break_the_stack() -> None:
    """A thousand flows, each calling the next."""
    chain = [FlowId("acme", f"f{number:04}") for number in range(1200)]
    found = order(chain, {one: [two] for one, two in itertools.pairwise(chain)})
    assert [each for (each,) in found.levels] == chain[::-1]


def test_order__of_nothing_is_empty() -> None:
    """Nothing in, nothing out."""
    assert order([], {}).levels == ()


def _caller(name: str, *targets: str) -> bytes:
    tasks = "".join(
        f"  - id: call_{number}\n    type: io.kestra.plugin.core.flow.Subflow\n"
        f"    namespace: acme\n    flowId: {target}\n"
        for number, target in enumerate(targets)
    )
    return f"id: {name}\nnamespace: acme\ntasks:\n{tasks}".encode()


def test_deletions_come_last_and_the_other_way_round() -> None:
    """Callers precede what they call."""
    found = levels(
        [
            change(Action.UPDATE, Reason.CHANGED, "a", before=b"x", after=_caller("a", "b")),
            change(Action.CREATE, Reason.NEW, "b", after=source("b")),
            change(Action.DELETE, Reason.REMOVED, "c", before=_caller("c", "d")),
            change(Action.DELETE, Reason.REMOVED, "d", before=source("d")),
            change(Action.NONE, Reason.ADOPT, "e", before=b"x", after=b"x"),
        ]
    )
    assert [[each.flow_id.id for each in level] for level in found.levels] == [
        ["b"],
        ["a"],
        ["c"],
        ["d"],
    ]
    assert found.cycles == ()
    waits = [
        {flow.id: [other.id for other in others] for flow, others in stage.waits.items()}
        for stage in found.stages
    ]
    assert waits == [{"a": ["b"], "b": []}, {"c": [], "d": ["c"]}]


@given(_GRAPHS, st.booleans())
def test_order__flow_waits_for_all_its_callees(
    graph: dict[FlowId, list[FlowId]], delete: bool
) -> None:
    """Or, where it is deleted, for all that call it; but never in a circle."""
    texts = {each: _caller(each.id, *(other.id for other in graph[each])) for each in graph}
    found = levels(
        change(Action.DELETE, Reason.REMOVED, each.id, before=text)
        if delete
        else change(Action.CREATE, Reason.NEW, each.id, after=text)
        for each, text in texts.items()
    )
    together = {frozenset(cycle) for cycle in found.cycles}
    expected = {
        (flow, other)
        for flow in graph
        for other in graph[flow]
        if other in graph and other != flow and not any({flow, other} <= c for c in together)
    }
    waits = {
        (other, flow) if delete else (flow, other)
        for stage in found.stages
        for flow, others in stage.waits.items()
        for other in others
    }
    assert waits == expected


def test_flows_that_call_each_other_go_together() -> None:
    """Kestra allows it; no order fits."""
    found = levels(
        [
            change(Action.CREATE, Reason.NEW, "a", after=_caller("a", "b")),
            change(Action.CREATE, Reason.NEW, "b", after=_caller("b", "a")),
        ]
    )
    assert [[each.flow_id.id for each in level] for level in found.levels] == [["a", "b"]]
    assert not any(found.stages[0].waits.values())
    assert found.cycles == ((FlowId("acme", "a"), FlowId("acme", "b")),)


def test_references__computed_names_are_unknown() -> None:
    """Not for files that are not YAML, and not before it runs."""
    assert calls(_caller("a", "b", "c")) == (FlowId("acme", "b"), FlowId("acme", "c"))
    assert calls(_caller("a", '"{{ inputs.flow }}"')) == ()
    assert calls(b"a: [\n") == calls(None) == ()


def test_a_move_is_a_creation_and_a_deletion() -> None:
    """In what is done, though not in what is shown."""
    old = change(Action.DELETE, Reason.REMOVED, "old", before=source("old"))
    new = change(Action.CREATE, Reason.NEW, "new", after=source("new"))
    (moved,) = with_moves([new, old])
    assert (moved.action, moved.reason, moved.moved_from) == (Action.MOVE, Reason.MOVED, old)
    one, two = single_writes([moved])
    assert (one.action, one.after, one.moved_from) == (Action.CREATE, new.after, None)
    assert two is old


def test_only_unique_pairs_are_moves() -> None:
    """And only of what is new here, and was ours or is pruned there."""
    old = change(Action.DELETE, Reason.PRUNED, "old", before=source("old"))
    twin = change(Action.DELETE, Reason.REMOVED, "twin", before=source("twin"))
    edited = change(Action.DELETE, Reason.CONFLICT, "edited", before=source("edited"))
    new = change(Action.CREATE, Reason.NEW, "new", after=source("new", namespace="acme.b"))
    newer = change(Action.CREATE, Reason.NEW, "newer", after=source("newer"))
    again = change(Action.CREATE, Reason.RECREATED, "again", after=source("again"))
    other = change(Action.CREATE, Reason.NEW, "other", after=source("other", "something else"))
    (moved,) = with_moves([old, new])
    assert moved.moved_from is old
    for group in (
        [old, twin, new],
        [old, new, newer],
        [edited, new],
        [old, again],
        [old, other],
    ):
        assert with_moves(group) == tuple(group)


def test_a_body_that_speaks_of_ids_is_compared() -> None:
    """Only the top-level lines are taken away."""
    old = change(Action.DELETE, Reason.REMOVED, "old", before=b"id: old\nx:\n  - id: task\n")
    new = change(Action.CREATE, Reason.NEW, "new", after=b"id: new\nx:\n  - id: other\n")
    assert with_moves([old, new]) == (old, new)


def test_callers_of_what_goes_away() -> None:
    """Those that stay, not those that go as well; sorted."""
    gone = FlowId("acme", "gone")
    also = FlowId("acme", "also_gone")
    remaining = [
        (FlowId("acme", "z"), _caller("z", "gone")),
        (FlowId("acme", "a"), _caller("a", "gone", "other")),
        (FlowId("acme", "b"), source("b", "speaks of gone, and calls nothing")),
        (FlowId("acme", "c"), source("c")),
        (also, _caller("also_gone", "gone")),
    ]
    assert callers([gone, also], remaining) == {
        gone: (FlowId("acme", "a"), FlowId("acme", "z")),
    }
    assert callers([], remaining) == {}
