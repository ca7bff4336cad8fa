"""What the guards of a plan are given, and how a guard is declared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kestra_sync.errors import ExitCode
from kestra_sync.model import FlowId, Kind, Plan
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.repo.incomplete import MissingPath


@dataclass(frozen=True)
class Refusal:
    """Why a plan is not carried out.

    :param rule: the stable name of the guard.
    :param flows: the changes it refers to, if it refuses single ones and not the whole plan.
    """

    rule: str
    message: str
    remedy: str
    exit_code: ExitCode = ExitCode.REFUSED
    flows: tuple[FlowId, ...] = ()


@dataclass(frozen=True)
class GuardInput:
    """What the guards check, in addition to the plan.

    :param owned: how many flows of the scope the inventory says are ours.
    :param live: how many live flows the scope holds.
    :param settings: for the options that a guard obeys.
    :param owned_others: how many resources of each kind other than flows are ours; ``live_others``
        how many are on the server.
    :param without_flow: returns whether a recorded path still exists but no longer contains the
        flow.
    :param not_here: returns where Git may still have a flow that is missing in the working tree, by
        the flow and the path it came from.
    :param owners: flows of other inventories, and their names.
    :param protected: namespaces that nothing is done to, dot-aware.
    :param callers: for each flow that would be deleted, the remaining flows that call it.
    :param similar: other inventories of this repository that may be ours under an old name.
    :param name: the name of our inventory.
    :param ours: what our inventory has; ``begins`` says that there is none yet.
    """

    owned: int
    live: int
    settings: Settings = field(default_factory=Settings)
    owned_others: Mapping[Kind, int] = field(default_factory=dict)
    live_others: Mapping[Kind, int] = field(default_factory=dict)
    without_flow: Callable[[str], bool] = lambda _path: False
    not_here: Callable[[FlowId, str | None], MissingPath | None] = lambda _flow, _path: None
    owners: Mapping[FlowId, str] | None = None
    protected: Collection[str] = ()
    callers: Mapping[FlowId, tuple[FlowId, ...]] | None = None
    similar: tuple[str, ...] = ()
    name: str = ""
    ours: Collection[FlowId] = ()
    begins: bool = False


@dataclass(frozen=True)
class Objection:
    """Why a guard refuses a plan; see :class:`Refusal`."""

    message: str
    remedy: str
    flows: tuple[FlowId, ...] = ()


@dataclass(frozen=True)
class Guard:
    """A rule that refuses plans.

    :param rule: its stable name, with an entry in ``docs/rules.md``.
    :param check: its objections to a plan; nothing if the plan may be applied.
    :param exit_code: of a run that it refuses.
    """

    rule: str
    check: Callable[[Plan, GuardInput], Iterator[Objection]]
    exit_code: ExitCode = ExitCode.REFUSED
