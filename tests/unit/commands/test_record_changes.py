"""Planned changes to the record, with as few reads of it as possible."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from kestra_sync.apply.record import RunRecord
from kestra_sync.commands.ownership import only_writes, record_changes
from kestra_sync.inventory.read import InventoryLocation, Ownership
from kestra_sync.inventory.record import Intent, Inventory, Origin, Resource
from kestra_sync.model import Action, Change, Plan, Reason, Scope, Target, sha256
from tests.unit.apply.fakes import A, change

OLD, NEW = b"old", b"new"
HERE, THERE = InventoryLocation("acme", "flows"), InventoryLocation("other", "flows")
TARGET, ELSEWHERE = Target("http://kestra", "main"), Target("http://elsewhere", "main")
UPDATE = change(OLD, NEW)
ADOPTED = change(OLD, OLD, reason=Reason.ADOPT, action=Action.NONE)
DRIFT_KEPT = change(OLD, OLD, reason=Reason.DRIFT_KEPT, action=Action.NONE)
HASH = sha256(OLD)
RESOURCE = Resource(A, "a.yaml", HASH, HASH, 1)
RECORD = Inventory("flows", TARGET, "", Scope(("acme",)), generation=5, resources={A: RESOURCE})
OPEN = Intent("then", None, {A: replace(RESOURCE, sent_sha256=sha256(NEW))})


def plan_of(*changes: Change) -> Plan:
    return Plan(TARGET, "1.3", "flows", Scope(("acme",)), 1, changes, 0, partial=False)


def test_plan__a_record_in_order_gets_the_writes_and_nothing_else() -> None:
    own = Ownership(HERE, RECORD, Origin(), HERE)
    assert only_writes(plan_of(UPDATE), own)
    assert only_writes(plan_of(), own)
    assert record_changes(plan_of(UPDATE), own, None) == ()
    moved = replace(own, at=THERE)
    assert [each.kind for each in record_changes(plan_of(UPDATE), moved, None)] == ["move"]


@pytest.mark.parametrize("changes", [(), (UPDATE,), (ADOPTED,), (DRIFT_KEPT,), (UPDATE, ADOPTED)])
def test_plan__no_change_of_the_record_is_missed(changes: tuple[Change, ...]) -> None:
    """Whenever the record is not asked, it would have said nothing."""
    plan, skipped = plan_of(*changes), 0
    for target, repository, origin, at, moved_from, intent in product(
        (TARGET, ELSEWHERE), ("", "acme/flows", "acme/other"), ("", "acme/flows"),
        (HERE, THERE), (None, "other"), (None, OPEN, Intent("then", None)),
    ):  # fmt: skip
        record = replace(
            RECORD, target=target, repository=repository, moved_from=moved_from, intent=intent
        )
        for before in (record, None):
            own = Ownership(HERE, before, Origin(origin), at)
            if only_writes(plan, own):
                skipped += 1
                assert RunRecord(HERE, before, plan, own.origin, at=at).pending() == ()
    assert bool(skipped) == all(each.writes for each in changes)
