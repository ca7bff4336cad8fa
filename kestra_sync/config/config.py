"""The configuration as typed values, merged with the selected environment and the command line.

Flags take precedence over the environment, the environment over the file, the file over defaults.
Flags and ``KESTRA_SYNC_…`` variables are already merged; options that were not passed are ``None``
or empty, and come from the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from kestra_sync.config.file import ConfigFile, Layer, check_source, find, layer_of, read
from kestra_sync.configured import (
    READ_ONLY_LABEL,
    ConfigSection,
    Connection,
    Patch,
    Policy,
    Rendering,
)
from kestra_sync.errors import UsageError
from kestra_sync.findings import NodePath
from kestra_sync.model import KvOverride, Position, Scope, Severity
from kestra_sync.previews import Preview, name_of
from kestra_sync.safe.paths import is_below
from kestra_sync.settings import (
    OnDrift,
    OnFirstContact,
    PartialSettings,
    Prune,
    Settings,
    declarations,
)


@dataclass(frozen=True, eq=False)
class Config:
    """The contents of the file; ``None`` for missing keys.

    :param path: the file, as the user would write it.
    :param base: the directory that paths and patterns in it are relative to.
    :param environments: the names of all environments of the file.
    :param environment: the environment that is merged into it.
    :param source: the paths of the flows, relative to the working directory.
    :param settings: the values of the settings that are declared with a key.
    :param login: the environment whose credentials are used: that of the run or of its preview.
    :param preview: the preview, if ``environment`` is one.
    """

    path: str
    base: str
    environments: tuple[str, ...] = ()
    environment: str | None = None
    name: str | None = None
    source: tuple[str, ...] | None = None
    scope: Scope | None = None
    files_scope: Scope | None = None
    settings: PartialSettings = field(default_factory=PartialSettings)
    rendering: Rendering = field(default_factory=Rendering)
    policy: Policy = field(default_factory=Policy)
    smoke: ConfigSection | None = None
    url: str | None = None
    tenant: str | None = None
    token_env: str | None = None
    login: str | None = None
    preview: Preview | None = None


def load_config(path: str | None = None, environment: str | None = None) -> Config | None:
    """Load the configuration at ``path``, by default the one in the working directory.

    :param environment: the environment to merge into it.
    :return: ``None`` if there is no file.
    :raises ConfigError: the file has errors, all of which are reported.
    :raises UsageError: the file cannot be read, or the environment does not exist.
    """
    found = find(path)
    if found is None:
        if environment:
            raise UsageError(
                f"environment '{environment}' needs a configuration file",
                remedy="create a kestra-sync.yaml with `environments:`, or pass --config",
            )
        return None
    file = read(found)
    layer = _layer(file, environment) if environment else Layer({})
    check_source(file, layer.at, layer.value, explicit=bool(path))
    return _config(file, layer, environment or None)


def _layer(file: ConfigFile, environment: str) -> Layer:
    known = file.value.get("environments", {})
    name = name_of(environment)
    if name is not None and "preview" in file.value:
        from kestra_sync.config.preview import preview_layer

        return preview_layer(file.value, file.path, name)
    if environment in known:
        return layer_of(file.value, environment)
    if name is not None:
        raise UsageError(
            f"{file.path} has no `preview`",
            remedy="add `preview: {namespaces: {acme: preview.{name}.acme}}`; see docs/previews.md",
        )
    names = ", ".join(sorted(known)) or "none"
    raise UsageError(f"{file.path} has no environment '{environment}'", remedy=f"it has: {names}")


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings key by key; for anything else ``above`` takes precedence."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            result[key] = merged(under, value)
        else:
            result[key] = value
    return result


def _config(file: ConfigFile, layer: Layer, environment: str | None) -> Config:
    # A mapping there sets values of keys; it does not list files.
    named = {
        key: each
        for key, each in layer.value.items()
        if not (key == "kv" and isinstance(each, dict))
    }
    overlay = layer.value
    value = merged(file.value, named)
    base = FilePath(file.path).parent
    scope = value.get("scope")
    source = value.get("source")
    above: NodePath = layer.at if "smoke" in overlay else ()
    return Config(
        path=file.path,
        base=str(base),
        environments=tuple(file.value.get("environments", {})),
        environment=environment,
        name=value.get("name"),
        source=None
        if source is None
        else tuple(path_from_here(base, each) for each in _listed(source)),
        scope=_scope(scope, {} if "scope" in overlay else overlay.get("namespaces", {})),
        files_scope=_scope(file.value.get("scope")) if overlay.get("namespaces") else None,
        settings=from_file(value, base=base),
        rendering=_rendering(file, value, layer, environment),
        policy=_policy(value.get("policy", {})),
        smoke=_section(file, (*above, "smoke"), value["smoke"]) if "smoke" in value else None,
        url=value.get("url"),
        tenant=value.get("tenant"),
        token_env=value.get("token_env"),
        login=layer.login,
        preview=layer.preview,
    )


def from_file(
    value: Mapping[str, Any], settings: type[Settings] = Settings, base: FilePath = FilePath()
) -> PartialSettings:
    """Return the values of the settings that are declared with a key.

    :param base: the directory that paths in it are relative to.
    """
    found: dict[str, Any] = {}
    for each in declarations(settings):
        node: Any = value
        for key in each.key.split(".") if each.key else ("",):
            node = node.get(key) if isinstance(node, dict) else None
        if node is None:
            continue
        if each.from_paths is not None:
            found[each.name] = each.from_paths(node, partial(path_from_here, base))
        else:
            found[each.name] = each.from_file(node) if each.from_file is not None else node
    return PartialSettings(settings(**found), frozenset(found))


def path_from_here(base: FilePath, text: str) -> str:
    """Convert a path relative to ``base`` to one relative to the working directory."""
    path = FilePath(os.path.normpath(base / text))
    here = FilePath.cwd()
    if path.is_absolute() and not FilePath(text).is_absolute() and path.is_relative_to(here):
        path = path.relative_to(here)
    return path.as_posix()


def _scope(
    scope: str | list[str] | None, namespaces: Mapping[str, str] = MappingProxyType({})
) -> Scope | None:
    """Return the scope on the server, mapping the names in the files with ``namespaces``."""
    if scope is None:
        return None
    found = Scope(_unique(_listed(scope)))
    if not namespaces:
        return found
    from kestra_sync.render.namespaces import NamespaceMap

    return NamespaceMap.of(namespaces).scope(found)


def _rendering(
    file: ConfigFile, value: Mapping[str, Any], layer: Layer, environment: str | None
) -> Rendering:
    stamp = value.get("stamp", {})
    labels = dict(stamp.get("labels", {}))
    if stamp.get("read_only"):
        labels.setdefault(READ_ONLY_LABEL, "true")
    if not (labels or environment):
        return Rendering()
    return Rendering(
        namespaces=tuple(layer.value.get("namespaces", {}).items()),
        patches=tuple(_patch(file, at, each) for at, each in layer.patches),
        stamp=tuple(labels.items()),
        kv=tuple(_overrides(file, layer)),
        path=file.path,
    )


def _overrides(file: ConfigFile, layer: Layer) -> Iterator[KvOverride]:
    overrides = layer.value.get("kv")
    for namespace, values in overrides.items() if isinstance(overrides, dict) else ():
        for key, each in values.items():
            at = file.document.position_of((*layer.at, "kv", namespace, key), key=True)
            yield KvOverride(namespace, key, each, at)


def _patch(file: ConfigFile, at: NodePath, value: Mapping[str, Any]) -> Patch:
    sets, unset = value.get("set", {}), value.get("unset", [])
    position = file.document.position_of
    return Patch(
        flows=tuple(_listed(value["flows"])),
        set=tuple(sets.items()),
        unset=tuple(unset),
        triggers=_switch(value.get("triggers")),
        optional=value.get("optional", False),
        position=position(at),
        positions={
            **{path: position((*at, "set", path), key=True) for path in sets},
            **{path: position((*at, "unset", number)) for number, path in enumerate(unset)},
        },
    )


def _switch(value: str | bool | None) -> bool | None:
    """Accept ``off`` as text or ``False``: YAML 1.1 reads it as false, YAML 1.2 as text."""
    return value == "on" if isinstance(value, str) else value


def _policy(value: Mapping[str, Any]) -> Policy:
    severity = {
        rule: None if weight in ("off", False) else Severity(weight)
        for rule, weight in value.get("severity", {}).items()
    }
    options = {key: each for key, each in value.items() if key not in ("ignore", "severity")}
    return Policy(options, tuple(value.get("ignore", ())), severity)


def _section(file: ConfigFile, at: NodePath, value: Any) -> ConfigSection:
    positions: dict[NodePath, Position] = {}
    pending: list[tuple[NodePath, Any]] = [((), value)]
    while pending:
        path, node = pending.pop()
        positions[path] = file.document.position_of((*at, *path))
        items: Iterable[tuple[str | int, Any]] = ()
        if isinstance(node, (dict, list)):
            items = node.items() if isinstance(node, dict) else enumerate(node)
        pending.extend(((*path, step), below) for step, below in items)
    return ConfigSection(file.path, value, positions)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


_DEFAULTS = Settings()


@dataclass(frozen=True)
class CliOptions:
    """The options of the command line; ``None`` or empty if they were not passed.

    :param config_path: the configuration file.
    :param environment: the environment in the configuration to use.
    :param offline: no server is used, so its URL does not matter.
    """

    paths: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    config_path: str | None = None
    environment: str | None = None
    name: str | None = None
    url: str | None = None
    tenant: str | None = None
    username: str | None = None
    env_file: str | None = None
    timeout: float = 60.0
    offline: bool = False
    settings: PartialSettings = field(default_factory=PartialSettings)


def settings_from_config(
    config: Config | None,
    options: CliOptions = CliOptions(),
    *,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings of a run.

    :param config: the file, merged with its environment; ``None`` if there is none.
    :param environ: the variables of the connection, including those of the ``.env`` file: they
        take precedence over the file, and the client reads them itself.
    :raises UsageError: there is a name without a scope.
    """
    file = config or Config(path="", base="")
    scope = Scope(tuple(options.namespaces)) if options.namespaces else file.scope
    if (options.name or file.name) and scope is None:
        raise UsageError(
            "`name` requires `scope`: flows of the scope that are removed from Git are deleted",
            remedy="add `scope:` to kestra-sync.yaml, or pass --namespace",
        )
    environ = environ or {}
    paths = options.paths
    settings = Settings(
        paths=tuple(paths) or file.source or _default_source(config),
        source=file.source or (),
        config_path=config.path if config else None,
        base=config.base if config else None,
        name=options.name or file.name,
        environment=file.environment,
        scope=scope,
        files_scope=None if options.namespaces else file.files_scope,
        partial=bool(paths) and file.source is not None and is_part(paths, file.source),
        rendering=file.rendering,
        policy=file.policy,
        smoke=file.smoke,
        preview=file.preview,
        connection=Connection(
            url=options.url or (None if environ.get("KESTRA_API_URL") else file.url),
            tenant=options.tenant or (None if environ.get("KESTRA_TENANT") else file.tenant),
            username=options.username,
            env_file=options.env_file,
            timeout=options.timeout,
            environment=file.login,
            token_env=file.token_env,
            configured=not options.url
            and not environ.get("KESTRA_API_URL")
            and file.url is not None,
        ),
    )
    settings = options.settings.over(file.settings.over(settings))
    return settings if file.preview is None else _of_preview(settings)


def _of_preview(settings: Settings) -> Settings:
    """Return the settings that are fixed for previews: they never adopt resources of others."""
    return replace(
        settings,
        inventory_namespace=None,
        prune=Prune.OWNED,
        on_drift=OnDrift.OVERWRITE,
        on_first_contact=OnFirstContact.REFUSE,
        take_over=False,
    )


def is_part(paths: Sequence[str], source: Sequence[str]) -> bool:
    """Return whether ``paths`` do not cover all of ``source``."""
    resolved = [Path(path) for path in paths]
    return not all(is_below(each, resolved) for each in source)


def _default_source(config: Config | None) -> tuple[str, ...]:
    """Return ``flows`` in the directory of the configuration."""
    if config is None:
        return _DEFAULTS.paths
    return tuple(
        Path(os.path.normpath(Path(config.base) / each)).as_posix() for each in _DEFAULTS.paths
    )
