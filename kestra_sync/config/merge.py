"""Flags over environment over file over defaults.

The command line has merged flags and ``KESTRA_SYNC_…`` variables already; what it was not given is
``None`` or empty and comes from the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from kestra_sync.config.config import Config
from kestra_sync.declared import declarations
from kestra_sync.errors import UsageError
from kestra_sync.model import Scope
from kestra_sync.safe.paths import is_below
from kestra_sync.settings import Connection, Settings

_DEFAULTS = Settings()


@dataclass(frozen=True)
class GivenOptions:
    """What the command line was given; what it was not is ``None`` or empty.

    :param settings: of the declared settings, by their fields.
    """

    paths: Sequence[str] = ()
    namespaces: Sequence[str] = ()
    name: str | None = None
    url: str | None = None
    tenant: str | None = None
    username: str | None = None
    env_file: str | None = None
    timeout: float = 60.0
    settings: Mapping[str, Any] = field(default_factory=dict)


def settings_from_config(
    config: Config | None,
    given: GivenOptions = GivenOptions(),
    *,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """What a run is asked to do.

    :param config: the file, merged with its environment; ``None`` if there is none.
    :param environ: what the environment says of the connection, the ``.env`` file included: it
        takes precedence over the file, and the client reads it itself.
    :raises UsageError: a name without a scope.
    """
    file = config or Config(path="", base="")
    scope = Scope(tuple(given.namespaces)) if given.namespaces else file.scope
    if (given.name or file.name) and scope is None:
        raise UsageError(
            "`name` requires `scope`: flows of the scope that are removed from Git are deleted",
            remedy="add `scope:` to kestra-sync.yaml, or pass --namespace",
        )
    environ = environ or {}
    paths = given.paths
    return Settings(
        paths=tuple(paths) or file.source or _default_source(config),
        source=file.source or (),
        config_path=config.path if config else None,
        base=config.base if config else None,
        name=given.name or file.name,
        environment=file.environment,
        scope=scope,
        files_scope=None if given.namespaces else file.files_scope,
        partial=bool(paths) and file.source is not None and is_part(paths, file.source),
        rendering=file.rendering,
        policy=file.policy,
        smoke=file.smoke,
        connection=Connection(
            url=given.url or (None if environ.get("KESTRA_API_URL") else file.url),
            tenant=given.tenant or (None if environ.get("KESTRA_TENANT") else file.tenant),
            username=given.username,
            env_file=given.env_file,
            timeout=given.timeout,
            environment=file.environment,
            token_env=file.token_env,
            configured=not given.url and not environ.get("KESTRA_API_URL") and file.url is not None,
        ),
        **{**file.settings, **from_options(given.settings)},
    )


def from_options(given: Mapping[str, Any], settings: type = Settings) -> dict[str, Any]:
    """The values of the declared options that were given, by the fields of ``settings``."""
    known = {each.name: each.default for each in declarations(settings)}
    return {
        name: type(known[name])(value) if isinstance(known[name], (tuple, Enum)) else value
        for name, value in given.items()
        if value is not None and value is not False and value != ()
    }


def is_part(paths: Sequence[str], source: Sequence[str]) -> bool:
    """Whether ``paths`` leave out anything of ``source``."""
    given = [Path(path) for path in paths]
    return not all(is_below(each, given) for each in source)


def _default_source(config: Config | None) -> tuple[str, ...]:
    """``flows``, beside the configuration."""
    if config is None:
        return _DEFAULTS.paths
    return tuple(
        Path(os.path.normpath(Path(config.base) / each)).as_posix() for each in _DEFAULTS.paths
    )
