"""The nodes of a YAML document with the range of text that each covers.

For editing a document in place: :mod:`kestra_sync.repo.parse` returns the value of a document, this
module the start and end of each node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kestra_sync.repo.text import BOM, decode

_MAX_DEPTH = 100
_COLON = re.compile(r"\s*:")


class NodeKind(Enum):
    """The kind of a node; aliases (``*name``) are nodes, as Kestra does not resolve them."""

    SCALAR = "scalar"
    MAPPING = "mapping"
    LIST = "list"
    ALIAS = "alias"


@dataclass(slots=True, eq=False)
class Node:
    """One node.

    :param start: its start in the text, including anchor and tag, in characters from 0.
    :param end: its end: after the last character of a scalar, without blank lines after a block
        scalar; after the last child of a block collection.
    :param style: ``""`` (plain), ``'``, ``"``, ``|`` or ``>`` for a scalar; ``{`` or ``[`` for a
        collection in flow style, ``""`` in block style.
    :param value: the uninterpreted text of a scalar; the name of an alias.
    :param has_properties: it has an anchor or a tag.
    :param keeps_blank_lines: a block scalar that includes the blank lines after it (``|+``).
    """

    kind: NodeKind
    start: int
    end: int
    style: str = ""
    value: str = ""
    has_properties: bool = False
    keeps_blank_lines: bool = False
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    @property
    def is_flow(self) -> bool:
        """Whether it is a collection in braces or brackets."""
        return self.style in ("{", "[")

    @property
    def is_empty(self) -> bool:
        """Whether it is an empty plain scalar."""
        return self.kind is NodeKind.SCALAR and self.start == self.end

    @property
    def last_leaf(self) -> Node:
        """The scalar or flow collection at the end of a block collection; else the node itself."""
        node = self
        while not node.is_flow and (node.pairs or node.items):
            node = node.pairs[-1][1] if node.pairs else node.items[-1]
        return node

    def get(self, key: str) -> Node | None:
        """Return the value of ``key`` in a mapping; of duplicate keys the last, as in Kestra."""
        found = self.index(key)
        return None if found is None else self.pairs[found][1]

    def index(self, key: str) -> int | None:
        """Return the index of the pair with ``key`` in a mapping; the last of duplicates."""
        for index in range(len(self.pairs) - 1, -1, -1):
            if self.pairs[index][0].value == key:
                return index
        return None


@dataclass(frozen=True, eq=False)
class NodeTree:
    """The text of a document and its nodes.

    :param text: the document without its byte order mark.
    :param bom: the byte order mark, or ``b""``.
    """

    text: str
    bom: bytes
    root: Node

    def byte_offset(self, at: int) -> int:
        """Convert an offset in characters to an offset in bytes."""
        before = at if self.text.isascii() else len(self.text[:at].encode("utf-8"))
        return len(self.bom) + before


def read_nodes(data: bytes, events: Iterable[Any] = ()) -> NodeTree | None:
    """Return the nodes of the first document; ``None`` if it cannot be parsed or is empty.

    :param events: the events that :func:`kestra_sync.repo.parse.parse` recorded of ``data``.
    """
    text = decode(data)
    if not isinstance(text, str):
        return None
    from kestra_sync.repo.parse import c_parser, event_source

    root = _built(text, lambda: events) if events else None
    if root is None and c_parser() is not None:
        root = _built(text, lambda: iter(event_source(text), None))
    root = root or _built(text, lambda: iter(event_source(text, pure=True), None))
    return None if root is None else NodeTree(text, BOM if data.startswith(BOM) else b"", root)


def _built(text: str, events: Callable[[], Iterable[Any]]) -> Node | None:
    try:
        return _build(text, events())
    except Exception:  # any exception of the parser; the checks report the error
        return None


def _build(text: str, events: Iterable[Any]) -> Node | None:
    from ruamel.yaml import events as kinds

    ends = (kinds.MappingEndEvent, kinds.SequenceEndEvent)
    starts = {kinds.MappingStartEvent: NodeKind.MAPPING, kinds.SequenceStartEvent: NodeKind.LIST}
    root: Node | None = None
    stack: list[Node] = []
    keys: list[Node | None] = []
    for event in events:
        kind = type(event)
        if kind is kinds.ScalarEvent:
            node = _scalar(event, text)
        elif kind in starts:
            node = _collection(event, starts[kind])
        elif kind in ends:
            node = stack.pop()
            keys.pop()
            node.end = event.end_mark.index if node.is_flow else _end_of(node)
            continue
        elif kind is kinds.AliasEvent:
            start, end = event.start_mark.index, event.end_mark.index
            node = Node(NodeKind.ALIAS, start, end, value=str(event.anchor))
        elif kind is kinds.DocumentEndEvent:
            break
        else:
            continue
        if not stack:
            root = node
        elif stack[-1].kind is NodeKind.LIST:
            stack[-1].items.append(node)
        elif (key := keys[-1]) is None:
            keys[-1] = node
        else:
            if node.is_empty:  # the parsers report different positions of empty nodes
                colon = _COLON.match(text, key.end)
                node.start = node.end = key.end if colon is None else colon.end()
            stack[-1].pairs.append((key, node))
            keys[-1] = None
        if kind in starts:
            if len(stack) >= _MAX_DEPTH:
                return None
            stack.append(node)
            keys.append(None)
    return root


def _scalar(event: Any, text: str) -> Node:
    start, end = event.start_mark.index, event.end_mark.index
    style = (event.style or "").strip()
    has_properties = bool(event.anchor or event.tag)
    node = Node(NodeKind.SCALAR, start, end, style, event.value, has_properties)
    if style in ("|", ">"):
        covered = text[start:end]
        node.keeps_blank_lines = "+" in covered.partition("\n")[0].partition("#")[0]
        node.end = start + len(covered.rstrip(" \r\n"))
    elif not style:
        node.end = start + len(text[start:end].rstrip())
    return node


def _collection(event: Any, kind: NodeKind) -> Node:
    style = ("{" if kind is NodeKind.MAPPING else "[") if event.flow_style else ""
    has_properties = bool(event.anchor or event.tag)
    return Node(
        kind, event.start_mark.index, event.end_mark.index, style, has_properties=has_properties
    )


def _end_of(node: Node) -> int:
    if node.pairs:
        key, value = node.pairs[-1]
        return max(key.end, value.end)
    return node.items[-1].end if node.items else node.start
