"""The settings of a run: plain values, from any source.

A setting is declared once, with its field: option, configuration key, input of the Action. The
options of the command line, the keys that are read from the configuration, their precedence, and
the inputs of the GitHub Action are derived from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, cast

from kestra_sync.configured import ConfigSection, Connection, FilesFolder, Policy, Rendering
from kestra_sync.model import Scope
from kestra_sync.previews import Preview

T = TypeVar("T")

#: Converts a path in the configuration to one relative to the working directory.
ShowPath = Callable[[str], str]


@dataclass(frozen=True)
class Declaration:
    """The sources of the value of a setting, besides its default.

    :param name: its field in the settings.
    :param default: its type determines the option: a boolean is a flag, a tuple an option that can
        be repeated, an enumeration a choice.
    :param help: of the option.
    :param flag: the option; ``""`` if there is none. Its variable is ``KESTRA_SYNC_…``.
    :param metavar: the name of the value in ``--help``.
    :param bounds: the minimum and the maximum.
    :param key: in the configuration, such as ``limits.delete``; ``""`` if it has none.
    :param from_file: converts the value in the configuration; by default it is used as is.
    :param from_paths: likewise, for a value that contains paths.
    :param commands: those that have the option, such as ``preview up``. It is also an input of the
        Action, with the name of the option, for those commands that the Action runs.
    """

    name: str
    default: Any
    help: str
    flag: str
    metavar: str
    bounds: tuple[int, int | None] | None
    key: str
    from_file: Callable[[Any], Any] | None
    from_paths: Callable[[Any, ShowPath], Any] | None
    commands: tuple[str, ...]


def setting(
    default: T,
    help: str = "",  # noqa: A002 - as click calls it
    *,
    flag: str = "",
    metavar: str = "",
    bounds: tuple[int, int | None] | None = None,
    key: str = "",
    from_file: Callable[[Any], T] | None = None,
    from_paths: Callable[[Any, ShowPath], T] | None = None,
    commands: tuple[str, ...] = (),
) -> T:
    """A field of the settings with its declaration; see :class:`Declaration`."""
    declared = (help, flag, metavar, bounds, key, from_file, from_paths, commands)
    made: Any = field(default=default, metadata={"setting": declared})
    return cast("T", made)


def declarations(settings: type) -> Iterator[Declaration]:
    """All settings that are declared in the fields of a dataclass."""
    for each in fields(settings):
        if "setting" in each.metadata:
            yield Declaration(each.name, each.default, *each.metadata["setting"])


class Prune(str, Enum):
    """Which of the flows that are not in Git are deleted."""

    NONE = "none"
    OWNED = "owned"
    SCOPE = "scope"


class OnDrift(str, Enum):
    """How edits on the server are handled (``--on-drift``)."""

    REVERT = "revert"
    OVERWRITE = "overwrite"
    KEEP = "keep"
    FAIL = "fail"


class DisabledTriggers(str, Enum):
    """How triggers are handled that are enabled in Git and disabled on the server."""

    KEEP = "keep"
    ENABLE = "enable"


class OnFirstContact(str, Enum):
    """How a flow is handled that is in Git and on the server, but not in our inventory."""

    REFUSE = "refuse"
    OVERWRITE = "overwrite"


_ENOUGH = 10  # the smallest number of flows to which the default limits apply


@dataclass(frozen=True)
class Limit:
    """The number or share of flows that one run may change.

    :param value: a share in percent, or a number of flows.
    :param default: it was not configured, and only applies to ten flows or more.
    """

    value: float
    percent: bool = True
    default: bool = False

    def exceeded(self, number: int, total: int) -> bool:
        """Whether ``number`` of ``total`` is too many."""
        if not self.percent:
            return number > self.value
        return self.counts(total) and number * 100 > self.value * total

    def counts(self, total: int) -> bool:
        """Whether the limit applies to this number of flows."""
        return not self.default or total >= _ENOUGH

    def __str__(self) -> str:
        return f"{self.value:g}%" if self.percent else f"{self.value:g}"


DELETE_LIMIT = Limit(30, default=True)
UPDATE_LIMIT = Limit(50, default=True)


def _seconds(value: str | int) -> float:
    """``90``, ``30s``, ``5m`` or ``1h``."""
    if isinstance(value, str):
        return float(int(value[:-1]) * {"s": 1, "m": 60, "h": 3600}[value[-1]])
    return float(value)


def _limit(value: str | int) -> Limit:
    """A percentage is text, a number of flows is a number."""
    if isinstance(value, str):
        return Limit(int(value.removesuffix("%")))
    return Limit(int(value), percent=False)


def _bytes(value: str | int) -> int:
    """``10MiB``, ``500 KB``, or a number of bytes."""
    if not isinstance(value, str):
        return int(value)  # 1e6 is an integer too
    number = value.rstrip("KMGiB ")
    unit = value[len(number) :].strip()
    power = " KMG".index(unit[0]) if unit else 0
    factor: int = (1024 if "i" in unit else 1000) ** power
    return int(number) * factor


def _folders(value: list[Mapping[str, Any]], shown: ShowPath) -> tuple[FilesFolder, ...]:
    return tuple(
        FilesFolder(shown(each["path"]), each["namespace"], tuple(each.get("ignore", ())))
        for each in value
    )


def _unique(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _files(value: str | list[str], shown: ShowPath) -> tuple[str, ...]:
    return tuple(map(shown, [value] if isinstance(value, str) else value))


_WRITING = ("plan", "apply")
_MAKING = (*_WRITING, "preview up")
_READING = ("validate", *_MAKING, "drift", "pull", "graph", "doctor")
_SELECTING = (*_WRITING, "drift", "smoke", "diff", "pull", "graph", "rollback")
_PREVIEWS = ("preview up", "preview down", "preview clean")
_ALL = ("validate", *_WRITING, "drift", "smoke", *_PREVIEWS)


@dataclass(frozen=True)
class Settings:
    """Everything the commands need beyond the connection; an option is described by its help.

    :param paths: the directories and files to read.
    :param source: the paths in the configuration, if any; ``paths`` may be a part of them.
    :param config_path: the configuration file; ``None`` if there is none.
    :param base: the directory that ``ignore`` and the patterns of ``policy`` are relative to; by
        default the working directory.
    :param name: the name of the inventory; ``None`` works without one: the comparison is two-way,
        and nothing is owned or pruned.
    :param inventory_namespace: the namespace of the inventory; by default the first in the scope.
    :param scope: ``None`` means exactly the namespaces in the files.
    :param files_scope: the scope by the names in the files, if the environment maps namespaces.
    :param partial: ``paths`` are only part of the source that the configuration names.
    :param only: patterns of flows (``namespace/id``, with ``*``) to select; all if empty.
    :param files: the folders of namespace files.
    :param file_limit: the maximum size of a namespace file in bytes; ``None`` is Kestra's limit.
    :param kv: the files that declare key-value pairs, with ``*`` and ``**``.
    :param protect: namespaces that are not changed unless they are listed in the scope.
    :param rendering: the changes that the environment makes to the flows.
    :param policy: the rules of the repository for its flows.
    :param smoke: the smoke tests in the configuration, not validated yet.
    :param preview: the preview, if ``environment`` is one.
    :param display_only: the plan is only shown: ownership need not be checked.
    :param new_paths: paths that do not exist are not errors: ``pull`` creates them.
    """

    paths: tuple[str, ...] = ("flows",)
    source: tuple[str, ...] = ()
    config_path: str | None = None
    base: str | None = None
    name: str | None = None
    environment: str | None = None
    inventory_namespace: str | None = setting(None, key="inventory.namespace")
    scope: Scope | None = None
    files_scope: Scope | None = None
    partial: bool = False
    only: tuple[str, ...] = setting(
        (),
        "Only these flows, files and keys, such as acme.sales/*, acme.sales or 'kv:acme.sales/*'; "
        "repeatable. With it, plan and apply delete nothing.",
        flag="--only",
        metavar="PATTERN",
        commands=_SELECTING,
    )
    exclude: tuple[str, ...] = setting(
        (),
        "Skip these flows, files and keys; repeatable. With it, plan and apply delete nothing.",
        flag="--exclude",
        metavar="PATTERN",
        commands=_SELECTING,
    )
    strict: bool = setting(
        False,
        "Treat YAML files that are not flows as errors.",
        flag="--strict",
        commands=_READING,
    )
    files: tuple[FilesFolder, ...] = setting((), key="files", from_paths=_folders)
    kv: tuple[str, ...] = setting((), key="kv", from_paths=_files)
    parallelism: int = setting(
        8,
        "Maximum number of concurrent requests. Default: 8.",
        flag="--parallelism",
        metavar="N",
        bounds=(1, 64),
        key="parallelism",
        from_file=int,
        commands=_ALL,
    )
    prune: Prune = setting(
        Prune.OWNED,
        "Flows missing from Git to delete: none, those deployed by kestra-sync (owned), "
        "or all in the managed namespaces (scope). Default: owned.",
        flag="--prune",
        key="prune",
        from_file=Prune,
        commands=_WRITING,
    )
    on_drift: OnDrift = setting(
        OnDrift.REVERT,
        "How to handle drift (edits made on the server). Default: revert.",
        flag="--on-drift",
        key="on_drift",
        from_file=OnDrift,
        commands=(*_WRITING, "rollback"),
    )
    on_first_contact: OnFirstContact = setting(
        OnFirstContact.REFUSE, key="on_first_contact", from_file=OnFirstContact
    )
    re_enable: bool = setting(
        False,
        "Re-enable flows that were disabled on the server.",
        flag="--re-enable",
        commands=_MAKING,
    )
    ignore: tuple[str, ...] = setting((), key="ignore", from_file=tuple)
    protect: tuple[str, ...] = setting((), key="protect", from_file=_unique)
    delete_limit: Limit = setting(DELETE_LIMIT, key="limits.delete", from_file=_limit)
    update_limit: Limit = setting(UPDATE_LIMIT, key="limits.update", from_file=_limit)
    file_limit: int | None = setting(None, key="limits.files", from_file=_bytes)
    allow_large: bool = setting(
        False,
        "Ignore the limits on deletions and updates.",
        flag="--allow-large",
        commands=(*_MAKING, "rollback"),
    )
    allow_skipped_delete: bool = setting(
        False,
        "Delete flows whose file still exists but no longer contains them.",
        flag="--allow-skipped-delete",
        commands=_MAKING,
    )
    allow_empty: bool = setting(
        False,
        "Succeed when no flows are found (otherwise exit code 64).",
        flag="--allow-empty",
        commands=("validate", *_MAKING, "render", "graph"),
    )
    take_over: bool = setting(
        False,
        "Take over an inventory or flows that belong to another repository.",
        flag="--take-over",
        commands=(*_WRITING, "rollback"),
    )
    triggers: DisabledTriggers = setting(
        DisabledTriggers.KEEP,
        "Triggers enabled in Git and disabled on the server: keep or enable. Default: keep.",
        flag="--triggers",
        key="triggers",
        from_file=DisabledTriggers,
        commands=("apply",),
    )
    allow_files: tuple[str, ...] = setting(
        (),
        "Allow smoke tests to send this file, or files in this directory, even if hidden, "
        "ignored or outside of the test's directory; repeatable.",
        flag="--allow-file",
        metavar="PATH",
        commands=("apply", "smoke", "preview up"),
    )
    display_only: bool = False
    new_paths: bool = False
    lock_timeout: float = setting(
        60.0,
        "How long to wait for the lock of a concurrent apply. Default: 60.",
        flag="--lock-timeout",
        metavar="SECONDS",
        bounds=(0, None),
        key="lock.timeout",
        from_file=_seconds,
        commands=("apply", "rollback", *_PREVIEWS),
    )
    rendering: Rendering = field(default_factory=Rendering)
    policy: Policy = field(default_factory=Policy)
    smoke: ConfigSection | None = None
    preview: Preview | None = None
    connection: Connection = field(default_factory=Connection)

    @property
    def base_path(self) -> Path | None:
        """``base`` as a path."""
        return Path(self.base) if self.base is not None else None


@dataclass(frozen=True)
class ApplyOptions:
    """How to apply a plan.

    :param saved_plan: a plan file; the current plan must be equal to it.
    :param expect_digest: the digest that the plan must have.
    :param rollback: roll back everything that was written if a write fails.
    :param refresh_only: only update the inventory; write no flows.
    :param journal: a file to which a line is appended for each write.
    :param smoke: run the smoke tests of the written flows; if they fail, ``rollback`` applies.
    :param verify_triggers: fail if triggers differ from Git.
    :param unattended: the plan is not confirmed by a user: the lock is taken while it is made.
    """

    saved_plan: str | None = None
    expect_digest: str | None = None
    rollback: bool = False
    refresh_only: bool = False
    journal: str | None = None
    smoke: bool = False
    verify_triggers: bool = False
    unattended: bool = False


@dataclass(frozen=True)
class PartialSettings:
    """The settings that were given in one place: on the command line, or in the configuration.

    :param values: the specified values of ``names``, and the defaults of all others.
    """

    values: Settings = field(default_factory=Settings)
    names: frozenset[str] = frozenset()

    def over(self, below: Settings) -> Settings:
        """Return ``below``, overridden by the specified settings."""
        return replace(below, **{name: getattr(self.values, name) for name in self.names})
