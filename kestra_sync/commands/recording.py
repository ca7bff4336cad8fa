"""The changes that an apply would make to the record, as shown in the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kestra_sync.commands.ownership import Ownership
from kestra_sync.inventory.others import name_of
from kestra_sync.model import Diagnostic, FlowId, Plan, RecordChange, Severity

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient
    from kestra_sync.inventory.others import Others


def record_changes(
    client: KestraClient, plan: Plan, ownership: Ownership, others: Others | None
) -> tuple[RecordChange, ...]:
    """What an apply would record beside the writes."""
    from kestra_sync.apply.neighbours import taken_over
    from kestra_sync.apply.record import Recorder

    recorder = Recorder(
        client.kv,
        ownership.place,
        ownership.inventory,
        plan,
        ownership.origin,
        at=ownership.at,
    )
    found = list(recorder.pending())
    if others is not None and ownership.take_over:
        counts = Counter(
            others.name(each) for each in taken_over(plan, ownership.inventory, others.owners)
        )
        found += [
            RecordChange("strike", f"{number:,} to remove from the inventory {name!r}", number)
            for name, number in sorted(counts.items(), key=str)
        ]
    return tuple(found)


def similar_records(ownership: Ownership | None) -> Iterator[Diagnostic]:
    """A warning for each record that looks like ours under another name."""
    if ownership is None:
        return
    here = ownership.place
    for each in ownership.similar:
        there = each.place
        flows = len(each.inventory.resources)
        if there.full_name == here.full_name:
            remedy = (
                "to continue with it, add one of its namespaces to the scope; otherwise it is "
                "left alone"
            )
        else:
            remedy = (
                f"if it was renamed, run 'kestra-sync inventory rename"
                f" {there.full_name} {here.full_name}'"
            )
        yield Diagnostic(
            "",
            None,
            Severity.WARNING,
            "similar-inventory",
            f"no inventory {here.full_name!r} yet, but {there.full_name!r} in {there.namespace} "
            f"has {flows:,} flow{'' if flows == 1 else 's'} of the scope"
            f" {', '.join(each.inventory.scope.namespaces)}",
            remedy,
        )


def owners_of(others: Others | None, ownership: Ownership | None) -> dict[FlowId, str]:
    """The flows that are not to be touched because of their owner, and its name."""
    if others is None or ownership is None or ownership.take_over:
        return {}
    return {flow_id: name_of(key) for flow_id, key in others.owners.items()}
