"""Telling a flow that somebody switched off on the server from one that somebody edited.

Kestra's UI switches a flow off by rewriting its source: it appends ``disabled: true``, or
rewrites an existing top-level ``disabled`` line in place and eats blank lines beside it
(``docs/kestra-api.md``, "switching a flow off"). So two sources are alike here when they are equal
once that line and the blank lines beside it are taken away.
"""

from __future__ import annotations

import re

_LINE = re.compile(
    rb"(?:\A|\n)[ \t\r\n]*?(?P<line>disabled[ \t]*:[ \t]*(?P<value>true|false)[ \t]*(?:#[^\n]*)?)"
    rb"\r?(?:\n|\Z)"
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


def without_disabled(source: bytes) -> bytes:
    """``source`` without its top-level ``disabled`` line and the blank lines beside it."""
    kept: list[bytes] = []
    skipping_blank = False
    for line in source.split(b"\n"):
        bare = line.strip()
        if _KEY.match(line):
            while kept and not kept[-1].strip():
                kept.pop()
            skipping_blank = True
            continue
        if skipping_blank and not bare:
            continue
        skipping_blank = False
        kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    return b"\n".join(kept)


def switched_off(live: bytes, ours: bytes) -> bool:
    """Whether ``live`` is ``ours`` with nothing done to it but switching it off.

    Git must say nothing of ``disabled``: where it says ``disabled: false`` in so many words, the
    server's ``true`` is drift.
    """
    if disabled_in(live) is not True or says_disabled(ours):
        return False
    return _normal(live) == _normal(ours)


def _normal(source: bytes) -> bytes:
    """Blank lines around the cut do not count, wherever the line stood."""
    lines = [line.rstrip(b"\r") for line in without_disabled(source).split(b"\n")]
    return b"\n".join(line for line in lines if line.strip())


def switch_off(source: bytes) -> bytes:
    """``source`` with the line that Kestra's UI would append."""
    ending = b"\r\n" if b"\r\n" in source else b"\n"
    glue = b"" if source.endswith(b"\n") else ending
    return source + glue + b"disabled: true" + ending
