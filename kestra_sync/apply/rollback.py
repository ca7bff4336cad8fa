"""Takes back what a run has written, in reverse order, without harming anybody else's edits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kestra_sync.apply.outcome import Outcome
from kestra_sync.apply.writer import FlowWrites
from kestra_sync.errors import ExitCode
from kestra_sync.kestra.errors import InvalidContent, KestraError, NotFound
from kestra_sync.model import Change, FlowId, Live, StrEnum
from kestra_sync.observer import Observer


class Undo(StrEnum):
    """How taking back one write ended; stable in the JSON."""

    RESTORED = "restored"
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True)
class Restored:
    """One write that was to be taken back.

    :param revision: the server's revision of the restored source, where there is one.
    :param message: why it could not be taken back; ``""`` if it was.
    """

    change: Change
    undo: Undo
    revision: int | None = None
    message: str = ""


def roll_back(
    flows: FlowWrites,
    outcomes: Iterable[Outcome],
    observer: Observer,
    *,
    journal: Callable[[Change, str], None] = lambda _change, _event: None,
) -> tuple[Restored, ...]:
    """Give every flow that was written its previous source; delete what was created.

    Reads each flow first: one that somebody edited since is left as it is, and reported. Never
    raises for a flow that cannot be restored: the others still are.

    :param journal: told of each write before and after it.
    """
    written = [each.change for each in outcomes if each.written or each.unsure]
    observer.begin(len(written))
    results = []
    for change in reversed(written):
        journal(change, "rolling-back")
        try:
            result = _undo(flows, change)
        except KestraError as error:
            result = Restored(change, Undo.FAILED, message=str(error))
        journal(change, str(result.undo))
        observer.done(
            change.flow_id,
            "rolled back" if result.undo is Undo.RESTORED else f"{result.undo}: {result.message}",
            ok=result.undo is Undo.RESTORED,
        )
        results.append(result)
    observer.end()
    return tuple(results)


def rollback_code(results: Iterable[Restored], red: ExitCode) -> ExitCode:
    """``red`` if everything was taken back, else 6: something is half done."""
    complete = all(each.undo is Undo.RESTORED for each in results)
    return red if complete else ExitCode.PARTIAL


def _undo(flows: FlowWrites, change: Change) -> Restored:
    live = _read(flows, change.flow_id)
    source = None if live is None else live.source
    if source == change.before:
        return Restored(change, Undo.RESTORED, None if live is None else live.revision)
    if source != change.after:
        revision = "gone" if live is None else f"revision {live.revision}"
        return Restored(
            change, Undo.LEFT, message=f"somebody edited it since ({revision} is there now)"
        )
    if change.before is None:
        flows.delete(change.flow_id)
        return Restored(change, Undo.RESTORED)
    if live is None:
        back = _recreate(flows, change.flow_id, change.before)
    else:
        back = flows.update(change.flow_id, change.before)
    return Restored(change, Undo.RESTORED, back.revision)


def _recreate(flows: FlowWrites, flow_id: FlowId, source: bytes) -> Live:
    """Create a flow again that Kestra once stored.

    A source that came to the server by PUT, which is not strict, may be one that POST refuses
    (``docs/kestra-api.md``, "PUT is not strict"). A disabled stub opens the door for it.
    """
    try:
        return flows.create(source)
    except InvalidContent:
        flows.create(_stub(flow_id))
        return flows.update(flow_id, source)


def _stub(flow_id: FlowId) -> bytes:
    return (
        f"id: {flow_id.id}\nnamespace: {flow_id.namespace}\ndisabled: true\n"
        "tasks:\n  - id: stub\n    type: io.kestra.plugin.core.log.Log\n    message: stub\n"
    ).encode()


def _read(flows: FlowWrites, flow_id: FlowId) -> Live | None:
    try:
        return flows.get(flow_id)
    except NotFound:
        return None
