"""From bytes to text that a YAML parser may see: encoding, control characters, size."""

from __future__ import annotations

import re
from functools import cache

from kestra_sync.model import Position
from kestra_sync.repo.document import Problem

MAX_BYTES = 10 * 1024 * 1024

_UTF8_BOM = "\ufeff"
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


@cache
def _forbidden() -> re.Pattern[str]:
    """What YAML 1.1 does not allow in a stream (SnakeYAML and libyaml refuse it as well).

    Slow to compile, and of no use to a run that parses nothing.
    """
    return re.compile(
        "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    )


def decode(data: bytes) -> str | Problem:
    """The text of a document, without its byte order mark, or what is wrong with the bytes."""
    if len(data) > MAX_BYTES:
        return too_large(len(data))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem("yaml-encoding", "the file is UTF-16", Position(1, 1), "save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        return Problem(
            "yaml-encoding",
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            position_at(before, len(before)),
            "save the file as UTF-8",
        )
    text = text.removeprefix(_UTF8_BOM)
    bad = None if text.isascii() and text.isprintable() else _forbidden().search(text)
    if bad is not None:
        return Problem(
            "yaml-encoding",
            f"the character U+{ord(bad[0]):04X} is not allowed in YAML",
            position_at(text, bad.start()),
            'write it as an escape in double quotes, such as "\\x1b", or take it out',
        )
    return text


def too_large(size: int) -> Problem:
    """Kestra answers 500 to a body over 10 MiB, so there is no use in reading more."""
    return Problem(
        "file-too-large",
        f"{size:,} bytes; Kestra takes {MAX_BYTES:,} at most",
        None,
        "move scripts and data into namespace files",
    )


def position_at(text: str, offset: int) -> Position:
    """The line and column of the character at ``offset``."""
    line, start = 1, 0
    for found in _LINE_BREAK.finditer(text, 0, offset):
        line, start = line + 1, found.end()
    return Position(line, offset - start + 1)
