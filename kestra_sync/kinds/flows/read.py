"""Reads the flows of the server for a plan: all of them once, and those to change again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kestra_sync.live.snapshot import snapshot
from kestra_sync.model import Base, Desired, Diagnostic, Flow, FlowId, Live, Scope, Skipped
from kestra_sync.repo.load import confirm

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient


@dataclass(frozen=True)
class LiveFlows:
    """What the server holds.

    :param flows: the flows of the scope.
    :param unusable: names that Kestra does not give; not part of ``flows``.
    """

    flows: Mapping[FlowId, Live]
    unusable: frozenset[FlowId]


def read(
    client: KestraClient,
    scope: Scope,
    desired: Iterable[Desired],
    *,
    parallelism: int,
    exported: Callable[[], tuple[bytes, ...]] | None = None,
) -> LiveFlows:
    """Every flow of ``scope``, without its revision.

    :param desired: what Git holds: equal sources are matched by their hashes and not even parsed.
    :param exported: waits for the export of the scope, if that has been asked for already.
    :raises KestraError: if the server cannot be read.
    """
    unusable: set[FlowId] = set()
    by_name = {each.flow_id: each for each in desired}
    flows = snapshot(
        client.flows,
        scope,
        {each.sent_sha256: flow_id for flow_id, each in by_name.items()},
        parallelism=parallelism,
        held={flow_id: each.sent for flow_id, each in by_name.items()},
        unusable=unusable,
        exported=exported,
    )
    return LiveFlows(flows, frozenset(unusable))


def confirmed(
    desired: Iterable[Desired], live: Mapping[FlowId, Live]
) -> tuple[dict[FlowId, Desired], list[Diagnostic]]:
    """Parse what is not equal to the server, and correct names that the fast scan got wrong.

    :returns: what Git holds, by name, and why some of it cannot be parsed.
    """
    found: dict[FlowId, Desired] = {}
    problems: list[Diagnostic] = []
    for each in desired:
        there = live.get(each.flow_id)
        if there is not None and there.sha256 == each.sent_sha256:
            found[each.flow_id] = each
            continue
        verdict = confirm(each.flow)
        if isinstance(verdict, Flow) and verdict.flow_id == each.flow.flow_id:
            found[each.flow_id] = each
        elif isinstance(verdict, Flow):
            corrected = replace(each, flow=verdict)
            found[corrected.flow_id] = corrected
        elif not isinstance(verdict, Skipped):
            problems.extend(verdict)
            found[each.flow_id] = each
    return found, problems


@dataclass(frozen=True)
class RereadFlows:
    """Flows that were read again.

    :param flows: with their revision; those that are gone are not in it.
    :param base_sources: the texts that we applied last, of those that were edited since.
    """

    flows: Mapping[FlowId, Live] = field(default_factory=dict)
    base_sources: Mapping[FlowId, bytes] = field(default_factory=dict)


def still_there(
    client: KestraClient, missing: Collection[FlowId], *, parallelism: int
) -> dict[FlowId, Live]:
    """Those of ``missing`` that a single read finds after all; see ``live.revisions``."""
    if not missing:
        return {}
    from kestra_sync.live.revisions import still_there as find

    return find(client.flows, missing, parallelism=parallelism)


def begin_reread(
    client: KestraClient,
    wanted: Collection[FlowId],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    *,
    parallelism: int,
) -> Callable[[], RereadFlows]:
    """Ask for the revisions of ``wanted``, and do not wait; what is returned waits.

    :param live: everything that the server holds, as far as that is known.
    :param bases: what we applied last.
    """
    if not wanted:
        return RereadFlows
    from kestra_sync.client.parallel import in_background
    from kestra_sync.live.revisions import base_sources, with_revisions

    def reread() -> RereadFlows:
        fresh = with_revisions(
            client.flows,
            [live[each] for each in wanted],
            parallelism=parallelism,
            beside=live,
            bases=bases,
        )
        edited = {
            key: bases[key]
            for key in fresh
            if key in bases and fresh[key].sha256 not in bases[key].live_hashes
        }
        return RereadFlows(fresh, base_sources(client.flows, edited, parallelism=parallelism))

    return in_background(reread)
