"""``# kestra-sync: keep``: a flow that says so is never deleted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from kestra_sync.model import Action, Change, Reason

_KEEP = re.compile(rb"^[ \t]*#[ \t]*kestra-sync:[ \t]*keep\b", re.MULTILINE)


def keeps(source: bytes) -> bool:
    """Whether the flow asks to be kept."""
    return _KEEP.search(source) is not None


def without_kept(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The same changes, with deletions of such flows turned into a note."""
    return tuple(
        replace(each, action=Action.NONE, reason=Reason.PROTECTED)
        if each.action is Action.DELETE and each.before is not None and keeps(each.before)
        else each
        for each in changes
    )
