"""Parses one document into plain values with positions, as Kestra's Jackson would.

Builds values from ruamel.yaml's events instead of using its constructors: positions for every node,
no recursion, a limit on depth, and scalars as Jackson reads them. An alias (``*name``) is the text
``name``, as Jackson does not resolve aliases, so nothing can expand and fill the memory. Errors are
returned, not raised, so that an invalid document does not hide others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from kestra_sync.findings import Finding
from kestra_sync.model import Position
from kestra_sync.repo.document import PLACE_LINE, ParsedDocument, position_at
from kestra_sync.repo.syntax import syntax_problem, unquoted_expression
from kestra_sync.repo.text import decode
from kestra_sync.safe.text import quoted

MAX_DEPTH = 100


def parse(
    data: bytes,
    *,
    lenient: bool = False,
    tolerant: bool = False,
    pure: bool = False,
    record: list[Any] | None = None,
) -> ParsedDocument | tuple[Finding, ...]:
    """Parse the (only) document of ``data``.

    :param lenient: use the last of duplicate keys, and the first of several documents, as Kestra
        does with stored sources.
    :param tolerant: the document has duplicate keys, with the last as the value; otherwise they are
        errors.
    :param pure: use the Python parser even if the C parser is there.
    :param record: collects the parser events, for :func:`kestra_sync.repo.nodes.read_nodes`.
    """
    text = decode(data)
    if isinstance(text, Finding):
        return (text,)
    builder = _Builder(text, lenient)
    try:
        next_event = event_source(text, pure=pure)
        builder.run(next_event if record is None else _recorded(next_event, record))
    except _StopParsing as stop:
        builder.problems.append(stop.problem)
    except Exception as error:
        if not pure and c_parser() is not None:
            # The C parser rejects some documents that Kestra accepts, such as `[http://x]`, and has
            # different messages.
            return parse(data, lenient=lenient, tolerant=tolerant, pure=True, record=record)
        builder.problems.append(_problem_of(error, text))
    problems = builder.problems if tolerant else [*builder.duplicates, *builder.problems]
    return tuple(problems) or builder.document()


@cache
def c_parser() -> Any:
    """Return the C parser of ruamel.yaml; ``None`` if it is not installed."""
    for name in ("_ruamel_yaml", "_ruamel_yaml_clibz"):  # ruamel.yaml.clib, ruamel.yaml.clibz
        with suppress(ImportError):
            return import_module(name).CParser
    return None


# What libyaml accepts and SnakeYAML does not, or reads differently: tabs between tokens,
# directives, line breaks and marks of Unicode, some escapes, and a comment right behind `|`; and
# an anchor after a tag, for which the parsers report different positions.
_DIVERGENT = re.compile(r"\t|^%|[\x85\u2028\u2029\ufeff]|\\/|[|>][-+0-9]*#|!\S*[ ]+&", re.MULTILINE)

# Returns the next event, ``None`` after the last one. Raises the exceptions of the parser.
EventSource = Callable[[], Any]


def event_source(text: str, *, pure: bool = False) -> EventSource:
    """Return a function that returns the events of ``text`` one by one.

    The C parser is only used if the text has nothing that it reads differently than Kestra.

    :param pure: use the Python parser even if the C parser is installed.
    """
    fast = None if pure else c_parser()
    if fast is not None and _DIVERGENT.search(text) is None:
        get_event: EventSource = fast(text).get_event
        return get_event
    from kestra_sync.repo.snakeyaml import next_event_of

    return next_event_of(text)


def _recorded(next_event: EventSource, record: list[Any]) -> EventSource:
    record.clear()

    def recorded() -> Any:
        event = next_event()
        record.append(event)
        return event

    return recorded


def _problem_of(error: Exception, text: str) -> Finding:
    """Convert any exception of the parser to a finding about the file."""
    from ruamel.yaml.error import MarkedYAMLError

    if isinstance(error, MarkedYAMLError):
        return syntax_problem(error, text)
    first_line = str(error).strip().partition("\n")[0]
    return Finding("yaml-syntax", None, first_line or type(error).__name__)


class _StopParsing(Exception):  # noqa: N818  control flow inside this module
    def __init__(self, problem: Finding) -> None:
        self.problem = problem


@dataclass(slots=True)
class _Frame:
    """An unfinished container."""

    node: Any
    marks: list[int]
    is_mapping: bool
    key: str | None = None
    key_place: int = 0
    indexes: dict[str, int] = field(default_factory=dict)

    def index_of(self, key: str) -> int:
        """Return the index of the key in the mapping, from 0."""
        if not self.indexes:  # then kept up to date: a file may have many duplicates
            self.indexes = {each: index for index, each in enumerate(self.node)}
        return self.indexes[key]


@dataclass
class _Builder:
    text: str
    lenient: bool
    problems: list[Finding] = field(default_factory=list)
    duplicates: list[Finding] = field(default_factory=list)
    duplicate_root_keys: set[str] = field(default_factory=set)
    value: Any = None
    root: int = 0
    marks: dict[int, list[int]] = field(default_factory=dict)
    aliases: list[tuple[Position, str]] = field(default_factory=list)

    def document(self) -> ParsedDocument:
        return ParsedDocument(
            self.value,
            position_at(self.root),
            tuple(self.aliases),
            tuple(self.duplicates),
            frozenset(self.duplicate_root_keys),
            self.marks,
        )

    def run(self, next_event: Any) -> None:
        """Consume the events of one document."""
        from ruamel.yaml import events as kinds

        scalar, alias = kinds.ScalarEvent, kinds.AliasEvent
        mapping, sequence = kinds.MappingStartEvent, kinds.SequenceStartEvent
        ends = (kinds.MappingEndEvent, kinds.SequenceEndEvent)
        stack: list[_Frame] = []
        frame: _Frame | None = None
        documents = 0
        second: Position | None = None
        while (event := next_event()) is not None:
            kind = type(event)
            if second is not None and kind is not kinds.DocumentEndEvent:
                # An empty document after an end marker does not count.
                if kind is not scalar or event.value.strip("\ufeff") or event.style or event.tag:
                    raise _StopParsing(Finding("yaml-syntax", second, "a second document"))
                second = None
                continue
            if kind is scalar:
                if frame is not None and frame.is_mapping and frame.key is None:
                    self._key(frame, event)
                    continue
                node = self._scalar(event)
            elif kind is mapping or kind is sequence:
                if frame is not None and frame.is_mapping and frame.key is None:
                    raise _StopParsing(self._complex_key(event))
                if len(stack) >= MAX_DEPTH:
                    raise _StopParsing(
                        Finding(
                            "yaml-depth",
                            _position(event.start_mark),
                            f"nested more than {MAX_DEPTH} levels deep",
                        )
                    )
                node = {} if kind is mapping else []
                marks: list[int] = []
                self.marks[id(node)] = marks
                self._attach(frame, node, _place(event.start_mark))
                frame = _Frame(node, marks, kind is mapping)
                stack.append(frame)
                continue
            elif kind in ends:
                stack.pop()
                frame = stack[-1] if stack else None
                continue
            elif kind is alias:
                node = self._alias(frame, event)
            elif kind is kinds.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    if self.lenient:
                        return
                    second = _position(event.start_mark)
                continue
            else:
                continue
            place = _place(event.start_mark)
            if node is None and frame is not None and frame.is_mapping and not event.value:
                place = frame.key_place  # the parsers report different positions of empty nodes
            self._attach(frame, node, place)

    def _attach(self, frame: _Frame | None, node: Any, place: int) -> None:
        if frame is None:
            self.value, self.root = node, place
        elif frame.key is not None:
            if frame.key in frame.node:  # the last one wins
                at = 2 * frame.index_of(frame.key)
                frame.marks[at : at + 2] = (frame.key_place, place)
            else:
                if frame.indexes:
                    frame.indexes[frame.key] = len(frame.node)
                frame.marks += (frame.key_place, place)
            frame.node[frame.key] = node
            frame.key = None
        else:
            frame.node.append(node)
            frame.marks.append(place)

    def _key(self, frame: _Frame, event: Any) -> None:
        """Process a key, which is always text, as in Jackson."""
        key: str = event.value
        if not key.isascii():
            key = _joined(key)
        if key in frame.node and not self.lenient:
            first = position_at(frame.marks[2 * frame.index_of(key)])
            self.duplicates.append(
                Finding(
                    "yaml-duplicate-key",
                    _position(event.start_mark),
                    f"duplicate key '{quoted(key)}', first on line {first.line}",
                    "remove one of them",
                )
            )
            if frame.node is self.value:
                self.duplicate_root_keys.add(key)
        frame.key, frame.key_place = key, _place(event.start_mark)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if not text.isascii():
            text = _joined(text)
        tag = str(event.tag) if event.tag else None
        if tag is not None and tag != "!":
            if is_unreadable(text, tag):
                self._unreadable(event, text)
            return tagged(tag, text)
        # The style of a plain scalar is '' or None, depending on the parser and its version.
        if event.style and event.style != " ":
            return text
        if is_unreadable(text):
            self._unreadable(event, text)
        return plain(text)

    def _unreadable(self, event: Any, text: str) -> None:
        self.problems.append(
            Finding(
                "yaml-syntax",
                _position(event.start_mark),
                f"Kestra does not accept the number {quoted(text)}",
                "put quotes around it",
            )
        )

    def _alias(self, frame: _Frame | None, event: Any) -> str:
        position = _position(event.start_mark)
        name: str = event.anchor
        if frame is not None and frame.is_mapping and frame.key is None:
            raise _StopParsing(Finding("yaml-syntax", position, "a key cannot be an alias"))
        self.aliases.append((position, name))
        return name

    def _complex_key(self, event: Any) -> Finding:
        position = _position(event.start_mark)
        line = self.text.splitlines()[position.line - 1]
        # The parser reports the inner brace, or the outer one if the expression is a key.
        for column in (position.column - 1, position.column):
            if column and line[column - 1 : column + 1] == "{{":
                return unquoted_expression(Position(position.line, column))
        return Finding("yaml-syntax", position, "a key must be text")


def _joined(text: str) -> str:
    """Combine surrogate pairs (``\\ud83d\\ude00``); an unpaired one becomes U+FFFD, as in Java."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _place(mark: Any) -> int:
    # One number instead of the parser's mark: less memory, and no garbage collection.
    place: int = mark.line * PLACE_LINE + mark.column
    return place


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)


# The value of a plain scalar in Kestra, that is Jackson's YAML parser with SnakeYAML's rules. It
# differs from YAML 1.2 (``017`` is 15, ``yes`` is true) and from YAML 1.1 (``1:30`` and dates are
# text). The tables were verified with jackson-dataformat-yaml 2.21, which Kestra 1.3 uses;
# ``tests/unit/repo/jackson.tsv`` has its results.

Scalar = str | int | float | bool | None

_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_STARTS_NUMBER = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|[0-9][0-9_]*(?=[eE])|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?\Z"
)
# Numbers in SnakeYAML that Jackson cannot read: infinities, NaN, and base 60 with a fraction.
_UNREADABLE = re.compile(
    r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*\Z"
)


_NAMED_FLOATS = frozenset(("", "NaN", "Infinity", "INF", "-Infinity", "-INF", "+Infinity", "+INF"))


def plain(text: str) -> Scalar:
    """Return the value of an untagged, unquoted scalar."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] in _STARTS_NUMBER:
        if _INT.match(text):
            return _integer(text)
        if _FLOAT.match(text):
            return float(text.replace("_", ""))
    return text


def tagged(tag: str, text: str) -> Scalar:
    """Return the value of a scalar with an explicit tag."""
    match tag.removeprefix("tag:yaml.org,2002:"):
        case "bool":
            return _BOOLEANS.get(text, text)
        case "int":
            return _integer(text) if _INT.match(text) else text
        case "float":
            number = text.replace("_", "")
            return float(number) if _INT.match(text) or _FLOAT.match(text) else text
        case "null" if text:
            return None
    return text


def is_unreadable(text: str, tag: str | None = None) -> bool:
    """Return whether Jackson recognizes a scalar as a number, but then rejects it."""
    if tag is not None:
        if tag.removeprefix("tag:yaml.org,2002:") != "float" or text in _NAMED_FLOATS:
            return False
        return not isinstance(tagged(tag, text), float)
    return text[:1] in _STARTS_NUMBER and _UNREADABLE.match(text) is not None


def _integer(text: str) -> int | str:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    # int() rejects 4300 digits and more.
    if len(digits) > 1000:
        return text
    if digits in ("0b", "0x"):
        return text
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    if digits.startswith("0") and digits.strip("0"):
        return sign * int(digits, 8)
    return sign * int(digits)
