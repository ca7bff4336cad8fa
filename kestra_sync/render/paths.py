"""Parses paths of patches: ``labels.env``, ``triggers[nightly].cron``, ``tasks[0]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STEP = re.compile(
    r"""(?:(?P<dot>\.)?(?:(?P<key>[^\s.\[\]"']+)|"(?P<quoted>(?:[^"\\]|\\.)*)"))"""
    r"""|\[(?:(?P<number>[0-9]+)|"(?P<quoted_id>(?:[^"\\]|\\.)*)"|(?P<id>[^\[\]"]+))\]"""
)


@dataclass(frozen=True)
class Key:
    """A key of a mapping."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}" if re.fullmatch(r"[^\s.\[\]\"']+", self.name) else f'."{self.name}"'


@dataclass(frozen=True)
class Id:
    """The item of a list with this ``id``."""

    name: str

    def __str__(self) -> str:
        return f"[{self.name}]"


@dataclass(frozen=True)
class Index:
    """The item at a position of a list, from 0."""

    number: int

    def __str__(self) -> str:
        return f"[{self.number}]"


Step = Key | Id | Index


class PathError(ValueError):
    """A path that cannot be parsed; the message says where."""


def parse_path(text: str) -> tuple[Step, ...]:
    """Parse a path into steps.

    :raises PathError: it is empty or not a path.
    """
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (found["dot"] is None) is not (at == 0 or text[at] == "["):
            rest = text[at:] if at else "it"
            raise PathError(
                f"`{text}` is not a path: {rest!r} is not a key or [id]"
                if at
                else f"`{text}` is not a path"
            )
        if found["number"] is not None:
            steps.append(Index(int(found["number"])))
        elif found["id"] is not None or found["quoted_id"] is not None:
            steps.append(Id(found["id"] or _unescaped(found["quoted_id"])))
        else:
            steps.append(Key(found["key"] or _unescaped(found["quoted"])))
        at = found.end()
    if not steps or not isinstance(steps[0], Key):
        raise PathError(f"`{text}` is not a path: it begins with a key, such as `labels`")
    return tuple(steps)


def path_text(steps: tuple[Step, ...]) -> str:
    """Format a path."""
    return "".join(map(str, steps)).removeprefix(".")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
