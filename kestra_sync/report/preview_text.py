"""Previews in reports: what was deployed and where, what was removed, and the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kestra_sync.apply.run import ChangeStatus
from kestra_sync.errors import ExitCode
from kestra_sync.model import Kind, counted, plural
from kestra_sync.report.as_json import name_json
from kestra_sync.report.lines import BLANK, Line, Span, Style, line
from kestra_sync.report.records_text import table

if TYPE_CHECKING:
    from kestra_sync.commands.preview import DownResult, Listed, Removal, UpResult

#: The maximum number of links to show; the JSON has all of them.
SHOWN_LINKS = 25
#: The maximum number of resources to list by name before they are removed.
_SHOWN_NAMES = 20


def is_up(result: UpResult) -> bool:
    """Whether the preview is up to date with Git."""
    return result.exit_code in (ExitCode.OK, ExitCode.SMOKE_FAILED)


def where_up(result: UpResult) -> str:
    """``Preview pr-12 in preview.pr-12.acme, expires 2026-12-03T02:00:00Z.``"""
    until = f", expires {result.expires}" if result.expires else ""
    return f"Preview {result.preview.name} in {', '.join(result.preview.namespaces)}{until}."


def up_lines(result: UpResult) -> Iterator[Line]:
    """Show the location of the preview, with the pages of its flows."""
    if not is_up(result):
        return
    if result.applied.done.outcomes:
        yield BLANK
    yield line(Span(where_up(result), Style.HEADING))
    for _, url in result.links[:SHOWN_LINKS]:
        yield line("  ", url)
    if len(result.links) > SHOWN_LINKS:
        yield line(f"  … and {plural(len(result.links) - SHOWN_LINKS, 'more flow')}")


def up_json(result: UpResult) -> dict[str, Any]:
    """The member ``preview`` of the JSON of an ``up``."""
    smoke = result.applied.smoke
    return {
        "name": result.preview.name,
        "environment": result.preview.environment,
        "namespaces": list(result.preview.namespaces),
        "expires": result.expires,
        "flows": [{"flow": name_json(key), "url": url} for key, url in result.links],
        "executions": [
            {"flow": name_json(each.flow), "id": each.execution_id, "url": each.url}
            for each in (smoke.runs if smoke is not None else ())
            if each.url is not None
        ],
    }


def removal_lines(removals: Sequence[Removal]) -> Iterator[Line]:
    """List what would be removed."""
    for each in removals:
        if each.plan is None:
            continue
        target = each.plan.target
        yield line(
            Span(f"kestra-sync preview down {each.preview.name}", Style.HEADING),
            f" · {target.url} (tenant {target.tenant})",
        )
        yield BLANK
        writes = each.plan.writes
        for change in writes[:_SHOWN_NAMES]:
            yield line(Span(f"  - {change.flow_id}", Style.DELETE))
        if len(writes) > _SHOWN_NAMES:
            yield line(Span(f"  … and {len(writes) - _SHOWN_NAMES:,} more", Style.DIM))
        yield line("  and all executions of its flows")
        yield BLANK


def removal_question(removals: Sequence[Removal]) -> str:
    """Return the confirmation prompt."""
    names = ", ".join(each.preview.name for each in removals)
    noun = "preview" if len(removals) == 1 else f"{len(removals)} previews"
    return f"Remove the {noun} {names}?"


def down_lines(results: Sequence[DownResult]) -> Iterator[Line]:
    """Show the result for each preview."""
    for each in results:
        yield line(Span(down_words(each), Style.GOOD if each.removed else Style.PLAIN))


def down_warnings(results: Sequence[DownResult]) -> Iterator[str]:
    """Return a sentence for everything that was not removed."""
    for each in results:
        left = each.removal.left
        if left:
            names = ", ".join(map(str, left[:5])) + (", …" if len(left) > 5 else "")
            yield (
                f"{counted(left)} in the namespaces of the preview"
                f" {each.removal.preview.name} {'was' if len(left) == 1 else 'were'} not created"
                f" by it and left alone: {names}"
            )
        yield from failures(each)


def failures(result: DownResult) -> Iterator[str]:
    """Return why parts of the preview were not removed."""
    for outcome in result.done.outcomes:
        if outcome.status is not ChangeStatus.APPLIED:
            why = f": {outcome.message}" if outcome.message else ""
            yield f"{outcome.change.flow_id} was not deleted{why}"
    refused = result.removal.refused
    if refused is not None:
        yield f"{refused.message} ({refused.remedy})" if refused.remedy else refused.message
    yield from result.done.notes
    yield from result.problems


def down_words(result: DownResult) -> str:
    """Return the result in one sentence."""
    name = result.removal.preview.name
    if result.removal.refused is not None:
        return f"The preview {name} was not removed: {result.removal.refused.message}."
    if result.removal.plan is None:
        return f"The preview {name} does not exist."
    if result.declined:
        return f"The preview {name} was not removed."
    if not result.removed:
        return f"The preview {name} was only partly removed: run the same command again."
    counts = deleted(result)
    parts = [plural(counts[kind], kind.noun) for kind in Kind if counts[kind]]
    parts.append(plural(result.executions, "execution"))
    return f"Removed the preview {name}: {', '.join(parts)} and its record."


def deleted(result: DownResult) -> Counter[Kind]:
    """Count the deleted resources of each kind."""
    return Counter(
        each.change.flow_id.kind
        for each in result.done.outcomes
        if each.status is ChangeStatus.APPLIED
    )


def down_json(results: Sequence[DownResult]) -> dict[str, Any]:
    """Return the members in addition to the envelope."""
    return {"previews": [_down(each) for each in results]}


def _down(result: DownResult) -> dict[str, Any]:
    counts = deleted(result)
    removal = result.removal
    return {
        "name": removal.preview.name,
        "environment": removal.preview.environment,
        "namespaces": list(removal.preview.namespaces),
        "existed": removal.plan is not None or removal.refused is not None,
        "declined": result.declined,
        "removed": result.removed,
        "deleted": {
            **{f"{kind.noun}s": counts[kind] for kind in Kind},
            "executions": result.executions,
        },
        "left_alone": [name_json(each) for each in removal.left],
        "problems": list(failures(result)),
    }


def list_lines(found: Sequence[Listed]) -> Iterator[Line]:
    """The table of all previews."""
    if not found:
        yield line("No previews.")
        return
    heading = ("name", "namespaces", "age", "expires", "commit", "flows", "last result")
    yield from table([heading, *map(_row, found)])


def _row(each: Listed) -> tuple[str, ...]:
    record = each.inventory
    preview = record.preview
    age = "-" if each.age is None else _age(each.age)
    expires = "never" if preview is None or preview.expires is None else preview.expires
    flows = sum(key.kind is Kind.FLOW for key in record.resources)
    return (
        each.name,
        ", ".join(record.scope.namespaces),
        age,
        "expired" if each.expired else expires,
        record.commit[:10] if record.commit else "-",
        str(flows),
        (preview.result if preview is not None else "") or "unfinished",
    )


def _age(seconds: float) -> str:
    """``3 d``, ``5 h`` or ``12 min``."""
    for unit, name in ((86400, "d"), (3600, "h")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{max(seconds, 0) // 60:.0f} min"


def list_json(found: Sequence[Listed]) -> dict[str, Any]:
    """Return the members in addition to the envelope."""
    return {"previews": [_listed(each) for each in found]}


def _listed(each: Listed) -> dict[str, Any]:
    record, preview = each.inventory, each.inventory.preview
    counts = Counter(key.kind for key in record.resources)
    return {
        "name": each.name,
        "environment": record.target.environment,
        "namespaces": list(record.scope.namespaces),
        "place": {"namespace": each.place.namespace, "key": each.place.key},
        "created": preview.created if preview is not None else None,
        "updated": record.time or None,
        "expires": preview.expires if preview is not None else None,
        "expired": each.expired,
        "commit": record.commit,
        "branch": record.branch,
        "resources": {f"{kind.noun}s": counts[kind] for kind in Kind},
        "result": (preview.result if preview is not None else "") or None,
    }
