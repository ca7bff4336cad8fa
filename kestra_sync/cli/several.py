"""A command over several environments: side by side, or one after the other.

Each environment is a run of its own, with the settings and the result that it would have alone;
this module combines the results. A run for one environment does not come here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import click

from kestra_sync.cli.options import (
    for_one_environment,
    settings_from,
    text_option,
    texts_option,
)
from kestra_sync.cli.output import Output, masker
from kestra_sync.client.parallel import in_background
from kestra_sync.config.config import load_config
from kestra_sync.errors import ExitCode, KestraSyncError, UsageError, worst
from kestra_sync.observer import Observer
from kestra_sync.report.collect import of_failure
from kestra_sync.report.lines import BLANK, Line, line
from kestra_sync.report.report import Report, Reports
from kestra_sync.report.text import heading, overview_lines
from kestra_sync.settings import Settings

T = TypeVar("T")

#: In the path of a file that each environment has of its own.
PLACEHOLDER = "{environment}"


def names_of(settings: Mapping[str, object]) -> tuple[str, ...]:
    """The environments that were asked for, which are several or ``--all-environments``.

    :param settings: the shared options.
    :raises UsageError: the configuration does not have them, or options that would send what is
        meant for one of them to another one.
    """
    given = tuple(dict.fromkeys(texts_option(settings, "environment")))
    if given and settings["all_environments"]:
        raise UsageError(
            "--all-environments and --environment cannot be used together",
            remedy="remove one of them",
        )
    config = load_config(text_option(settings, "config_path"))
    known = config.environments if config is not None else ()
    if config is None or not known:
        raise UsageError(
            "several environments need a configuration file that defines them",
            remedy="create a kestra-sync.yaml with `environments:`, or pass --config",
        )
    for name in given:
        if name not in known:
            raise UsageError(
                f"{config.path} has no environment '{name}'",
                remedy=f"it has: {', '.join(sorted(known))}",
            )
    names = given or known
    _check_one_server_each(names, settings)
    return names


def _check_one_server_each(names: Sequence[str], settings: Mapping[str, object]) -> None:
    """Refuse ``--url`` and ``--tenant`` where the environments name their own."""
    for option in ("url", "tenant"):
        if not text_option(settings, option):
            continue
        for name in names:
            if getattr(load_config(text_option(settings, "config_path"), name), option, None):
                raise UsageError(
                    f"--{option} cannot be used with several environments: '{name}' has a"
                    f" `{option}` of its own",
                    remedy=f"remove --{option}, or name one environment",
                )


def settings_of(settings: Mapping[str, object], name: str) -> Settings:
    """The settings of one of several environments.

    :raises UsageError: they make no sense.
    """
    options = for_one_environment(settings, name)
    assert options is not None
    return settings_from(**options)


def file_of(path: str | None, option: str, name: str) -> str | None:
    """The file that belongs to an environment.

    :raises UsageError: all environments would have the same one.
    """
    if path is not None and PLACEHOLDER not in path:
        raise UsageError(
            f"{option} {path}: each environment has a plan of its own",
            remedy=f"put {PLACEHOLDER} into the path: plan-{PLACEHOLDER}.json",
        )
    return None if path is None else path.replace(PLACEHOLDER, name)


def side_by_side(
    output: Output,
    names: Sequence[str],
    work: Callable[[str, Observer], T],
    show: Callable[[str, T], Report],
) -> ExitCode:
    """Look at all environments at once, and show them in their order.

    :param work: done in threads; its errors are the result of that environment.
    """
    observer = output.observer()
    observer.stage(f"reading {', '.join(names)}")
    pending = [_begin(work, name, _Notes(observer, name)) for name in names]
    reports = []
    for name, result in zip(names, pending, strict=True):
        found = result()
        observer.end()
        output.text([heading(name)])
        report = (
            _failed(output, name, found)
            if isinstance(found, KestraSyncError)
            else show(name, found)
        )
        output.text([BLANK])
        reports.append(report)
    made = Reports(output.command, worst(each.exit_code for each in reports), tuple(reports))
    output.text(overview_lines(made))
    return output.report(made)


def one_after_another(
    output: Output,
    names: Sequence[str],
    work: Callable[[str], Report],
    *,
    keep_going: bool,
) -> ExitCode:
    """Do and show one environment after the other, up to the first that fails.

    :param keep_going: go on with the next one then; an interruption ends the run anyway.
    """
    reports: list[Report] = []
    for name in names:
        output.text([heading(name)])
        try:
            report = work(name)
        except KestraSyncError as error:
            report = _failed(output, name, error)
        except (KeyboardInterrupt, click.Abort) as error:
            report = _failed(output, name, KestraSyncError("interrupted"), error)
        output.text([BLANK])
        reports.append(report)
        code = report.exit_code
        if code is not ExitCode.OK and (not keep_going or code is ExitCode.INTERRUPTED):
            break
    made = Reports(
        output.command,
        worst(each.exit_code for each in reports),
        tuple(reports),
        tuple(names[len(reports) :]),
    )

    def tell() -> None:
        output.text(overview_lines(made))

    if any(each.outcomes or each.smoke for each in reports):
        return output.decided(made.exit_code, tell, lambda: output.report(made))
    tell()
    return output.report(made)


def check_connections(names: Sequence[str], settings: Mapping[str, object]) -> None:
    """Make the settings and the client of each, before the first write to any. Nothing is sent.

    :raises UsageError: for the configuration, the URL or the credentials of one of them.
    """
    from kestra_sync.client.client import connect

    for name in names:
        with connect(settings_of(settings, name).connection):
            pass


def _begin(
    work: Callable[[str, Observer], T], name: str, observer: Observer
) -> Callable[[], T | KestraSyncError]:
    def attempt() -> T | KestraSyncError:
        try:
            return work(name, observer)
        except KestraSyncError as error:
            return error

    return in_background(attempt)


def _failed(
    output: Output, name: str, error: KestraSyncError, cause: BaseException | None = None
) -> Report:
    """The report of an environment that an exception ended; it is shown on stderr."""
    mask = masker().mask
    message = mask(error.message)
    remedy = None if error.remedy is None else mask(error.remedy)
    code = error.exit_code if cause is None else ExitCode.INTERRUPTED
    output.message(_error_lines(name, message, remedy))
    report = of_failure(output.command, code, cause or error, message, remedy)
    return replace(report, environment=name)


def _error_lines(name: str, message: str, remedy: str | None) -> Iterator[Line]:
    first, *more = message.splitlines() or [""]
    yield line(f"kestra-sync: error: {name}: {first}")
    for each in (*more, *([remedy] if remedy else [])):
        yield line(f"  {each}")


class _Notes(Observer):
    """Passes on only the notes of one environment: the progress of several cannot be followed."""

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer = observer
        self._name = name

    def note(self, message: str) -> None:
        self._observer.note(f"{self._name}: {message}")
