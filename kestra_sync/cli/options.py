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
        option("--strict", is_flag=True, help="Treat YAML files that are not flows as errors."),
        scope_options,
    )(function)


def empty_option(function: F) -> F:
    """Whether to look at nothing is fine."""
    return option(
        "--allow-empty",
        is_flag=True,
        help="Succeed when no flows are found (otherwise exit code 64).",
    )(function)


def scope_options(function: F) -> F:
    """Which namespaces are ours."""
    return option(
        "--namespace",
        "namespaces",
        multiple=True,
        metavar="NS",
        help="Namespace to manage, including its children; repeatable. Default: exactly the "
        "namespaces of the flows in the files.",
    )(function)


def config_options(function: F) -> F:
    """Where the settings come from that are not given here."""
    return _stack(
        option(
            "--config",
            "config_path",
            metavar="FILE",
            help="Configuration file. Default: kestra-sync.yaml, if it exists.",
        ),
        option(
            "-e",
            "--environment",
            metavar="NAME",
            help="Environment to use, as defined in the configuration file.",
        ),
        option(
            "--name",
            metavar="NAME",
            help="Name of the inventory, the record of applied flows on the server.",
        ),
    )(function)


def rule_options(function: F) -> F:
    """What to make of what the server has and Git has not."""
    return _stack(
        option(
            "--prune",
            type=click.Choice(["none", "owned", "scope"]),
            help="Flows missing from Git to delete: none, those deployed by kestra-sync (owned), "
            "or all in the managed namespaces (scope). Default: owned.",
        ),
        option(
            "--on-drift",
            type=click.Choice(["revert", "overwrite", "keep", "fail"]),
            help="How to handle drift (edits made on the server). Default: revert.",
        ),
        option(
            "--re-enable",
            is_flag=True,
            help="Re-enable flows that were disabled on the server.",
        ),
    )(function)


def selection_options(function: F) -> F:
    """Which of the flows to look at."""
    return _stack(
        option(
            "--only",
            multiple=True,
            metavar="PATTERN",
            help="Only these flows, such as acme.sales/* or acme.sales; repeatable. Disables "
            "deletion.",
        ),
        option(
            "--exclude",
            multiple=True,
            metavar="PATTERN",
            help="Skip these flows; repeatable. Disables deletion.",
        ),
    )(function)


def guard_options(function: F) -> F:
    """What a guard would refuse."""
    return _stack(
        option("--allow-large", is_flag=True, help="Exceed the limits on deletions and updates."),
        option(
            "--allow-skipped-delete",
            is_flag=True,
            help="Delete flows whose file still exists but no longer contains them.",
        ),
        option(
            "--take-over",
            is_flag=True,
            help="Take over an inventory or flows that belong to another repository.",
        ),
    )(function)


def connection_options(function: F) -> F:
    """Where the server is."""
    return _stack(
        option("--url", metavar="URL", help="URL of the Kestra server. Default: KESTRA_API_URL."),
        option("--tenant", metavar="NAME", help="Tenant. Default: KESTRA_TENANT, then main."),
        option("--username", metavar="NAME", help="Username. Default: KESTRA_USERNAME."),
        option(
            "--env-file",
            metavar="FILE",
            default=".env",
            show_default=True,
            help="File to read the URL and credentials from, if it exists and they are not set "
            "elsewhere.",
        ),
        option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="Timeout for each request.",
        ),
        option(
            "--parallelism",
            type=click.IntRange(1, 64),
            metavar="N",
            help="Maximum number of concurrent requests. Default: 8.",
        ),
    )(function)


def _colour_options(function: F) -> F:
    return _stack(
        option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="When to use colors; auto: on a terminal, unless NO_COLOR is set.",
        ),
        option(
            "-v", "--verbose", is_flag=True, help="Verbose: log every request, list every flow."
        ),
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
            help="Output format. With json, stdout is one JSON document, whatever the exit code; "
            "messages go to stderr.",
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
            help="Format of stdout, complete whatever the exit code; messages go to stderr.",
        ),
        option(
            "-o",
            "--output",
            "outputs",
            multiple=True,
            metavar="FORMAT=PATH",
            help=f"Also write a report: {', '.join(FORMATS)}; repeatable. The path - is stdout.",
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
        help="Allow smoke tests to send this file, or files in this directory, even if hidden, "
        "ignored or outside of the test's directory; repeatable.",
    )(function)


def diff_options(function: F) -> F:
    """How to show changes."""
    return _stack(
        option(
            "--diff",
            "detail",
            type=click.Choice(["full", "short", "stat", "none"]),
            default="short",
            show_default=True,
            help="Diffs to show: all lines, also of flows that are created or deleted (full); long"
            " ones cut and equal ones once (short); numbers (stat); none.",
        ),
        context_option,
    )(function)


def context_option(function: F) -> F:
    """How much to show around a change."""
    return option(
        "--context",
        type=click.IntRange(min=0),
        default=2,
        show_default=True,
        metavar="N",
        help="Lines of context around each change in a diff.",
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
    from kestra_sync.client.credentials import check_one_server, from_environment
    from kestra_sync.client.scoped import LoginScope
    from kestra_sync.config.config import load_config
    from kestra_sync.config.merge import settings_from_config

    config = load_config(config_path, environment)
    token_env = None if config is None else config.token_env
    variables = from_environment(env_file, LoginScope(environment, token_env))
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
