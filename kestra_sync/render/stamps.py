"""Labels with the origin of a flow, updated only when the flow is written anyway.

A stamp is never a reason to write a flow: what the server holds is compared with the flow as it
would be with the values that the server's flow has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kestra_sync.edits import Edits
from kestra_sync.model import Desired, Live
from kestra_sync.render.patch import Patching
from kestra_sync.render.paths import Key
from kestra_sync.render.values import find, is_pair_list

#: The label that locks a flow in Kestra's editor.
READ_ONLY = "system.readOnly"

Stamp = tuple[tuple[str, str], ...]


def stamped(data: bytes, stamp: Stamp) -> tuple[bytes, tuple[Edits, ...]]:
    """``data`` with the labels of ``stamp`` that it does not have, and the edits that made it.

    A document that cannot be parsed stays as it is.

    :raises PatchError: its labels cannot be added to.
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
    """The labels of ``stamp`` that a source has by itself, which keep their value."""
    if b"labels" not in data:
        return ()
    patching = Patching.of(data)
    if patching is None:
        return ()
    return tuple(
        name for name, _ in stamp if not find(patching.value, (Key("labels"), Key(name)))[1]
    )


def with_stamp(desired: Desired, live: Live | None, stamp: Stamp) -> Desired:
    """``desired`` as it will be compared and sent.

    With the values of the live flow if that makes it what the server holds; else with those of
    ``stamp``.

    :raises PatchError: the labels of the flow cannot be added to.
    """
    if live is not None:
        if live.source == desired.sent:
            return desired
        held = _held(live.source, stamp)
        if held:
            again, steps = stamped(desired.sent, held)
            if again == live.source:
                return _sent(desired, again, steps)
    return _sent(desired, *stamped(desired.sent, stamp))


def without_stamp(source: bytes, desired: bytes | None, stamp: Stamp) -> bytes:
    """A live source without the labels that were stamped onto it, as it belongs into a file.

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
    return Desired(desired.flow, data, desired.name, (*desired.steps, *steps))


def _held(source: bytes, stamp: Stamp) -> Stamp:
    """The labels of ``stamp`` with the values that a live source has for them."""
    labels = _labels(source)
    if labels is None:
        return ()
    return tuple((name, labels[name]) for name, _ in stamp if name in labels)


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
