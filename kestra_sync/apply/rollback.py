"""Rolls back the writes of a run, in reverse order, without overwriting other edits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from kestra_sync.apply.run import ChangeStatus, Outcome, Restored, RollbackStatus
from kestra_sync.apply.writer import ChangeWriter, FlowWrites
from kestra_sync.client.errors import InvalidContent, KestraError, NotFound
from kestra_sync.kinds.base import Store
from kestra_sync.model import Action, Change, FlowId, Kind, Live
from kestra_sync.observer import Observer, SafeObserver
from kestra_sync.resources import Content


def roll_back(
    flows: FlowWrites,
    outcomes: Iterable[Outcome],
    observer: Observer,
    *,
    journal: Callable[[Change, str], None] = lambda _change, _event: None,
    stores: Mapping[Kind, Store] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Restored, ...]:
    """Restore the previous source of every flow that was written; delete flows that were created.

    Each flow is read first: a flow that was edited since is left as it is, and reported. Never
    raises: a failure with one flow does not keep the others from being restored, and after a second
    ``^C`` the remaining flows are reported as not rolled back.

    :param journal: called before and after each write.
    """
    written = [each for each in outcomes if each.written or each.unsure]
    status = _Rollback(flows, ChangeWriter(flows, stores=stores, sleep=sleep), stores or {})
    observer = SafeObserver(observer)
    results: list[Restored] = []
    current: Change | None = None
    try:
        observer.begin(len(written))
        for outcome in reversed(written):
            change = current = outcome.change
            journal(change, "rolling-back")
            results.append(_roll_back_one(status, outcome))
            result = results[-1]
            journal(change, str(result.status))
            words = f"{result.status}: {result.message}"
            observer.done(
                change.flow_id,
                "rolled back" if result.status is RollbackStatus.RESTORED else words,
                ok=result.status is RollbackStatus.RESTORED,
            )
        observer.end()
    except BaseException as error:  # usually a second ^C; the rest is reported as failed
        interrupted = isinstance(error, KeyboardInterrupt)
        why = "interrupted" if interrupted else f"{type(error).__name__}: {error}"
        known = {each.change.flow_id for each in results}
        results += [
            Restored(
                each.change,
                RollbackStatus.FAILED,
                message=f"{'possibly ' if each.change is current else ''}not rolled back: {why}",
            )
            for each in reversed(written)
            if each.change.flow_id not in known
        ]
    return tuple(results)


def _roll_back_one(status: _Rollback, outcome: Outcome) -> Restored:
    """Roll back one write; even a bug becomes a result, because the others must be rolled back."""
    message = ""
    for _ in range(2):  # retried after a bug: it reads first, and may find it rolled back
        try:
            return status.roll_back(outcome)
        except KestraError as error:
            message = str(error)
            break
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
    return Restored(outcome.change, RollbackStatus.FAILED, message=message)


class _Rollback:
    """Rolls back single writes with the checks of the writer, before and after each write."""

    def __init__(
        self, flows: FlowWrites, writer: ChangeWriter, stores: Mapping[Kind, Store]
    ) -> None:
        self._flows = flows
        self._stores = stores
        self._writer = writer

    def roll_back(self, outcome: Outcome) -> Restored:
        """Undo one write.

        :raises KestraError: it could not be done.
        """
        change = outcome.change
        live = self._read(change.flow_id)
        source = None if live is None else live.content
        revision = None if live is None else live.revision
        if source == change.before:
            return Restored(change, RollbackStatus.RESTORED, revision)
        if source != change.after:
            there = "gone" if live is None else f"revision {revision}"
            return Restored(
                change, RollbackStatus.LEFT, message=f"it has been edited since (now at {there})"
            )
        previous, words = self._previous(outcome)
        back = Change(
            _REVERSE[change.action, previous is None],
            change.reason,
            change.flow_id,
            change.path,
            before=source,
            after=previous,
            revision=revision,
        )
        done = self._writer.write(back)
        is_flow = change.flow_id.kind is Kind.FLOW
        if is_flow and back.action is Action.CREATE and isinstance(done.error, InvalidContent):
            done = self._create_through_stub(back)
        if done.status is ChangeStatus.APPLIED or done.written:
            return Restored(change, RollbackStatus.RESTORED, done.revision, done.message or words)
        status = (
            RollbackStatus.LEFT if done.status is ChangeStatus.CONFLICT else RollbackStatus.FAILED
        )
        return Restored(change, status, message=done.message)

    def _previous(self, outcome: Outcome) -> tuple[Content | None, str]:
        """Return the source before this run's write, and a note if someone else wrote it."""
        change, revision = outcome.change, outcome.revision
        overwrote_other = outcome.status is ChangeStatus.CONFLICT and change.action is Action.UPDATE
        if not overwrote_other or revision is None or not change.flow_id.kind.traits.revisions:
            return change.before, ""
        with suppress(NotFound):
            store = self._stores.get(change.flow_id.kind, self._flows)
            found = store.get(change.flow_id, revision=revision - 1)
            if found.content != change.before:
                return (
                    found.content,
                    f"to revision {revision - 1}, which was written by someone else",
                )
        return change.before, ""

    def _create_through_stub(self, change: Change) -> Outcome:
        """Recreate a flow whose source Kestra once stored but now rejects.

        A source that was stored with PUT, which is not strict, may be rejected by POST
        (``docs/kestra-api.md``, "PUT is not strict"). So a disabled stub is created, then updated.
        """
        stub = _stub(change.flow_id)
        revision = self._flows.create(stub).revision
        done = self._writer.write(
            replace(change, action=Action.UPDATE, before=stub, revision=revision)
        )
        if done.status is ChangeStatus.FAILED and not done.unsure:
            with suppress(KestraError):
                self._flows.delete(change.flow_id)
        return done

    def _read(self, flow_id: FlowId) -> Live | None:
        try:
            return self._stores.get(flow_id.kind, self._flows).get(flow_id)
        except NotFound:
            return None


#: (action, whether the flow did not exist before) → the action that reverses it.
_REVERSE = {
    (Action.CREATE, True): Action.DELETE,
    (Action.UPDATE, False): Action.UPDATE,
    (Action.DELETE, False): Action.CREATE,
}


def _stub(flow_id: FlowId) -> bytes:
    return (
        f"id: {flow_id.id}\nnamespace: {flow_id.namespace}\ndisabled: true\n"
        "tasks:\n  - id: stub\n    type: io.kestra.plugin.core.log.Log\n    message: stub\n"
    ).encode()
