"""The nodes of a YAML document with the part of the text that each of them covers.

For changing a document in place: :mod:`kestra_sync.repo.parse` says what a document means, this
says where each piece of it begins and ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kestra_sync.repo.text import BOM, decode

_MAX_DEPTH = 100
_COLON = re.compile(r"\s*:")


class NodeKind(Enum):
    """What a node is; an alias (``*name``) is one of its own, as Kestra resolves none."""

    SCALAR = "scalar"
    MAPPING = "mapping"
    LIST = "list"
    ALIAS = "alias"


@dataclass(slots=True, eq=False)
class Node:
    """One node.

    :param start: where it begins in the text, its anchor and tag included. Characters, from 0.
    :param end: where it ends: of a scalar behind its last character, without the blank lines that
        follow a block scalar; of a block collection behind its last child.
    :param style: of a scalar ``""`` (plain), ``'``, ``"``, ``|`` or ``>``; of a collection ``{`` or
        ``[`` for flow style, ``""`` for block style.
    :param value: the text of a scalar, whatever it means; the name of an alias.
    :param marked: it has an anchor or a tag.
    :param keeps: a block scalar to which the blank lines behind it belong (``|+``).
    """

    kind: NodeKind
    start: int
    end: int
    style: str = ""
    value: str = ""
    marked: bool = False
    keeps: bool = False
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    @property
    def is_flow(self) -> bool:
        """Whether it is a collection in braces or brackets."""
        return self.style in ("{", "[")

    @property
    def is_empty(self) -> bool:
        """Whether it is a plain scalar without any text: nothing stands there."""
        return self.kind is NodeKind.SCALAR and self.start == self.end

    @property
    def last_leaf(self) -> Node:
        """The scalar or flow collection that a block collection ends with; else the node itself."""
        node = self
        while not node.is_flow and (node.pairs or node.items):
            node = node.pairs[-1][1] if node.pairs else node.items[-1]
        return node

    def get(self, key: str) -> Node | None:
        """The value of ``key`` in a mapping; of two equal keys the last one, as Kestra takes it."""
        found = self.index(key)
        return None if found is None else self.pairs[found][1]

    def index(self, key: str) -> int | None:
        """Which pair of a mapping has ``key``; the last one if there are two."""
        for index in range(len(self.pairs) - 1, -1, -1):
            if self.pairs[index][0].value == key:
                return index
        return None


@dataclass(frozen=True, eq=False)
class NodeTree:
    """A document as text with its nodes.

    :param text: the document without its byte order mark.
    :param bom: the byte order mark, or nothing.
    """

    text: str
    bom: bytes
    root: Node

    def byte_offset(self, at: int) -> int:
        """Where in the bytes of the document the character at ``at`` is."""
        before = at if self.text.isascii() else len(self.text[:at].encode("utf-8"))
        return len(self.bom) + before


def read_nodes(data: bytes) -> NodeTree | None:
    """The nodes of the first document of ``data``; ``None`` if it cannot be parsed or is empty."""
    text = decode(data)
    if not isinstance(text, str):
        return None
    from kestra_sync.repo.parse import c_parser

    root = _built(text, pure=False) if c_parser() is not None else None
    root = root or _built(text, pure=True)
    return None if root is None else NodeTree(text, BOM if data.startswith(BOM) else b"", root)


def _built(text: str, *, pure: bool) -> Node | None:
    try:
        return _build(text, pure)
    except Exception:  # whatever a parser throws: the checks say what is wrong with the file
        return None


def _build(text: str, pure: bool) -> Node | None:
    from ruamel.yaml import events as kinds

    from kestra_sync.repo.parse import event_source

    next_event = event_source(text, pure=pure)
    root: Node | None = None
    stack: list[Node] = []
    keys: list[Node | None] = []
    while (event := next_event()) is not None:
        kind = type(event)
        if kind in (kinds.MappingEndEvent, kinds.SequenceEndEvent):
            node = stack.pop()
            keys.pop()
            node.end = event.end_mark.index if node.is_flow else _end_of(node)
            continue
        if kind is kinds.DocumentEndEvent:
            break
        made = _node(event, text)
        if made is None:
            continue
        node = made
        if not stack:
            root = node
        elif stack[-1].kind is NodeKind.LIST:
            stack[-1].items.append(node)
        elif (key := keys[-1]) is None:
            keys[-1] = node
        else:
            if node.is_empty:  # the parsers do not agree where nothing stands
                colon = _COLON.match(text, key.end)
                node.start = node.end = key.end if colon is None else colon.end()
            stack[-1].pairs.append((key, node))
            keys[-1] = None
        if node.kind in (NodeKind.MAPPING, NodeKind.LIST):
            if len(stack) >= _MAX_DEPTH:
                return None
            stack.append(node)
            keys.append(None)
    return root


def _node(event: Any, text: str) -> Node | None:
    from ruamel.yaml import events as kinds

    if not issubclass(type(event), kinds.NodeEvent):
        return None
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, kinds.AliasEvent):
        return Node(NodeKind.ALIAS, start, end, value=str(event.anchor))
    if isinstance(event, kinds.ScalarEvent):
        style = (event.style or "").strip()
        marked = bool(event.anchor or event.tag)
        node = Node(NodeKind.SCALAR, start, end, style, event.value, marked)
        covered = text[start:end]
        if style in ("|", ">"):
            node.keeps = "+" in covered.partition("\n")[0].partition("#")[0]
            node.end = start + len(covered.rstrip(" \r\n"))
        elif not style:
            node.end = start + len(covered.rstrip())
        return node
    is_mapping = type(event) is kinds.MappingStartEvent
    style = ("{" if is_mapping else "[") if event.flow_style else ""
    kind = NodeKind.MAPPING if is_mapping else NodeKind.LIST
    return Node(kind, start, end, style, marked=bool(event.anchor or event.tag))


def _end_of(node: Node) -> int:
    if node.pairs:
        key, value = node.pairs[-1]
        return max(key.end, value.end)
    return node.items[-1].end if node.items else node.start
