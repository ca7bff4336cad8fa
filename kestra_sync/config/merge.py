"""Flags over environment over file over defaults.

The command line has merged flags and ``KESTRA_SYNC_…`` variables already; what it was not given is
``None`` or empty and comes from the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from kestra_sync.config.config import Config
from kestra_sync.errors import UsageError
from kestra_sync.model import Scope
from kestra_sync.safe.paths import is_below
from kestra_sync.settings import Connection, OnDrift, Prune, Settings

T = TypeVar("T")

_DEFAULTS = Settings()


def settings_from_config(
    config: Config | None,
    *,
    paths: Sequence[str] = (),
    strict: bool = False,
    namespaces: Sequence[str] = (),
    name: str | None = None,
    prune: str | None = None,
    on_drift: str | None = None,
    re_enable: bool = False,
    url: str | None = None,
    tenant: str | None = None,
    username: str | None = None,
    env_file: str | None = None,
    timeout: float = 60.0,
    parallelism: int | None = None,
    lock_timeout: float | None = None,
    environ: Mapping[str, str] | None = None,
    **others: Any,
) -> Settings:
    """What a run is asked to do.

    :param config: the file, merged with its environment; ``None`` if there is none.
    :param environ: what the environment says of the connection, the ``.env`` file included: it
        takes precedence over the file, and the client reads it itself.
    :param others: more fields of :class:`Settings` that no file can set.
    :raises UsageError: a name without a scope.
    """
    file = config or Config(path="", base="")
    scope = Scope(tuple(namespaces)) if namespaces else file.scope
    if (name or file.name) and scope is None:
        raise UsageError(
            "`name` requires `scope`: flows of the scope that are removed from Git are deleted",
            remedy="add `scope:` to kestra-sync.yaml, or pass --namespace",
        )
    environ = environ or {}
    return Settings(
        paths=tuple(paths) or file.source or _default_source(config),
        source=file.source or (),
        config_path=config.path if config else None,
        base=config.base if config else None,
        name=name or file.name,
        environment=file.environment,
        inventory_namespace=file.inventory_namespace,
        scope=scope,
        files_scope=None if namespaces else file.files_scope,
        partial=bool(paths) and file.source is not None and is_part(paths, file.source),
        strict=strict,
        parallelism=_first(parallelism, file.parallelism, _DEFAULTS.parallelism),
        prune=Prune(prune) if prune else _first(file.prune, _DEFAULTS.prune),
        on_drift=OnDrift(on_drift) if on_drift else _first(file.on_drift, _DEFAULTS.on_drift),
        on_first_contact=_first(file.on_first_contact, _DEFAULTS.on_first_contact),
        re_enable=re_enable,
        ignore=file.ignore,
        files=file.files,
        kv=file.kv,
        protect=file.protect,
        delete_limit=_first(file.delete_limit, _DEFAULTS.delete_limit),
        update_limit=_first(file.update_limit, _DEFAULTS.update_limit),
        lock_timeout=_first(lock_timeout, file.lock_timeout, _DEFAULTS.lock_timeout),
        rendering=file.rendering,
        policy=file.policy,
        smoke=file.smoke,
        connection=Connection(
            url=url or (None if environ.get("KESTRA_API_URL") else file.url),
            tenant=tenant or (None if environ.get("KESTRA_TENANT") else file.tenant),
            username=username,
            env_file=env_file,
            timeout=timeout,
            environment=file.environment,
            token_env=file.token_env,
            configured=not url and not environ.get("KESTRA_API_URL") and file.url is not None,
        ),
        **others,
    )


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


def _first(*values: T | None) -> T:
    """The first that is not ``None``; the last one never is."""
    return next(value for value in values if value is not None)
