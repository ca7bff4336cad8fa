"""Ignore rules: ``.kestraignore`` files, with the rules of ``.gitignore``, and the configuration's.

As in Git the file nearest to a path decides, the last pattern of it that fits wins, and nothing
below an ignored directory can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kestra_sync.repo.quote import quoted
from kestra_sync.safe.paths import read_text

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".kestraignore"
_STARS = 4
"""Patterns with so many are run with a time limit."""
_LIMIT = 1024 * 1024


class IgnorePatternError(Exception):
    """A line of an ignore file that is not a valid pattern.

    :param line: its number, from 1.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


OnError = Callable[[Path, Exception], None]


def SILENT(_file: Path, _error: Exception) -> None:  # noqa: N802 - as a constant
    """Says nothing: the walk over the same directories does."""


def pattern_problem(pattern: str) -> str | None:
    """Why a line is not a valid pattern; ``None`` if it is one, a comment, or empty.

    Git takes some of these without a word and ignores nothing by them; a file that was meant to be
    ignored would be deployed.
    """
    if not pattern.strip() or pattern.startswith("#"):
        return None
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([pattern])
    except Exception:  # of pathspec or of re, depending on the version
        return f"{quoted(pattern)} is not a valid pattern"
    return None


@dataclass(frozen=True)
class IgnoreRules:
    """The rules that hold in one directory: those of the directories above it, then its own."""

    base: Path
    specs: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    @classmethod
    def of(cls, patterns: Sequence[str], base: Path) -> IgnoreRules:
        """Rules of the configuration, relative to ``base``."""
        return cls(base)._with(base, patterns)

    def above(self, root: Path, on_error: OnError = SILENT) -> IgnoreRules:
        """With the ignore files between ``base`` and ``root``, ``root`` itself excluded."""
        rules = self
        if root.is_relative_to(self.base):
            for parent in reversed(root.parents):
                if parent.is_relative_to(self.base):
                    rules = rules.enter(parent, on_error)
        return rules

    def enter(self, directory: Path, on_error: OnError = SILENT) -> IgnoreRules:
        """With the ignore file of ``directory``, if it has one.

        :param on_error: is called for a file that cannot be read, or holds what is not a valid
            pattern.
        """
        file = directory / IGNORE_FILE
        try:
            text = read_text(file, limit=_LIMIT)
        except FileNotFoundError:
            return self
        except OSError as error:
            on_error(file, error)
            return self
        patterns = text.splitlines()
        for number, pattern in enumerate(patterns, 1):
            problem = pattern_problem(pattern)
            if problem is not None:
                on_error(file, IgnorePatternError(number, problem))
                return self
        return self._with(directory, patterns)

    def ignored(self, path: Path, *, directory: bool) -> bool:
        """Whether ``path`` is ignored; the directories above it are taken to be not."""
        for base, spec in reversed(self.specs):
            if path.is_relative_to(base):
                relative = path.relative_to(base).as_posix()
                verdict = spec.check_file(f"{relative}/" if directory else relative).include
                if verdict is not None:
                    return verdict
        return False

    def _with(self, directory: Path, patterns: Sequence[str]) -> IgnoreRules:
        if not patterns:
            return self
        # Most repositories have no ignore rules; they need not pay for the import.
        from pathspec import GitIgnoreSpec

        from kestra_sync.safe.patterns import Pattern

        spec = GitIgnoreSpec.from_lines(patterns)
        for line, pattern in zip(filter(None, patterns), spec.patterns, strict=False):
            if line.count("*") >= _STARS and pattern.regex is not None:
                # `*a*a*a*a*b` takes the `re` module minutes for a long name.
                limited: Any = Pattern(pattern.regex.pattern, shown=line)
                pattern.regex = limited
        return IgnoreRules(self.base, (*self.specs, (directory, spec)))
