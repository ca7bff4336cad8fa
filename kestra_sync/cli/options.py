"""The options that commands share. Each has a ``KESTRA_SYNC_…`` variable of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kestra_sync.report.formats import FORMATS, STREAM_FORMATS
from kestra_sync.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """``click.option`` with the variable that belongs to its long name."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "KESTRA_SYNC_" + long.removeprefix("--").replace("-", "_").upper()
    attributes.setdefault("envvar", variable)
    return click.option(*names, **attributes)


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def source_options(function: F) -> F:
    """What to read."""
    return _stack(
        click.argument("paths", nargs=-1, type=str),
        option("--strict", is_flag=True, help="YAML files that are no flows are errors."),
        scope_options,
    )(function)


def empty_option(function: F) -> F:
    """Whether to look at nothing is fine."""
    return option(
        "--allow-empty", is_flag=True, help="Finding no flow at all is not an error (exit 64)."
    )(function)


def scope_options(function: F) -> F:
    """Which namespaces are ours."""
    return option(
        "--namespace",
        "namespaces",
        multiple=True,
        metavar="NS",
        help="The scope: this namespace and those below it; repeat for several. "
        "Default: exactly the namespaces that the files name.",
    )(function)


def config_options(function: F) -> F:
    """Where the settings come from that are not given here."""
    return _stack(
        option(
            "--config",
            "config_path",
            metavar="FILE",
            help="The configuration. Default: kestra-sync.yaml, if it is there.",
        ),
        option(
            "-e",
            "--environment",
            metavar="NAME",
            help="The environment of the configuration to work with.",
        ),
        option(
            "--name",
            metavar="NAME",
            help="The name under which the server remembers what was applied.",
        ),
    )(function)


def rule_options(function: F) -> F:
    """What to make of what the server has and Git has not."""
    return _stack(
        option(
            "--prune",
            type=click.Choice(["none", "owned", "scope"]),
            help="Which flows that Git does not have are deleted: none, those we deployed, or "
            "whatever the scope holds. Default: owned.",
        ),
        option(
            "--on-drift",
            type=click.Choice(["revert", "overwrite", "keep", "fail"]),
            help="What becomes of edits made on the server. Default: revert.",
        ),
        option(
            "--re-enable",
            is_flag=True,
            help="Switch flows back on that were switched off on the server.",
        ),
    )(function)


def selection_options(function: F) -> F:
    """Which of the flows to look at."""
    return _stack(
        option(
            "--only",
            multiple=True,
            metavar="PATTERN",
            help="Look only at these flows, such as acme.sales/* or acme.sales; repeat for "
            "several. Nothing is deleted then.",
        ),
        option(
            "--exclude",
            multiple=True,
            metavar="PATTERN",
            help="Do not look at these flows. Nothing is deleted then.",
        ),
    )(function)


def guard_options(function: F) -> F:
    """What a guard would refuse."""
    return _stack(
        option("--allow-large", is_flag=True, help="Delete or update more than the limits allow."),
        option(
            "--allow-skipped-delete",
            is_flag=True,
            help="Delete flows whose file is still there but yields no flow any more.",
        ),
        option(
            "--take-over",
            is_flag=True,
            help="Take over the inventory or the flows of another repository.",
        ),
    )(function)


def connection_options(function: F) -> F:
    """Where the server is."""
    return _stack(
        option("--url", metavar="URL", help="The server. Default: KESTRA_API_URL."),
        option(
            "--tenant", metavar="NAME", help="The tenant. Default: KESTRA_TENANT, or else main."
        ),
        option("--username", metavar="NAME", help="The user. Default: KESTRA_USERNAME."),
        option(
            "--env-file",
            metavar="FILE",
            default=".env",
            show_default=True,
            help="Take URL and credentials from this file, if it is there and they are not set "
            "elsewhere.",
        ),
        option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait for an answer.",
        ),
        option(
            "--parallelism",
            type=click.IntRange(1, 64),
            metavar="N",
            help="How many requests may be under way at once. Default: 8.",
        ),
    )(function)


def _colour_options(function: F) -> F:
    return _stack(
        option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour. auto: on a terminal, unless NO_COLOR is set.",
        ),
        option("-v", "--verbose", is_flag=True, help="Say more: every request, every flow."),
    )(function)


def output_options(function: F) -> F:
    """What to print."""
    return _stack(
        option(
            "--format",
            "output_format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="JSON goes to stdout whole, whatever the exit code; all else goes to stderr.",
        ),
        _colour_options,
    )(function)


def report_options(function: F) -> F:
    """What to print, and which reports to write."""
    return _stack(
        option(
            "--format",
            "output_format",
            type=click.Choice(STREAM_FORMATS),
            default="text",
            show_default=True,
            help="What goes to stdout, whole whatever the exit code; all else goes to stderr.",
        ),
        option(
            "-o",
            "--output",
            "outputs",
            multiple=True,
            metavar="FORMAT=PATH",
            help=f"Write a report, too: {', '.join(FORMATS)}. Repeat for several; the path - is "
            "stdout.",
        ),
        _colour_options,
    )(function)


def file_options(function: F) -> F:
    """What smoke tests may send."""
    return option(
        "--allow-file",
        "allow_files",
        multiple=True,
        metavar="PATH",
        help="Smoke tests may send this file, or the files below this directory, although it is "
        "hidden, ignored, or not beside them; repeat for several.",
    )(function)


def diff_options(function: F) -> F:
    """How to show changes."""
    return option(
        "--context",
        type=click.IntRange(min=0),
        default=2,
        show_default=True,
        metavar="N",
        help="Unchanged lines around each change in a diff.",
    )(function)


def settings_from(
    *,
    config_path: str | None = None,
    environment: str | None = None,
    env_file: str | None = None,
    offline: bool = False,
    **options: Any,
) -> Settings:
    """The settings that the shared options and the configuration add up to.

    :param offline: no server is asked, so it does not matter which.
    :raises UsageError: the configuration cannot be used, or does not fit the options.
    """
    from kestra_sync.config.config import load_config
    from kestra_sync.config.merge import settings_from_config
    from kestra_sync.kestra.credentials import check_one_server, from_environment

    config = load_config(config_path, environment)
    variables = from_environment(env_file)
    if config is not None and not offline:
        check_one_server(
            variables,
            f"the environment {environment} in {config.path}" if environment else config.path,
            None if options.get("url") else config.url,
            None if options.get("tenant") else config.tenant,
        )
    return settings_from_config(
        config,
        environ=variables,
        env_file=env_file,
        **options,
    )
