"""Splits the bytes of a file into documents, and finds their names without parsing them.

A run needs the name of every flow, and parsing is expensive, so a scan for the top-level ``id`` and
``namespace`` is used where it is certain; in case of doubt the document is parsed. It is certain if
the top level is a block mapping in column 0 with simple keys, and no quote or bracket spans a line
break outside of block scalars, so that a line ``id: x`` in column 0 can only be the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain

from kestra_sync.edits import place_of
from kestra_sync.findings import Finding
from kestra_sync.model import Document, FlowId, Position

BOM = b"\xef\xbb\xbf"
FLOW_KEYS = ("id", "namespace", "tasks")
"""The top-level keys that make a document a flow."""

# A marker line: "---" or "..." at column 0 (or after the BOM), and the rest of the line.
_MARKER = re.compile(
    rb"(?:^|(?<=[\r\n])|(?<=\A\xef\xbb\xbf))(---|\.\.\.)(?=[ \t\r\n]|\Z)[^\r\n]*(?:\r\n|\r|\n|\Z)"
)
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
# Each line must match in only one way: with two, thirty lines would match in a billion ways.
_BLANK = re.compile(rb"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r(?!\n)|\n|\Z))*\Z")
_PROLOGUE = re.compile(rb"(?:(?:[ \t]*(?:#[^\r\n]*)?|%[^\r\n]*)(?:\r\n|\r(?!\n)|\n|\Z))*\Z")
_ON_MARKER = re.compile(rb"---[ \t]+[^ \t#\r\n]")


@dataclass(frozen=True)
class _Segment:
    start: int
    data: bytes
    empty: bool


def split(path: str, data: bytes) -> tuple[Document, ...]:
    """Return the documents of a file; none if it only has comments, blank lines and directives."""
    if wide_encoding(data) is not None:  # the parser rejects it as a whole
        return (Document(path, 0, 1, data),)
    if b"---" not in data and b"..." not in data:
        return () if _is_empty(_BLANK, data) else (Document(path, 0, 1, data),)
    segments = [segment for segment in _segments(data) if not segment.empty]
    if len(segments) == 1:
        return (Document(path, 0, 1, data),)
    documents = []
    line, counted = 1, 0
    for index, segment in enumerate(segments):
        line += sum(1 for _ in _LINE_BREAK.finditer(data, counted, segment.start))
        counted = segment.start
        documents.append(Document(path, index, line, segment.data))
    return tuple(documents)


def _segments(data: bytes) -> list[_Segment]:
    found = []
    start = 0
    prologue = True  # directives before a "---" are not content
    for marker in _MARKER.finditer(data):
        found.append(_segment(data, start, marker.start(), prologue))
        explicit = marker[1] == b"---"
        # Content on the marker's line belongs to the document, which then includes the marker.
        start = marker.start() if explicit and _ON_MARKER.match(marker[0]) else marker.end()
        prologue = not explicit
    found.append(_segment(data, start, len(data), prologue))
    return found


def _segment(data: bytes, start: int, end: int, prologue: bool) -> _Segment:
    part = data[start:end]
    return _Segment(start, part, _is_empty(_PROLOGUE if prologue else _BLANK, part))


def _is_empty(pattern: re.Pattern[bytes], part: bytes) -> bool:
    return pattern.match(part.removeprefix(BOM)) is not None


MAX_BYTES = 10 * 1024 * 1024
"""Kestra responds with 500 to a longer body."""
MAX_CHARACTERS = 3 * 1024 * 1024
"""The limit of Kestra's YAML parser, in code points."""

_UTF8_BOM = "\ufeff"


@cache
def _forbidden() -> re.Pattern[str]:
    """Return the pattern of characters that SnakeYAML rejects (not a byte order mark).

    It is slow to compile, and only needed if a document is parsed.
    """
    return re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(data: bytes) -> str | Finding:
    """Decode a document without its byte order mark, or return what is wrong with it."""
    if len(data) > MAX_BYTES:
        return too_large(len(data))
    wide = wide_encoding(data)
    if wide is not None:
        name = wide[:6].upper()
        return Finding("yaml-encoding", Position(1, 1), f"the file is {name}", "save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        return Finding(
            "yaml-encoding",
            _position(before, len(before)),
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        )
    if len(text) > MAX_CHARACTERS:
        return _too_long(len(text))
    text = text.removeprefix(_UTF8_BOM)
    if text.startswith(_UTF8_BOM):
        return Finding(
            "yaml-encoding", Position(1, 1), "two byte order marks", "remove one of them"
        )
    bad = None if text.isascii() and text.isprintable() else _forbidden().search(text)
    if bad is not None:
        return Finding(
            "yaml-encoding",
            _position(text, bad.start()),
            f"the character U+{ord(bad[0]):04X} is not allowed in YAML",
            'write it as an escape in double quotes, such as "\\x1b", or remove it',
        )
    return text


def wide_encoding(data: bytes) -> str | None:
    """Return the Python name of a UTF-16 or UTF-32 encoding of ``data``; ``None`` for others.

    Detected by the byte order mark or, as in YAML, by the zero bytes of the first characters.
    """
    begin = data[:4]
    if 0 not in begin and not begin.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    for mark, name in _WIDE_MARKS:
        if data.startswith(mark):
            return name
    return _WIDE_ZEROS.get("".join("0" if byte == 0 else "x" for byte in begin))


_WIDE_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_WIDE_ZEROS = {
    "x000": "utf-32-le",
    "000x": "utf-32-be",
    "x0x0": "utf-16-le",
    "0x0x": "utf-16-be",
}


def too_large(size: int) -> Finding:
    """Return the finding for a file over 10 MiB, for which Kestra responds with 500."""
    return Finding(
        "file-too-large",
        None,
        f"{size:,} bytes; Kestra accepts at most {MAX_BYTES:,}",
        "move scripts and data into namespace files",
    )


def _too_long(characters: int) -> Finding:
    return Finding(
        "file-too-large",
        None,
        f"{characters:,} characters; Kestra accepts at most {MAX_CHARACTERS:,}",
        "move scripts and data into namespace files",
    )


def _position(text: str, offset: int) -> Position:
    return Position(*place_of(text, offset))


@dataclass(frozen=True)
class NotAFlow:
    """The document is not a flow, and why."""

    reason: str


@dataclass(frozen=True)
class NeedsFullParse:
    """The result of the scan is not certain; a full parse is needed."""

    reason: str


# ``re`` finds a literal several times faster than a character set, so each pattern begins with a
# literal: the line break before a line, or one of two characters in two patterns.
# The end of ``key: |`` or ``- >-``, and what may precede it; deeper indented lines after it are
# text and not relevant.
_BLOCK_HEADER_ENDS = tuple(
    (mark, re.compile(rb"\%s[-+0-9]{0,2}[ ]*(?:[ ]#[^\n]*)?\r?\n" % mark)) for mark in (b"|", b">")
)
_BLOCK_HEADER = re.compile(
    rb"(?P<indent>[ ]*(?P<dashes>(?:-[ ]+)*))"
    rb"""(?P<key>(?:[\w./-]+|"[^"\\\n]*"|'[^'\n]*'):[ ]+)?\Z"""
)
_COLUMN_0 = re.compile(rb"\n(?!(?:[ #\r\n]|[A-Za-z_][\w-]*:(?=[ \r\n]|\Z)|-[ ]|\Z))")
# Each line must match in only one way: with two, thirty lines would match in a billion ways.
_FIRST_LINE = re.compile(rb"(?:\n[ ]*(?:#[^\r\n]*)?\r?(?=\n))*\n[A-Za-z_]")
_FIRST_MARKER = re.compile(rb"(?:[ ]*(?:#[^\r\n]*)?\r?\n)*---[ ]*(?:[ ]#[^\n]*)?(?:\r?\n|\Z)")
# A quote or bracket begins a value only after white space, an indicator or a ':'.
_OPEN_QUOTES = (
    (b'"', re.compile(rb""""(?<![^\s\[{,:]")(?![^"\\\n]*(?:\\[^\n][^"\\\n]*)*")""")),
    (b"'", re.compile(rb"""'(?<![^\s\[{,:]')(?![^'\n]*(?:''[^'\n]*)*'(?!'))""")),
)
# One directly after another is on the same line, and need not be found separately.
_FLOWS = tuple((mark, re.compile(rb"\%s(?<!\S.)" % mark)) for mark in (b"[", b"{"))
_QUOTED = re.compile(rb"""(?<![^\s\[{,:])(?:"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\n]|'')*'(?!'))""")
_COMMENT = re.compile(rb"(?:^|[ \t])#[^\n]*")
_KEYS = {key: b"\n%s:" % key for key in (each.encode() for each in FLOW_KEYS)}
_NAME = re.compile(
    rb"""\n(?:id|namespace):[ ]+(?:"([\w.-]+)"|'([\w.-]+)'|([A-Za-z][\w.-]*))"""
    rb"""[ ]*(?:[ ]#[^\n]*)?\r?\Z"""
)
# A name that continues on the next line is part of a longer value.
_CONTINUED = re.compile(rb"(?:\n[ ]*(?:#[^\r\n]*)?\r?)*\n[ \t]")
_NOT_TEXT = frozenset((b"null", b"true", b"false", b"yes", b"no", b"on", b"off", b"inf", b"nan"))


def scan(data: bytes) -> FlowId | NotAFlow | NeedsFullParse:
    """Find the name of the flow in a document from its top-level lines alone."""
    lines = _lines(data)
    if isinstance(lines, NeedsFullParse):
        return lines
    keys: dict[bytes, int] = {}
    for key, line in _KEYS.items():
        keys[key] = at = lines.find(line)
        if at >= 0 and lines.find(line, at + 1) >= 0:
            return NeedsFullParse(f"duplicate key '{key.decode()}'")
    # Only a quote or bracket before a key may contain it, not one after the last key.
    head = lines if min(keys.values()) < 0 else lines[: max(keys.values()) + 1]
    bodies = _block_scalars(head)
    if bodies is None:
        return NeedsFullParse("a deeply indented block scalar")
    if _is_open_at_a_line_end(_without(head, bodies)):
        return NeedsFullParse("quotes or brackets across several lines")
    return _name(lines, keys)


def block_scalars(data: bytes) -> list[tuple[int, int]] | None:
    """Return the byte ranges of block scalars, if all other lines are independent.

    ``None`` if a parser is needed: a quote or bracket spans a line break, or the top level is
    uncertain.
    """
    lines = _lines(data)
    if isinstance(lines, NeedsFullParse):
        return None
    bodies = _block_scalars(lines, certain=True)
    if bodies is None or _is_open_at_a_line_end(_without(lines, bodies)):
        return None
    before = len(data) - len(lines)  # a marker, and the line break in front
    return [(start + before, end + before) for start, end in bodies]


def _lines(data: bytes) -> bytes | NeedsFullParse:
    """Return the lines of a document with a block mapping in column 0, each after a line break.

    Without byte order mark and document marker.
    """
    start = len(BOM) if data.startswith(BOM) else 0
    marker = _FIRST_MARKER.match(data, start)
    lines = b"\n" + data[start if marker is None else marker.end() :]
    if b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n"):
        return NeedsFullParse("legacy line breaks")
    if b"\t" in lines or (not lines.isascii() and _has_unicode_breaks(lines)):
        return NeedsFullParse("unusual white space")
    if _FIRST_LINE.match(lines) is None or _COLUMN_0.search(lines) is not None:
        return NeedsFullParse("the top level is not a plain block mapping")
    return lines


def _name(data: bytes, keys: Mapping[bytes, int]) -> FlowId | NotAFlow | NeedsFullParse:
    missing = [key.decode() for key, at in keys.items() if at < 0]
    if missing:
        return NotAFlow(missing_keys(missing))
    flow_id = _text_of(data, keys[b"id"])
    namespace = _text_of(data, keys[b"namespace"])
    if flow_id is None or namespace is None:
        return NeedsFullParse("id or namespace is not a simple name")
    return FlowId(namespace, flow_id)


def missing_keys(keys: list[str]) -> str:
    """Return why a document without these keys is not a flow."""
    return f"missing {', '.join(f'`{key}`' for key in keys)}"


def _text_of(data: bytes, at: int) -> str | None:
    end = data.find(b"\n", at + 1)
    end = len(data) if end < 0 else end
    name = _NAME.match(data[at:end])
    if name is None or _CONTINUED.match(data, end) is not None:
        return None
    text = name[1] or name[2] or name[3]
    if name[3] is not None and text.lower() in _NOT_TEXT:
        return None
    return text.decode("ascii")


def _without(data: bytes, bodies: list[tuple[int, int]]) -> bytes:
    parts, at = [], 0
    for start, end in bodies:
        parts.append(data[at:start])
        at = end
    return b"".join((*parts, data[at:]))


def _block_scalars(data: bytes, *, certain: bool = False) -> list[tuple[int, int]] | None:
    """Return the ranges of block scalars; ``None`` if one is indented too far."""
    found = []
    start = position = 0
    for end in _block_header_ends(data):
        if end.start() < position:
            continue
        position = end.end()
        line = data.rfind(b"\n", start, end.start()) + 1
        header = _BLOCK_HEADER.match(data[line : end.start()])
        if header is None or not (header["key"] or header["dashes"]):
            if certain and not data[line : end.start()].lstrip().startswith(b"#"):
                return None
            continue
        indent = len(header["indent"] if header["key"] else header["indent"].rstrip(b" ")[:-1])
        if indent > _MAX_INDENT:
            return None
        body = _body(indent).match(data, position)
        start = position if body is None else body.end()
        found.append((position, start))
        position = start
    return found


def _block_header_ends(data: bytes) -> Iterable[re.Match[bytes]]:
    """Yield possible ends of headers, in order, including text in block scalars."""
    found = [list(end.finditer(data)) for mark, end in _BLOCK_HEADER_ENDS if mark in data]
    return found[0] if len(found) == 1 else sorted(chain(*found), key=re.Match.start)


# One pattern per indentation.
_MAX_INDENT = 100
_BODIES: dict[int, re.Pattern[bytes]] = {}


def _body(indent: int) -> re.Pattern[bytes]:
    """Return the pattern for lines of a block scalar whose parent is indented by ``indent``."""
    pattern = _BODIES.get(indent)
    if pattern is None:
        pattern = re.compile(rb"(?:[ ]{%d,}[^\n]*(?:\n|\Z)|[ \r]*\n)*" % (indent + 1))
        _BODIES[indent] = pattern
    return pattern


def _has_unicode_breaks(data: bytes) -> bool:
    return b"\xc2\x85" in data or b"\xe2\x80\xa8" in data or b"\xe2\x80\xa9" in data


def _is_open_at_a_line_end(data: bytes) -> bool:
    """Return whether a quote, a ``[`` or a ``{`` is not closed on its line."""
    for mark, quote in _OPEN_QUOTES:
        if mark in data and quote.search(data) is not None:
            return True
    return any(mark in data and _has_open_flow(data, flow) for mark, flow in _FLOWS)


def _has_open_flow(data: bytes, begin: re.Pattern[bytes]) -> bool:
    """Return whether a line with a match of ``begin`` leaves a ``[`` or ``{`` open."""
    checked = 0
    for found in begin.finditer(data):
        if found.start() < checked:
            continue
        line = data.rfind(b"\n", 0, found.start()) + 1
        checked = data.find(b"\n", line)
        if checked < 0:
            checked = len(data)
        text = _COMMENT.sub(b"", _QUOTED.sub(b"", data[line:checked]))
        if text.count(b"[") + text.count(b"{") != text.count(b"]") + text.count(b"}"):
            return True
    return False
