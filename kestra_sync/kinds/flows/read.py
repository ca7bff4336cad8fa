"""Reads the flows of the server for a plan: all of them once, and those to change again."""

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
            log.info("reading flows one by one is slow: searching for %d flows", len(rest))
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
    return _read(flows, flow_ids, parallelism) if flow_ids else {}


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
