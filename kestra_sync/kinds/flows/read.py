"""Reads the flows on the server for a plan: all once, and those that will change again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kestra_sync.client.errors import NotFound
from kestra_sync.client.parallel import in_background, in_parallel
from kestra_sync.kinds.flows.snapshot import FlowReads, snapshot
from kestra_sync.model import Base, Desired, Diagnostic, Flow, FlowId, Live, Scope, Skipped, sha256
from kestra_sync.repo.load import confirm

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient


@dataclass(frozen=True)
class LiveFlows:
    """The flows on the server.

    :param flows: the flows of the scope.
    :param unusable: flows with invalid names; not part of ``flows``.
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
    """Read all flows of ``scope``, without revisions.

    :param desired: the flows in Git: equal sources are matched by hash and not parsed.
    :param exported: waits for the export of the scope, if it was requested already.
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
    """Parse the flows that differ from the server, and correct names that the fast scan misread.

    :returns: the flows in Git by name, and the errors of those that cannot be parsed.
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

    :param flows: with their revision; deleted flows are missing.
    :param base_sources: the last applied sources of flows that were edited since.
    """

    flows: Mapping[FlowId, Live] = field(default_factory=dict)
    base_sources: Mapping[FlowId, bytes] = field(default_factory=dict)


def begin_reread(
    client: KestraClient,
    to_read: Collection[FlowId],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    *,
    parallelism: int,
) -> Callable[[], RereadFlows]:
    """Request the revisions of ``to_read``; return a function that waits for the result.

    :param live: all flows on the server, as far as known.
    :param bases: what was applied last.
    """
    if not to_read:
        return RereadFlows

    def reread() -> RereadFlows:
        fresh = with_revisions(
            client.flows,
            [live[each] for each in to_read],
            parallelism=parallelism,
            everything=live,
            bases=bases,
        )
        edited = {
            key: bases[key]
            for key in fresh
            if key in bases and fresh[key].sha256 not in bases[key].live_hashes
        }
        return RereadFlows(fresh, base_sources(client.flows, edited, parallelism=parallelism))

    return in_background(reread)


log = logging.getLogger(__name__)

#: Up to this number, flows are read individually; beyond, a search is cheaper.
_SINGLE_READS = 100
#: A search is also cheaper if it returns at most this many times the needed flows.
_SEARCH_RATIO = 4
#: Up to this number, flows are always read individually.
_FEW = 10
#: Size of a page of the search, and the seconds that it takes on a normal server.
_PAGE, _PAGE_SECONDS = 2000, 0.3


def with_revisions(
    flows: FlowReads,
    lives: Collection[Live],
    *,
    parallelism: int = 8,
    everything: Mapping[FlowId, Live] | None = None,
    bases: Mapping[FlowId, Base] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[FlowId, Live]:
    """Add revisions, which the export lacks, to flows.

    A few flows are read again individually, which also returns their latest source. Of many, those
    that still have the recorded source get the recorded revision: if one was changed and changed
    back, its revision is higher, which the writer will detect. The others are looked up in the
    search, and keep the exported source; so are the rest of a few, if the server is slow at single
    reads. Deleted flows are left out.

    :param everything: all flows on the server, if known.
    :param bases: what was applied last.
    """
    recorded = _recorded(lives, bases or {}) if len(lives) > _FEW else {}
    rest = [live for live in lives if live.flow_id not in recorded]
    return (
        {**recorded, **_requested(flows, rest, parallelism, everything, clock)}
        if rest
        else recorded
    )


def _recorded(lives: Collection[Live], bases: Mapping[FlowId, Base]) -> dict[FlowId, Live]:
    found = {}
    for live in lives:
        base = bases.get(live.flow_id)
        # With two hashes (a run was killed) the revision may belong to the other.
        if base is not None and base.revision and base.live_hashes == {live.sha256}:
            found[live.flow_id] = replace(live, revision=base.revision)
    return found


def _requested(
    flows: FlowReads,
    rest: list[Live],
    parallelism: int,
    everything: Mapping[FlowId, Live] | None,
    clock: Callable[[], float],
) -> dict[FlowId, Live]:
    expected_size = _search_size({live.flow_id.namespace for live in rest}, everything)
    if len(rest) > _SINGLE_READS or (
        len(rest) > _FEW and expected_size <= _SEARCH_RATIO * len(rest)
    ):
        return _looked_up(flows, rest)
    found: dict[FlowId, Live] = {}
    while rest:
        some, rest = rest[:parallelism], rest[parallelism:]
        started = clock()
        found.update(_read(flows, [live.flow_id for live in some], parallelism))
        expected = (clock() - started) * len(rest) / len(some)
        if len(rest) > _FEW and expected > max(1.0, _PAGE_SECONDS * (1 + expected_size / _PAGE)):
            log.info("reading flows one by one is slow: searching for %d flows", len(rest))
            return {**found, **_looked_up(flows, rest)}
    return found


def _search_size(namespaces: Collection[str], everything: Mapping[FlowId, Live] | None) -> float:
    """Return how many flows a search of ``namespaces`` returns; a large number if unknown."""
    if everything is None:
        return float("inf")
    # The filter for many namespaces is too long to be exact.
    exact = len(namespaces) <= _FEW
    return sum(each.namespace in namespaces for each in everything) if exact else len(everything)


def _read(flows: FlowReads, flow_ids: Collection[FlowId], parallelism: int) -> dict[FlowId, Live]:
    """Read the flows that exist, one by one."""

    def read(flow_id: FlowId) -> Live | None:
        try:
            return flows.get(flow_id)
        except NotFound:
            return None

    found = in_parallel(read, flow_ids, parallelism)
    return {live.flow_id: live for live in found if live is not None}


def _looked_up(flows: FlowReads, lives: Collection[Live]) -> dict[FlowId, Live]:
    scope = Scope(tuple(sorted({live.flow_id.namespace for live in lives})), exact=True)
    revisions = {each.flow_id: each.revision for each in flows.search(scope)}
    found = {
        live.flow_id: Live(live.flow_id, live.source, revisions[live.flow_id])
        for live in lives
        if live.flow_id in revisions
    }
    # A flow in only one of two bulk reads was deleted, or one of the responses is incomplete.
    missing = [live.flow_id for live in lives if live.flow_id not in found]
    return {**found, **still_there(flows, missing)} if missing else found


def still_there(
    flows: FlowReads, flow_ids: Collection[FlowId], *, parallelism: int = 8
) -> dict[FlowId, Live]:
    """Return the flows that a single read still finds.

    A bulk read may be older than the record that it is compared with, or incomplete.
    """
    return _read(flows, flow_ids, parallelism) if flow_ids else {}


def base_sources(
    flows: FlowReads, bases: Mapping[FlowId, Base], *, parallelism: int = 8
) -> dict[FlowId, bytes]:
    """Return the sources of ``bases`` that the server still has.

    A recorded revision is only used if its source still has the recorded hash: revisions can be
    deleted, and a restored server restarts the numbering. Otherwise, or if no revision is recorded
    (a flow that was adopted, or written by a run that was killed), all revisions are searched for
    the hash.
    """

    def read(item: tuple[FlowId, Base]) -> tuple[FlowId, bytes] | None:
        flow_id, base = item
        for source in _candidates(flows, flow_id, base.revision):
            if sha256(source) in base.live_hashes:
                return flow_id, source
        return None

    found = in_parallel(read, bases.items(), parallelism)
    return dict(each for each in found if each is not None)


def _candidates(flows: FlowReads, flow_id: FlowId, revision: int | None) -> Iterator[bytes]:
    if revision is not None:
        with suppress(NotFound):
            yield flows.get(flow_id, revision=revision).source
    with suppress(NotFound):
        yield from (each.source for each in reversed(flows.revisions(flow_id)))
