"""Golden files of every report, in ``tests/golden``."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from kestra_sync.apply.run import ChangeStatus, Outcome, Restored, RollbackStatus
from kestra_sync.client.errors import Forbidden
from kestra_sync.commands.plan import PlanResult
from kestra_sync.errors import ExitCode
from kestra_sync.inventory.read import InventoryLocation, Lookup, OtherRecord
from kestra_sync.inventory.record import HistoryEntry, Intent, Inventory, Resource
from kestra_sync.kinds.registry import diff_of
from kestra_sync.model import (
    Action,
    Change,
    Diagnostic,
    FlowId,
    Plan,
    Position,
    Reason,
    Repository,
    Scope,
    Severity,
    Skipped,
    Target,
)
from kestra_sync.plan.diff import diff_flows
from kestra_sync.plan.guards import check_guards
from kestra_sync.plan.refusals import GuardInput
from kestra_sync.repo.text import missing_keys
from kestra_sync.report.apply_text import outcome_lines
from kestra_sync.report.collect import plan_document
from kestra_sync.report.diagnostics import diagnostic_lines, refusal_lines, validate_lines
from kestra_sync.report.drift_text import drift_lines
from kestra_sync.report.envelope import dump, envelope
from kestra_sync.report.lines import Line, write
from kestra_sync.report.plan_text import DiffDetail, plan_lines
from kestra_sync.report.records_text import history_lines, inventory_lines
from kestra_sync.resources import in_memory
from kestra_sync.settings import Limit, Settings
from tests.support.golden import check_golden
from tests.support.plans import change, desired, plan, source

_CREATE, _UPDATE, _DELETE, _NONE = Action.CREATE, Action.UPDATE, Action.DELETE, Action.NONE


def text(lines: Iterable[Line], *, colour: bool = False) -> str:
    """What a stream would get."""
    stream = io.StringIO()
    write(lines, stream, colour=colour)
    return stream.getvalue()


def shown(made: Plan, *, verbose: bool = False, colour: bool = False) -> str:
    """The text of a plan."""
    diffs = {each.flow_id: diff_of(each) for each in made.changes}
    return text(plan_lines(made, diffs, verbose=verbose), colour=colour)


def _sample() -> Plan:
    """The one in the design."""
    report = source("report", "Report ready"), source("report", "Report for {{ trigger.date }}")
    cleanup = source("cleanup", "by hand"), source("cleanup", "as in Git")
    return plan(
        [
            change(
                _CREATE,
                Reason.NEW,
                "load_orders",
                namespace="company.sales",
                after=source("load_orders"),
                path="flows/sales/load_orders.yaml",
            ),
            change(
                _UPDATE,
                Reason.CHANGED,
                "report",
                namespace="company.sales",
                before=report[0],
                after=report[1],
                path="flows/sales/report.yaml",
                revision=7,
            ),
            change(
                _UPDATE,
                Reason.DRIFT,
                "cleanup",
                namespace="company.ops",
                before=cleanup[0],
                after=cleanup[1],
                base=cleanup[1],
                path="flows/ops/cleanup.yaml",
                revision=3,
            ),
            change(
                _DELETE,
                Reason.REMOVED,
                "old_report",
                namespace="company.sales",
                before=source("old_report"),
                path="flows/sales/old_report.yaml",
                revision=12,
            ),
        ]
    )


def _everything() -> Plan:
    """Each action with each reason that it can have."""
    old = change(_DELETE, Reason.REMOVED, "old_name", before=source("x"), revision=4)
    git, edited, applied = source("x", "git"), source("x", "edited"), source("x", "applied")
    off = git + b"disabled: true\n"

    def update(reason: Reason, **more: object) -> Change:
        given = {"before": applied, "after": git, "revision": 3, **more}
        return change(_UPDATE, reason, f"update_{reason.value}", **given)  # type: ignore[arg-type]

    def none(reason: Reason, **more: object) -> Change:
        given = {"before": git, "after": git, "revision": 3, **more}
        return change(_NONE, reason, f"none_{reason.value}", **given)  # type: ignore[arg-type]

    return plan(
        [
            change(_CREATE, Reason.NEW, "create_new", after=git),
            change(_CREATE, Reason.RECREATED, "create_recreated", after=git),
            update(Reason.CHANGED),
            update(Reason.DRIFT, before=edited, base=git),
            update(Reason.CONFLICT, before=edited, base=applied),
            update(Reason.TAKE_OVER),
            update(Reason.RE_ENABLED, before=off),
            update(Reason.KEPT_OFF, before=applied + b"disabled: true\n", after=off),
            change(_DELETE, Reason.REMOVED, "delete_removed", before=git, revision=9),
            change(_DELETE, Reason.PRUNED, "delete_pruned", before=git, path="", revision=1),
            change(
                _DELETE,
                Reason.CONFLICT,
                "delete_conflict",
                before=edited,
                base=applied,
                revision=5,
            ),
            change(Action.MOVE, Reason.MOVED, "new_name", after=git, moved_from=old),
            none(Reason.DRIFT_KEPT, before=edited, after=edited, base=applied),
            none(Reason.KEPT_OFF, before=off, after=off),
            none(Reason.ADOPT),
            none(Reason.REFRESHED),
            none(Reason.PROTECTED, after=None),
            none(Reason.UNTOUCHED, after=None),
            none(Reason.DROPPED, before=None, after=None),
            none(Reason.FOREIGN, after=None),
        ],
        target=Target("https://kestra.acme.io", "main", "prod"),
        source="flows",
        flows=1214,
        unchanged=1204,
    )


def _left_alone() -> Plan:
    """More than are listed by name."""
    return plan(
        [
            change(_NONE, Reason.FOREIGN, f"by_hand_{number:02}", before=b"x", path=None)
            for number in range(1, 13)
        ],
        unchanged=214,
    )


def _awkward() -> Plan:
    """Names and paths that do not want to line up, and lines that want to do harm."""
    wide = "フロー/報告📦.yaml"
    return plan(
        [
            change(_CREATE, Reason.RECREATED, "short", after=source("short"), path=f"flows/{wide}"),
            change(
                _CREATE,
                Reason.RECREATED,
                "cafe",
                after=source("cafe"),
                path="flows/cafe\u0301.yaml",
            ),
            change(
                _CREATE,
                Reason.RECREATED,
                "a_name_that_is_as_long_as_kestra_allows_and_that_nobody_will_ever_want_to_type",
                after=source("long"),
                path="flows/long.yaml",
            ),
            change(
                _UPDATE,
                Reason.DRIFT,
                "evil",
                before=source("evil", "ok"),
                after=source("evil", "\x1b[2K\u202egpj.exe"),
                path="flows/\x1b]0;title\x07.yaml",
                revision=1,
            ),
        ]
    )


def _line_ends() -> Plan:
    """Differences that cannot be seen unless they are spelled out."""
    unix = source("crlf", "one")
    return plan(
        [
            change(
                _UPDATE,
                Reason.CHANGED,
                "crlf",
                before=unix,
                after=unix.replace(b"\n", b"\r\n"),
                revision=1,
            ),
            change(
                _UPDATE,
                Reason.CHANGED,
                "no_end",
                before=source("no_end"),
                after=source("no_end").rstrip(b"\n"),
                revision=1,
            ),
            change(
                _UPDATE,
                Reason.CHANGED,
                "long_diff",
                before=source("x", extra="".join(f"# old {n}\n" for n in range(150))),
                after=source("x", extra="".join(f"# new {n}\n" for n in range(150))),
                revision=1,
            ),
            change(
                _UPDATE,
                Reason.CHANGED,
                "not_yaml",
                before=b"id: [\n",
                after=b"id: not_yaml\nnamespace: acme\ntasks: []\n",
                revision=1,
            ),
        ]
    )


_PLANS = {
    "sample": _sample(),
    "everything": _everything(),
    "awkward": _awkward(),
    "line_ends": _line_ends(),
    "left_alone": _left_alone(),
    "no_changes": plan(unchanged=214),
    "empty": plan(flows=0, unchanged=0),
    "partial": plan(
        [change(_CREATE, Reason.NEW, "a", after=source("a"))],
        partial=True,
        source="flows/sales, flows/ops/a.yaml",
        flows=3,
        unchanged=2,
    ),
    "partial_no_changes": plan(partial=True, source=".", flows=1, unchanged=1),
    "no_changes_but": plan(
        [
            change(_NONE, Reason.KEPT_OFF, "off", before=b"y", after=b"x", revision=1),
            change(
                _NONE,
                Reason.DRIFT_KEPT,
                "edited",
                before=b"y",
                after=b"y",
                desired=desired(b"x", FlowId("acme", "edited")),
                revision=6,
            ),
        ],
        unchanged=214,
    ),
}


@pytest.mark.parametrize("name", _PLANS)
def test_plan(name: str) -> None:
    """As text, without colour."""
    check_golden(f"plan_{name}.txt", shown(_PLANS[name]))


def test_plan_verbose() -> None:
    """``-v`` lists every flow that is left alone."""
    check_golden("plan_left_alone_verbose.txt", shown(_left_alone(), verbose=True))


def test_plan_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text with ANSI sequences, whatever the environment says: it was decided before."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "20")
    check_golden("plan_sample.ansi.txt", shown(_sample(), colour=True))


def test_plan_json() -> None:
    """Sources are represented by their hashes, diffs are complete, escapes are escaped."""
    made = _everything()
    result = PlanResult(
        repository=REPOSITORY,
        plan=made,
        diagnostics=DIAGNOSTICS,
        desired={},
        refusals=REFUSALS,
    )
    document = envelope("plan", ExitCode.CONFLICT, plan_document(result))
    document["tool"]["version"] = "0.0.0"
    check_golden("plan_everything.json", dump(document))


def test_refusals() -> None:
    """Each with its numbers and its remedy."""
    check_golden("refusals.txt", text(refusal_lines(REFUSALS)))


def test_diagnostics() -> None:
    """As compilers write them, with what to do about it below."""
    check_golden("diagnostics.txt", text(diagnostic_lines(DIAGNOSTICS)))


def test_drift() -> None:
    """It shows the edits of others, not the plan."""
    applied, edited = source("x", "applied"), source("x", "edited")
    drifted = [
        change(_UPDATE, Reason.DRIFT, "edited", before=edited, after=applied, revision=12),
        change(_CREATE, Reason.RECREATED, "deleted_by_somebody", after=applied),
        change(
            _NONE,
            Reason.KEPT_OFF,
            "off",
            before=applied + b"disabled: true\n",
            after=applied,
            revision=2,
        ),
        change(_DELETE, Reason.CONFLICT, "gone_from_git", before=edited, revision=3),
    ]
    made = plan(drifted)
    diffs = {
        each.flow_id: diff_flows(applied, in_memory(each.before))
        for each in drifted
        if each.before is not None and each.desired is not None
    }
    check_golden("drift.txt", text(drift_lines(made, drifted, diffs)))
    numbers = text(drift_lines(made, drifted, diffs, detail=DiffDetail.STAT))
    check_golden("drift_stat.txt", numbers)
    check_golden("drift_none.txt", text(drift_lines(plan(), [], {})))


def _found(inventory: Inventory | None) -> Lookup:
    return Lookup(PLACE, PLACE, inventory)


def test_history() -> None:
    """The newest first."""
    runs = (
        HistoryEntry(
            3, "2026-01-01T12:00:00Z", "0123456789abcdef", "main", "applied", {"create": 1200}
        ),
        HistoryEntry(
            5,
            "2026-01-02T12:00:00Z",
            None,
            None,
            "partial",
            {"update": 2, "failed": 1, "not-attempted": 3, "delete": 1, "other": 4},
        ),
        HistoryEntry(
            6, "2026-01-03T12:00:00Z", "fedcba", "feature/x", "adopted", {}, dirty=True, by="ada"
        ),
    )
    check_golden("history.txt", text(history_lines(PLACE, _inventory(history=runs))))
    check_golden("history_none.txt", text(history_lines(PLACE, None)))


def test_inventory() -> None:
    """What is ours, and where it came from."""
    resources = {
        key: Resource(key, f"flows/{key.id}.yaml", "a", "a", revision, kept_off=kept_off)
        for key, revision, kept_off in (
            (FlowId("acme.sales", "load_orders"), 12, False),
            (FlowId("acme", "report"), None, True),
        )
    }
    intent = Intent("2026-01-02T12:00:00Z", None, {FlowId("acme", "report"): None})
    check_golden("inventory.txt", text(inventory_lines(_found(_inventory(resources=resources)))))
    check_golden("inventory_open.txt", text(inventory_lines(_found(_inventory(intent=intent)))))
    check_golden("inventory_none.txt", text(inventory_lines(_found(None))))
    elsewhere = replace(PLACE, namespace="beta")
    moved = Lookup(PLACE, elsewhere, _inventory(resources=resources))
    check_golden("inventory_elsewhere.txt", text(inventory_lines(moved)))
    old = replace(elsewhere, name="old")
    renamed = Lookup(PLACE, PLACE, None, (OtherRecord(old, _inventory(resources=resources)),))
    check_golden("inventory_renamed.txt", text(inventory_lines(renamed)))


_FORBIDDEN = Forbidden(403, "PUT", "/flows/acme/flow_1")


def _outcomes(*given: tuple[Action, ChangeStatus, str]) -> list[Outcome]:
    return [
        Outcome(
            change(action, Reason.CHANGED, f"flow_{number}", before=b"a", after=b"b"),
            status,
            message=message,
            error=_FORBIDDEN if "403" in message else None,
        )
        for number, (action, status, message) in enumerate(given)
    ]


_OUTCOMES = {
    "good": _outcomes(
        (_CREATE, ChangeStatus.APPLIED, ""),
        (_UPDATE, ChangeStatus.APPLIED, ""),
        (_UPDATE, ChangeStatus.APPLIED, ""),
        (_DELETE, ChangeStatus.APPLIED, "was already deleted"),
        (Action.MOVE, ChangeStatus.APPLIED, ""),
    ),
    "bad": _outcomes(
        (_CREATE, ChangeStatus.APPLIED, ""),
        (_UPDATE, ChangeStatus.FAILED, str(_FORBIDDEN)),
        (_UPDATE, ChangeStatus.CONFLICT, "was edited on the server since the plan was created"),
        (_DELETE, ChangeStatus.NOT_ATTEMPTED, ""),
        (_DELETE, ChangeStatus.NOT_ATTEMPTED, "the lock was lost"),
    ),
    "many": _outcomes(
        (_UPDATE, ChangeStatus.FAILED, "the connection was interrupted"),
        *[(_CREATE, ChangeStatus.NOT_ATTEMPTED, "")] * 12,
    ),
    "nothing": [],
}


@pytest.mark.parametrize("name", _OUTCOMES)
def test_apply(name: str) -> None:
    """Problems first, the count last."""
    check_golden(f"apply_{name}.txt", text(outcome_lines(_OUTCOMES[name])))


def test_apply_interrupted() -> None:
    """Running writes were completed; the rest was not started."""
    outcomes = _outcomes(
        (_CREATE, ChangeStatus.APPLIED, ""), (_UPDATE, ChangeStatus.NOT_ATTEMPTED, "")
    )
    check_golden("apply_interrupted.txt", text(outcome_lines(outcomes, interrupted=True)))
    cut = outcome_lines(outcomes[:1], interrupted=True)
    check_golden("apply_interrupted_at_the_end.txt", text(cut))


def test_apply_rolled_back() -> None:
    """A complete and an incomplete rollback."""
    outcomes = _outcomes(
        (_CREATE, ChangeStatus.APPLIED, ""),
        (_UPDATE, ChangeStatus.APPLIED, ""),
        (_UPDATE, ChangeStatus.FAILED, "the connection was interrupted"),
    )
    back = [Restored(each.change, RollbackStatus.RESTORED) for each in outcomes[:2]]
    check_golden("apply_rolled_back.txt", text(outcome_lines(outcomes, back)))
    left = [
        back[0],
        Restored(
            outcomes[1].change,
            RollbackStatus.LEFT,
            message="it has been edited since (now at revision 9)",
        ),
    ]
    check_golden("apply_rolled_back_in_part.txt", text(outcome_lines(outcomes, left)))


def test_validate() -> None:
    """Valid, valid with a warning, invalid; by the server and without it."""
    server = "http://localhost:8080 (Kestra 1.3.25)"
    none = Repository("flows", 0, (), (), ())
    warnings = [each for each in DIAGNOSTICS if each.severity is not Severity.ERROR]
    for name, repository, found, by, valid in (
        ("valid", none, [], server, True),
        ("warning", none, warnings, None, True),
        ("invalid", REPOSITORY, DIAGNOSTICS, server, False),
    ):
        lines = validate_lines(repository, found, by, valid=valid)
        check_golden(f"validate_{name}.txt", text(lines))


def test_the_sample_reads_as_in_the_design() -> None:
    """Signs, revisions, paths and reasons in columns, and one line that counts."""
    lines = shown(_sample()).splitlines()
    assert lines[0].endswith("· 214 flows in flows/")
    assert lines[-1] == "Plan: 1 to create, 1 to update, 1 drifted, 1 to delete, 210 unchanged."
    rows = [each for each in lines if each[:2] == "  " and each[2] in "+~!-"]
    assert len({each.index("flows/") for each in rows if "flows/" in each}) == 1
    assert len({each.index("rev ") for each in rows if "rev " in each}) == 1


def test_json__survives_any_terminal() -> None:
    """Pure ASCII, whatever the flows say."""
    assert dump({"x": "\x1b[31m é 💚"}).isascii()
    assert json.loads(dump({"x": "é\x1b"})) == {"x": "é\x1b"}


def _inventory(**more: object) -> Inventory:
    given = {
        "name": "acme-flows",
        "target": Target("http://localhost:8080", "main"),
        "repository": "",
        "scope": Scope(("acme", "shared")),
        "commit": "0123456789abcdef",
        "time": "2026-01-02T12:00:00Z",
        **more,
    }
    return Inventory(**given)  # type: ignore[arg-type]


PLACE = InventoryLocation("acme", "acme-flows")

REPOSITORY = Repository(
    "flows",
    4,
    (desired(source("a"), FlowId("acme", "a")).flow,),
    (
        Skipped("flows/values.yaml", 1, missing_keys(["id", "namespace", "tasks"])),
        Skipped("flows/many.yaml", 12, "not a mapping"),
    ),
    (),
)

DIAGNOSTICS = (
    Diagnostic(
        "flows/b.yaml",
        Position(7, 5),
        Severity.ERROR,
        "kestra-invalid",
        'Unrecognized field "mesage"',
        "did you mean `message`?",
        FlowId("acme", "b"),
    ),
    Diagnostic("flows/b.yaml", None, Severity.ERROR, "unreadable", "cannot be read"),
    Diagnostic(
        "flows/a.yaml", Position(12, 1), Severity.WARNING, "kestra-deprecated", "x is deprecated"
    ),
    Diagnostic(
        "", None, Severity.INFO, "note", "no file's fault \x1b[31m", None, FlowId("acme", "c")
    ),
    Diagnostic("", None, Severity.WARNING, "note", "not about a file"),
)

REFUSALS = check_guards(
    _everything(), GuardInput(owned=6, live=9, settings=Settings(delete_limit=Limit(30)))
)
