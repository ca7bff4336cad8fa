"""A parsed document: plain values with their positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.findings import Finding
from kestra_sync.model import FlowId, Position

# More than a line can have columns, files being limited to 10 MiB.
PLACE_LINE = 1 << 24


@dataclass(frozen=True, eq=False)
class ParsedDocument:
    """One YAML document as Kestra would read it.

    :param value: dicts, lists, strings, numbers, booleans and ``None``. Not to be changed: parsed
        documents are cached and shared.
    :param root: where the root node begins.
    :param aliases: the places of aliases (``*name``), with the names. Kestra does not resolve
        them: its parser reads the name as text, and so does ``value``.
    :param duplicates: the keys that their mapping has already. ``value`` has the last one, as
        Kestra takes it in most places.
    :param doubled: those of them that are keys of the root mapping.
    """

    value: Any
    root: Position
    aliases: tuple[tuple[Position, str], ...] = ()
    duplicates: tuple[Finding, ...] = ()
    doubled: frozenset[str] = frozenset()
    # By identity of the container (they live as long as ``value`` does): for a mapping the places
    # of key and value in turn, in the order of the mapping; for a list those of its items. A place
    # is ``line * PLACE_LINE + column``, both from 0.
    marks: dict[int, list[int]] = field(default_factory=dict, repr=False)
    # By identity, too: which key of a long mapping each key is.
    _indexes: dict[int, dict[str, int]] = field(default_factory=dict, repr=False)

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

    def refused_aliases(self, rule: str) -> list[Finding]:
        """An error for each alias. For files of kestra-sync itself: the text that Kestra would read
        makes no sense there.
        """
        return [
            Finding(rule, position, f"the alias '*{name}' is not supported", "write out the value")
            for position, name in self.aliases
        ]

    def position_of(self, path: Sequence[str | int], *, key: bool = False) -> Position:
        """Where the node at ``path`` stands, or its key; of what is not there, the nearest parent.

        Lines and columns count from 1, in the document (not in its file).
        """
        node, position = self.value, self.root
        for index, step in enumerate(path):
            at_end = index == len(path) - 1
            if isinstance(node, dict) and step in node:
                at_value = 2 * self._index_of(node, step) + 1
                place = self.marks[id(node)][at_value - (key and at_end)]
            elif isinstance(node, list) and isinstance(step, int) and 0 <= step < len(node):
                place = self.marks[id(node)][step]
            else:
                break
            position = position_at(place)
            node = node[step]
        return position

    def _index_of(self, mapping: dict[Any, Any], key: str | int) -> int:
        if len(mapping) < 64:
            return list(mapping).index(key)
        # A file may be wrong at each of a hundred thousand keys.
        indexes = self._indexes.get(id(mapping))
        if indexes is None:
            indexes = self._indexes[id(mapping)] = {each: at for at, each in enumerate(mapping)}
        return indexes[str(key)]

    def key_lines(self, mapping: dict[str, Any]) -> list[int]:
        """The lines (from 1) of the keys of a mapping of this document, in their order."""
        return [place // PLACE_LINE + 1 for place in self.marks[id(mapping)][::2]]

    def item_lines(self, items: list[Any]) -> list[int]:
        """The lines (from 1) of the items of a list of this document, in their order."""
        return [place // PLACE_LINE + 1 for place in self.marks[id(items)]]


def as_text(value: Any) -> str | None:
    """The text that Jackson reads from a scalar; ``None`` if it rejects it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    return None


def position_at(place: int) -> Position:
    """The position of a place (one number for line and column)."""
    line, column = divmod(place, PLACE_LINE)
    return Position(line + 1, column + 1)
