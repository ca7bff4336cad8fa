"""Writes one flow: reads before, compares after, and reads again if a response was lost.

Kestra has no precondition for writes (``docs/kestra-api.md``, "no etag"), so concurrent writers
cannot be locked out. What can be done is done here: the flow is read again just before it is
written and must be the planned one, and the revision that comes back must be the next.
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
from kestra_sync.client.flows import JustRead
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
        seen: JustRead | None = None,
    ) -> Live: ...

    def delete(self, flow_id: FlowId) -> None: ...


class FlowStore(BulkReads, FlowWrites, Protocol):
    """All calls of :class:`kestra_sync.client.flows.Flows` that an apply needs."""


#: Seconds between losing an answer and asking whether the write happened.
_SETTLE = 0.5
#: Seconds for which a read is one right before the write.
_JUST_NOW = 0.1


class FirstReads:
    """The flows that are updated first, read while the record of the intent is read back.

    They are written at once then, instead of being read at once: far from the server, that is a
    round trip less. What is not written within a moment is read again.
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
        self._found: dict[FlowId, JustRead] = {}

    def read(self, beside: Callable[[], None]) -> None:
        """Read all of them, and do something else at the same time."""
        works: list[Callable[[], None]] = [beside]
        works += [partial(self._read, each) for each in self._flow_ids]
        in_parallel(lambda work: work(), works, len(works))

    def _read(self, flow_id: FlowId) -> None:
        with suppress(Exception):  # it is read again before it is written
            live = self._flows.get(flow_id)
            self._found[flow_id] = JustRead(live, self._clock() + _JUST_NOW)

    def take(self, flow_id: FlowId) -> JustRead | None:
        """The flow, if it was read just now; once."""
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
                return _agreed(change, live.revision, "someone else created the same flow")
            return _conflict(change, live, "was created on the server since the plan was created")
        except KestraError as error:
            live = self._after_lost_answer(change, error)
            if live is None:
                try:
                    live = self._post(change, source)
                except AlreadyExists:  # the first one was only late
                    live = self._read(change.flow_id)
            if live is None or live.content != source:
                return _conflict(change, live, "was created on the server in the meantime")
            written = live
        return self._confirm(change, written, expected=None)

    def _post(self, change: Change, source: Content) -> Live:
        """Create it; a flow has its name in its source."""
        store = self._stores.get(change.flow_id.kind)
        if store is not None:
            return store.create(change.flow_id, source)
        return self._flows.create(in_memory(source))

    def _of(self, flow_id: FlowId) -> FlowWrites | Store:
        return self._stores.get(flow_id.kind, self._flows)

    def _update(self, change: Change) -> Outcome:
        source = _source(change)
        look = _Look(change)
        try:
            written = self._put(change, source, look)
        except _EditedError as edited:
            words = "was edited on the server since the plan was created"
            return _conflict(change, edited.live, words)
        except NotFound:
            written = None
        if written is None:
            when = "since the plan was created" if look.first is None else "in the meantime"
            return _conflict(change, None, f"was deleted on the server {when}")
        before = None if look.first is None else look.first.revision
        if before is None and self._replaced_another(change, written):
            return self._confirm(change, written, (written.revision or 0) - 1)
        return self._confirm(change, written, None if before is None else before + 1)

    def _replaced_another(self, change: Change, written: Live) -> bool:
        store = self._stores.get(change.flow_id.kind)
        if store is None or written.revision is None or change.before is None:
            return False
        return store.overwrote(change.flow_id, written.revision, change.before, _source(change))

    def _put(self, change: Change, source: Content, look: _Look) -> Live | None:
        try:
            return self._replace(change.flow_id, source, look)
        except KestraError as error:
            live = self._after_lost_answer(change, error)
            if live is not None and live.content == change.before and error.hanging:
                raise  # the server may be hanging because of it
        if live is not None and live.content == change.before:
            # It did not arrive. A repetition is harmless even if it still does: the same source
            # makes no second revision.
            look.or_ours = True
            return self._replace(change.flow_id, source, look)
        return live

    def _replace(self, flow_id: FlowId, source: Content, look: _Look) -> Live:
        """Write it if the read just before shows what the plan has seen.

        :raises _EditedError: it does not.
        """
        store = self._stores.get(flow_id.kind)
        if store is None:
            seen = self._first.take(flow_id)
            return self._flows.update(flow_id, in_memory(source), check=look, seen=seen)
        look(store.get(flow_id))
        return store.update(flow_id, source)

    def _delete(self, change: Change) -> Outcome:
        before = self._read(change.flow_id)
        if before is None:
            return _agreed(change, None, "was already deleted")
        if before.content != change.before:
            return _conflict(change, before, "was edited on the server since the plan was created")
        try:
            self._of(change.flow_id).delete(change.flow_id)
        except NotFound:
            return _agreed(change, None, "was already deleted")
        except KestraError as error:
            live = self._after_lost_answer(change, error)
            if live is not None and live.content != change.before:
                return _conflict(change, live, "was edited on the server in the meantime")
            if live is not None:
                if not self._may_repeat(change):
                    raise  # it may still arrive, and a second one deletes something else
                with suppress(NotFound):  # the first one was only late
                    self._of(change.flow_id).delete(change.flow_id)
        return _applied(change, None)

    def _may_repeat(self, change: Change) -> bool:
        """Whether a deletion may be sent again although the first one may arrive late."""
        store = self._stores.get(change.flow_id.kind)
        return store is None or store.delete_twice

    def _confirm(self, change: Change, written: Live, expected: int | None) -> Outcome:
        """The response must show our source and the next revision; otherwise someone else wrote in
        between."""
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

    def _after_lost_answer(self, change: Change, error: KestraError) -> Live | None:
        """What the server has after a write whose answer was lost; else raises ``error`` again.

        A rejection only counts if the write did not happen: a proxy may reject what Kestra did.
        """
        refused = not error.may_have_written
        if refused and not (isinstance(error, ApiError) and 400 <= error.status < 500):
            raise error  # it was never sent
        if not refused:
            # The request may still be on its way through a proxy: give it time to land.
            self._sleep(_SETTLE)
        try:
            live = self._read(change.flow_id)
        except KestraError as unread:
            raise error from unread  # whether the write happened is what matters, and not known
        if refused and (live.content if live is not None else None) != change.after:
            raise error
        return live

    def _read(self, flow_id: FlowId) -> Live | None:
        try:
            return self._of(flow_id).get(flow_id)
        except NotFound:
            return None


class _EditedError(Exception):
    """What is about to be replaced is not what the plan has seen."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self.live = live


class _Look:
    """Compares what is about to be replaced with what the plan has seen.

    What was edited and put back is as good as never edited.
    """

    def __init__(self, change: Change) -> None:
        self._change = change
        self.first: Live | None = None
        """What the read before the first write has shown."""
        self.or_ours = False
        """Whether it may also be what is about to be written: a lost write that came late."""

    def __call__(self, live: Live) -> None:
        if self.first is None or not self.or_ours:
            self.first = live
        ours = self.or_ours and live.content == self._change.after
        if live.content != self._change.before and not ours:
            raise _EditedError(live)


def _source(change: Change) -> Content:
    if change.after is None:
        raise AssertionError(f"{change.action} of {change.flow_id} without a source")
    return change.after


def _applied(change: Change, revision: int | None) -> Outcome:
    return Outcome(change, ChangeStatus.APPLIED, revision, written=True)


def _agreed(change: Change, revision: int | None, message: str) -> Outcome:
    """The server already has the desired state, written by someone else: not ours to roll back."""
    return Outcome(change, ChangeStatus.APPLIED, revision, message)


def _conflict(change: Change, live: Live | None, words: str) -> Outcome:
    revision = live.revision if live is not None else None
    at = f" (now at revision {revision})" if revision is not None else ""
    return Outcome(change, ChangeStatus.CONFLICT, revision, f"{words}{at}")


def existing_creates(flows: BulkReads, levels: Iterable[Iterable[Change]]) -> tuple[Outcome, ...]:
    """A conflict for each creation whose flow is on the server already, and nothing else begun.

    One request for all; empty if there is none.

    :raises KestraError: if the server cannot be read.
    """
    changes = [change for level in levels for change in level]
    creates = {
        change.flow_id: change
        for change in changes
        # The stores of other kinds look by themselves.
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


#: Reads what is not a flow where changes were written, each with the revision that it got.
ReadBack = Callable[[Iterable[tuple[Change, "int | None"]]], Mapping[ResourceId, Live]]


def verify(
    flows: BulkReads, outcomes: Iterable[Outcome], read_beside: ReadBack | None = None
) -> tuple[Outcome, ...]:
    """The same outcomes; what does not show on the server is a conflict now.

    :raises KestraError: if the server cannot be read.
    """
    outcomes = tuple(outcomes)
    applied = [each for each in outcomes if each.status is ChangeStatus.APPLIED]
    live = _live_flows(flows, [each.change for each in applied if _is_flow(each)])
    beside = [(each.change, each.revision) for each in applied if not _is_flow(each)]
    if beside and read_beside is not None:
        live.update(read_beside(beside))

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
