"""Ignore rules: ``.kestraignore`` files, with the rules of ``.gitignore``, and the configuration's.

As in Git the file nearest to a path decides, the last pattern of it that fits wins, and nothing
below an ignored directory can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".kestraignore"


@dataclass(frozen=True)
class IgnoreRules:
    """The rules that hold in one directory: those of the directories above it, then its own."""

    base: Path
    specs: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    @classmethod
    def of(cls, patterns: Sequence[str], base: Path) -> IgnoreRules:
        """Rules of the configuration, relative to ``base``."""
        return cls(base)._with(base, patterns)

    def above(self, root: Path) -> IgnoreRules:
        """With the ignore files between ``base`` and ``root``, ``root`` itself excluded."""
        rules = self
        if root.is_relative_to(self.base):
            for parent in reversed(root.parents):
                if parent.is_relative_to(self.base):
                    rules = rules.enter(parent, lambda _shown, _error: None)
        return rules

    def enter(self, directory: Path, on_error: Callable[[str, Exception], None]) -> IgnoreRules:
        """With the ignore file of ``directory``, if it has one."""
        try:
            text = (directory / IGNORE_FILE).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return self
        except OSError as error:
            on_error(f"{directory / IGNORE_FILE}", error)
            return self
        return self._with(directory, text.splitlines())

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

        return IgnoreRules(
            self.base, (*self.specs, (directory, GitIgnoreSpec.from_lines(patterns)))
        )
