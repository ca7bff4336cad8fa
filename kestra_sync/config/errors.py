"""All errors of a configuration file at once."""

from __future__ import annotations

from collections.abc import Sequence

from kestra_sync.errors import UsageError
from kestra_sync.model import Diagnostic


class ConfigError(UsageError):
    """The configuration file cannot be used (exit 64).

    :param diagnostics: every error in it, in the order of the lines.
    """

    def __init__(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        self.path = path
        self.diagnostics = tuple(sorted(diagnostics, key=lambda each: each.sort_key))
        number = len(self.diagnostics)
        head = f"{path} is not valid: {number} error{'s' if number > 1 else ''}"
        super().__init__("\n".join([head, *map(_line, self.diagnostics)]))


def _line(diagnostic: Diagnostic) -> str:
    where = diagnostic.path
    if diagnostic.position is not None:
        where += f":{diagnostic.position.line}:{diagnostic.position.column}"
    text = f"{where}: {diagnostic.severity}[{diagnostic.rule}] {diagnostic.message}"
    return f"{text}\n    {diagnostic.remedy}" if diagnostic.remedy else text
