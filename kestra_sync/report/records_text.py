"""Histories and inventories as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kestra_sync.inventory.read import InventoryLocation, Lookup
from kestra_sync.inventory.record import Inventory
from kestra_sync.model import Kind, counted, noun_of, plural
from kestra_sync.report.lines import BLANK, Line, Span, Style, line, padded, width_of
from kestra_sync.resources import by_kind

#: The words for the changes of a run, in the order in which they are shown.
_COUNTED = {
    "create": "created",
    "update": "updated",
    "move": "moved",
    "delete": "deleted",
    "adopt": "adopted",
    "failed": "failed",
    "conflict": "in conflict",
    "not-attempted": "not attempted",
    "rolled-back": "rolled back",
}


def _rank(name: str) -> tuple[int, str]:
    known = list(_COUNTED)
    return (known.index(name) if name in known else len(known), name)


def history_lines(place: InventoryLocation, inventory: Inventory | None) -> Iterator[Line]:
    """List the runs, the most recent first."""
    runs = list(reversed(inventory.history)) if inventory is not None else []
    if not runs:
        yield line(f"No applies of {place.name!r} recorded in {place.namespace}.")
        return
    rows = [("run", "when", "commit", "branch", "by", "result", "changes")]
    for run in runs:
        counts = ", ".join(
            f"{run.counts[name]:,} {_COUNTED.get(name, name)}"
            for name in sorted(run.counts, key=_rank)
        )
        kinds = [plural(run.kinds[kind], kind.noun) for kind in Kind if run.kinds.get(kind)]
        if kinds:
            counts += f" ({', '.join(kinds)})"
        if run.rollback_to is not None:
            counts = f"{counts or 'nothing'} (rollback to run {run.rollback_to})"
        rows.append(
            (
                str(run.generation),
                run.time,
                _commit(run.commit, dirty=run.dirty),
                run.branch or "-",
                run.by or "-",
                run.result,
                counts or "-",
            )
        )
    yield from table(rows)


def _commit(commit: str | None, *, dirty: bool, unknown: str = "-") -> str:
    """Return the abbreviated commit, marked as dirty if the files differed from it."""
    if commit is None:
        return unknown
    return f"{commit[:10]} (dirty)" if dirty else commit[:10]


def inventory_lines(found: Lookup) -> Iterator[Line]:
    """Show the inventory: its location, and the owned flows with their files."""
    inventory = found.inventory
    if inventory is None:
        yield line(
            f"Inventory {found.configured.name!r} in {found.configured.namespace} does not exist"
            " yet."
        )
        for other in found.similar:
            yield line(
                f"This repository has {other.place.full_name!r} in {other.place.namespace}, with "
                f"{counted(other.inventory.resources)}."
            )
        return
    noun = noun_of(inventory.resources)
    last = inventory.history[-1] if inventory.history else None
    dirty = last is not None and last.dirty and last.commit == inventory.commit
    commit = _commit(inventory.commit, dirty=dirty, unknown="unknown")
    yield line(
        Span(inventory.name, Style.HEADING),
        f" · in {found.at.namespace} · {counted(inventory.resources)}"
        f" · scope {', '.join(inventory.scope.namespaces)}"
        f" · commit {commit} · {inventory.time}",
    )
    if found.moves:
        yield line(
            Span("misplaced: ", Style.WARNING),
            f"it should be in {found.configured.namespace}; the next apply moves it there",
        )
    if inventory.intent is not None:
        count = plural(len(inventory.intent.writes), "write")
        yield line(
            Span("unfinished: ", Style.WARNING),
            f"a run started at {inventory.intent.time} with {count} did not finish; run apply "
            f"again",
        )
    if not inventory.resources:
        return
    yield BLANK
    rows = [(noun, "revision", "file", "")]
    for key in sorted(inventory.resources, key=by_kind):
        each = inventory.resources[key]
        revision = "-" if each.revision is None else str(each.revision)
        rows.append((str(key), revision, each.path, "kept disabled" if each.kept_off else ""))
    yield from table(rows)


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[Line]:
    """Show aligned columns with a heading."""
    widths = [width_of(row[column] for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        text = "   ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True))
        yield line(Span(text.rstrip(), Style.DIM if number == 0 else Style.PLAIN))
