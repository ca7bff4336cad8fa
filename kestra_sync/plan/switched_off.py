"""Distinguishes a flow that was disabled on the server from one that was edited.

Kestra's UI switches a flow off by rewriting its source: it appends ``disabled: true``, or
rewrites an existing top-level ``disabled`` line in place and eats blank lines beside it
(``docs/kestra-api.md``, "switching a flow off"). So two sources are alike here when they are equal
once that line and the blank lines beside it are taken away.
"""

from __future__ import annotations

import re

_LINE = re.compile(
    rb"^disabled[ \t]*:[ \t]*(?P<value>true|false)[ \t]*(?:[ \t]#[^\n]*)?\r?$", re.MULTILINE
)
_KEY = re.compile(rb"^disabled[ \t]*:", re.MULTILINE)


def disabled_in(source: bytes) -> bool | None:
    """What the top-level ``disabled`` line says; ``None`` if there is none, or no plain one."""
    matches = list(_LINE.finditer(source))
    if len(matches) != 1 or len(_KEY.findall(source)) != 1:
        return None
    return matches[0]["value"] == b"true"


def says_disabled(source: bytes) -> bool:
    """Whether there is a top-level ``disabled`` key at all, whatever it says."""
    return _KEY.search(source) is not None


def switched_off(live: bytes, ours: bytes) -> bool:
    """Whether ``live`` is ``ours`` with nothing done to it but switching it off.

    Git must say nothing of ``disabled``: where it explicitly says ``disabled: false``, the server's
    ``true`` is drift. Blank lines count everywhere but beside that line, and at the end.
    """
    if disabled_in(live) is not True or says_disabled(ours):
        return False
    lines, wanted = live.split(b"\n"), ours.split(b"\n")
    (at,) = (number for number, line in enumerate(lines) if _KEY.match(line))
    before, after = _without_end(lines[:at]), _without_end(lines[at + 1 :])
    while after and not after[0].strip():
        del after[0]
    wanted = _without_end(wanted)
    if before and len(wanted) >= len(before):
        # Kestra ends the line before its own as it likes.
        before[-1], wanted[len(before) - 1] = (
            each.rstrip(b"\r") for each in (before[-1], wanted[len(before) - 1])
        )
    between = wanted[len(before) : len(wanted) - len(after)]
    return wanted == [*before, *between, *after] and not any(line.strip() for line in between)


def _without_end(lines: list[bytes]) -> list[bytes]:
    """Without the blank lines at the end."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]


def switch_off(source: bytes) -> bytes:
    """``source`` with the line that Kestra's UI would append."""
    ending = b"\r\n" if b"\r\n" in source else b"\n"
    glue = b"" if source.endswith(b"\n") else ending
    return source + glue + b"disabled: true" + ending
