"""``render``: shows what would be sent, or writes it to files. Does not contact a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kestra_sync.commands.files import (
    check_found,
    has_errors,
    is_selected,
    load_files,
    render_files,
    stamp_of,
)
from kestra_sync.commands.new_files import new_files
from kestra_sync.errors import ExitCode, KestraSyncError
from kestra_sync.model import Desired, Diagnostic, FlowId, Repository
from kestra_sync.observer import SILENT, Observer
from kestra_sync.render import with_stamps
from kestra_sync.safe.paths import write
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class RenderResult:
    """The flows as they would be sent.

    :param repository: the resources in the files, and the skipped files.
    :param diagnostics: problems of the files and of rendering them.
    :param written: the files that were written.
    """

    repository: Repository
    desired: tuple[Desired, ...]
    diagnostics: tuple[Diagnostic, ...]
    written: Mapping[FlowId, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """3 if a file cannot be parsed or rendered."""
        return ExitCode.INVALID if has_errors(self.diagnostics) else ExitCode.OK


def render_flows(
    settings: Settings, *, out: str | None = None, observer: Observer = SILENT
) -> RenderResult:
    """Render the flows of the files, with the stamps that a new flow would get.

    :param out: a directory to write ``<namespace as folders>/<id>.yaml`` to, by the names on the
        server. Nothing is written if there are errors.
    :raises UsageError: there are no flows, or ``out`` is a file.
    :raises KestraSyncError: a file cannot be written.
    """
    observer.stage("reading the files")
    repository = load_files(settings)
    rendered = with_stamps(render_files(repository, settings), {}, stamp_of(settings))
    desired = tuple(
        each
        for each in rendered.desired
        if is_selected(each.flow_id, settings, here=each.flow.flow_id)
    )
    check_found(repository, settings, selected=len(desired))
    found = (*repository.diagnostics, *rendered.diagnostics)
    diagnostics = tuple(sorted(found, key=lambda each: each.sort_key))
    if out is None or has_errors(diagnostics):
        return RenderResult(repository, desired, diagnostics)
    places, left = new_files([each.flow_id for each in desired], Settings((out,)))
    for each in desired:
        if each.flow_id in places:
            _write(Path(places[each.flow_id]), each.sent)
    return RenderResult(repository, desired, (*diagnostics, *left), places)


def _write(file: Path, data: bytes) -> None:
    try:
        write(file, data, parents=True)
    except OSError as error:
        raise KestraSyncError(f"cannot write {file}: {error.strerror}") from error
