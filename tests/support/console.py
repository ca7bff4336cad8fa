"""Reads the ``console`` blocks of the documentation, and compares what they say with what happens.

A block holds commands after ``$`` and, below each, what it prints. A line ``...`` matches any
number of lines. A block that shows no output is a list of commands, and is not run; no more is one
below ``<!-- not run -->``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NOT_RUN = "<!-- not run -->"

#: What differs from run to run, and its replacement.
_VOLATILE = (
    (re.compile(r"https?://[\w.-]+(:\d+)?"), "<url>"),
    (re.compile(r"\bKestra \d+\.\d+\.\d+(-\w+)?"), "Kestra <version>"),
    (re.compile(r"\bkestra-sync \d+\.\d+\.\d+\S*"), "kestra-sync <version>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|min)\b"), "<duration>"),
    (re.compile(r"\b[0-9A-Za-z]{20,22}\b"), "<execution>"),
    (re.compile(r"\brun [0-9a-f]{12}\b"), "run <id>"),
    (re.compile(r" · commit [0-9a-f]{7,40}\b"), ""),  # the copy that examples run in has none
)


@dataclass(frozen=True)
class Command:
    """One command of a block.

    :param text: what follows the ``$``.
    :param output: what the document says that it prints.
    """

    text: str
    output: tuple[str, ...]
    line: int

    @property
    def words(self) -> list[str]:
        """The command as the shell would split it."""
        return shlex.split(self.text, comments=True)

    @property
    def is_ours(self) -> bool:
        """Whether it runs kestra-sync and nothing else."""
        words = self.words
        return words[:1] == ["kestra-sync"] and not set(words) & {"|", "&&", ";", ">", "||"}

    @property
    def is_plain(self) -> bool:
        """Whether it runs kestra-sync with words that need no shell."""
        return self.is_ours and not set("$`*?~<#(){}") & set(self.text)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    path: Path
    line: int
    language: str
    lines: tuple[str, ...]
    run: bool

    @property
    def is_session(self) -> bool:
        """Whether it shows the output of commands, so that it can be run and compared."""
        shows = any(not command.is_ours or command.output for command in self.commands)
        return self.language == "console" and self.run and shows

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands of a ``console`` block."""
        found: list[Command] = []
        for offset, text in enumerate(self.lines, start=1):
            if text.startswith("$ "):
                found.append(Command(text[2:].strip(), (), self.line + offset))
            elif found:
                last = found[-1]
                found[-1] = Command(last.text, (*last.output, text), last.line)
        return tuple(found)


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a Markdown file."""
    fence = re.compile(r"^(?P<indent> *)(?P<marks>```+)(?P<language>[\w-]*)")
    lines = path.read_text(encoding="utf-8").splitlines()
    before = ""
    index = 0
    while index < len(lines):
        start = fence.match(lines[index])
        if start is None:
            before = lines[index].strip() or before
            index += 1
            continue
        end = index + 1
        while end < len(lines) and lines[end].strip() != start["marks"]:
            end += 1
        body = tuple(line.removeprefix(start["indent"]) for line in lines[index + 1 : end])
        yield Block(path, index + 1, start["language"], body, run=before != NOT_RUN)
        before = ""
        index = end + 1


def normalised(lines: list[str] | tuple[str, ...]) -> list[str]:
    """Lines with volatile values replaced, and without trailing empty lines."""
    result = []
    for line in lines:
        text = line.rstrip()
        for pattern, name in _VOLATILE:
            text = pattern.sub(name, text)
        result.append(text)
    while result and not result[-1]:
        result.pop()
    return result


def matches(wanted: list[str], got: list[str]) -> bool:
    """Whether ``got`` is ``wanted``, in which a line ``...`` matches any lines."""
    if not wanted:
        return not got
    if wanted[0].strip() == "...":
        return any(matches(wanted[1:], got[start:]) for start in range(len(got) + 1))
    return bool(got) and wanted[0] == got[0] and matches(wanted[1:], got[1:])
