"""Stamps: labels with the origin of a flow, updated only when the flow is written anyway.

A stamp is never a reason to write a flow: the flow on the server is compared with the flow in Git
stamped with the values that the server has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from kestra_sync.configured import Stamp
from kestra_sync.edits import Edit, Edits, edited
from kestra_sync.model import Desired, Diagnostic, Live, Position, Severity
from kestra_sync.plan.compare import switched_off
from kestra_sync.render.patch import Patching
from kestra_sync.render.paths import Key
from kestra_sync.render.values import find, is_pair_list
from kestra_sync.render.writer import PatchError
from kestra_sync.repo.text import block_scalars


def stamped(data: bytes, stamp: Stamp) -> tuple[bytes, tuple[Edits, ...]]:
    """Add the labels of ``stamp`` that ``data`` does not have; return it and the edits.

    A document that cannot be parsed is not changed.

    :raises PatchError: labels cannot be added.
    """
    patching = Patching.of(data)
    if patching is None:
        return data, ()
    for name, value in stamp:
        at = (Key("labels"), Key(name))
        if find(patching.value, at)[1]:
            patching = patching.set(at, value) or patching
    return patching.data, patching.steps


def own_labels(data: bytes, stamp: Stamp) -> tuple[str, ...]:
    """Return the labels of ``stamp`` that a source defines itself, which keep their value."""
    if b"labels" not in data:
        return ()
    patching = Patching.of(data)
    if patching is None:
        return ()
    return tuple(
        name for name, _ in stamp if not find(patching.value, (Key("labels"), Key(name)))[1]
    )


@dataclass(frozen=True)
class Stamped:
    """A flow as it will be compared and sent, and diagnostics about its stamp."""

    desired: Desired
    diagnostics: tuple[Diagnostic, ...] = ()


def with_stamp(
    desired: Desired, live: Live | None, stamp: Stamp, names: Sequence[str] = ()
) -> Stamped:
    """Return ``desired`` as it will be compared and sent.

    Stamped with the values of the live flow if it is then equal to it, apart from having been
    disabled on the server; otherwise with those of ``stamp``.

    :param names: the labels that may have been stamped, if ``stamp`` does not have all of them.
    """
    if live is not None and live.source == desired.sent:
        return Stamped(desired)
    names = names or [name for name, _ in stamp]
    added = None if live is None else added_labels(desired.sent, live.source, tuple(names))
    if live is not None and added is not None:
        return Stamped(_sent(desired, live.source, (added,)))
    try:
        held = () if live is None else _held(live.source, names)
        if live is not None and held:
            again, steps = stamped(desired.sent, held)
            if again == live.source or switched_off(live.source, again):
                return Stamped(_sent(desired, again, steps))
        made = _sent(desired, *stamped(desired.sent, stamp))
    except PatchError as error:
        message = f"the flow is not stamped: {error}"
        remedy = "write its labels without anchors and tags"
        return Stamped(
            desired, (_said(desired, Severity.WARNING, "stamp-left-out", message, remedy),)
        )
    own = (
        f"the flow has a label {label} of its own, which is kept"
        for label in own_labels(desired.sent, stamp)
    )
    return Stamped(
        made,
        tuple(_said(desired, Severity.INFO, "stamp-own-label", message) for message in own),
    )


def _said(
    desired: Desired, severity: Severity, rule: str, message: str, remedy: str | None = None
) -> Diagnostic:
    position = Position(desired.flow.document.first_line, 1)
    return Diagnostic(desired.path, position, severity, rule, message, remedy, desired.flow_id)


def without_stamp(source: bytes, desired: bytes | None, stamp: Stamp) -> bytes:
    """Remove stamped labels from a live source, as it would be in a file.

    :param desired: what is sent without stamps, to identify the flow's own labels.
    :raises PatchError: they cannot be removed.
    """
    own = set(own_labels(desired, stamp)) if desired is not None else set()
    patching = Patching.of(source)
    if patching is None:
        return source
    had_labels = desired is not None and _labels(desired) is not None
    for name, _ in stamp:
        if name not in own:
            patching = patching.unset((Key("labels"), Key(name))) or patching
    if patching.steps and not patching.value.get("labels") and not had_labels:
        patching = patching.unset((Key("labels"),)) or patching
    return patching.data


def _sent(desired: Desired, data: bytes, steps: tuple[Edits, ...]) -> Desired:
    if not steps:
        return desired
    return replace(desired, content=data, steps=(*desired.steps, *steps), unstamped=desired.sent)


#: The labels of a flow in block style, which end with the first line in column 0.
_LABELS = re.compile(rb"\nlabels:[ ]*\r?\n(?P<lines>(?P<indent>[ ]+)[^\n]*\n(?:[ ]+[^\n]*\n)*)")
_VALUE = rb"""(?:[\w./+-]+|"[^"\\\n]*"|'[^'\n]*')"""


@cache
def _label_line(names: Sequence[str]) -> re.Pattern[bytes]:
    return re.compile(rb"([ ]+)(?:%s):[ ]+%s[ ]*\r?\n" % (_one_of(names), _VALUE))


@cache
def _continued(names: Sequence[str]) -> re.Pattern[bytes]:
    """Match a label whose value continues on a line that is indented deeper."""
    between = rb"(?:[ ]*(?:#[^\n]*)?\r?\n)*"
    return re.compile(rb"\n([ ]+)(?:%s):[^\n]*\n%s\1[ ]" % (_one_of(names), between))


def _one_of(names: Sequence[str]) -> bytes:
    return b"|".join(re.escape(name.encode()) for name in names)


def added_labels(sent: bytes, live: bytes, names: tuple[str, ...]) -> Edits | None:
    """Return the edits from ``sent`` to ``live``, if they only add labels on separate lines.

    Does not use a parser, because every plan calls it for each stamped flow. ``None`` if there are
    other differences, or in case of doubt.

    :param names: the labels to consider.
    """
    found = _LABELS.search(live) if len(live) > len(sent) else None
    if found is None:
        return None
    line = _label_line(names)
    edits: list[Edit] = []
    rest: list[bytes] = []
    at, shift = found.start("lines"), 0
    for each in found["lines"].splitlines(keepends=True):
        match = line.fullmatch(each)
        if match is not None and match[1] == found["indent"]:
            edits.append(Edit(at - shift, at - shift, each))
            shift += len(each)
        else:
            rest.append(each)
        at += len(each)
    if not rest:  # the flow had no labels
        key = found.start() + 1
        edits = [Edit(key, key, live[key : found.end()])]
    known = b"".join(rest)
    if not edits or edited(sent, edits) != live or any(each.encode() in known for each in names):
        return None
    if _continued(names).search(live) is not None:
        return None
    return tuple(edits) if block_scalars(live) is not None else None


def _held(source: bytes, names: Sequence[str]) -> Stamp:
    """Return the labels with these names and their values in a live source."""
    labels = _labels(source)
    if labels is None:
        return ()
    return tuple((name, labels[name]) for name in names if name in labels)


def _labels(source: bytes) -> Mapping[str, Any] | None:
    if b"labels" not in source:
        return None
    patching = Patching.of(source)
    if patching is None or "labels" not in patching.value:
        return None
    labels: Any = patching.value["labels"]
    if is_pair_list(labels):
        return {str(each["key"]): each["value"] for each in labels}
    return labels if isinstance(labels, dict) else {}
