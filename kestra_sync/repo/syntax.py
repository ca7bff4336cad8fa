"""Readable messages for YAML syntax errors, the same for both parsers."""

from __future__ import annotations

import re
from typing import Any

from kestra_sync.findings import Finding
from kestra_sync.model import Position

# A value that begins with a Pebble expression and is not quoted.
UNQUOTED = re.compile(r"(?:^|[:\-?,\[{][ \t]+)[ \t]*(?P<at>\{[{%#])")

# Text in the parser's context and problem → our message, and whether the context (where it began)
# is a better position than that of the problem.
_MESSAGES: tuple[tuple[str, str, str, bool], ...] = (
    ("", "mapping values are not allowed", "a ': ' in an unquoted value", False),
    ("simple key", "could not find expected ':'", "a key without ':'", True),
    ("quoted scalar", "found unexpected end of stream", "the quote is never closed", True),
    ("quoted scalar", "found unexpected document", "the quote is never closed", True),
    ("quoted scalar", "unknown escape", "an unknown escape in double quotes", False),
    ("quoted scalar", "expected escape sequence", "a broken escape in double quotes", False),
    ("quoted scalar", "hexdecimal", "a broken escape in double quotes", False),
    ("flow sequence", "", "the '[' is never closed, or a ',' is missing", True),
    ("flow mapping", "", "the '{' is never closed, or a ',' is missing", True),
    ("block collection", "", "expected '- ' here: the indentation does not match the list", False),
    ("block mapping", "", "expected a key here: the indentation does not match", False),
    ("", "undefined tag handle", "an unknown tag", False),
    ("", "tab character", "a tab in the indentation", False),
    ("block scalar", "indentation indicator", "a broken block scalar header", False),
    ("block scalar", "comment or line break", "text after a block scalar header", False),
    ("", "after document end marker", "content after the end of the document", False),
    ("", "document start", "content after the end of the document", False),
    ("", "node content", "a value is missing here", False),
    ("", "sequence entries are not allowed", "a '- ' is not allowed here", False),
    ("", "block sequence entries", "a '- ' is not allowed here", False),
)


def syntax_problem(error: Any, text: str) -> Finding:
    """Return the finding for ``error``, which ruamel.yaml raised for ``text``."""
    problem, context = str(error.problem or ""), str(error.context or "")
    mark = error.problem_mark or error.context_mark
    message = re.sub(r"\s+", " ", problem)
    for of_context, of_problem, replacement, at_context in _MESSAGES:
        if of_context in context and of_problem in problem:
            message = replacement
            if at_context and error.context_mark is not None:
                mark = error.context_mark
            break
    if mark is None:
        return Finding("yaml-syntax", None, message)
    position = Position(mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    if "escape" in message and lines[mark.line][mark.column - 1 : mark.column] == "\\":
        position = Position(mark.line + 1, mark.column)  # one parser reports the next column
    for candidate in (error.problem_mark, error.context_mark):
        line = lines[candidate.line] if candidate and candidate.line < len(lines) else ""
        unquoted = UNQUOTED.search(line)
        if unquoted is not None:
            return unquoted_expression(Position(candidate.line + 1, unquoted.start("at") + 1))
    if "cannot start any token" in problem:
        line = lines[mark.line] if mark.line < len(lines) else ""
        character = line[mark.column : mark.column + 1]
        if character == "\t" or not line[: mark.column + 1].strip():
            return Finding(
                "yaml-syntax", position, "a tab in the indentation", "indent with spaces"
            )
        return Finding(
            "yaml-syntax",
            position,
            f"a value cannot begin with '{character}'",
            "put quotes around it",
        )
    return Finding("yaml-syntax", position, message)


def unquoted_expression(position: Position) -> Finding:
    """Return the finding for ``{{ … }}`` without quotes, a mapping in YAML that Kestra rejects."""
    return Finding(
        "yaml-unquoted-expression",
        position,
        "an unquoted expression: YAML reads the '{' as a mapping",
        "put quotes around it",
    )
