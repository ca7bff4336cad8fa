"""Finds deletions and creations that are one flow under a new name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from kestra_sync.model import Action, Change, Reason

_NAME_LINES = re.compile(rb"^(?:id|namespace)[ \t]*:[^\n]*\n?", re.MULTILINE)


def with_moves(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The same changes, with each unique pair of equal bodies shown as one move.

    Display only: it is carried out as a creation and a deletion, executions and trigger state
    stay with the old name, and it counts as a deletion for the guards.
    """
    changes = tuple(changes)
    created, deleted = _by_body(changes, Action.CREATE), _by_body(changes, Action.DELETE)
    moved: dict[int, Change] = {}
    gone: set[int] = set()
    for body, ours in created.items():
        theirs = deleted.get(body, [])
        if len(ours) == 1 and len(theirs) == 1:
            new, old = changes[ours[0]], changes[theirs[0]]
            if new.reason is Reason.NEW and old.reason.traits.alert is None:
                moved[ours[0]] = replace(
                    new, action=Action.MOVE, reason=Reason.MOVED, moved_from=old
                )
                gone.add(theirs[0])
    return tuple(moved.get(index, each) for index, each in enumerate(changes) if index not in gone)


def _by_body(changes: tuple[Change, ...], action: Action) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = defaultdict(list)
    for index, each in enumerate(changes):
        source = each.after if action is Action.CREATE else each.before
        if each.action is action and source is not None:
            found[_NAME_LINES.sub(b"", source)].append(index)
    return found
