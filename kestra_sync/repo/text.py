"""From the bytes of a file to documents, and their names, without parsing them.

A file is cut byte for byte. A run in which everything is in sync must know the name of every flow,
and parsing is what costs most: a scan for the top-level ``id`` and ``namespace`` answers where it
is certain; any doubt means a full parse. Certain means: the top level is a block mapping in column
0 with simple keys, and no quote or bracket is open across a line break outside block scalars, so
that a line ``id: x`` in column 0 can only be the key.
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
"""What a document must have at its top level to be a flow."""

# A marker line: "---" or "..." at column 0 (or after the BOM), and what follows on the line.
_MARKER = re.compile(
    rb"(?:^|(?<=[\r\n])|(?<=\A\xef\xbb\xbf))(---|\.\.\.)(?=[ \t\r\n]|\Z)[^\r\n]*(?:\r\n|\r|\n|\Z)"
)
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
# There must be one way only to match a line: with two, thirty lines have a billion.
_BLANK = re.compile(rb"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r(?!\n)|\n|\Z))*\Z")
_PROLOGUE = re.compile(rb"(?:(?:[ \t]*(?:#[^\r\n]*)?|%[^\r\n]*)(?:\r\n|\r(?!\n)|\n|\Z))*\Z")
_ON_MARKER = re.compile(rb"---[ \t]+[^ \t#\r\n]")


@dataclass(frozen=True)
class _Segment:
    start: int
    data: bytes
    empty: bool


def split(path: str, data: bytes) -> tuple[Document, ...]:
    """The documents of a file; none if it holds only comments, blank lines and directives."""
    if wide_encoding(data) is not None:  # refused by the parser, as a whole
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
    prologue = True  # before a "---", directives are not content
    for marker in _MARKER.finditer(data):
        found.append(_segment(data, start, marker.start(), prologue))
        explicit = marker[1] == b"---"
        # Content on the marker's line belongs to the document; the marker then stays with it.
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
"""Kestra answers 500 to a longer body."""
MAX_CHARACTERS = 3 * 1024 * 1024
"""The limit of Kestra's YAML parser, in code points."""

_UTF8_BOM = "\ufeff"


@cache
def _forbidden() -> re.Pattern[str]:
    """What SnakeYAML does not allow in a stream; a byte order mark inside of it, it does.

    Slow to compile, and of no use to a run that parses nothing.
    """
    return re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(data: bytes) -> str | Finding:
    """The text of a document, without its byte order mark, or what is wrong with the bytes."""
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
    """The encoding of two or four bytes a character that ``data`` is in, as Python calls it.

    Told by the byte order mark or, as YAML does, by the zero bytes of its first characters.
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
    """Kestra answers 500 to a body over 10 MiB, so there is no use in reading more."""
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
    """No flow, and why."""

    reason: str


@dataclass(frozen=True)
class NeedsFullParse:
    """The scan is not sufficient; a full parse is needed."""

    reason: str


# ``re`` finds a literal several times as fast as a set of characters, so each pattern begins with
# one: with the line break before a line, and there are two patterns where there are two characters.
# The end of ``key: |`` or ``- >-``, and what may stand before it; what follows deeper indented is
# text and of no interest.
_BLOCK_HEADER_ENDS = tuple(
    (mark, re.compile(rb"\%s[-+0-9]{0,2}[ ]*(?:[ ]#[^\n]*)?\r?\n" % mark)) for mark in (b"|", b">")
)
_BLOCK_HEADER = re.compile(
    rb"(?P<indent>[ ]*(?P<dashes>(?:-[ ]+)*))"
    rb"""(?P<key>(?:[\w./-]+|"[^"\\\n]*"|'[^'\n]*'):[ ]+)?\Z"""
)
_COLUMN_0 = re.compile(rb"\n(?!(?:[ #\r\n]|[A-Za-z_][\w-]*:(?=[ \r\n]|\Z)|-[ ]|\Z))")
# There must be one way only to match a line: with two, thirty lines have a billion.
_FIRST_LINE = re.compile(rb"(?:\n[ ]*(?:#[^\r\n]*)?\r?(?=\n))*\n[A-Za-z_]")
_FIRST_MARKER = re.compile(rb"(?:[ ]*(?:#[^\r\n]*)?\r?\n)*---[ ]*(?:[ ]#[^\n]*)?(?:\r?\n|\Z)")
# A quote or bracket begins a value only after white space, an indicator or a ':'.
_OPEN_QUOTES = (
    (b'"', re.compile(rb""""(?<![^\s\[{,:]")(?![^"\\\n]*(?:\\[^\n][^"\\\n]*)*")""")),
    (b"'", re.compile(rb"""'(?<![^\s\[{,:]')(?![^'\n]*(?:''[^'\n]*)*'(?!'))""")),
)
# One that follows another is on its line, and need not be found for itself.
_FLOWS = tuple((mark, re.compile(rb"\%s(?<!\S.)" % mark)) for mark in (b"[", b"{"))
_QUOTED = re.compile(rb"""(?<![^\s\[{,:])(?:"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\n]|'')*'(?!'))""")
_COMMENT = re.compile(rb"(?:^|[ \t])#[^\n]*")
_KEYS = {key: b"\n%s:" % key for key in (each.encode() for each in FLOW_KEYS)}
_NAME = re.compile(
    rb"""\n(?:id|namespace):[ ]+(?:"([\w.-]+)"|'([\w.-]+)'|([A-Za-z][\w.-]*))"""
    rb"""[ ]*(?:[ ]#[^\n]*)?\r?\Z"""
)
# A name that goes on in the next line would be one value with it.
_CONTINUED = re.compile(rb"(?:\n[ ]*(?:#[^\r\n]*)?\r?)*\n[ \t]")
_NOT_TEXT = frozenset((b"null", b"true", b"false", b"yes", b"no", b"on", b"off", b"inf", b"nan"))


def scan(data: bytes) -> FlowId | NotAFlow | NeedsFullParse:
    """Tell the name of the flow in a document by its top-level lines alone."""
    lines = _lines(data)
    if isinstance(lines, NeedsFullParse):
        return lines
    keys: dict[bytes, int] = {}
    for key, line in _KEYS.items():
        keys[key] = at = lines.find(line)
        if at >= 0 and lines.find(line, at + 1) >= 0:
            return NeedsFullParse(f"duplicate key '{key.decode()}'")
    # What is open in front of a line may swallow it; what is opened after the last one may not.
    head = lines if min(keys.values()) < 0 else lines[: max(keys.values()) + 1]
    bodies = _block_scalars(head)
    if bodies is None:
        return NeedsFullParse("a block scalar far to the right")
    if _is_open_at_a_line_end(_without(head, bodies)):
        return NeedsFullParse("quotes or brackets across several lines")
    return _name(lines, keys)


def block_scalars(data: bytes) -> list[tuple[int, int]] | None:
    """Where the texts of block scalars are, in bytes, if each other line can be read by itself.

    ``None`` if a parser is needed: a quote or a bracket is open over a line break, or there is a
    doubt about the top level.
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
    """The lines of a document whose top level is a block mapping in column 0, a break before each.

    Without a byte order mark and the marker of the document.
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
    """Why a document without these keys is not a flow."""
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
    """Where the texts of block scalars begin and end; ``None`` for one far to the right."""
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
    """What may be the end of a header, in order; text in a block scalar is found as well."""
    found = [list(end.finditer(data)) for mark, end in _BLOCK_HEADER_ENDS if mark in data]
    return found[0] if len(found) == 1 else sorted(chain(*found), key=re.Match.start)


# Each indentation has a pattern of its own.
_MAX_INDENT = 100
_BODIES: dict[int, re.Pattern[bytes]] = {}


def _body(indent: int) -> re.Pattern[bytes]:
    """The lines of a block scalar whose parent is indented by ``indent``."""
    pattern = _BODIES.get(indent)
    if pattern is None:
        pattern = re.compile(rb"(?:[ ]{%d,}[^\n]*(?:\n|\Z)|[ \r]*\n)*" % (indent + 1))
        _BODIES[indent] = pattern
    return pattern


def _has_unicode_breaks(data: bytes) -> bool:
    return b"\xc2\x85" in data or b"\xe2\x80\xa8" in data or b"\xe2\x80\xa9" in data


def _is_open_at_a_line_end(data: bytes) -> bool:
    """Whether a quote, a ``[`` or a ``{`` is not closed on its line."""
    for mark, quote in _OPEN_QUOTES:
        if mark in data and quote.search(data) is not None:
            return True
    return any(mark in data and _has_open_flow(data, flow) for mark, flow in _FLOWS)


def _has_open_flow(data: bytes, begin: re.Pattern[bytes]) -> bool:
    """Whether a line with what ``begin`` finds leaves a ``[`` or ``{`` open."""
    seen = 0
    for found in begin.finditer(data):
        if found.start() < seen:
            continue
        line = data.rfind(b"\n", 0, found.start()) + 1
        seen = data.find(b"\n", line)
        if seen < 0:
            seen = len(data)
        text = _COMMENT.sub(b"", _QUOTED.sub(b"", data[line:seen]))
        if text.count(b"[") + text.count(b"{") != text.count(b"]") + text.count(b"}"):
            return True
    return False
