"""Writes one flow: reads it before, compares it after, and reads again if a response was lost.

Kestra has no preconditions for writes (``docs/kestra-api.md``, "no etag"), so concurrent writers
cannot be locked out. Instead, the flow is read again just before it is written and must be as the
plan expects, and the response must have the next revision.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

from kestra_sync.apply.run import ChangeStatus, Outcome
from kestra_sync.client.errors import AlreadyExists, ApiError, KestraError, NotFound
from kestra_sync.client.flows import RecentRead
from kestra_sync.client.parallel import in_parallel
from kestra_sync.kinds.base import Store
from kestra_sync.kinds.flows.snapshot import BulkReads, snapshot
from kestra_sync.model import Action, Change, FlowId, Kind, Live, ResourceId, Scope
from kestra_sync.resources import Content, in_memory


class FlowWrites(Protocol):
    """The calls of :class:`kestra_sync.client.flows.Flows` that writing one flow needs."""

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live: ...

    def create(self, source: bytes) -> Live: ...

    def update(
        self,
        flow_id: FlowId,
        source: bytes,
        *,
        check: Callable[[Live], None] | None = None,
        recent: RecentRead | None = None,
    ) -> Live: ...

    def delete(self, flow_id: FlowId) -> None: ...


class FlowStore(BulkReads, FlowWrites, Protocol):
    """All calls of :class:`kestra_sync.client.flows.Flows` that an apply needs."""


#: Seconds between a lost response and the check of whether the write happened.
_SETTLE = 0.5
#: Seconds for which a read counts as made just before the write.
_RECENT = 0.1


class FirstReads:
    """The flows that are updated first, read while the record of the intent is read back.

    They can then be written without another read, which saves a round trip. A flow that is not
    written within a moment is read again.
    """

    def __init__(
        self,
        flows: FlowWrites,
        flow_ids: Iterable[FlowId],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._flows = flows
        self._flow_ids = tuple(flow_ids)
        self._clock = clock
        self._found: dict[FlowId, RecentRead] = {}

    def read(self, meanwhile: Callable[[], None]) -> None:
        """Read all of them, concurrently with ``meanwhile``."""
        works: list[Callable[[], None]] = [meanwhile]
        works += [partial(self._read, each) for each in self._flow_ids]
        in_parallel(lambda work: work(), works, len(works))

    def _read(self, flow_id: FlowId) -> None:
        with suppress(Exception):  # it is read again before it is written
            live = self._flows.get(flow_id)
            self._found[flow_id] = RecentRead(live, self._clock() + _RECENT)

    def take(self, flow_id: FlowId) -> RecentRead | None:
        """Return the flow if it was just read, but only once."""
        found = self._found.pop(flow_id, None)
        return found if found is not None and self._clock() < found.until else None


class ChangeWriter:
    """Carries out single changes. Safe to use from several threads."""

    def __init__(
        self,
        flows: FlowWrites,
        *,
        stores: Mapping[Kind, Store] | None = None,
        first: FirstReads | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._flows = flows
        self._stores = stores or {}
        self._first = first or FirstReads(flows, ())
        self._sleep = sleep

    def write(self, change: Change) -> Outcome:
        """Carry out one change. Failures are outcomes, not exceptions."""
        try:
            if change.action is Action.CREATE:
                return self._create(change)
            if change.action is Action.DELETE:
                return self._delete(change)
            return self._update(change)
        except KestraError as error:
            unsure = error.may_have_written
            return Outcome(
                change, ChangeStatus.FAILED, message=str(error), error=error, unsure=unsure
            )

    def _create(self, change: Change) -> Outcome:
        source = _source(change)
        try:
            written = self._post(change, source)
        except AlreadyExists:
            live = self._read(change.flow_id)
            if live is not None and live.content == source:
                return _already_done(change, live.revision, "someone else created the same flow")
            return _conflict(change, live, "was created on the server since the plan was created")
        except KestraError as error:
            live = self._after_lost_response(change, error)
            if live is None:
                try:
                    live = self._post(change, source)
                except AlreadyExists:  # the first request arrived late
                    live = self._read(change.flow_id)
            if live is None or live.content != source:
                return _conflict(change, live, "was created on the server in the meantime")
            written = live
        return self._confirm(change, written, expected=None)

    def _post(self, change: Change, source: Content) -> Live:
        """Create the resource; a flow has its id in its source."""
        store = self._stores.get(change.flow_id.kind)
        if store is not None:
            return store.create(change.flow_id, source)
        return self._flows.create(in_memory(source))

    def _store_for(self, flow_id: FlowId) -> FlowWrites | Store:
        return self._stores.get(flow_id.kind, self._flows)

    def _update(self, change: Change) -> Outcome:
        source = _source(change)
        check = _EditCheck(change)
        try:
            written = self._put(change, source, check)
        except _ChangedSincePlanError as edited:
            words = "was edited on the server since the plan was created"
            return _conflict(change, edited.live, words)
        except NotFound:
            written = None
        if written is None:
            when = "since the plan was created" if check.first is None else "in the meantime"
            return _conflict(change, None, f"was deleted on the server {when}")
        before = None if check.first is None else check.first.revision
        if before is None and self._replaced_another(change, written):
            return self._confirm(change, written, (written.revision or 0) - 1)
        return self._confirm(change, written, None if before is None else before + 1)

    def _replaced_another(self, change: Change, written: Live) -> bool:
        store = self._stores.get(change.flow_id.kind)
        if store is None or written.revision is None or change.before is None:
            return False
        return store.overwrote(change.flow_id, written.revision, change.before, _source(change))

    def _put(self, change: Change, source: Content, check: _EditCheck) -> Live | None:
        try:
            return self._replace(change.flow_id, source, check)
        except KestraError as error:
            live = self._after_lost_response(change, error)
            if live is not None and live.content == change.before and error.hanging:
                raise  # the server may be hanging because of it
        if live is not None and live.content == change.before:
            # The request did not arrive. Repeating it is harmless even if it still does: the same
            # source does not create a second revision.
            check.allow_own_write = True
            return self._replace(change.flow_id, source, check)
        return live

    def _replace(self, flow_id: FlowId, source: Content, check: _EditCheck) -> Live:
        """Write the source if the read just before shows the state that the plan expects.

        :raises _ChangedSincePlanError: it shows something else.
        """
        store = self._stores.get(flow_id.kind)
        if store is None:
            recent = self._first.take(flow_id)
            return self._flows.update(flow_id, in_memory(source), check=check, recent=recent)
        check(store.get(flow_id))
        return store.update(flow_id, source)

    def _delete(self, change: Change) -> Outcome:
        before = self._read(change.flow_id)
        if before is None:
            return _already_done(change, None, "was already deleted")
        if before.content != change.before:
            return _conflict(change, before, "was edited on the server since the plan was created")
        try:
            self._store_for(change.flow_id).delete(change.flow_id)
        except NotFound:
            return _already_done(change, None, "was already deleted")
        except KestraError as error:
            live = self._after_lost_response(change, error)
            if live is not None and live.content != change.before:
                return _conflict(change, live, "was edited on the server in the meantime")
            if live is not None:
                if not self._may_repeat(change):
                    raise  # the first may still arrive, and a second could delete something else
                with suppress(NotFound):  # the first request arrived late
                    self._store_for(change.flow_id).delete(change.flow_id)
        return _applied(change, None)

    def _may_repeat(self, change: Change) -> bool:
        """Return whether a deletion may be repeated although the first may still arrive."""
        store = self._stores.get(change.flow_id.kind)
        return store is None or store.delete_twice

    def _confirm(self, change: Change, written: Live, expected: int | None) -> Outcome:
        """Check that the response has this run's source and the next revision: no other write."""
        if written.content != change.after:
            return _conflict(change, written, "was overwritten on the server in the meantime")
        if expected is not None and written.revision not in (None, expected):
            kept = " and still readable" if change.flow_id.kind.traits.revisions else ""
            return Outcome(
                change,
                ChangeStatus.CONFLICT,
                written.revision,
                f"revision {expected}, written by someone else just before, was overwritten by "
                f"revision {written.revision}{kept}",
                written=True,
            )
        return _applied(change, written.revision)

    def _after_lost_response(self, change: Change, error: KestraError) -> Live | None:
        """Read what the server has after a write whose response was lost.

        A rejection only counts if the write did not happen: a proxy may reject what Kestra did.

        :raises KestraError: ``error``, if the write was never sent, was rejected or cannot be read.
        """
        refused = not error.may_have_written
        if refused and not (isinstance(error, ApiError) and 400 <= error.status < 500):
            raise error  # it was never sent
        if not refused:
            # The request may still be on its way through a proxy: give it time to arrive.
            self._sleep(_SETTLE)
        try:
            live = self._read(change.flow_id)
        except KestraError as unread:
            raise error from unread  # the outcome of the write is unknown
        if refused and (live.content if live is not None else None) != change.after:
            raise error
        return live

    def _read(self, flow_id: FlowId) -> Live | None:
        try:
            return self._store_for(flow_id).get(flow_id)
        except NotFound:
            return None


class _ChangedSincePlanError(Exception):
    """The flow to replace is not in the state that the plan expects."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self.live = live


class _EditCheck:
    """Compares the flow to replace with the state that the plan expects.

    A flow that was edited and then restored counts as unedited.
    """

    def __init__(self, change: Change) -> None:
        self._change = change
        self.first: Live | None = None
        """The flow as read before the first write."""
        self.allow_own_write = False
        """Whether the flow may already have the new source: a lost write that arrived late."""

    def __call__(self, live: Live) -> None:
        if self.first is None or not self.allow_own_write:
            self.first = live
        own_write = self.allow_own_write and live.content == self._change.after
        if live.content != self._change.before and not own_write:
            raise _ChangedSincePlanError(live)


def _source(change: Change) -> Content:
    if change.after is None:
        raise AssertionError(f"{change.action} of {change.flow_id} without a source")
    return change.after


def _applied(change: Change, revision: int | None) -> Outcome:
    return Outcome(change, ChangeStatus.APPLIED, revision, written=True)


def _already_done(change: Change, revision: int | None, message: str) -> Outcome:
    """The server already has the desired state, written by someone else: do not roll it back."""
    return Outcome(change, ChangeStatus.APPLIED, revision, message)


def _conflict(change: Change, live: Live | None, words: str) -> Outcome:
    revision = live.revision if live is not None else None
    at = f" (now at revision {revision})" if revision is not None else ""
    return Outcome(change, ChangeStatus.CONFLICT, revision, f"{words}{at}")


def existing_creates(flows: BulkReads, levels: Iterable[Iterable[Change]]) -> tuple[Outcome, ...]:
    """Return a conflict for each flow to create that already exists; all others are not attempted.

    Makes one request for all flows. Empty if none exists.

    :raises KestraError: if the server cannot be read.
    """
    changes = [change for level in levels for change in level]
    creates = {
        change.flow_id: change
        for change in changes
        # The stores of other kinds check this themselves.
        if change.action is Action.CREATE and change.flow_id.kind is Kind.FLOW
    }
    if not creates:
        return ()
    scope = Scope(tuple(sorted({flow_id.namespace for flow_id in creates})), exact=True)
    there = {
        found.flow_id: Outcome(
            creates[found.flow_id],
            ChangeStatus.CONFLICT,
            found.revision,
            "was created on the server since the plan was created (now at revision "
            f"{found.revision})",
        )
        for found in flows.search(scope)
        if found.flow_id in creates
    }
    if not there:
        return ()
    return tuple(
        there.get(each.flow_id, Outcome(each, ChangeStatus.NOT_ATTEMPTED)) for each in changes
    )


#: Reads resources that are not flows, each with the revision that its write returned.
ReadBack = Callable[[Iterable[tuple[Change, "int | None"]]], Mapping[ResourceId, Live]]


def verify(
    flows: BulkReads, outcomes: Iterable[Outcome], read_back: ReadBack | None = None
) -> tuple[Outcome, ...]:
    """Return the outcomes, with a conflict for each write that is not on the server.

    :raises KestraError: if the server cannot be read.
    """
    outcomes = tuple(outcomes)
    applied = [each for each in outcomes if each.status is ChangeStatus.APPLIED]
    live = _live_flows(flows, [each.change for each in applied if _is_flow(each)])
    others = [(each.change, each.revision) for each in applied if not _is_flow(each)]
    if others and read_back is not None:
        live.update(read_back(others))

    def shown(change: Change) -> bool:
        there = live.get(change.flow_id)
        return (there.content if there is not None else None) == change.after

    return tuple(
        replace(
            each,
            status=ChangeStatus.CONFLICT,
            message="was written, but then changed by someone else",
        )
        if each.status is ChangeStatus.APPLIED and not shown(each.change)
        else each
        for each in outcomes
    )


def _is_flow(outcome: Outcome) -> bool:
    return outcome.change.flow_id.kind is Kind.FLOW


def _live_flows(flows: BulkReads, written: Sequence[Change]) -> dict[ResourceId, Live]:
    if not written:
        return {}
    scope = Scope(tuple(sorted({each.flow_id.namespace for each in written})), exact=True)
    known = {each.desired.sent_sha256: each.flow_id for each in written if each.desired is not None}
    return snapshot(flows, scope, known)
