"""The values that the stages exchange: plain and frozen, without behavior.

The words are those of ``docs/architecture.md``: a *flow* is what a namespace and an id name, its
*source* is its YAML byte for byte, *desired* is the state in Git, *live* the state on the server.
Sources are ``bytes`` everywhere, since Kestra compares them byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kestra_sync.edits import Edits, place_before
from kestra_sync.reasons import Reason as Reason
from kestra_sync.resources import Content as Content
from kestra_sync.resources import FlowId as FlowId
from kestra_sync.resources import Kind as Kind
from kestra_sync.resources import ResourceId as ResourceId
from kestra_sync.resources import StrEnum as StrEnum
from kestra_sync.resources import counted as counted
from kestra_sync.resources import in_memory
from kestra_sync.resources import noun_of as noun_of
from kestra_sync.resources import plural as plural
from kestra_sync.resources import sha256 as sha256


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file; lines and columns count from 1, columns in characters."""

    line: int
    column: int


class Severity(StrEnum):
    """The severity of a diagnostic. Only errors change the exit code."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Diagnostic:
    """A problem of a file, or a hint about it.

    :param path: the file as the user would specify it, with ``/``; ``""`` if there is none.
    :param position: the position in the file; ``None`` for the file as a whole.
    :param rule: the stable name of the rule, as in ``error[rule]``.
    :param message: what is wrong, one line, without a full stop.
    :param remedy: what to do about it.
    :param flow: the flow concerned, if known.
    """

    path: str
    position: Position | None
    severity: Severity
    rule: str
    message: str
    remedy: str | None = None
    flow: FlowId | None = None

    @property
    def sort_key(self) -> tuple[str, Position, str, str, str]:
        """Sorts by file, then by position; stable for equal positions."""
        position = self.position or Position(0, 0)
        return (self.path, position, str(self.severity), self.rule, self.message)


@dataclass(frozen=True)
class KvOverride:
    """The value of a declared key in one environment.

    :param namespace: as in the files.
    :param value: as a file of keys would declare it.
    """

    namespace: str
    key: str
    value: object = field(repr=False)
    position: Position | None = None


@dataclass(frozen=True)
class Document:
    """One YAML document of a file, or a whole file: its content and its position.

    :param path: as the user would specify it, with ``/``.
    :param index: its number in the file, from 0.
    :param first_line: the line of the file on which ``content`` begins, from 1.
    """

    path: str
    index: int
    first_line: int
    content: Content

    @property
    def data(self) -> bytes:
        """The file bytes, which are in memory unless it is a large namespace file."""
        return in_memory(self.content)

    @cached_property
    def sha256(self) -> str:
        """The hash of the file bytes."""
        return sha256(self.content)


@dataclass(frozen=True)
class Flow:
    """A document that is a flow, and the name in it."""

    flow_id: FlowId
    document: Document

    @property
    def path(self) -> str:
        """The file that contains it."""
        return self.document.path


@dataclass(frozen=True)
class Skipped:
    """A document (or file) that was read but is not a flow, and why."""

    path: str
    first_line: int
    reason: str


@dataclass(frozen=True)
class Repository:
    """Everything found in the files. Sorted by path and line.

    :param source: the directories or files, as specified by the user.
    :param files: the number of YAML files that were read.
    :param other_resources: resources that are not flows, as they will be sent.
    """

    source: str
    files: int
    flows: tuple[Flow, ...]
    skipped: tuple[Skipped, ...]
    diagnostics: tuple[Diagnostic, ...]
    other_resources: Mapping[ResourceId, Desired] = field(default_factory=dict)


@dataclass(frozen=True)
class Desired:
    """A flow as it will be sent; the sent bytes equal those of the file without an environment.

    :param content: the sent bytes.
    :param name: the flow's name on the server, where it is not the one in the file.
    :param steps: the edits that turn the bytes of the file into ``sent``, in order.
    :param unstamped: ``sent`` without the labels that do not count as a change.
    :param masked: ``sent`` is secret and must not be shown.
    """

    flow: Flow
    content: Content
    name: FlowId | None = None
    steps: tuple[Edits, ...] = ()
    unstamped: bytes | None = None
    masked: bool = False

    @property
    def flow_id(self) -> FlowId:
        """The name of the flow on the server."""
        return self.name or self.flow.flow_id

    @property
    def path(self) -> str:
        """The file that it is in."""
        return self.flow.document.path

    @property
    def sent(self) -> bytes:
        """The sent bytes, which are in memory unless it is a large namespace file."""
        return in_memory(self.content)

    @cached_property
    def sent_sha256(self) -> str:
        """The hash of the sent bytes."""
        if self.content is self.flow.document.content:
            return self.flow.document.sha256
        return sha256(self.content)

    @cached_property
    def git_sha256(self) -> str:
        """The hash of the desired source: the file with the environment's patches, unstamped."""
        return self.sent_sha256 if self.unstamped is None else sha256(self.unstamped)

    def file_position(self, position: Position) -> Position:
        """The place in the file that ``position`` (in the sent bytes, from 1) came from."""
        document = self.flow.document
        line, column = position.line, position.column
        if self.steps:
            line, column = place_before(document.data, self.steps, line, column)
        return Position(line + document.first_line - 1, column)


@dataclass(frozen=True)
class Live:
    """A flow on the server.

    :param revision: ``None`` if the call did not return it (the export).
    """

    flow_id: FlowId
    content: Content
    revision: int | None = None

    @property
    def source(self) -> bytes:
        """The content, which is in memory unless it is a large namespace file."""
        return in_memory(self.content)

    @cached_property
    def sha256(self) -> str:
        """The hash of the content."""
        return sha256(self.content)


@dataclass(frozen=True)
class Scope:
    """The namespaces a repository manages.

    :param namespaces: each covers itself and, unless ``exact``, everything below it:
        ``company`` covers ``company.team`` but not ``company2``.
    :param exact: without a configuration file the scope is just the namespaces in the files.
    """

    namespaces: tuple[str, ...]
    exact: bool = False

    def covers(self, namespace: str) -> bool:
        """Whether ``namespace`` is in the scope; dots separate levels, unlike in server filters."""
        if namespace in self.namespaces:
            return True
        if self.exact:
            return False
        return any(namespace.startswith(f"{entry}.") for entry in self.namespaces)


@dataclass(frozen=True)
class Target:
    """The destination of flows. Plans and inventories record it, and are only valid for it."""

    url: str
    tenant: str
    environment: str | None = None


class Action(StrEnum):
    """What a change does to the server."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    MOVE = "move"
    NONE = "none"


@dataclass(frozen=True)
class Base:
    """The last applied state of a resource, as recorded in the inventory.

    :param path: the file the flow came from.
    :param file_sha256: the hash of the source in Git: :attr:`Desired.git_sha256`.
    :param live_hashes: the hashes under which a live source counts as ours: the one recorded,
        and, after a run that was killed, the one it was about to write.
    :param revision: the server's revision of that source, where it is known.
    :param kept_off: the recorded source is Git's plus the line that switches the flow off.
    :param only_intended: only recorded as the intent of a killed run to create it.
    :param masked: the hashes are those of a secret value.
    """

    path: str
    file_sha256: str
    live_hashes: frozenset[str]
    revision: int | None = None
    kept_off: bool = False
    only_intended: bool = False
    masked: bool = False


@dataclass(frozen=True)
class Change:
    """One flow of a plan: what will be done to it, why, and the sources on all sides.

    :param path: the file in Git, or the former file of a flow that is no longer in Git.
    :param before: the live source; ``None`` if the flow is not on the server.
    :param after: the source after the apply; ``None`` if the flow will be deleted.
    :param desired: the flow in Git, or ``None``. Its bytes differ from ``after`` only for a flow
        that is kept disabled.
    :param base: the last applied source, if it is known and differs from ``before``.
    :param revision: the live revision the plan was made against; ``None`` if there is none.
    :param moved_from: for a move, the corresponding deletion.
    :param refused: a guard refuses this change.
    :param invalid: an error in the file of the flow prevents this change, and the whole apply.
    """

    action: Action
    reason: Reason
    flow_id: FlowId
    path: str | None = None
    before: Content | None = None
    after: Content | None = None
    desired: Desired | None = None
    base: Content | None = None
    revision: int | None = None
    moved_from: Change | None = None
    refused: bool = False
    invalid: bool = False

    @property
    def applied(self) -> Content | None:
        """The last applied source, if known: ``base``, or Git's if they are equal."""
        if self.base is not None:
            return self.base
        return None if self.desired is None else self.desired.content

    @property
    def maybe_foreign(self) -> bool:
        """Whether the change touches a flow that another inventory may own."""
        half = self.moved_from
        return self.reason.traits.maybe_foreign or (half is not None and half.maybe_foreign)

    @property
    def writes(self) -> bool:
        """Whether it changes anything on the server."""
        return self.action is not Action.NONE


@dataclass(frozen=True)
class RecordChange:
    """A change of the inventory in addition to the flows that an apply writes.

    :param kind: stable in the JSON: ``adopt``, ``refresh``, ``drop``, ``close``, ``move``,
        ``bind``, ``strike``.
    :param message: one line, without a full stop.
    :param flows: the number of resources, 0 for the inventory as a whole; ``what`` by kind.
    """

    kind: str
    message: str
    flows: int = 0
    what: str = field(default="", compare=False)


@dataclass(frozen=True)
class Plan:
    """What an apply would do, and what it would leave alone. Sorted by flow.

    :param server_version: of Kestra, such as ``1.3.25``.
    :param source: the paths of the flows, as specified by the user.
    :param flows: the number of flows in Git.
    :param other_counts: the number of resources in Git of each kind other than flows, if any.
    :param changes: of every resource that is not simply in sync.
    :param unchanged: the number of resources that are not written.
    :param partial: only part of the repository was selected: nothing is deleted.
    :param record: what an apply would record in addition to the writes.
    :param rollback_to: the run whose result it restores; ``None`` for a plan of the files.
    """

    target: Target
    server_version: str
    source: str
    scope: Scope
    flows: int
    changes: tuple[Change, ...]
    unchanged: int
    partial: bool = False
    record: tuple[RecordChange, ...] = ()
    other_counts: Mapping[Kind, int] = field(default_factory=dict)
    rollback_to: int | None = None

    @property
    def resources(self) -> int:
        """The number of resources of all kinds in Git."""
        return self.flows + sum(self.other_counts.values())

    @property
    def changes_anything(self) -> bool:
        """Whether an apply would write a flow or record something."""
        return bool(self.writes or self.record)

    @cached_property
    def writes(self) -> tuple[Change, ...]:
        """The changes that alter the server."""
        return tuple(change for change in self.changes if change.writes)

    def count(self, *actions: Action) -> int:
        """Count the changes with one of these actions."""
        return sum(change.action in actions for change in self.changes)

    def because(self, *reasons: Reason) -> tuple[Change, ...]:
        """Return the changes with one of these reasons."""
        return tuple(change for change in self.changes if change.reason in reasons)
