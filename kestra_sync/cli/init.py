"""``kestra-sync init``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from kestra_sync.cli.options import (
    connection_options,
    option,
    output_options,
    scope_options,
    settings_from,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.model import plural
from kestra_sync.report.lines import BLANK, Line, Span, Style, line, padded, width_of

if TYPE_CHECKING:
    from kestra_sync.commands.init import InitResult

_FORGES = ("github", "gitlab", "bitbucket", "azure", "jenkins", "none")


@click.command("init")
@click.argument("paths", nargs=-1, type=str)
@option(
    "--name", metavar="NAME", help="Name of the inventory. Default: the name of the repository."
)
@scope_options
@option(
    "--ci",
    type=click.Choice(_FORGES),
    help="CI system to write a pipeline for. Default: detected from the repository.",
)
@option(
    "--from-server",
    is_flag=True,
    help="Adopt a running server: write its flows to files and record them as deployed by this "
    "repository.",
)
@connection_options
@output_options
def command(
    *,
    paths: tuple[str, ...],
    name: str | None,
    namespaces: tuple[str, ...],
    ci: str | None,
    from_server: bool,
    output_format: str,
    color: str,
    verbose: bool,
    **connection: object,
) -> ExitCode:
    """Create a configuration and a CI pipeline for the flows in PATHS.

    Writes .kestraignore, a pipeline for the CI system of the repository, and kestra-sync.yaml,
    which declares the common namespace of the flows and the namespace files and keys next to them.
    Without PATHS, looks for flows, _flows, NAMESPACE/flows and PROJECT/flows. Does not overwrite
    existing files. With a configuration, kestra-sync keeps an inventory of applied flows on the
    server, so that it can detect drift and delete flows that were removed from Git.

    With --from-server, the flows of a running server are first written to files and recorded as
    deployed by this repository. Writes no flows to the server; a plan has no changes afterwards.
    """
    from kestra_sync.commands.forges import Forge
    from kestra_sync.commands.init import adopt, init

    output = Output.of("init", output_format=output_format, color=color, verbose=verbose)
    forge = Forge(ci) if ci else None
    if not from_server:
        written = init(paths, name=name, namespaces=namespaces, forge=forge)
        output.text(_lines(written))
        output.result(ExitCode.OK, _as_json(written))
        return ExitCode.OK
    observer = output.observer()
    try:
        paths = paths or ("flows",)
        settings = settings_from(paths=paths, namespaces=namespaces, **connection)
        done = adopt(settings, name=name, forge=forge, observer=observer)
    finally:
        observer.end()
    from kestra_sync.report.plan_text import plan_sections
    from kestra_sync.report.pull_text import pull_lines

    if done.pulled.planned.plan is None:
        output.show(plan_sections(done.pulled.planned))
    elif done.written is None:
        output.text(pull_lines(done.pulled.flows, dry_run=False))
    else:
        output.text(
            [line(f"Pulled {plural(len(done.pulled.flows), 'flow')} into {paths[0]}."), BLANK]
        )
        output.text(_lines(done.written))
    if done.applied is not None:
        output.text([BLANK, *map(line, done.applied.done.recorded)])
        if done.exit_code is not ExitCode.OK:
            output.show(plan_sections(done.applied.planned))
    document = _as_json(done.written) if done.written else {"path": None, "text": None, "files": []}
    output.result(done.exit_code, document)
    return done.exit_code


def _lines(written: InitResult) -> Iterator[Line]:
    """The configuration in full, the other files by name."""
    configuration, *others = written.files
    yield line(f"Wrote {configuration.path}:")
    yield BLANK
    yield from map(line, configuration.text.splitlines())
    if others:
        yield BLANK
    width = width_of(each.path for each in others)
    for each in others:
        verb = "Wrote" if each.written else "Kept "
        why = each.purpose if each.written else "already exists"
        yield line(f"{verb} {padded(each.path, width)}   ", Span(why, Style.DIM))
    yield BLANK
    for note in written.notes:
        yield line(Span(note, Style.DIM))
    yield line("Next: kestra-sync doctor, then kestra-sync plan")


def _as_json(written: InitResult) -> dict[str, Any]:
    configuration = written.files[0]
    return {
        "path": configuration.path,
        "text": configuration.text,
        "files": [
            {"path": each.path, "purpose": each.purpose, "written": each.written}
            for each in written.files
        ],
    }
