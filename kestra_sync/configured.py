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
    """Where the server is. What is ``None``, and secrets, the client takes from the environment or
    the ``.env`` file.

    :param environment: whose credentials are wanted: ``KESTRA_TOKEN_PROD`` for ``prod``.
    :param token_env: the variable that holds the token, where the configuration names one.
    :param configured: ``url`` is the configuration's.
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
    """What this repository asks of its flows beyond what Kestra asks. Empty: nothing.

    :param options: what the configuration says, by the options of ``checks.policy_rules``.
    :param ignore: patterns (those of ``.gitignore``) of files that policy leaves alone.
    :param severity: the weight of a rule where it is not the default; ``None`` is off.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ConfigSection:
    """A part of the configuration that another module understands: plain values and places.

    :param path: the configuration file, as the user would write it.
    :param positions: for each node below the section, by its path, its place in the file.
    """

    path: str
    value: Any
    positions: Mapping[tuple[str | int, ...], Position]


#: Labels and their values.
Stamp = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Patch:
    """What an environment sets and removes in the flows that it selects.

    :param flows: patterns as in ``--only``, of names in the files.
    :param set: paths and the values to put there; ``unset`` are paths to remove.
    :param triggers: whether all triggers are switched on or off; ``None`` leaves them as they are.
    :param optional: a path, or a pattern, that matches nothing is not an error.
    :param position: where the patch is in the configuration; ``positions`` where its paths are.
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
    """How the flows of the files become what is sent. By default they are sent as they are.

    :param namespaces: namespace in the files → on the server; ``path`` is the file that says so.
    :param stamp: labels that a flow gets when it is written; ``kv`` replaces values of keys.
    """

    namespaces: tuple[tuple[str, str], ...] = ()
    patches: tuple[Patch, ...] = ()
    stamp: Stamp = ()
    kv: tuple[KvOverride, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class FilesFolder:
    """A folder of namespace files, as the configuration names it.

    :param path: as the user would write it in the working directory; one part of it may be ``*``.
    :param namespace: ``*`` takes the name of the folder: the one that matches ``*`` in
        ``path``, else each folder below it.
    :param ignore: patterns as in ``.gitignore``, relative to the folder.
    """

    path: str
    namespace: str
    ignore: tuple[str, ...] = ()
