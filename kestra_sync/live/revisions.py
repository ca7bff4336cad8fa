"""Revisions, and the texts we applied last, of the flows that are about to change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

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


def base_sources(
    flows: FlowReads, bases: Mapping[FlowId, Base], *, parallelism: int = 8
) -> dict[FlowId, bytes]:
    """The texts behind ``bases``, as far as the server still has them.

    A recorded revision counts only if its source still has the recorded hash: revisions can be
    deleted, and a restored server numbers anew.
    """

    def read(item: tuple[FlowId, Base]) -> tuple[FlowId, bytes] | None:
        flow_id, base = item
        try:
            live = flows.get(flow_id, revision=base.revision)
        except NotFound:
            return None
        return (flow_id, live.source) if sha256(live.source) in base.live_hashes else None

    known = [(flow_id, base) for flow_id, base in bases.items() if base.revision is not None]
    with ThreadPoolExecutor(max_workers=parallelism) as pool:
        return dict(found for found in pool.map(read, known) if found is not None)
