"""Sets and removes values in a document, keeping its indentation, quoting and comments.

The result is parsed again and must have exactly the expected value, otherwise the patch fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kestra_sync.edits import Edits, edited
from kestra_sync.render.paths import Index, Key, Step, path_text
from kestra_sync.render.values import same, with_value, without
from kestra_sync.render.writer import PatchError, YamlEditor
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.nodes import NodeTree, read_nodes
from kestra_sync.repo.parse import parse

__all__ = ["PatchError", "Patching"]


@dataclass(frozen=True)
class Patching:
    """A document that is being patched.

    :param value: the parsed value of ``data``.
    :param steps: the edits so far, in order.
    :param events: the parser events of ``data``, which is parsed once for both value and nodes.
    """

    data: bytes
    value: Any
    steps: tuple[Edits, ...] = ()
    events: Sequence[Any] = field(default=(), repr=False, compare=False)

    @staticmethod
    def of(data: bytes) -> Patching | None:
        """Parse ``data`` before its first patch; ``None`` if it is not YAML, or not a mapping."""
        value, events = _read(data)
        return Patching(data, value, events=events) if isinstance(value, dict) else None

    def set(self, steps: tuple[Step, ...], value: Any) -> Patching | None:
        """Return the document with ``value`` at ``steps``; ``None`` if that path does not exist.

        :raises PatchError: it cannot be written there.
        """
        expected = with_value(self.value, steps, value)
        if expected is None:
            return None
        if same(expected[0], self.value):
            return self
        for literals in (
            True,
            False,
        ):  # an indented comment after a block scalar would be part of it
            writer = YamlEditor(self._tree(), literals=literals)
            writer.set(steps, value)
            patched = self._after(writer, expected[0])
            if patched is not None:
                return patched
        raise _not_written(steps)

    def unset(self, steps: tuple[Step, ...]) -> Patching | None:
        """Return the document without the value at ``steps``; ``None`` if it does not exist.

        :raises PatchError: it cannot be removed.
        """
        expected = without(self.value, steps)
        if expected is None:
            return None
        writer = YamlEditor(self._tree())
        writer.unset(steps)
        patched = self._after(writer, expected[0])
        if patched is None:
            raise _not_written(steps)
        return patched

    def with_triggers(self, on: bool) -> Patching:
        """Return the document with all triggers enabled or disabled.

        :raises PatchError: it cannot be written.
        """
        patched = self
        triggers = self.value.get("triggers")
        for number, trigger in enumerate(triggers if isinstance(triggers, list) else ()):
            if not isinstance(trigger, dict) or (on and not trigger.get("disabled")):
                continue
            at = (Key("triggers"), Index(number), Key("disabled"))
            patched = patched.set(at, not on) or patched
        return patched

    def _tree(self) -> NodeTree:
        tree = read_nodes(self.data, self.events)
        if tree is None:
            raise PatchError("the document cannot be read")
        return tree

    def _after(self, writer: YamlEditor, expected: Any) -> Patching | None:
        edits = tuple(sorted(writer.edits))
        data = edited(self.data, edits)
        value, events = _read(data)
        if not same(value, expected):
            return None
        steps = (*self.steps, edits)
        return replace(self, data=data, value=expected, steps=steps, events=events)


def _not_written(steps: tuple[Step, ...]) -> PatchError:
    return PatchError(
        f"`{path_text(steps)}` cannot be changed in this file without changing other values"
    )


def _read(data: bytes) -> tuple[Any, Sequence[Any]]:
    """Return the value of ``data``, ``None`` if it cannot be parsed, and the parser events."""
    events: list[Any] = []
    parsed = parse(data, tolerant=True, record=events)
    return (parsed.value if isinstance(parsed, ParsedDocument) else None), events
