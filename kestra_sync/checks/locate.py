"""Finds the position in a flow that a message of Kestra refers to.

The server refers to positions in many ways, none of them a line of the file:

- ``tasks[0].retry.interval: must not be null``, a path, after ``Validation error:`` in the first
  message of a flow; where the property is one of a task's own (or an input's), each ``tasks[0]``
  on the way is replaced by the id of that task: ``inner.inner.message: must not be null``, since
  Kestra 2.0 ``tasks[inner].tasks[inner].message: must not be null``;
- ``… (through reference chain: …["tasks"]->java.util.ArrayList[0]->…["x"])``, a path of Jackson's;
- ``line: 7, column: 3`` or ``(at line 7)``, where the YAML is broken;
- by a name: ``Invalid type: nope.Nope``, ``old.Log is replaced by new.Log``, ``Unrecognized field
  "x" (class …)``, ``Duplicate task id with name [x]``, ``Recursive call to flow [x.y]``,
  ``offending label: system.x=y``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kestra_sync.findings import NodePath
from kestra_sync.model import Position
from kestra_sync.repo.document import ParsedDocument

_LEAD = re.compile(r"^\s*(?:Validation error:\s*)?")
_LINE_COLUMN = re.compile(r"line:? (?P<line>\d+), column:? (?P<column>\d+)")
_AT_LINE = re.compile(r"\(at line (?P<line>\d+)\)")
_CHAIN = re.compile(r'\["(?P<key>[^"\]]+)"\]|\[(?P<index>\d+)\]')
_STEP = re.compile(r"\.?(?:(?P<key>[A-Za-z_$][\w$-]*)|\[(?P<index>\d+)\])")
_TYPE = re.compile(r"Invalid type: (?P<type>\S+)")
_REPLACED = re.compile(r"^(?P<type>\S+) is replaced by ")
_FIELD = re.compile(r'Unrecognized field "(?P<field>[^"]+)" \(class (?P<type>[\w.$]+)\)')
_DUPLICATE = re.compile(
    r"Duplicate (?P<kind>task|trigger|input|output)\b.* name \[(?P<names>.+?)\]"
)
_RECURSIVE = re.compile(r"Recursive call to flow \[(?P<flow>[^\]]+)\]")
_LABEL = re.compile(r"offending label: (?P<key>[^=\s]+)")
_QUOTED = re.compile(r"'(?P<text>[^']+)'")

#: Lists whose items Kestra distinguishes by their ``type``.
_TYPED = {
    "afterExecution", "conditions", "else", "errors", "finally", "inputs", "tasks", "then",
    "triggers",
}  # fmt: skip
#: Lists whose index Kestra replaces by the id of the item in a path.
_BY_ID = {"tasks", "inputs"}

NodeAtPath = tuple[NodePath, Any]


def locate(message: str, document: ParsedDocument | None, source: bytes = b"") -> Position:
    """Return the position that ``message`` refers to, as precisely as possible.

    Falls back to the first line of the document.

    :param document: the parsed flow; ``None`` if it could not be parsed.
    :param source: its bytes, to find the column if the message only has a line.
    """
    place = _LINE_COLUMN.search(message)
    if place is not None:
        return Position(max(int(place["line"]), 1), max(int(place["column"]), 1))
    place = _AT_LINE.search(message)
    if place is not None and int(place["line"]) > 0:
        return _start_of_line(source, int(place["line"]))
    if document is None:
        return Position(1, 1)
    text = _LEAD.sub("", message, count=1)
    found = _by_chain(text) or _by_name(text, document.value) or _by_path(text, document.value)
    if found is None:
        return document.position_of(())
    path, at_key = found
    return document.position_of(path, key=at_key or _reads_better_at_key(document.value, path))


def _start_of_line(source: bytes, number: int) -> Position:
    lines = source.decode("utf-8", errors="replace").split("\n")
    line = lines[number - 1] if number <= len(lines) else ""
    return Position(number, len(line) - len(line.lstrip(" ")) + 1 if line.strip() else 1)


def _reads_better_at_key(root: Any, path: NodePath) -> bool:
    """Return whether the key is the better position: of containers and empty values."""
    if not path or not isinstance(path[-1], str):
        return False
    value = _get(root, path)
    return value is None or isinstance(value, (dict, list))


Found = tuple[NodePath, bool]
"""A path, and whether it refers to its last key, not the value."""


def _by_chain(text: str) -> Found | None:
    if "reference chain:" not in text:
        return None
    chain = text.split("reference chain:", 1)[1]
    return tuple(
        match["key"] if match["key"] is not None else int(match["index"])
        for match in _CHAIN.finditer(chain)
    ), text.startswith("Unrecognized field")


def _by_name(text: str, root: Any) -> Found | None:
    for pattern, find in (
        (_TYPE, _of_type),
        (_REPLACED, _of_type),
        (_FIELD, _unrecognized),
        (_DUPLICATE, _duplicate),
        (_RECURSIVE, _recursive),
        (_LABEL, _label),
    ):
        match = pattern.search(text)
        if match is not None:
            return find(match, root)
    return None


def _of_type(match: re.Match[str], root: Any) -> Found | None:
    class_name = match["type"]
    for path, node in _nodes(root):
        if not isinstance(node, dict):
            continue
        if class_name == "<null>":
            typed = any(each in _TYPED for each in path[-2:-1]) and isinstance(path[-1], int)
            if typed and not isinstance(node.get("type"), str):
                return ((*path, "type"), False) if "type" in node else (path, False)
        elif str(node.get("type")) == class_name:
            return (*path, "type"), False
    return None


def _unrecognized(match: re.Match[str], root: Any) -> Found | None:
    """Find the key in an object of that class; otherwise the first such key."""
    field, class_ = match["field"], match["type"]
    holders = [path for path, node in _nodes(root) if isinstance(node, dict) and field in node]
    if re.search(r"\.Flow(?:WithSource)?$", class_) and () in holders:
        return (field,), True
    # A flow may use an older alias of a type, whose last part is the same.
    for tell in (lambda type_: type_ == class_, lambda type_: _last(type_) == _last(class_)):
        for path in holders:
            if tell(str(_get(root, path).get("type"))):
                return (*path, field), True
    below = [path for path in holders if path]
    return ((*below[0], field), True) if below else None


def _last(type_: str) -> str:
    return type_.rpartition(".")[2]


def _duplicate(match: re.Match[str], root: Any) -> Found | None:
    names, section = match["names"].split(", "), f"{match['kind']}s"
    seen: set[str] = set()
    for path, node in _nodes(root):
        if not (isinstance(node, dict) and path and isinstance(path[-1], int)):
            continue
        is_task = path[0] not in ("triggers", "inputs", "outputs")
        if node.get("id") in names and (is_task if section == "tasks" else path[0] == section):
            if node["id"] in seen:
                return (*path, "id"), False
            seen.add(node["id"])
    return None


def _recursive(match: re.Match[str], root: Any) -> Found | None:
    for path, node in _nodes(root):
        if (
            isinstance(node, dict)
            and f"{node.get('namespace')}.{node.get('flowId')}" == (match["flow"])
        ):
            return (*path, "flowId"), False
    return None


def _label(match: re.Match[str], root: Any) -> Found | None:
    for path, node in _nodes(root):
        if path[:1] != ("labels",) or not isinstance(node, dict):
            continue
        if match["key"] in node:
            return (*path, match["key"]), True
        if node.get("key") == match["key"]:
            return (*path, "key"), False
    return None


def _by_path(text: str, root: Any) -> Found | None:
    """Find the object with the longest spelling that ``text`` begins with, and follow the rest."""
    best: tuple[tuple[int, bool, bool], NodePath] = ((0, False, False), ())
    for path, node in _nodes(root):
        if isinstance(node, dict):
            for spelling in _spellings(path, node):
                rest = text[len(spelling) :]
                if text.startswith(spelling) and (not rest or rest[0] in ".:[ "):
                    # A task may have the name of a top-level key: then the next step decides.
                    step = _STEP.match(rest)
                    follows = step is not None and step["key"] in node
                    rank = (len(spelling), follows, bool(path) and isinstance(path[-1], int))
                    best = max(best, (rank, path), key=lambda each: each[0])
    (end, _, _), path = best
    while (step := _STEP.match(text, end)) is not None:
        key = step["key"].removeprefix("_") if step["key"] is not None else int(step["index"])
        below = _get(root, path)
        named = isinstance(below, dict) and (step["key"] in below or key in below)
        if not named and not (isinstance(below, list) and isinstance(key, int)):
            if end == 0:
                return None  # a sentence, not a path
            break
        # In Java, `else` and `finally` begin with an underscore.
        path, end = (*path, step["key"] if step["key"] in below else key), step.end()
    if end == 0:
        return None
    return _quoted(text[end:], root, path) or (path, False)


def _quoted(text: str, root: Any, path: NodePath) -> Found | None:
    """Find a value or key below ``path`` that the message quotes: ``invalid cron … 'nope'``."""
    below = list(_nodes(_get(root, path)))
    for match in _QUOTED.finditer(text):
        quoted = match["text"]
        for steps, node in below:
            if steps and node == quoted:
                return (*path, *steps), False
            if isinstance(node, dict) and quoted in node:
                return (*path, *steps, quoted), True
    return None


def _spellings(path: NodePath, node: dict[str, Any]) -> Iterator[str]:
    yield _spell(path, None)
    if isinstance(node.get("id"), str):
        yield _spell(path, node["id"])
        yield _spell(path, node["id"], key=True)


def _spell(path: NodePath, id_: str | None, *, key: bool = False) -> str:
    """Return how Kestra writes ``path`` of an object whose id is ``id_``.

    :param key: as in 2.0, which keeps the name of the list before the id.
    """
    steps: list[str] = []
    for step in path:
        if isinstance(step, str):
            steps.append(f"_{step}" if step in ("else", "finally") else step)
        elif id_ is not None and steps and steps[-1] in _BY_ID:
            steps[-1] = f"{steps[-1]}[{id_}]" if key else id_
        elif steps:
            steps[-1] += f"[{step}]"
    return ".".join(steps)


def _nodes(root: Any) -> Iterator[NodeAtPath]:
    """Yield every node with its path, in the order of the document."""
    stack: list[NodeAtPath] = [((), root)]
    while stack:
        path, node = stack.pop()
        yield path, node
        if isinstance(node, dict):
            stack.extend(((*path, key), node[key]) for key in reversed(node))
        elif isinstance(node, list):
            stack.extend(((*path, i), node[i]) for i in reversed(range(len(node))))


def _get(root: Any, path: NodePath) -> Any:
    """Return the node at ``path``; ``None`` if it does not exist."""
    node = root
    for step in path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return None
    return node
