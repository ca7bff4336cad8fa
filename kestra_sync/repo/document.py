"""A parsed document: plain values, and where each of them stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.model import FlowId, Position

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """What keeps a document from being understood, with its place in the document."""

    rule: str
    message: str
    position: Position | None
    remedy: str | None = None


@dataclass(frozen=True, eq=False)
class ParsedDocument:
    """One YAML document as Kestra would read it.

    :param value: dicts, lists, strings, numbers, booleans and ``None``. Not to be changed: parsed
        documents are cached and shared.
    :param root: where the root node begins.
    :param aliases: the places of aliases (``*name``), with the names. Kestra does not resolve
        them: its parser reads the name as text, and so does ``value``.
    """

    value: Any
    root: Position
    aliases: tuple[tuple[Position, str], ...] = ()
    # By identity of the container: for each key the marks of key and value, for each index the
    # mark of the item. The containers live as long as ``value`` does, so identities hold.
    marks: dict[int, Any] = field(default_factory=dict, repr=False)

    @property
    def flow_id(self) -> FlowId | None:
        """The name the document gives itself; ``None`` if it has no (usable) id or namespace.

        Kestra takes a number or a boolean for an id, as text, but not for a namespace.
        """
        if not isinstance(self.value, dict):
            return None
        namespace, flow_id = self.value.get("namespace"), as_text(self.value.get("id"))
        if isinstance(namespace, str) and flow_id is not None:
            return FlowId(namespace, flow_id)
        return None

    def position_of(self, path: Sequence[str | int], *, key: bool = False) -> Position:
        """Where the node at ``path`` stands, or its key; of what is not there, the nearest parent.

        Lines and columns count from 1, in the document (not in its file).
        """
        node, position = self.value, self.root
        for step in path:
            marks = self.marks.get(id(node))
            if isinstance(node, dict) and step in node and marks is not None:
                key_mark, value_mark = marks[step]
                mark = key_mark if key and step is path[-1] else value_mark
            elif isinstance(node, list) and isinstance(step, int) and 0 <= step < len(node):
                mark = marks[step] if marks is not None else None
            else:
                break
            position = Position(mark.line + 1, mark.column + 1)
            node = node[step]
        return position


def as_text(value: Any) -> str | None:
    """What Jackson makes of a scalar where it wants text; ``None`` for what it refuses."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    return None
