"""The options that commands share. Each has a ``KESTRA_SYNC_…`` variable of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kestra_sync.model import Scope
from kestra_sync.settings import Connection, Settings

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
        option(
            "--namespace",
            "namespaces",
            multiple=True,
            metavar="NS",
            help="The scope: this namespace and those below it; repeat for several. "
            "Default: exactly the namespaces that the files name.",
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
            help="Read variables that are not set from this file, if it is there.",
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
            default=8,
            show_default=True,
            metavar="N",
            help="How many requests may be under way at once.",
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
            help="JSON goes to stdout whole, whatever the exit code; all else goes to stderr.",
        ),
        option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour. auto: on a terminal, unless NO_COLOR is set.",
        ),
        option("-v", "--verbose", is_flag=True, help="Say more: every request, every flow."),
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
    paths: tuple[str, ...],
    strict: bool = False,
    namespaces: tuple[str, ...] = (),
    url: str | None = None,
    tenant: str | None = None,
    username: str | None = None,
    env_file: str | None = None,
    timeout: float = 60.0,
    parallelism: int = 8,
) -> Settings:
    """The settings that the shared options add up to."""
    return Settings(
        paths=paths or ("flows",),
        scope=Scope(namespaces) if namespaces else None,
        strict=strict,
        parallelism=parallelism,
        connection=Connection(
            url=url, tenant=tenant, username=username, env_file=env_file, timeout=timeout
        ),
    )
