"""``pull``: bring what is on the server into the files. Writes files, never the server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kestra_sync.commands.connect import connect
from kestra_sync.commands.new_files import new_files
from kestra_sync.commands.plan import PlanResult, make_plan
from kestra_sync.errors import ExitCode, KestraSyncError, UsageError
from kestra_sync.live.unusable import RULE
from kestra_sync.model import Change, Diagnostic, FlowId, Reason, StrEnum
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.compare import OnDrift
from kestra_sync.safe.paths import is_there, read_bytes, write
from kestra_sync.settings import Prune, Settings

_NEW = frozenset({Reason.FOREIGN, Reason.UNTOUCHED, Reason.PROTECTED})


class Pulled(StrEnum):
    """What became of a file; stable in the JSON."""

    UPDATED = "updated"
    CREATED = "created"


@dataclass(frozen=True)
class PulledFlow:
    """One flow that was taken from the server.

    :param path: the file that holds it now.
    """

    flow_id: FlowId
    path: str
    pulled: Pulled


@dataclass(frozen=True)
class PullResult:
    """What was written to files, or would be.

    :param flows: sorted by flow.
    :param left: a warning for each flow whose names, which the server sent, make no file.
    """

    planned: PlanResult
    flows: tuple[PulledFlow, ...]
    dry_run: bool
    left: tuple[Diagnostic, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """3 if the files could not be understood, else 0."""
        return ExitCode.INVALID if self.planned.plan is None else ExitCode.OK


def pull(
    settings: Settings, *, new: bool, dry_run: bool, observer: Observer = SILENT
) -> PullResult:
    """Replace the source of each flow that differs by the server's, byte for byte.

    Of a file with several documents only the flow's own document is replaced. Nothing is deleted:
    a flow that the server does not have stays in Git.

    :param new: also write the flows of the scope that Git does not have, to
        ``<first path>/<namespace as folders>/<id>.yaml``.
    :param dry_run: only say what would be written.
    :raises UsageError: if a file to create is there already and holds something else.
    :raises KestraSyncError: a file cannot be written; those before it are.
    """
    with connect(settings.connection) as client:
        # As the server is the source here, nothing about it is to be refused or deleted.
        looking = Settings(
            **{
                **vars(settings),
                "on_drift": OnDrift.REVERT,
                "prune": Prune.NONE,
                "take_over": True,
            }
        )
        planned = make_plan(looking, client, observer=observer)
    if planned.plan is None:
        return PullResult(planned, (), dry_run)
    found = []
    root = settings.paths[0] if settings.paths else "flows"
    fresh = [each for each in planned.plan.changes if new and each.reason in _NEW]
    places, left = new_files(root, [each.flow_id for each in fresh])
    for change in planned.plan.changes:
        if change.before is None:
            continue
        if change.desired is not None and change.before != change.desired.sent:
            found.append((change, change.desired.path, Pulled.UPDATED))
        elif change.flow_id in places:
            found.append((change, places[change.flow_id], Pulled.CREATED))
    if not dry_run:
        _write_all(found)
    flows = tuple(PulledFlow(change.flow_id, path, pulled) for change, path, pulled in found)
    unusable = [each for each in planned.diagnostics if each.rule == RULE]
    return PullResult(planned, flows, dry_run, (*unusable, *left))


def _write_all(found: Iterable[tuple[Change, str, Pulled]]) -> None:
    for change, path, pulled in found:
        assert change.before is not None
        file = Path(path)
        if pulled is Pulled.CREATED:
            if is_there(file):
                raise UsageError(
                    f"{path} is there already and does not hold {change.flow_id}",
                    remedy="move it, or take the flow from the server by hand",
                )
            data = change.before
        else:
            assert change.desired is not None
            data = _spliced(file, change.desired.flow.document.data, change.before)
        _replace(file, data)


def _spliced(file: Path, old: bytes, new: bytes) -> bytes:
    """The file's bytes with one document replaced.

    :raises KestraSyncError: the document is not there exactly once any more.
    """
    try:
        data = read_bytes(file)
    except OSError as error:
        raise KestraSyncError(f"cannot read {file}: {error.strerror}") from error
    if data.count(old) != 1:
        raise KestraSyncError(
            f"{file} changed while it was being worked on", remedy="run the command again"
        )
    if data != old and not new.endswith(b"\n"):
        new += b"\n"  # or the next document's --- would stand on the last line
    return data.replace(old, new)


def _replace(file: Path, data: bytes) -> None:
    """Write the whole file or nothing of it.

    :raises KestraSyncError: it cannot be written.
    """
    try:
        write(file, data, parents=True)
    except OSError as error:
        raise KestraSyncError(f"cannot write {file}: {error.strerror}") from error
