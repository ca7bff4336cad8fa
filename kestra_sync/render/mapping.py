"""Send a flow under another namespace: its own, and each that it names, byte for byte the rest.

A reference is a text under a key ``namespace``, or in a list under a key ``namespaces``, at any
depth; and the value of a filter on ``NAMESPACE`` in the preconditions of a Flow trigger.
Expressions are never rewritten. Most flows are mapped without being parsed: where no quote or
bracket is open over a line break, a line ``namespace: acme.sales`` outside of block scalars can
only be a key and its value.
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

#: A key whose value may be a namespace, wherever it is written.
#: Patterns begin with what ``re`` finds fast: a literal.
_KEY = re.compile(rb"amespaces?(?:[Pp]attern)?[\"']?[ ]*:")
#: The only form of such a line that is understood without a parser.
_LINE = re.compile(
    rb"[ ]*(?:-[ ]+)*namespace:[ ]+(?P<quote>[\"']?)(?P<name>[A-Za-z][\w.-]*)(?P=quote)"
    rb"[ ]*(?:[ ]#[^\n]*)?\r?\Z"
)
#: What comes after lines that are blank or a comment.
_NEXT = re.compile(rb"(?:[ ]*(?:#[^\n]*)?\r?\n)*(?P<indent>[ ]*)")
#: The mark of a key with its value on another line, which no pattern for keys sees.
_EXPLICIT_KEY = re.compile(rb"\?(?<!\S\?)\s")
#: In double quotes: a character by its number, or a line that continues.
ESCAPED_TEXT = re.compile(rb"\\[xuU\r\n]")
#: Names that are not text unless they are quoted.
_NO_TEXT = frozenset((b"null", b"true", b"false", b"yes", b"no", b"on", b"off"))
#: The conditions of a filter that compare whole names or their beginning.
_BY_NAME = frozenset(("EQUAL_TO", "NOT_EQUAL_TO", "IN", "NOT_IN", "STARTS_WITH"))
_OTHER_KEYS = re.compile(r"(?i)namespace(?:s|pattern)?\Z")


@dataclass(frozen=True)
class Notice:
    """Something to say about a namespace in a document.

    :param rule: ``namespace-anchor``, ``namespace-in-expression`` or ``namespace-not-mapped``.
    :param offset: where it is, in bytes.
    :param is_error: the document cannot be sent like that.
    """

    rule: str
    message: str
    remedy: str
    offset: int
    is_error: bool = False


@dataclass(frozen=True)
class Mapped:
    """What a mapping changes in a document."""

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
        # A value with an escape may be a name that a scan does not see.
        self._hidden = re.compile(_KEY.pattern + rb"[^\n]*\"[^\"\n]*\\")

    def map(self, data: bytes, namespace: str | None = None) -> Mapped:
        """The edits and notices for ``data``; none for one that cannot be parsed.

        :param namespace: that of the flow in ``data``, where it is known.
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
        """The edit of a flow that names a mapped namespace once, if that is where it says its own.

        The value of the key is ``namespace``, which without escapes can only be written as it is:
        a single place with that name is the value, if it follows the key in column 0.
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
        """The edits, if they can be derived from lines alone; ``None`` otherwise.

        :param keys: what looks like keys whose values are namespaces.
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
        """The edit of a line; ``None`` if the new name needs quotes that the line does not have."""
        name = line["name"].decode("ascii")
        if not line["quote"] and not _is_text(self._names.to_server(name)):
            return None
        return _prefix_edit(self._names, name, begin + line.start("name"))

    def _in_expressions(
        self,
        data: bytes,
        tokens: Iterable[re.Match[bytes]],
        edits: list[Edit],
        told: set[int],
    ) -> Iterator[Notice]:
        written = {each.start for each in edits} | told
        for token in tokens:
            at = token.start()
            if at in written or not _in_expression(data, at):
                continue
            name = token[0].decode("utf-8", "replace").rstrip(".")
            yield in_expression(name, self._names.to_server(name), at)


def _line_at(data: bytes, at: int) -> tuple[int, bytes]:
    """Where the line with a place begins, and the line without its end."""
    begin = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    return begin, data[begin : len(data) if end < 0 else end]


def _goes_on(data: bytes, after: int, column: int) -> bool:
    """Whether a value may go on in the next line: what is indented deeper than its key is part."""
    following = _NEXT.match(data, after)
    return following is not None and len(following["indent"]) > column


def _has_explicit_keys(data: bytes) -> bool:
    return b"?" in data and _EXPLICIT_KEY.search(data) is not None


def in_expression(name: str, there: str, offset: int) -> Notice:
    """A namespace that an expression names: rewriting it could change what the expression means."""
    return Notice(
        "namespace-in-expression",
        f"the expression refers to the namespace {name}, which is {there} in this environment; "
        f"expressions are sent unchanged",
        "use {{ flow.namespace }}, or a variable that the environment sets with a patch",
        offset,
    )


def _in_expression(data: bytes, at: int) -> bool:
    """Whether a place is inside of ``{{ … }}`` or ``{% … %}``, in quotes."""
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
    """The references of one parsed document."""

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
    """Whether a mapping is a filter that compares namespaces; ``None`` if it is no such filter."""
    field, kind = node.get("field"), node.get("type")
    if field is None or field.value != "NAMESPACE" or kind is None:
        return None
    return kind.value in _BY_NAME
