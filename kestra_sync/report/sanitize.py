"""Makes text from flows, logs and the server harmless before it reaches a terminal or a CI log.

Flow sources are untrusted: an escape sequence in a log message may retitle a window, hide lines
of a diff or answer a prompt, bidirectional overrides make code read other than it runs
(CVE-2021-42574), and GitHub's runner obeys commands in whatever a step prints: ``::name::`` at the
begin of a line, ``##[name]`` anywhere in it.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f"  # C0 but tab, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029\ufeff\ufff9-\ufffb"  # line separators, byte order mark, annotations
    "\ud800-\udfff\ufffe\uffff]"  # halves of characters, which no encoding can write, and none
    r"|(?<=##)\["
)
_COMMAND = re.compile(r"^(?P<blank>\s*):(?=:)")


def visible(text: str) -> str:
    """One line of ``text`` with control characters spelled out, such as ``\\x1b``."""
    return _UNSAFE.sub(_spell, text) if _UNSAFE.search(text) else text


def no_command(line: str) -> str:
    """A whole line for a log, which does not begin with a command to CI."""
    return _COMMAND.sub(r"\g<blank>\\x3a", line)


def _spell(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
