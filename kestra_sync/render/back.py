"""Reverses the rendering: from the source on a server to the file, where that is certain.

Stamps are removed, namespaces are mapped back to their names in the files, and the patches of the
environment are undone. The result is rendered again, and must be equal to the source on the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher

from kestra_sync.configured import Rendering, Stamp
from kestra_sync.edits import Edit, Edits, edited
from kestra_sync.model import Desired, Document, Flow, FlowId, Severity
from kestra_sync.render.mapping import Mapper
from kestra_sync.render.namespaces import NamespaceMap
from kestra_sync.render.render import render
from kestra_sync.render.stamps import added_labels, without_stamp
from kestra_sync.render.writer import PatchError


def to_file(
    source: bytes, flow_id: FlowId, desired: Desired | None, rendering: Rendering, stamp: Stamp
) -> bytes | None:
    """Return the document that is rendered to ``source``; ``None`` if it is uncertain.

    :param flow_id: the name of the flow on the server.
    :param desired: the flow in Git, if it exists.
    """
    names = NamespaceMap(rendering.namespaces)
    namespace = names.to_files(flow_id.namespace)
    if namespace is None:
        return None
    expected = None
    if desired is not None:
        expected = desired.sent if desired.unstamped is None else desired.unstamped
    if desired is not None and expected is not None:
        labels = tuple(name for name, _ in stamp)
        if source == expected or (labels and added_labels(expected, source, labels) is not None):
            return desired.flow.document.data
    try:
        source = without_stamp(source, expected, stamp) if stamp else source
    except PatchError:
        return None
    found = edited(source, Mapper(names.inverse()).map(source).edits)
    if desired is not None and rendering.patches:
        unpatched = _unpatched(found, desired.flow, rendering)
        if unpatched is None:
            return None
        found = unpatched
    flow = Flow(FlowId(namespace, flow_id.id), Document("", 0, 1, found))
    again = render([flow], rendering, partial=True)
    wrong = any(each.severity is Severity.ERROR for each in again.diagnostics)
    return None if wrong or again.desired[0].sent != source else found


def _unpatched(changed: bytes, flow: Flow, rendering: Rendering) -> bytes | None:
    """Apply the changes of the patched form to the file; ``None`` if they overlap with a patch."""
    (patched,) = render([flow], replace(rendering, namespaces=()), partial=True).desired
    data = flow.document.data
    changes = list(_changes(patched.sent, changed))
    for step in reversed(patched.steps):
        mapped = [_before(step, change) for change in changes]
        changes = [each for each in mapped if each is not None]
        if len(changes) != len(mapped):
            return None
    return edited(data, changes)


def _changes(before: bytes, after: bytes) -> Iterator[Edit]:
    """Yield minimal edits from ``before`` to ``after``, by lines and their common ends."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        removed, text = b"".join(old[a0:a1]), b"".join(new[b0:b1])
        front = _common(removed, text)
        back = _common(removed[front:][::-1], text[front:][::-1])
        yield Edit(starts[a0] + front, starts[a1] - back, text[front : len(text) - back])


def _common(one: bytes, other: bytes) -> int:
    """Return the length of the common prefix."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _before(step: Edits, change: Edit) -> Edit | None:
    """Map a change of an edited text to the text before the edits; ``None`` if they overlap."""
    shift = 0
    for edit in step:
        start, end = edit.start + shift, edit.start + shift + len(edit.text)
        if change.end <= start:
            break
        if change.start < end:
            return None
        shift += len(edit.text) - (edit.end - edit.start)
    return replace(change, start=change.start - shift, end=change.end - shift)
