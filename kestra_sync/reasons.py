"""The reasons for changes: one table, a row per reason.

Everything that depends on the reason for a change is a column here: text, graph, record,
``drift``, the check for other owners. To add a reason, add a row; the meaning of each row is the
three-way table of ``docs/architecture.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Alert(str, Enum):
    """A change made on the server that an apply overwrites, refuses or leaves alone."""

    DRIFT = "drift"
    CONFLICT = "conflict"


class Recording(Enum):
    """What an apply does to the inventory's entry of a flow that it does not write."""

    KEEP = "keep"
    RENEW = "renew"
    DROP = "drop"


@dataclass(frozen=True)
class Traits:
    """The columns of the table.

    :param note: the reason in words; ``""`` if the action is self-explanatory.
    :param refused: replaces ``note`` if a guard refuses the change; ``""`` for no other text.
    :param deleted: replaces ``note`` if the change is a deletion; ``""`` for no other text.
    :param alert: shown with ``!``, counted separately, and marked as drift in graphs.
    :param edited: someone else may have written the live source: it is compared with what was
        applied last, and ``drift`` reports it.
    :param deleted_on_server: confirmed by a separate read, and reported by ``drift``.
    :param maybe_foreign: another inventory may own the flow; all of them are read then.
    :param only_there: only on the server: there is no record of the flow.
    :param listed: the flow is in the record, and no longer in Git.
    :param recording: what happens to the inventory's entry, if the flow is not written.
    :param group: the position of its list among the flows that are left alone; 0 for no list.
    :param differs: how "no changes" counts flows that differ from Git; ``""`` for others.
    """

    note: str = ""
    refused: str = ""
    deleted: str = ""
    alert: Alert | None = None
    edited: bool = False
    deleted_on_server: bool = False
    maybe_foreign: bool = False
    only_there: bool = False
    listed: bool = False
    recording: Recording = Recording.KEEP
    group: int = 0
    differs: str = ""


class ReasonTable(str, Enum):
    """The structure of a row: a stable name and the traits."""

    traits: Traits

    def __new__(cls, name: str, traits: Traits) -> ReasonTable:  # noqa: PYI034 - Self came with 3.11
        """Create a row; its value is only ``name``."""
        row = str.__new__(cls, name)
        row._value_ = name
        row.traits = traits
        return row

    def __str__(self) -> str:
        return str(self.value)


class Reason(ReasonTable):
    """The table. The names are stable in the JSON."""

    NEW = "new", Traits()
    RECREATED = (
        "recreated",
        Traits("deleted on the server, will be recreated", deleted_on_server=True),
    )
    CHANGED = "changed", Traits()
    DRIFT = (
        "drift",
        Traits(
            "drift: edited on the server, will be reverted",
            refused="drift: edited on the server, refused (--on-drift fail)",
            alert=Alert.DRIFT,
            edited=True,
            maybe_foreign=True,
        ),
    )
    CONFLICT = (
        "conflict",
        Traits(
            "conflict: changed in Git and edited on the server",
            refused="conflict: changed in Git and edited on the server, refused",
            deleted="conflict: no longer in Git, but edited on the server",
            alert=Alert.CONFLICT,
            edited=True,
            maybe_foreign=True,
        ),
    )
    TAKE_OVER = (
        "take-over",
        Traits(
            "not owned yet, will be taken over",
            refused="not in the inventory and different on the server, refused",
            maybe_foreign=True,
        ),
    )
    REMOVED = "removed", Traits("no longer in Git", maybe_foreign=True)
    # Only of a rollback.
    UNDONE = "undone", Traits("created after that run", maybe_foreign=True)
    PRUNED = "pruned", Traits("not in Git (prune: scope)", maybe_foreign=True, only_there=True)
    MOVED = "moved", Traits()
    IN_SYNC = "in-sync", Traits()
    # Also where only the file was renamed: ``drift`` asks the record whether anything was edited.
    REFRESHED = "refreshed", Traits(edited=True, recording=Recording.RENEW)
    ADOPT = (
        "adopt",
        Traits(
            "in sync, will be adopted",
            maybe_foreign=True,
            recording=Recording.RENEW,
            group=1,
        ),
    )
    KEPT_OFF = (
        "kept-off",
        Traits(
            "disabled on the server, kept disabled",
            maybe_foreign=True,
            recording=Recording.RENEW,
            group=2,
            differs="kept disabled",
        ),
    )
    RE_ENABLED = (
        "re-enabled",
        Traits(
            "disabled on the server, will be re-enabled",
            alert=Alert.DRIFT,
            maybe_foreign=True,
        ),
    )
    DRIFT_KEPT = (
        "drift-kept",
        Traits(
            "drift: edited on the server, left alone",
            alert=Alert.DRIFT,
            edited=True,
            differs="edited on the server and kept",
        ),
    )
    PROTECTED = (
        "protected",
        Traits("no longer in Git, kept because of '# kestra-sync: keep'", listed=True, group=3),
    )
    DROPPED = (
        "dropped",
        Traits(
            "deleted on both sides, will be removed from the inventory",
            deleted_on_server=True,
            listed=True,
            recording=Recording.DROP,
            group=5,
        ),
    )
    FOREIGN = (
        "foreign",
        Traits(
            "on the server but not in Git, not owned, left alone",
            only_there=True,
            recording=Recording.DROP,
            group=6,
        ),
    )
    UNTOUCHED = "untouched", Traits("no longer in Git, left alone", listed=True, group=4)
