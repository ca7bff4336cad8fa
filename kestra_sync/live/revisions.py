"""Revisions, and the texts we applied last, of the flows that are about to change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from kestra_sync.kestra.errors import NotFound
from kestra_sync.live.snapshot import FlowReads
from kestra_sync.model import Base, FlowId, Live, Scope, sha256

#: Up to here each flow is read by itself; beyond, pages of the search are cheaper.
_SINGLE_READS = 100


def with_revisions(
    flows: FlowReads, lives: Collection[Live], *, parallelism: int = 8
) -> dict[FlowId, Live]:
    """The same flows with the revision that the export does not tell.

    A few are read again one by one, which brings their newest source along; many are looked up in
    the search, and keep the source that was exported. Flows that are gone by now are left out.
    """
    if len(lives) <= _SINGLE_READS:
        found: dict[FlowId, Live] = {}

        def read(live: Live) -> Live | None:
            try:
                return flows.get(live.flow_id)
            except NotFound:
                return None

        with ThreadPoolExecutor(max_workers=parallelism) as pool:
            for live in pool.map(read, lives):
                if live is not None:
                    found[live.flow_id] = live
        return found
    scope = Scope(tuple(sorted({live.flow_id.namespace for live in lives})), exact=True)
    revisions = {each.flow_id: each.revision for each in flows.search(scope)}
    return {
        live.flow_id: Live(live.flow_id, live.source, revisions[live.flow_id])
        for live in lives
        if live.flow_id in revisions
    }


def still_there(
    flows: FlowReads, flow_ids: Collection[FlowId], *, parallelism: int = 8
) -> dict[FlowId, Live]:
    """Those of the flows that a single read finds after all.

    A bulk read may be older than the record that is compared with it, or not whole.
    """

    def read(flow_id: FlowId) -> Live | None:
        try:
            return flows.get(flow_id)
        except NotFound:
            return None

    with ThreadPoolExecutor(max_workers=parallelism) as pool:
        return {live.flow_id: live for live in pool.map(read, flow_ids) if live is not None}


def base_sources(
    flows: FlowReads, bases: Mapping[FlowId, Base], *, parallelism: int = 8
) -> dict[FlowId, bytes]:
    """The texts behind ``bases``, as far as the server still has them.

    A recorded revision counts only if its source still has the recorded hash: revisions can be
    deleted, and a restored server numbers anew. Where it does not, or none is recorded (a flow
    that was adopted, or written by a run that was killed), the hash is looked for in all of them.
    """

    def read(item: tuple[FlowId, Base]) -> tuple[FlowId, bytes] | None:
        flow_id, base = item
        for source in _candidates(flows, flow_id, base.revision):
            if sha256(source) in base.live_hashes:
                return flow_id, source
        return None

    with ThreadPoolExecutor(max_workers=parallelism) as pool:
        return dict(found for found in pool.map(read, bases.items()) if found is not None)


def _candidates(flows: FlowReads, flow_id: FlowId, revision: int | None) -> Iterator[bytes]:
    if revision is not None:
        with suppress(NotFound):
            yield flows.get(flow_id, revision=revision).source
    with suppress(NotFound):
        yield from (each.source for each in reversed(flows.revisions(flow_id)))
