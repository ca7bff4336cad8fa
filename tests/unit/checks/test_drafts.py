"""Drafts, and sources that a rollback could not restore, are reported before the first write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kestra_sync.checks.server import check_draft, check_restorable, drafts_on_server
from kestra_sync.client.validation import Validation
from kestra_sync.model import Action, FlowId, Position, Reason, Severity
from tests.support.plans import change, desired, source

FLOW = FlowId("acme", "a")
PLAIN = source("a")
DRAFT = source("a", extra="draft: true\n")


def test_draft__in_git_is_reported_at_its_line() -> None:
    found = check_draft(desired(DRAFT, FLOW, first_line=11))
    assert found is not None
    assert (found.severity, found.rule) == (Severity.WARNING, "draft")
    assert (found.position, found.flow) == (Position(17, 1), FLOW)
    assert "keeps running the latest revision that is not a draft" in found.message


def test_draft__values_that_are_not_drafts() -> None:
    for extra in ("", "draft: false\n", "draft: 'true'\n", "labels: {draft: true}\n", "draft: [\n"):
        assert check_draft(desired(source("a", extra=extra), FLOW)) is None


def test_draft__on_the_server_is_reported_if_the_flow_is_written() -> None:
    drift = change(Action.UPDATE, Reason.DRIFT, "a", before=DRAFT, after=PLAIN)
    kept = change(Action.NONE, Reason.DRIFT_KEPT, "a", before=DRAFT, after=DRAFT)
    (found,) = drafts_on_server([drift, kept])
    assert "acme/a is a draft on the server" in found.message


class Strict:
    """Refuses what has `old` in it."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def validate(self, sources: Sequence[bytes]) -> Sequence[Validation]:
        self.asked += sources
        return [
            Validation(index=i, constraints=("Validation error: nope",) if b"old" in each else ())
            for i, each in enumerate(sources)
        ]


def test_rollback__unrestorable_source_is_reported_before_the_first_write() -> None:
    old, draft = source("a", "old"), source("b", "old", extra="draft: true\n")
    gone, moved = source("c", "old"), source("d", "old")
    move = change(Action.MOVE, Reason.MOVED, "e", after=moved)
    was = change(Action.DELETE, Reason.REMOVED, "d", before=moved)
    server = Strict()
    found = check_restorable(
        server,
        [
            change(Action.UPDATE, Reason.CHANGED, "a", before=old, after=PLAIN),
            change(Action.UPDATE, Reason.CHANGED, "b", before=draft, after=PLAIN),
            change(Action.DELETE, Reason.REMOVED, "c", before=gone),
            change(Action.CREATE, Reason.NEW, "n", after=PLAIN),
            change(Action.UPDATE, Reason.CHANGED, "f", before=PLAIN, after=old),
            replace(move, moved_from=was),
        ],
    )
    assert [str(each.flow) for each in found] == ["acme/a", "acme/c", "acme/d"]
    assert {each.rule for each in found} == {"rollback-refused"}
    assert found[0].message.endswith("this Kestra rejects it: nope")
    assert len(server.asked) == 4


def test_nothing_is_asked_where_nothing_could_be_restored() -> None:
    server = Strict()
    assert check_restorable(server, [change(Action.CREATE, Reason.NEW, "a", after=PLAIN)]) == ()
    assert server.asked == []
