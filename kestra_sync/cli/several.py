"""Runs a command for several environments, in parallel or one after the other.

Each environment is a separate run with its own settings and result; this module combines the
results. It is not used for a single environment.
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

#: Replaced by the name of the environment in the paths of files.
PLACEHOLDER = "{environment}"


def names_of(settings: Mapping[str, object]) -> tuple[str, ...]:
    """Return the selected environments: several, or ``--all-environments``.

    :param settings: the shared options.
    :raises UsageError: the configuration does not define them, or options would apply the settings
        of one to another.
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
    """Reject ``--url`` and ``--tenant`` if the environments define their own."""
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
    """Return the settings of one environment.

    :raises UsageError: they are not valid.
    """
    options = for_one_environment(settings, name)
    assert options is not None
    return settings_from(**options)


def file_of(path: str | None, option: str, name: str) -> str | None:
    """Return the file of an environment.

    :raises UsageError: all environments would use the same file.
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
    """Run ``work`` for all environments in parallel, and show the results in order.

    :param work: runs in threads; its errors become the result of the environment.
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
    """Run ``work`` for one environment after the other; stop at the first failure.

    :param keep_going: continue after a failure; an interruption ends the run in any case.
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

    def show_result() -> None:
        output.text(overview_lines(made))

    if any(each.outcomes or each.smoke for each in reports):
        return output.report_outcome(made.exit_code, show_result, lambda: output.report(made))
    show_result()
    return output.report(made)


def check_connections(names: Sequence[str], settings: Mapping[str, object]) -> None:
    """Create the settings and the client of each, before the first write. Sends no requests.

    :raises UsageError: the configuration, the URL or the credentials of one are not valid.
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
    """Report an environment that ended with an exception, and show the error on stderr."""
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
    """Passes on only the notes of one environment: the progress of several would be unreadable."""

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer = observer
        self._name = name

    def note(self, message: str) -> None:
        self._observer.note(f"{self._name}: {message}")
