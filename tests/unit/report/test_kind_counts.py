"""Summaries count flows, files and keys separately; without files and keys, only flows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from kestra_sync.action.result import result_of
from kestra_sync.apply.neighbours import RemovedEntries, recorded
from kestra_sync.apply.run import ChangeStatus, Outcome
from kestra_sync.client.kv import KvKey
from kestra_sync.errors import ExitCode
from kestra_sync.inventory.codec import from_json, to_json
from kestra_sync.inventory.record import HistoryEntry, Resource
from kestra_sync.model import (
    Action,
    Change,
    Desired,
    Document,
    Flow,
    Kind,
    Plan,
    Reason,
    RecordChange,
    ResourceId,
    counted,
)
from kestra_sync.report.apply_text import applied_summary
from kestra_sync.report.as_json import drift_summary, name_json, plan_json
from kestra_sync.report.drift_text import drift_lines
from kestra_sync.report.html import HtmlReporter
from kestra_sync.report.junit_report import JunitReporter
from kestra_sync.report.lines import summary
from kestra_sync.report.records_text import history_lines, inventory_lines
from kestra_sync.report.report import Report
from tests.support.plans import plan
from tests.unit.report.formats import samples
from tests.unit.report.test_golden import PLACE, _found, _inventory, shown, text

FLOW, OTHER = ResourceId("acme", "f"), ResourceId("acme", "g")
FILE = ResourceId("acme", "a.sql", Kind.FILE)
KEYS = ResourceId("acme", "k", Kind.KV), ResourceId("acme", "l", Kind.KV)
MIXED = (FLOW, FILE, *KEYS)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "0 flows"),
        ((FLOW,), "1 flow"),
        ((FILE,), "1 file"),
        ((FLOW, OTHER, FILE), "2 flows and 1 file"),
        (MIXED, "1 flow, 1 file and 2 keys"),
    ],
)
def test_counted(names: tuple[ResourceId, ...], words: str) -> None:
    assert counted(names) == words


def _changes(names: tuple[ResourceId, ...], reason: Reason, action: Action) -> list[Change]:
    return [
        Change(action, reason, each, "x", before=b'{"value": 1}', after=b'{"value": 2}')
        for each in names
    ]


def _adopting(names: tuple[ResourceId, ...], changes: Iterable[Change] = ()) -> Plan:
    counts = {each.kind: 1 for each in names if each.kind is not Kind.FLOW}
    record = (RecordChange("adopt", f"{len(names)} to adopt", len(names), counted(names)),)
    return plan(changes, record=record, other_counts=counts)


def test_record() -> None:
    found = _adopting(MIXED)
    assert summary(found).startswith("Plan: 1 flow, 1 file and 2 keys to adopt, ")
    assert recorded(found, ()) == ("Adopted 1 flow, 1 file and 2 keys.",)
    writing = _adopting(KEYS, changes=_changes((FLOW,), Reason.CHANGED, Action.UPDATE))
    assert summary(writing).startswith("Plan: 1 to update, 2 to adopt (2 keys), ")
    flows = _adopting((FLOW, OTHER), changes=_changes((FLOW,), Reason.CHANGED, Action.UPDATE))
    assert summary(flows).startswith("Plan: 1 to update, 2 to adopt, ")
    entries = tuple({**name_json(each), "kind": str(each.kind)} for each in (FLOW, *KEYS))
    removed = RemovedEntries(KvKey("acme", "kestra-sync.old"), entries)
    assert recorded(plan(), (removed,)) == ("Removed 1 flow and 2 keys from the inventory 'old'.",)


def test_plan_and_drift() -> None:
    left = _changes((FILE, *KEYS), Reason.FOREIGN, Action.NONE)
    assert f"  1 file and 2 keys {Reason.FOREIGN.traits.note}:" in shown(plan(left))
    drifted = _changes((FLOW, FILE), Reason.DRIFT, Action.UPDATE)
    told = text(drift_lines(plan(drifted), drifted, {}))
    assert "Drift: 1 flow and 1 file changed on the server since the last apply." in told


def test_json__counts_each_kind_that_has_changes() -> None:
    changes = [
        *_changes((FLOW,), Reason.DRIFT, Action.UPDATE),
        *_changes(KEYS[:1], Reason.CONFLICT, Action.DELETE),
        *_changes(KEYS[1:], Reason.NEW, Action.CREATE),
        *_changes((FILE,), Reason.FOREIGN, Action.NONE),
    ]
    nothing = dict.fromkeys(("create", "update", "move", "delete", "drifted", "conflicts"), 0)
    flow = {**nothing, "update": 1, "drifted": 1}
    key = {**nothing, "create": 1, "delete": 1, "drifted": 1, "conflicts": 1}
    total = {name: flow[name] + key[name] for name in nothing}
    shown = plan_json(plan(changes))["summary"]
    assert shown["kinds"] == {"flow": flow, "kv": key}
    assert shown.items() >= total.items()
    assert "kinds" not in plan_json(plan(changes[:1]))["summary"]  # as without files and keys
    gone = Change(Action.CREATE, Reason.RECREATED, FILE, "x", after=b"")
    assert drift_summary([changes[0], gone]) == {
        "drifted": 2,
        "deleted": 1,
        "kinds": {"flow": {"drifted": 1, "deleted": 0}, "file": {"drifted": 1, "deleted": 1}},
    }
    assert drift_summary(changes[:1]) == {"drifted": 1, "deleted": 0}


def test_apply_and_history() -> None:
    changes = _changes(MIXED, Reason.CHANGED, Action.UPDATE)
    outcomes = [Outcome(each, ChangeStatus.APPLIED, written=True) for each in changes]
    assert applied_summary(outcomes) == "Applied: 4 updated (1 flow, 1 file, 2 keys)."
    created = replace(changes[0], action=Action.CREATE)
    several = [
        Outcome(created, ChangeStatus.APPLIED, written=True),
        *outcomes[2:],
        Outcome(changes[1], ChangeStatus.CONFLICT),
    ]
    assert (
        applied_summary(several)
        == "Partially applied: 1 created (1 flow), 2 updated (2 keys), 1 in conflict (1 file)."
    )
    assert summary(plan([created, *_changes((FILE,), Reason.DRIFT, Action.UPDATE)])).startswith(
        "Plan: 1 to create (1 flow), 1 drifted (1 file), "
    )
    run = HistoryEntry(7, "2026-01-01T00:00:00Z", None, None, "applied", {"update": 4})
    mixed = HistoryEntry(
        8, "2026-01-01T00:00:00Z", None, None, "applied", {"update": 3}, kinds={"flow": 1, "kv": 2}
    )
    found = _inventory(history=(run, mixed), resources={FILE: Resource(FILE, "a", "a", "a", None)})
    again = from_json(to_json(found))
    assert [dict(each.kinds) for each in again.history] == [{}, {"flow": 1, "kv": 2}]
    assert "kinds" not in to_json(found)["history"][0]
    told = text(history_lines(PLACE, again))
    assert "4 updated\n" in told
    assert "3 updated (1 flow, 2 keys)" in told
    assert " · 1 file · " in text(inventory_lines(_found(found)))


def test_inventory__flows_come_first_then_files_then_keys() -> None:
    resources = {each: Resource(each, "a", "a", "a", None) for each in (*MIXED, OTHER)}
    rows = text(inventory_lines(_found(_inventory(resources=resources)))).splitlines()[3:]
    assert [row.split()[0] for row in rows] == [
        "acme/f", "acme/g", "file:acme/a.sql", "kv:acme/k", "kv:acme/l",
    ]  # fmt: skip


def test_action() -> None:
    named = [{"flow": name_json(each), "action": "update", "status": "applied"} for each in MIXED]
    counts = {"create": 0, "update": 4, "move": 0, "delete": 0, "drifted": 0}
    kinds = {"flow": {**counts, "update": 1}, "file": {**counts, "update": 1}}
    kinds["kv"] = {**counts, "update": 2}
    document = {
        "plan": {"summary": {**counts, "kinds": kinds}, "changes": named},
        "outcomes": named,
    }
    assert result_of("plan", 0, document).summary == "4 to update (1 flow, 1 file, 2 keys)"
    assert result_of("apply", 0, document).summary == "4 updated (1 flow, 1 file, 2 keys)"
    assert result_of("drift", 2, {"drifted": named}).summary == "1 flow, 1 file and 2 keys drifted"
    flows = {"plan": {"summary": counts, "changes": named[:1]}}
    assert result_of("plan", 0, flows).summary == "4 to update"


def test_html_and_junit() -> None:
    """The kind is before each name; keys and files in Git are cases, changed or not."""
    changes = _changes((FLOW, KEYS[0]), Reason.CHANGED, Action.UPDATE)
    planned = replace(samples.planned(tuple(changes)), triggers={})
    data = b'{"value": 1}'
    others = {each: Desired(Flow(each, Document("kv.yaml", 0, 3, data)), data) for each in KEYS}
    repository = replace(planned.repository, other_resources=others)
    report = Report("plan", ExitCode.OK, repository=repository, planned=planned)
    page = HtmlReporter().render(report)
    assert "Flows, files, keys <span" in page
    assert '<span class="namespace">kv:acme/</span><wbr><b>k</b>' in page
    assert '<span class="namespace">acme/</span><wbr><b>f</b>' in page
    cases = JunitReporter().render(report)
    assert [cases.count(f'name="kv:acme/{each}"') for each in "kl"] == [1, 1]
    flows = replace(report, planned=samples.planned(tuple(changes[:1])))
    assert ">Flows <span" in HtmlReporter().render(flows)
