"""The files of a run: the YAML files below the given paths, in a stable order.

Hidden files and folders, smoke specifications and the configuration are not flows and are skipped,
as is what ``.kestraignore`` files (the rules of ``.gitignore``) and the configuration name. A path
that the user names is loaded even if it is ignored: explicit wins. As in Git the ignore file that
is nearest to a path decides, the last pattern of it that fits wins, and nothing below an ignored
directory can be taken back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kestra_sync.errors import UsageError
from kestra_sync.model import Diagnostic, Position, Severity, Skipped
from kestra_sync.safe.paths import check_readable, is_directory, is_git, is_there, read_text
from kestra_sync.safe.text import quoted

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


YAML_SUFFIXES = (".yml", ".yaml")
SMOKE_SUFFIXES = (".smoke.yml", ".smoke.yaml")
CONFIG_NAMES = ("kestra-sync.yaml", "kestra-sync.yml")


@dataclass(frozen=True)
class FoundFile:
    """A file to read.

    :param path: as the user would write it, with ``/``.
    :param file: where it really is, symlinks resolved.
    """

    path: str
    file: Path


@dataclass(frozen=True)
class Walk:
    """What the walk found, sorted by path."""

    files: tuple[FoundFile, ...]
    skipped: tuple[Skipped, ...]
    diagnostics: tuple[Diagnostic, ...]


def walk(
    paths: Sequence[str],
    *,
    ignore: Sequence[str] = (),
    base: Path | None = None,
    apart: Collection[Path] = (),
) -> Walk:
    """Find the files below ``paths``.

    :param ignore: more ignore patterns, relative to ``base``.
    :param base: the directory of the configuration; by default the working directory.
    :param apart: resolved paths below ``paths`` that hold something else than flows.
    :raises UsageError: for a path that does not exist.
    """
    rules = IgnoreRules.of(ignore, Path(base or Path.cwd()).resolve())
    walker = _Walker(rules, frozenset(apart))
    for path in paths:
        walker.add(path)
    return walker.result()


def is_flow_file(name: str) -> bool:
    """Whether a file of that name may hold flows."""
    lower = name.lower()
    return lower.endswith(YAML_SUFFIXES) and not is_other_file(name) and not name.startswith(".")


def is_other_file(name: str) -> bool:
    """Whether a file of that name belongs to kestra-sync itself: smoke tests, configuration."""
    lower = name.lower()
    return lower.endswith(SMOKE_SUFFIXES) or lower in CONFIG_NAMES


@dataclass
class _Walker:
    rules: IgnoreRules
    apart: frozenset[Path] = frozenset()
    files: dict[Path, FoundFile] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    # Symlinks wait until everything that is really there has been seen, so that a file and a
    # link to it are one file, shown under its own name.
    links: list[tuple[str, Path, Path, IgnoreRules]] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)

    def add(self, given: str) -> None:
        """Take one path of the user's."""
        shown = given.replace(os.sep, "/")
        path = Path(given)
        if not is_there(path):
            raise UsageError(f"no such file or directory: {given}")
        try:
            check_readable(path, hidden=True)
        except OSError as error:
            self._outside(shown, error.strerror or str(error))
            return
        if is_directory(path):
            root = path.resolve()
            self._directory(
                "" if shown in (".", "./") else shown.rstrip("/") or "/",
                root,
                root,
                self.rules.above(root, self._unusable),
            )
        else:
            self._named(shown, path)
        while self.links:
            self._link(*self.links.pop(0))

    def _named(self, shown: str, path: Path) -> None:
        if is_other_file(path.name):
            self.skipped.append(Skipped(shown, 1, "a kestra-sync file, not a flow"))
            return
        parent = path.parent.resolve()
        here = Path.cwd().resolve()
        root = here if parent.is_relative_to(here) else parent
        target = self._target(shown, path, root)
        if target is not None:
            self._found(shown, target)

    def _directory(self, shown: str, directory: Path, root: Path, rules: IgnoreRules) -> None:
        """Walk without recursion: nothing that is on a disk may exhaust the stack."""
        pending = [(shown, directory, rules)]
        while pending:
            shown, directory, rules = pending.pop()
            if directory in self.seen:
                continue
            self.seen.add(directory)
            rules = rules.enter(directory, self._unusable)
            for name, entry in self._entries(shown, directory):
                child = f"{shown.rstrip('/')}/{name}" if shown else name
                path = directory / name
                if path in self.apart:
                    continue
                if entry.is_symlink():
                    self.links.append((child, path, root, rules))
                elif entry.is_dir():
                    if not rules.ignored(path, directory=True):
                        pending.append((child, path, rules))
                elif is_flow_file(name) and not rules.ignored(path, directory=False):
                    self._found(child, path)

    def _entries(self, shown: str, directory: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
        try:
            with os.scandir(directory) as entries:
                found = sorted((e.name, e) for e in entries if not e.name.startswith("."))
        except OSError as error:
            self._unreadable(shown or ".", error)
            return
        yield from found

    def _link(self, shown: str, path: Path, root: Path, rules: IgnoreRules) -> None:
        directory = is_directory(path)
        if not directory and not is_flow_file(path.name):
            return
        if rules.ignored(path, directory=directory):
            return
        target = self._target(shown, path, root)
        if target is None or target in self.apart:
            return
        if directory:
            self._directory(shown, target, root, rules)
        else:
            self._found(shown, target)

    def _target(self, shown: str, path: Path, root: Path) -> Path | None:
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:  # gone, or (Python < 3.13) a loop of links
            self._unreadable(shown, error)
            return None
        if not target.is_relative_to(root):
            self._outside(shown, "the symbolic link leaves the source directory")
            return None
        parts = target.relative_to(root).parts
        if path.is_symlink() and (
            is_git(*parts) or (parts and parts[-1].startswith(".") and not is_directory(target))
        ):
            self._outside(shown, "the symbolic link points to a hidden path")
            return None
        return target

    def _outside(self, shown: str, message: str) -> None:
        remedy = "replace the link with the file, or add it to .kestraignore"
        self.diagnostics.append(
            Diagnostic(shown, None, Severity.ERROR, "symlink-outside", message, remedy)
        )

    def _found(self, shown: str, file: Path) -> None:
        self.files.setdefault(file, FoundFile(shown, file))

    def _unreadable(self, shown: str, error: Exception) -> None:
        self.diagnostics.append(unreadable(shown, error))

    def _unusable(self, file: Path, error: Exception) -> None:
        here = Path.cwd()
        shown = (file.relative_to(here) if file.is_relative_to(here) else file).as_posix()
        if not isinstance(error, IgnorePatternError):
            self._unreadable(shown, error)
            return
        position = Position(error.line, 1)
        self.diagnostics.append(
            Diagnostic(
                shown,
                position,
                Severity.ERROR,
                "ignore-pattern",
                str(error),
                "the syntax is that of .gitignore; a # starts a comment",
            )
        )

    def result(self) -> Walk:
        """Everything found so far, sorted."""
        return Walk(
            tuple(sorted(self.files.values(), key=lambda f: f.path)),
            tuple(sorted(self.skipped, key=lambda s: s.path)),
            tuple(sorted(self.diagnostics, key=lambda d: d.sort_key)),
        )


def unreadable(shown: str, error: Exception) -> Diagnostic:
    """The diagnostic for what the operating system refuses to give."""
    reason = getattr(error, "strerror", None) or "a symbolic link loop"
    return Diagnostic(shown, None, Severity.ERROR, "file-unreadable", f"cannot be read: {reason}")
