"""The input of guards, and how a guard is declared."""

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
    """Why a plan must not be applied.

    :param rule: the stable name of the guard.
    :param flows: the changes that it refuses; empty if it refuses the whole plan.
    """

    rule: str
    message: str
    remedy: str
    exit_code: ExitCode = ExitCode.REFUSED
    flows: tuple[FlowId, ...] = ()


@dataclass(frozen=True)
class GuardInput:
    """What the guards check, in addition to the plan.

    :param owned: the number of flows of the scope that the inventory owns.
    :param live: the number of live flows in the scope.
    :param settings: the settings, with the options of guards.
    :param owned_others: how many resources of each kind other than flows are ours; ``live_others``
        how many are on the server.
    :param without_flow: returns whether a recorded path still exists but no longer contains the
        flow.
    :param missing_path: returns where Git may still have a flow that is missing in the working
        tree; called with the flow and the path that it came from.
    :param owners: flow → name of the other inventory that owns it.
    :param protected: namespaces that must not be changed, dot-aware.
    :param callers: for each flow that would be deleted, the remaining flows that call it.
    :param similar: other inventories of this repository that may be ours under an old name.
    :param name: the name of our inventory.
    :param ours: the resources in our inventory.
    :param first_apply: our inventory does not exist yet.
    """

    owned: int
    live: int
    settings: Settings = field(default_factory=Settings)
    owned_others: Mapping[Kind, int] = field(default_factory=dict)
    live_others: Mapping[Kind, int] = field(default_factory=dict)
    without_flow: Callable[[str], bool] = lambda _path: False
    missing_path: Callable[[FlowId, str | None], MissingPath | None] = lambda _flow, _path: None
    owners: Mapping[FlowId, str] | None = None
    protected: Collection[str] = ()
    callers: Mapping[FlowId, tuple[FlowId, ...]] | None = None
    similar: tuple[str, ...] = ()
    name: str = ""
    ours: Collection[FlowId] = ()
    first_apply: bool = False


@dataclass(frozen=True)
class Objection:
    """An objection of a guard to a plan; see :class:`Refusal`."""

    message: str
    remedy: str
    flows: tuple[FlowId, ...] = ()


@dataclass(frozen=True)
class Guard:
    """A rule that refuses plans.

    :param rule: its stable name, with an entry in ``docs/rules.md``.
    :param check: yields its objections to a plan; none if the plan may be applied.
    :param exit_code: the exit code if it refuses.
    """

    rule: str
    check: Callable[[Plan, GuardInput], Iterator[Objection]]
    exit_code: ExitCode = ExitCode.REFUSED
