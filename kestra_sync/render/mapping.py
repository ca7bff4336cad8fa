"""Maps the namespace of a flow, and those that it refers to; all other bytes stay the same.

A reference is a text under a key ``namespace``, or in a list under a key ``namespaces``, at any
depth; and the value of a filter on ``NAMESPACE`` in the preconditions of a Flow trigger.
Expressions are never rewritten. Most flows are mapped without parsing: if no quote or bracket
spans a line break, a line ``namespace: acme.sales`` outside of block scalars can only be a key and
its value.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kestra_sync.edits import Edit, Edits
from kestra_sync.render.emit import Emitter
from kestra_sync.render.namespaces import NamespaceMap
from kestra_sync.repo.nodes import Node, NodeKind, NodeTree, read_nodes
from kestra_sync.repo.parse import plain
from kestra_sync.repo.text import block_scalars

#: A key whose value may be a namespace, anywhere in a line.
#: The pattern begins with a literal, for speed.
_KEY = re.compile(rb"amespaces?(?:[Pp]attern)?[\"']?[ ]*:")
#: The only form of such a line that is handled without a parser.
_LINE = re.compile(
    rb"[ ]*(?:-[ ]+)*namespace:[ ]+(?P<quote>[\"']?)(?P<name>[A-Za-z][\w.-]*)(?P=quote)"
    rb"[ ]*(?:[ ]#[^\n]*)?\r?\Z"
)
#: The indentation of the next line that is not blank or a comment.
_NEXT = re.compile(rb"(?:[ ]*(?:#[^\n]*)?\r?\n)*(?P<indent>[ ]*)")
#: An explicit key, with its value on another line, which the patterns do not match.
_EXPLICIT_KEY = re.compile(rb"\?(?<!\S\?)\s")
#: In double quotes: an escaped character code or line break.
ESCAPED_TEXT = re.compile(rb"\\[xuU\r\n]")
#: Names that are not read as text unless they are quoted.
_NO_TEXT = frozenset((b"null", b"true", b"false", b"yes", b"no", b"on", b"off"))
#: The types of filters that compare whole names or prefixes.
_BY_NAME = frozenset(("EQUAL_TO", "NOT_EQUAL_TO", "IN", "NOT_IN", "STARTS_WITH"))
_OTHER_KEYS = re.compile(r"(?i)namespace(?:s|pattern)?\Z")


@dataclass(frozen=True)
class Notice:
    """A finding about a namespace in a document.

    :param rule: ``namespace-anchor``, ``namespace-in-expression`` or ``namespace-not-mapped``.
    :param offset: its position in bytes.
    :param is_error: the document cannot be sent.
    """

    rule: str
    message: str
    remedy: str
    offset: int
    is_error: bool = False


@dataclass(frozen=True)
class Mapped:
    """The changes of a mapping to a document."""

    edits: Edits = ()
    notices: tuple[Notice, ...] = ()


_AS_IT_IS = Mapped()


class Mapper:
    """Maps documents by one :class:`NamespaceMap`."""

    def __init__(self, names: NamespaceMap) -> None:
        self._names = names
        changed = [before for before, after in names.pairs if before != after]
        # A mapped namespace, or one below it.
        self._tokens = [
            (name, re.compile(rb"%s(?<![\w.-]%s)(?![\w-])[\w.-]*" % (escaped, escaped)))
            for name, escaped in ((each.encode(), re.escape(each.encode())) for each in changed)
        ]
        # A value with an escape may be a name that the scan misses.
        self._hidden = re.compile(_KEY.pattern + rb"[^\n]*\"[^\"\n]*\\")

    def map(self, data: bytes, namespace: str | None = None) -> Mapped:
        """Return the edits and notices for ``data``; none if it cannot be parsed.

        :param namespace: the namespace of the flow in ``data``, if known.
        """
        tokens = {
            found.start(): found
            for name, token in self._tokens
            if name in data
            for found in token.finditer(data)
        }
        hidden = b"\\" in data and self._hidden.search(data) is not None
        if not tokens and not hidden:
            return _AS_IT_IS
        keys = [] if hidden else list(_KEY.finditer(data))
        if len(keys) == len(tokens) == 1 and namespace is not None:
            (token,) = tokens.values()
            edit = self._only_its_own(data, token, namespace)
            if edit is not None:
                return Mapped((edit,))
        edits = None if hidden else self._by_lines(data, keys)
        notices: list[Notice] = []
        if edits is None:
            tree = read_nodes(data)
            if tree is None:
                return _AS_IT_IS
            edits, notices = _Walk(tree, self._names).result()
        notices += self._in_expressions(
            data, tokens.values(), edits, {each.offset for each in notices}
        )
        return Mapped(tuple(edits), tuple(sorted(notices, key=lambda each: each.offset)))

    def _only_its_own(self, data: bytes, token: re.Match[bytes], namespace: str) -> Edit | None:
        """Return the edit if the only mapped namespace in the flow is its own.

        The value of the key is ``namespace``, which without escapes must be written literally: if
        the name occurs once, after the key in column 0, it is the value.
        """
        begin, line = _line_at(data, token.start())
        match = _LINE.match(line)
        if (
            match is None
            or not line.startswith(b"namespace:")
            or match["name"] != namespace.encode()
            or b"NAMESPACE" in data
            or _has_explicit_keys(data)
            or (b"\\" in data and ESCAPED_TEXT.search(data) is not None)
        ):
            return None
        return self._edit(match, begin)

    def _by_lines(self, data: bytes, keys: Iterable[re.Match[bytes]]) -> list[Edit] | None:
        """Return the edits, if they can be derived from lines alone; ``None`` otherwise.

        :param keys: possible keys whose values are namespaces.
        """
        if b"NAMESPACE" in data or _has_explicit_keys(data):
            return None
        bodies = block_scalars(data)
        if bodies is None:
            return None
        starts = [start for start, _ in bodies]
        edits: list[Edit] = []
        for found in keys:
            at = bisect_right(starts, found.start()) - 1
            if at >= 0 and found.start() < bodies[at][1]:
                continue
            begin, line = _line_at(data, found.start())
            if line.lstrip(b" ").startswith(b"#"):
                continue
            match = _LINE.match(line)
            if match is None or (not match["quote"] and match["name"].lower() in _NO_TEXT):
                return None
            if _goes_on(data, begin + len(line) + 1, line.index(b"namespace")):
                return None
            name = match["name"].decode("ascii")
            if self._names.to_server(name) != name:
                edit = self._edit(match, begin)
                if edit is None:
                    return None
                edits.append(edit)
        return edits

    def _edit(self, line: re.Match[bytes], begin: int) -> Edit | None:
        """Return the edit of a line; ``None`` if the new name needs quotes."""
        name = line["name"].decode("ascii")
        if not line["quote"] and not _is_text(self._names.to_server(name)):
            return None
        return _prefix_edit(self._names, name, begin + line.start("name"))

    def _in_expressions(
        self,
        data: bytes,
        tokens: Iterable[re.Match[bytes]],
        edits: list[Edit],
        reported: set[int],
    ) -> Iterator[Notice]:
        written = {each.start for each in edits} | reported
        for token in tokens:
            at = token.start()
            if at in written or not _in_expression(data, at):
                continue
            name = token[0].decode("utf-8", "replace").rstrip(".")
            yield in_expression(name, self._names.to_server(name), at)


def _line_at(data: bytes, at: int) -> tuple[int, bytes]:
    """Return the start of the line with a position, and the line without its ending."""
    begin = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    return begin, data[begin : len(data) if end < 0 else end]


def _goes_on(data: bytes, after: int, column: int) -> bool:
    """Return whether a value may continue on the next line, indented deeper than its key."""
    following = _NEXT.match(data, after)
    return following is not None and len(following["indent"]) > column


def _has_explicit_keys(data: bytes) -> bool:
    return b"?" in data and _EXPLICIT_KEY.search(data) is not None


def in_expression(name: str, there: str, offset: int) -> Notice:
    """Return the notice for a namespace in an expression, which is not safe to rewrite."""
    return Notice(
        "namespace-in-expression",
        f"the expression refers to the namespace {name}, which is {there} in this environment; "
        f"expressions are sent unchanged",
        "use {{ flow.namespace }}, or a variable that the environment sets with a patch",
        offset,
    )


def _in_expression(data: bytes, at: int) -> bool:
    """Return whether a position is in quotes inside of ``{{ … }}`` or ``{% … %}``."""
    if data[at - 1 : at] not in (b'"', b"'"):
        return False
    for begin, end in ((b"{{", b"}}"), (b"{%", b"%}")):
        opened = data.rfind(begin, 0, at)
        if opened >= 0 and data.find(end, opened) > at:
            line = data[data.rfind(b"\n", 0, opened) + 1 : opened]
            if not line.lstrip().startswith(b"#"):
                return True
    return False


def _is_text(name: str) -> bool:
    return plain(name) == name


def _prefix_edit(names: NamespaceMap, name: str, at: int) -> Edit | None:
    rule = names.rule(name)
    if rule is None or rule[0] == rule[1]:
        return None
    return Edit(at, at + len(rule[0]), rule[1].encode())


class _Walk:
    """Finds the references of a parsed document."""

    def __init__(self, tree: NodeTree, names: NamespaceMap) -> None:
        self._tree = tree
        self._names = names
        self._edits: list[Edit] = []
        self._notices: list[Notice] = []

    def result(self) -> tuple[list[Edit], list[Notice]]:
        stack = [self._tree.root]
        while stack:
            node = stack.pop()
            stack += node.items
            if node.kind is NodeKind.MAPPING:
                by_name = _filters_by_name(node)
                for key, value in node.pairs:
                    self._pair(key.value, value, by_name)
                    stack.append(value)
        return sorted(self._edits), self._notices

    def _pair(self, key: str, value: Node, by_name: bool | None) -> None:
        listed = [value] if value.kind is not NodeKind.LIST else value.items
        if key in ("namespace", "namespaces") or (by_name and key in ("value", "values")):
            for each in listed:
                self._reference(each)
        elif _OTHER_KEYS.search(key) or (by_name is False and key in ("value", "values")):
            for each in listed:
                self._not_mapped(key, each)

    def _reference(self, node: Node) -> None:
        at = self._tree.byte_offset(node.start)
        if node.kind is NodeKind.ALIAS:
            self._refuse(f"the alias '*{node.value}' in place of a namespace", at)
            return
        name = node.value
        rule = self._names.rule(name) if node.kind is NodeKind.SCALAR else None
        if rule is None or rule[0] == rule[1]:
            return
        there = self._names.to_server(name)
        if "{{" in name or "{%" in name:
            self._notices.append(in_expression(name, there, at))
            return
        text = self._tree.text
        if text[node.start] == "&" or re.match(r"!\S*\s+&", text[node.start : node.end]):
            self._refuse(f"the namespace {name} has an anchor", at)
            return
        start = text.rfind(name, node.start, node.end)
        if start < 0 or (not node.style and not _is_text(there)):
            begin = self._tree.byte_offset(node.start)
            text = Emitter().scalar(there, '"')
            self._edits.append(Edit(begin, self._tree.byte_offset(node.end), text.encode()))
            return
        edit = _prefix_edit(self._names, name, self._tree.byte_offset(start))
        assert edit is not None
        self._edits.append(edit)

    def _refuse(self, what: str, at: int) -> None:
        self._notices.append(
            Notice(
                "namespace-anchor",
                f"{what} cannot be mapped: Kestra does not resolve aliases",
                "write out the namespace each time",
                at,
                is_error=True,
            )
        )

    def _not_mapped(self, key: str, node: Node) -> None:
        name = node.value
        bare = name.rstrip(".*")
        if node.kind is not NodeKind.SCALAR or self._names.to_server(bare) == bare:
            return
        self._notices.append(
            Notice(
                "namespace-not-mapped",
                f"`{key}` names {bare}, which is {self._names.to_server(bare)} in this"
                " environment, and is sent unchanged",
                "if it should change, set it for the environment with a patch",
                self._tree.byte_offset(node.start),
            )
        )


def _filters_by_name(node: Node) -> bool | None:
    """Return whether a filter compares names of namespaces; ``None`` if it is not about them."""
    field, kind = node.get("field"), node.get("type")
    if field is None or field.value != "NAMESPACE" or kind is None:
        return None
    return kind.value in _BY_NAME
