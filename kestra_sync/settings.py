"""The settings of a run: plain values, from any source.

A setting is declared once, with its field: option, configuration key, input of the Action. From
that follow the options of the command line, what the configuration is asked for, which of the two
wins, and the inputs of the GitHub Action.
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

#: Makes a path of the configuration one that is relative to the working directory.
ShowPath = Callable[[str], str]


@dataclass(frozen=True)
class Declaration:
    """Where the value of a setting comes from, if not from its default.

    :param name: its field in the settings.
    :param default: its type tells how it is given: a boolean is a flag, a tuple an option that can
        be repeated, an enumeration a choice.
    :param help: of the option.
    :param flag: the option; ``""`` if there is none. Its variable is ``KESTRA_SYNC_…``.
    :param metavar: how ``--help`` calls the value.
    :param bounds: the least and the greatest number.
    :param key: in the configuration, such as ``limits.delete``; ``""`` if it has none.
    :param from_file: makes the value of what the configuration holds, by default that itself.
    :param from_paths: the same of a value that holds paths.
    :param commands: those that have the option, such as ``preview up``. It is also an input of the
        Action, called as the option, for those of them that the Action runs.
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
    told = (help, flag, metavar, bounds, key, from_file, from_paths, commands)
    made: Any = field(default=default, metadata={"setting": told})
    return cast("T", made)


def declarations(settings: type) -> Iterator[Declaration]:
    """All settings that are declared in the fields of a dataclass."""
    for each in fields(settings):
        if "setting" in each.metadata:
            yield Declaration(each.name, each.default, *each.metadata["setting"])


class Prune(str, Enum):
    """Which flows that Git does not have are deleted."""

    NONE = "none"
    OWNED = "owned"
    SCOPE = "scope"


class OnDrift(str, Enum):
    """What ``--on-drift`` makes of edits on the server."""

    REVERT = "revert"
    OVERWRITE = "overwrite"
    KEEP = "keep"
    FAIL = "fail"


class DisabledTriggers(str, Enum):
    """What happens to triggers that are enabled in Git and disabled on the server."""

    KEEP = "keep"
    ENABLE = "enable"


class OnFirstContact(str, Enum):
    """What happens to a flow on the server that is in Git, and in no record of ours."""

    REFUSE = "refuse"
    OVERWRITE = "overwrite"


_ENOUGH = 10  # from here on, limits that are not configured count as shares


@dataclass(frozen=True)
class Limit:
    """How many flows of how many one run may change.

    :param value: a share in percent, or a number of flows.
    :param default: it was not configured, and applies from ten flows on.
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
        """Whether the limit says anything about so many flows."""
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
    :param name: the name of the inventory; ``None`` works without one, in two ways: nothing is
        owned, so nothing is pruned.
    :param inventory_namespace: holds the inventory; by default the first namespace of the scope.
    :param scope: ``None`` takes exactly the namespaces that the files name.
    :param files_scope: the same as the files name it, where the environment maps namespaces.
    :param partial: ``paths`` are only part of the source that the configuration names.
    :param only: patterns of flows (``namespace/id``, with ``*``) to look at; all if empty.
    :param files: the folders of namespace files.
    :param file_limit: the maximum size of one namespace file, in bytes; ``None`` is that of Kestra.
    :param kv: the files that declare key-value pairs, with ``*`` and ``**``.
    :param protect: namespaces that nothing is done to, unless the scope names them.
    :param rendering: what the environment changes in the flows.
    :param policy: what the repository asks of its flows.
    :param smoke: the smoke tests in the configuration, not validated yet.
    :param preview: the preview that ``environment`` is.
    :param only_looking: the plan is not applied: ownership need not be checked.
    :param new_paths: paths that do not exist are not errors: what is pulled creates them.
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
    only_looking: bool = False
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
    """How to carry a plan out.

    :param saved_plan: a plan file; the fresh plan must be it, and have ``expect_digest``.
    :param rollback: roll back what was written if not everything could be written.
    :param refresh_only: only bring the record up to date; write no flow.
    :param journal: a file that gets a line for each write.
    :param smoke: run the smoke tests of what was written; if they fail, ``rollback`` applies.
    :param verify_triggers: triggers that are not as in Git make the run fail.
    :param unattended: the plan is not confirmed by a person: the lock is taken while it is made.
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
class GivenSettings:
    """The settings that were given in one place: on the command line, or in the configuration.

    :param values: those in ``names`` as they were given, all others with their defaults.
    """

    values: Settings = field(default_factory=Settings)
    names: frozenset[str] = frozenset()

    def over(self, below: Settings) -> Settings:
        """``below``, with those that were given in place of what it has."""
        return replace(below, **{name: getattr(self.values, name) for name in self.names})
