"""The parts of the settings that have a structure of their own: frozen values, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.model import KvOverride, Position, Severity

#: The label that locks a flow in Kestra's editor, if it is ``"true"``.
READ_ONLY_LABEL = "system.readOnly"


@dataclass(frozen=True)
class Connection:
    """The address of the server. Secrets, and values that are ``None``, come from the environment
    or the ``.env`` file.

    :param environment: selects the credentials: ``KESTRA_TOKEN_PROD`` for ``prod``.
    :param token_env: the variable with the token, if the configuration names one.
    :param configured: ``url`` comes from the configuration.
    """

    url: str | None = None
    tenant: str | None = None
    username: str | None = None
    env_file: str | None = ".env"
    timeout: float = 60.0
    environment: str | None = None
    token_env: str | None = None
    configured: bool = False


@dataclass(frozen=True)
class Policy:
    """The rules of this repository for its flows, in addition to Kestra's. Empty: none.

    :param options: the configured values, by the options of ``checks.policy_rules``.
    :param ignore: patterns (as in ``.gitignore``) of files that are exempt.
    :param severity: the severity of rules, if not the default; ``None`` is off.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ConfigSection:
    """A part of the configuration that another module interprets: plain values and positions.

    :param path: the configuration file, as the user would specify it.
    :param positions: the position in the file of each node below the section, by path.
    """

    path: str
    value: Any
    positions: Mapping[tuple[str | int, ...], Position]


#: Labels and their values.
Stamp = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Patch:
    """The values that an environment sets and removes in the flows that it selects.

    :param flows: patterns as in ``--only``, for names in the files.
    :param set: paths and their values; ``unset`` are paths to remove.
    :param triggers: enables or disables all triggers; ``None`` leaves them unchanged.
    :param optional: a path, or a pattern, that matches nothing is not an error.
    :param position: of the patch in the configuration; ``positions`` are those of its paths.
    """

    flows: tuple[str, ...]
    set: tuple[tuple[str, Any], ...] = ()
    unset: tuple[str, ...] = ()
    triggers: bool | None = None
    optional: bool = False
    position: Position | None = None
    positions: Mapping[str, Position] = field(default_factory=dict)


@dataclass(frozen=True)
class Rendering:
    """How the flows in the files are changed before they are sent. By default they are not.

    :param namespaces: namespace in the files → on the server; ``path`` is the configuration file.
    :param stamp: labels that are added to written flows; ``kv`` overrides values of keys.
    """

    namespaces: tuple[tuple[str, str], ...] = ()
    patches: tuple[Patch, ...] = ()
    stamp: Stamp = ()
    kv: tuple[KvOverride, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class FilesFolder:
    """A configured folder of namespace files.

    :param path: relative to the working directory; one part of it may be ``*``.
    :param namespace: ``*`` means the name of the folder: the one that matches ``*`` in
        ``path``, else of each folder below it.
    :param ignore: patterns as in ``.gitignore``, relative to the folder.
    """

    path: str
    namespace: str
    ignore: tuple[str, ...] = ()
