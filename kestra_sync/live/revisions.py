"""Revisions, and the texts we applied last, of the flows that are about to change."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from kestra_sync.client.errors import NotFound
from kestra_sync.client.parallel import in_parallel
from kestra_sync.live.snapshot import FlowReads
from kestra_sync.model import Base, FlowId, Live, Scope, sha256

log = logging.getLogger(__name__)

#: Up to here each flow is read by itself; beyond, pages of the search are cheaper.
_SINGLE_READS = 100
#: And so they are if not even so many times as many would come along.
_COMING_ALONG = 4
#: But not for next to nothing.
_FEW = 10
#: What a page of the search holds, and the seconds it takes a server that is not slow.
_PAGE, _PAGE_SECONDS = 2000, 0.3


def with_revisions(
    flows: FlowReads,
    lives: Collection[Live],
    *,
    parallelism: int = 8,
    beside: Mapping[FlowId, Live] | None = None,
    bases: Mapping[FlowId, Base] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[FlowId, Live]:
    """The same flows with their revisions, which the export lacks.

    A few are read again one by one, which brings their newest source along. Of many, those that
    still have the source that we recorded have the revision that we recorded with it: if one was
    changed and changed back, its number is higher by now, which the writer will see. The others are
    looked up in the search, and keep the source that was exported; so is the rest of a few, if the
    server turns out to be slow at single reads. Flows that are gone are left out.

    :param beside: all that the server holds, if that is known.
    :param bases: what we applied last.
    """
    recorded = _recorded(lives, bases or {}) if len(lives) > _FEW else {}
    rest = [live for live in lives if live.flow_id not in recorded]
    return {**recorded, **_asked(flows, rest, parallelism, beside, clock)} if rest else recorded


def _recorded(lives: Collection[Live], bases: Mapping[FlowId, Base]) -> dict[FlowId, Live]:
    found = {}
    for live in lives:
        base = bases.get(live.flow_id)
        # With two hashes (a run was killed) the revision may be that of the other.
        if base is not None and base.revision and base.live_hashes == {live.sha256}:
            found[live.flow_id] = replace(live, revision=base.revision)
    return found


def _asked(
    flows: FlowReads,
    rest: list[Live],
    parallelism: int,
    beside: Mapping[FlowId, Live] | None,
    clock: Callable[[], float],
) -> dict[FlowId, Live]:
    coming = _coming_along({live.flow_id.namespace for live in rest}, beside)
    if len(rest) > _SINGLE_READS or (len(rest) > _FEW and coming <= _COMING_ALONG * len(rest)):
        return _looked_up(flows, rest)
    found: dict[FlowId, Live] = {}
    while rest:
        some, rest = rest[:parallelism], rest[parallelism:]
        started = clock()
        found.update(_read(flows, [live.flow_id for live in some], parallelism))
        expected = (clock() - started) * len(rest) / len(some)
        if len(rest) > _FEW and expected > max(1.0, _PAGE_SECONDS * (1 + coming / _PAGE)):
            log.info("single reads are slow here: looking up %d flows in the search", len(rest))
            return {**found, **_looked_up(flows, rest)}
    return found


def _coming_along(namespaces: Collection[str], beside: Mapping[FlowId, Live] | None) -> float:
    """How many flows a search of ``namespaces`` brings; very many if that is not known."""
    if beside is None:
        return float("inf")
    # The filter for many namespaces is too long to be exact.
    exact = len(namespaces) <= _FEW
    return sum(each.namespace in namespaces for each in beside) if exact else len(beside)


def _read(flows: FlowReads, flow_ids: Collection[FlowId], parallelism: int) -> dict[FlowId, Live]:
    """Those that exist, read one by one."""

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
    # What one bulk read has and the other has not is gone by now, or one of the two is not whole.
    missing = [live.flow_id for live in lives if live.flow_id not in found]
    return {**found, **still_there(flows, missing)} if missing else found


def still_there(
    flows: FlowReads, flow_ids: Collection[FlowId], *, parallelism: int = 8
) -> dict[FlowId, Live]:
    """Those of the flows that a single read finds after all.

    A bulk read may be older than the record that is compared with it, or not whole.
    """
    return _read(flows, flow_ids, parallelism)


def base_sources(
    flows: FlowReads, bases: Mapping[FlowId, Base], *, parallelism: int = 8
) -> dict[FlowId, bytes]:
    """The texts behind ``bases``, as far as the server still has them.

    A recorded revision counts only if its source still has the recorded hash: revisions can be
    deleted, and a restored server restarts the numbering. Where it does not, or none is recorded (a
    flow that was adopted, or written by a run that was killed), the hash is looked for in all of
    them.
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
