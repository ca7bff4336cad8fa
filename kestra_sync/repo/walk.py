"""Finds the files of a run: the YAML files in the paths, in a stable order.

Hidden files and folders, smoke specifications and the configuration are skipped, as are files that
``.kestraignore`` files (with the rules of ``.gitignore``) and the configuration ignore. A path that
the user passes is loaded even if it is ignored. As in Git, the ignore file nearest to a path takes
precedence, its last matching pattern wins, and files in an ignored directory cannot be included
again.
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
"""Patterns with this many are run with a time limit."""
_LIMIT = 1024 * 1024


class IgnorePatternError(Exception):
    """A line of an ignore file that is not a valid pattern.

    :param line: its number, from 1.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


OnError = Callable[[Path, Exception], None]


def _ignore_error(_file: Path, _error: Exception) -> None:
    """Ignore errors, which the walk over the same directories reports."""


def pattern_problem(pattern: str) -> str | None:
    """Return why a line is not a valid pattern; ``None`` if it is valid, a comment, or empty.

    Git silently accepts some invalid patterns that match nothing; a file that should be ignored
    would then be deployed.
    """
    if not pattern.strip() or pattern.startswith("#"):
        return None
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([pattern])
    except Exception:  # from pathspec or re, depending on the version
        return f"{quoted(pattern)} is not a valid pattern"
    return None


@dataclass(frozen=True)
class IgnoreRules:
    """The rules for one directory: those of its parents, then its own."""

    base: Path
    specs: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    @classmethod
    def of(cls, patterns: Sequence[str], base: Path) -> IgnoreRules:
        """Create rules from patterns in the configuration, relative to ``base``."""
        return cls(base)._with(base, patterns)

    def above(self, root: Path, on_error: OnError = _ignore_error) -> IgnoreRules:
        """Add the ignore files between ``base`` and ``root``, excluding ``root`` itself."""
        rules = self
        if root.is_relative_to(self.base):
            for parent in reversed(root.parents):
                if parent.is_relative_to(self.base):
                    rules = rules.enter(parent, on_error)
        return rules

    def enter(self, directory: Path, on_error: OnError = _ignore_error) -> IgnoreRules:
        """Add the ignore file of ``directory``, if it has one.

        :param on_error: called for a file that cannot be read, or has an invalid pattern.
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
        """Return whether ``path`` is ignored, assuming that its parent directories are not."""
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
        # Imported here: most repositories have no ignore rules.
        from pathspec import GitIgnoreSpec

        from kestra_sync.safe.patterns import Pattern

        spec = GitIgnoreSpec.from_lines(patterns)
        for line, pattern in zip(filter(None, patterns), spec.patterns, strict=False):
            if line.count("*") >= _STARS and pattern.regex is not None:
                # Matching `*a*a*a*a*b` against a long name takes the `re` module minutes.
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
    :param file: its real path, with symlinks resolved.
    """

    path: str
    file: Path


@dataclass(frozen=True)
class Walk:
    """The result of a walk, sorted by path."""

    files: tuple[FoundFile, ...]
    skipped: tuple[Skipped, ...]
    diagnostics: tuple[Diagnostic, ...]


def walk(
    paths: Sequence[str],
    *,
    ignore: Sequence[str] = (),
    base: Path | None = None,
    exclude: Collection[Path] = (),
) -> Walk:
    """Find the files in ``paths``.

    :param ignore: additional ignore patterns, relative to ``base``.
    :param base: the directory of the configuration; by default the working directory.
    :param exclude: resolved paths in ``paths`` that do not contain flows.
    :raises UsageError: a path does not exist.
    """
    rules = IgnoreRules.of(ignore, Path(base or Path.cwd()).resolve())
    walker = _Walker(rules, frozenset(exclude))
    for path in paths:
        walker.add(path)
    return walker.result()


def is_flow_file(name: str) -> bool:
    """Return whether a file with that name may contain flows."""
    lower = name.lower()
    return lower.endswith(YAML_SUFFIXES) and not is_other_file(name) and not name.startswith(".")


def is_other_file(name: str) -> bool:
    """Return whether a file with that name belongs to kestra-sync: smoke tests, configuration."""
    lower = name.lower()
    return lower.endswith(SMOKE_SUFFIXES) or lower in CONFIG_NAMES


@dataclass
class _Walker:
    rules: IgnoreRules
    exclude: frozenset[Path] = frozenset()
    files: dict[Path, FoundFile] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    # Symlinks are processed after all regular files, so that a file and a link to it are one
    # file, shown under its own name.
    links: list[tuple[str, Path, Path, IgnoreRules]] = field(default_factory=list)
    visited: set[Path] = field(default_factory=set)

    def add(self, argument: str) -> None:
        """Add a path of the user."""
        shown = argument.replace(os.sep, "/")
        path = Path(argument)
        if not is_there(path):
            raise UsageError(f"no such file or directory: {argument}")
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
            self._file(shown, path)
        while self.links:
            self._link(*self.links.pop(0))

    def _file(self, shown: str, path: Path) -> None:
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
        """Walk without recursion, so that deep directories do not exhaust the stack."""
        pending = [(shown, directory, rules)]
        while pending:
            shown, directory, rules = pending.pop()
            if directory in self.visited:
                continue
            self.visited.add(directory)
            rules = rules.enter(directory, self._unusable)
            for name, entry in self._entries(shown, directory):
                child = f"{shown.rstrip('/')}/{name}" if shown else name
                path = directory / name
                if path in self.exclude:
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
        if target is None or target in self.exclude:
            return
        if directory:
            self._directory(shown, target, root, rules)
        else:
            self._found(shown, target)

    def _target(self, shown: str, path: Path, root: Path) -> Path | None:
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:  # missing, or (Python < 3.13) a loop of links
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
        """Return everything found so far, sorted."""
        return Walk(
            tuple(sorted(self.files.values(), key=lambda f: f.path)),
            tuple(sorted(self.skipped, key=lambda s: s.path)),
            tuple(sorted(self.diagnostics, key=lambda d: d.sort_key)),
        )


def unreadable(shown: str, error: Exception) -> Diagnostic:
    """Return the diagnostic for a file that the operating system cannot read."""
    reason = getattr(error, "strerror", None) or "a symbolic link loop"
    return Diagnostic(shown, None, Severity.ERROR, "file-unreadable", f"cannot be read: {reason}")
