"""Writes one change into the text of a document, in its indentation and quoting style.

Only creates edits: ``render.patch`` verifies their effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kestra_sync.edits import LINE_BREAK, Edit
from kestra_sync.render.emit import Emitter
from kestra_sync.render.paths import Index, Key, Step
from kestra_sync.repo.nodes import Node, NodeKind, NodeTree


class PatchError(ValueError):
    """A patch cannot be applied to a document; the message says why."""


@dataclass(frozen=True)
class _At:
    """A node, its parent, and its key if the parent is a mapping."""

    node: Node
    parent: Node | None = None
    key: Node | None = None
    in_flow: bool = False


class YamlEditor:
    """Creates the edits for one change of a document."""

    def __init__(self, tree: NodeTree, *, literals: bool = True) -> None:
        self._tree = tree
        self._text = tree.text
        self.edits: list[Edit] = []
        self._newline = next((nl for nl in ("\r\n", "\n", "\r") if nl in tree.text), "\n")
        self._step, quote = _manners(tree)
        self._emit = Emitter(self._step, self._newline, quote, literals)

    def set(self, steps: tuple[Step, ...], value: Any) -> None:
        """Set ``value`` at ``steps``, which must be a possible path."""
        at, rest = self._find(steps)
        if not rest:
            self._replace(at, value)
            return
        first, *others = [each.name for each in rest if isinstance(each, Key)]
        for name in reversed(others):
            value = {name: value}
        if at.node.kind is NodeKind.MAPPING:
            self._add(at, first, value)
        elif at.node.kind is NodeKind.LIST:
            self._append(at, {"key": first, "value": value})
        else:
            self._replace(at, {first: value})

    def unset(self, steps: tuple[Step, ...]) -> None:
        """Remove the node at ``steps``, which must exist."""
        *above, last = steps
        at, _ = self._find(tuple(above))
        if at.node.kind is NodeKind.MAPPING:
            assert isinstance(last, Key)
            for index in range(len(at.node.pairs) - 1, -1, -1):
                if at.node.pairs[index][0].value == last.name:
                    self._remove(at, index, [(key, value) for key, value in at.node.pairs])
                    return
        else:
            index = _item(at.node, last)
            self._remove(at, index, [(each, each) for each in at.node.items])

    # Finding

    def _find(self, steps: tuple[Step, ...]) -> tuple[_At, tuple[Step, ...]]:
        at = _At(self._tree.root)
        for number, step in enumerate(steps):
            node = at.node
            in_flow = at.in_flow or node.is_flow
            if node.kind is NodeKind.MAPPING and isinstance(step, Key):
                index = node.index(step.name)
                if index is None:
                    return at, steps[number:]
                key, value = node.pairs[index]
                at = _At(value, node, key, in_flow)
            elif node.kind is NodeKind.LIST:
                index = _item(node, step)
                if index < 0:
                    return at, steps[number:]
                at = _At(node.items[index], node, None, in_flow)
                if isinstance(step, Key):
                    found = at.node.index("value")
                    assert found is not None
                    key, value = at.node.pairs[found]
                    at = _At(value, at.node, key, in_flow or at.node.is_flow)
            else:
                return at, steps[number:]
        return at, ()

    # Writing

    def _replace(self, at: _At, value: Any) -> None:
        node = at.node
        if node.kind is NodeKind.ALIAS or node.has_properties:
            raise PatchError("the value has an anchor, an alias or a tag: remove it")
        style = node.style if node.style in ("'", '"') and isinstance(value, str) else ""
        one_line = self._emit.flow(value, style)
        gap = " " if node.is_empty else ""
        if at.in_flow:
            bare = node.is_empty and self._text[node.start - 1] != ":"  # `{a}`
            self._edit(node.start, node.end, (":" if bare else "") + gap + one_line)
            return
        is_collection = isinstance(value, (dict, list)) and bool(value)
        is_lines = isinstance(value, str) and "\n" in value
        ends_line = not self._rest(node.end).strip()
        end = self._line_end(node.end) if ends_line else node.end
        if at.key is None:
            if node.is_empty:
                raise PatchError("an empty list item cannot be replaced")
            text = self._emit.block(value, self._column(node.start))
            whole = (is_collection or is_lines) and ends_line
            self._edit(node.start, end, text if whole else one_line)
        elif node.kind in (NodeKind.MAPPING, NodeKind.LIST) and not node.is_flow:
            self._replace_block(at, value, is_collection)
        elif is_collection:  # a comment after the value stays with the key
            start = node.start
            while not node.is_empty and self._text[start - 1] == " ":
                start -= 1
            self._edit(start, end, "")
            inner = self._column(at.key.start) + self._step
            text = self._newline + " " * inner + self._emit.block(value, inner)
            self._edit(self._line_end(end), self._line_end(end), text)
        elif is_lines and ends_line and self._text[at.key.end : node.start].strip(" ") == ":":
            follows = self._emit.after_colon(value, self._column(at.key.start))
            self._edit(node.start, end, gap + follows[1:])
        else:
            self._edit(node.start, end, gap + one_line)

    def _replace_block(self, at: _At, value: Any, is_collection: bool) -> None:
        """Replace a block collection, on the same lines if the value is also one."""
        node, key = at.node, at.key
        assert key is not None
        colon = self._text.index(":", key.end) + 1
        first = self._dash(node, 0) if node.kind is NodeKind.LIST else node.pairs[0][0].start
        begin = self._line_start(first)
        inner, indent = self._column(first), self._column(key.start)
        if inner <= indent and not (inner == indent and isinstance(value, list) and value):
            inner = indent + self._step
        if is_collection:
            text = self._emit.block(value, inner)
            self._edit(begin, node.end, " " * inner + text)
        elif not self._text[colon:first].strip():
            self._edit(colon, node.end, " " + self._emit.flow(value))
        else:
            self._edit(begin, node.end, " " * inner + self._emit.flow(value))

    def _add(self, at: _At, name: str, value: Any) -> None:
        node = at.node
        key = self._emit.scalar(name)
        if at.in_flow or node.is_flow:
            text = f"{key}: {self._emit.flow(value)}"
            if node.pairs:
                end = self._pair_end(node.pairs[-1])
                self._edit(end, end, f", {text}")
            else:
                self._edit(node.end - 1, node.end - 1, text)
            return
        first, last = node.pairs[0][0], node.pairs[-1][0]
        indent = self._column(first.start)
        text = key + ":" + self._emit.after_colon(value, indent)
        self._insert(node, last.start, indent, text)

    def _append(self, at: _At, item: dict[str, Any]) -> None:
        node = at.node
        if at.in_flow or node.is_flow:
            end = node.items[-1].end
            self._edit(end, end, ", " + self._emit.flow(item))
            return
        dash = self._dash(node, len(node.items) - 1)
        indent = self._column(dash)
        text = self._emit.block([item], indent)
        self._insert(node, dash, indent, text)

    def _insert(self, node: Node, last: int, indent: int, text: str) -> None:
        """Insert lines after a block collection, or before its last entry, at ``last``.

        Text after a block scalar may be part of it: with ``|+`` the blank lines, and at the end of
        the file the line break.
        """
        end = self._line_end(node.end)
        leaf = node.last_leaf
        if leaf.style in ("|", ">") and (leaf.keeps_blank_lines or end == len(self._text)):
            self._edit(last, last, text + self._newline + " " * indent)
        else:
            self._edit(end, end, self._newline + " " * indent + text)

    def _remove(self, at: _At, index: int, entries: list[tuple[Node, Node]]) -> None:
        node = at.node
        flow = at.in_flow or node.is_flow
        if len(entries) == 1:
            empty = "{}" if node.kind is NodeKind.MAPPING else "[]"
            if node.is_flow:
                self._edit(entries[0][0].start, self._pair_end(entries[0]), "")
            elif at.key is not None:
                self._replace_block(at, {} if empty == "{}" else [], is_collection=False)
            else:
                self._edit(node.start, node.end, empty)
            return
        start, end = entries[index][0].start, self._pair_end(entries[index])
        if flow:
            if index:
                start = self._pair_end(entries[index - 1])
            else:
                end = entries[1][0].start
            self._edit(start, end, "")
            return
        if node.kind is NodeKind.LIST:
            start = self._dash(node, index)
        line = self._line_start(start)
        if self._text[line:start].strip(" "):  # it follows a dash
            next_start = self._dash(node, 1) if node.kind is NodeKind.LIST else entries[1][0].start
            self._edit(start, next_start, "")
            return
        leaf = entries[index][1].last_leaf
        if leaf.keeps_blank_lines and index + 1 < len(entries):
            following = (
                self._dash(node, index + 1)
                if node.kind is NodeKind.LIST
                else entries[index + 1][0].start
            )
            self._edit(start, following, "")
            return
        end = self._line_end(end)
        found = LINE_BREAK.match(self._text, end)
        if found is not None:
            self._edit(line, found.end(), "")
        else:
            before = re.search(r"(?:\r\n|[\n\r])\Z", self._text[:line])
            self._edit(line if before is None else before.start(), end, "")

    # Places

    def _edit(self, start: int, end: int, text: str) -> None:
        offset = self._tree.byte_offset
        self.edits.append(Edit(offset(start), offset(end), text.encode("utf-8")))

    def _pair_end(self, pair: tuple[Node, Node]) -> int:
        return max(pair[0].end, pair[1].end)

    def _line_start(self, at: int) -> int:
        start = 0
        for found in LINE_BREAK.finditer(self._text, 0, at):
            start = found.end()
        return start

    def _line_end(self, at: int) -> int:
        found = LINE_BREAK.search(self._text, at)
        return len(self._text) if found is None else found.start()

    def _rest(self, at: int) -> str:
        return self._text[at : self._line_end(at)]

    def _column(self, at: int) -> int:
        return at - self._line_start(at)

    def _dash(self, node: Node, index: int) -> int:
        """Return the position of an item's dash: the last one before it outside of comments."""
        begin = node.items[index - 1].end if index else self._dash_area(node)
        area = self._text[begin : node.items[index].start]
        bare = re.sub(r"(?m)(?:^|(?<=\s))#.*$", lambda found: " " * len(found[0]), area)
        return begin + bare.rindex("-")

    def _dash_area(self, node: Node) -> int:
        # A block list starts at its first dash, which only some parsers report.
        return min(node.start, max(self._line_start(node.items[0].start), 0))


def _item(node: Node, step: Step) -> int:
    """Return the index of the item in a list; -1 if there is none."""
    if isinstance(step, Index):
        return step.number if step.number < len(node.items) else -1
    key = "key" if isinstance(step, Key) else "id"
    for index, item in enumerate(node.items):
        found = item.get(key) if item.kind is NodeKind.MAPPING else None
        if found is not None and found.kind is NodeKind.SCALAR and found.value == step.name:
            return index
    return -1


def _manners(tree: NodeTree) -> tuple[int, str]:
    """Return the indentation of a document, and the quotes that it prefers."""
    step = 0
    quotes = {"'": 0, '"': 0}
    pending: list[tuple[Node, int]] = [(tree.root, -1)]
    while pending:
        node, column = pending.pop()
        if node.style in quotes:
            quotes[node.style] += 1
        pending += [(item, -1) for item in node.items]
        if node.pairs and not node.is_flow:
            start = node.pairs[0][0].start
            line = max(tree.text.rfind("\n", 0, start), tree.text.rfind("\r", 0, start)) + 1
            here = start - line
            if column >= 0 and here > column and not step:
                step = here - column
            column = here
        pending += [(value, column) for _, value in reversed(node.pairs)]
    return step or 2, "'" if quotes["'"] > quotes['"'] else '"'
