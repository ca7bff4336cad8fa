"""The options of commands that talk to a server and read no flows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kestra_sync.cli.options import config_options, connection_options

F = TypeVar("F", bound=Callable[..., Any])


def server_options(*without: str) -> Callable[[F], F]:
    """Where the server is; without what only matters for many flows, and without ``without``."""
    left_out = {"name", "parallelism", *without}

    def decorate(function: F) -> F:
        mine: list[click.Parameter] = list(getattr(function, "__click_params__", ()))
        decorated = config_options(connection_options(function))
        params: list[click.Parameter] = decorated.__click_params__  # type: ignore[attr-defined]
        params[:] = [each for each in params if each in mine or each.name not in left_out]
        return decorated

    return decorate
