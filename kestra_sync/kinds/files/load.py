"""Finds the namespace files of a repository: all files in the configured folders.

Hidden files are left out, as are files that ``.kestraignore`` files or the configuration ignore.
Unlike flows, all other files are deployed. So a file that cannot be deployed as it is, such as a
link, is an error and not skipped.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kestra_sync.configured import FilesFolder
from kestra_sync.kinds.base import Loaded
from kestra_sync.kinds.files.names import problem
from kestra_sync.model import (
    Desired,
    Diagnostic,
    Document,
    Flow,
    Kind,
    Position,
    ResourceId,
    Severity,
    Skipped,
)
from kestra_sync.repo.missing import is_pointer
from kestra_sync.repo.walk import CONFIG_NAMES, IgnorePatternError, IgnoreRules
from kestra_sync.resources import LARGE, MAX_FILE, Content, hashed, size_of
from kestra_sync.safe.paths import check_readable, is_directory, open_resolved, read_resolved
from kestra_sync.safe.text import is_namespace

ANY = "*"
_POINTER = 1024
"""Maximum size in bytes of a placeholder (such as an LFS pointer)."""


def load(
    folders: Sequence[FilesFolder],
    to_server: Callable[[str], str] = lambda name: name,
    excluded: Collection[Path] = (),
    limit: int = MAX_FILE,
) -> Loaded:
    """Load all namespace files in ``folders``; problems become diagnostics.

    :param to_server: the name on the server of a namespace in the files.
    :param excluded: resolved paths that are not namespace files, such as those of flows.
    :param limit: the maximum size of a file in bytes.
    """
    found = _Found(frozenset(excluded), limit)
    for folder in folders:
        for path, namespace in roots(folder, found):
            if not is_namespace(namespace):
                found.error(path, "namespace-file-folder", f"{namespace!r} is not a namespace")
            else:
                _walk(path, to_server(namespace), folder.ignore, found)
    found.check_folders()
    return Loaded(
        found.desired,
        len(found.desired),
        tuple(sorted(found.skipped, key=lambda it: it.path)),
        tuple(sorted(found.diagnostics, key=lambda it: it.sort_key)),
    )


@dataclass
class _Found:
    excluded: frozenset[Path] = frozenset()
    limit: int = MAX_FILE
    desired: dict[ResourceId, Desired] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def error(self, path: str, rule: str, message: str, remedy: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(path, None, Severity.ERROR, rule, message, remedy))

    def warn(self, path: str, rule: str, message: str, remedy: str) -> None:
        self.diagnostics.append(Diagnostic(path, None, Severity.WARNING, rule, message, remedy))

    def too_large(self, path: str, size: int) -> None:
        ours = self.limit < MAX_FILE
        of = "`limits.files` allows" if ours else "Kestra accepts"
        other = ", or raise `limits.files` in kestra-sync.yaml" if ours else ""
        self.error(
            path,
            "namespace-file-size",
            f"{size:,} bytes, more than the {min(self.limit, MAX_FILE):,} that {of}",
            f"keep it in an object store, or add it to .kestraignore{other}",
        )

    def check_folders(self) -> None:
        """Report files that have the name of a folder, which Kestra 1.x silently loses."""
        for resource, each in self.desired.items():
            parts = resource.id.split("/")
            for end in range(1, len(parts)):
                above = ResourceId(resource.namespace, "/".join(parts[:end]), Kind.FILE)
                if above in self.desired:
                    self.error(
                        each.path,
                        "namespace-file-folder",
                        f"{above} is both a file and a directory",
                        f"rename one of the two; the file is {self.desired[above].path}",
                    )


def roots(folder: FilesFolder, found: _Found | None = None) -> Iterator[tuple[str, str]]:
    """Yield the folders that match ``folder``, each with its namespace.

    :param found: collects problems.
    """
    found = found or _Found()
    parts = folder.path.split("/")
    if ANY in parts:
        at = parts.index(ANY)
        above, below = "/".join(parts[:at]) or ".", "/".join(parts[at + 1 :])
    elif folder.namespace == ANY:
        above, below = folder.path, ""
    else:
        above, below = "", ""
    if not above:
        if _usable(folder.path, found):
            yield folder.path, folder.namespace
        return
    if not _usable(above, found):
        return
    for name in _names(above, found):
        path = f"{above}/{name}" if above != "." else name
        path = f"{path}/{below}" if below else path
        if is_directory(path) and _usable(path, found):
            yield path, name if folder.namespace == ANY else folder.namespace


def _usable(path: str, found: _Found) -> bool:
    try:
        check_readable(path)
    except OSError as error:
        found.error(path, "namespace-file-unreadable", error.strerror or str(error))
        return False
    if not is_directory(path):
        found.error(
            path,
            "namespace-file-folder",
            "no such directory",
            "correct `files` in kestra-sync.yaml; if all its files were deleted, keep the directory"
            " with a .gitkeep in it",
        )
        return False
    return True


def _names(path: str, found: _Found) -> list[str]:
    try:
        return sorted(it.name for it in Path(path).iterdir() if not it.name.startswith("."))
    except OSError as error:
        found.error(path, "namespace-file-unreadable", error.strerror or str(error))
        return []


def _walk(root: str, namespace: str, ignore: Sequence[str], found: _Found) -> None:
    def unusable(file: Path, error: Exception) -> None:
        shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
        line = error.line if isinstance(error, IgnorePatternError) else None
        message = str(error) if line else getattr(error, "strerror", None) or str(error)
        position = Position(line, 1) if line else None
        found.diagnostics.append(
            Diagnostic(shown.as_posix(), position, Severity.ERROR, "ignore-file", message)
        )

    top = Path(root).resolve()
    rules = IgnoreRules.of(ignore, top).above(top, unusable)
    pending = [("", top, rules)]
    while pending:
        below, directory, rules = pending.pop()
        rules = rules.enter(directory, unusable)
        shown = f"{root.rstrip('/')}/{below}".rstrip("/")
        for name in _names(str(directory), found):
            path, inner = directory / name, f"{below}/{name}" if below else name
            if path in found.excluded:
                continue
            is_folder = is_directory(path) and not path.is_symlink()
            if rules.ignored(path, directory=is_folder):
                continue
            if path.is_symlink():
                found.error(
                    f"{shown}/{name}",
                    "namespace-file-link",
                    "a symbolic link: Kestra would store a copy of its target",
                    "replace the link with the file, or add it to .kestraignore",
                )
            elif not is_folder:
                _add(f"{shown}/{name}", path, ResourceId(namespace, inner, Kind.FILE), found)
            elif inner == "_flows":
                found.skipped.append(Skipped(f"{shown}/{name}/", 1, "flows, not namespace files"))
            else:
                pending.append((inner, path, rules))


def is_ignored(root: str, ignore: Sequence[str], path: str) -> bool:
    """Return whether ignore rules match ``path`` in ``root``; the file need not exist."""
    here = Path(root).resolve()
    rules = IgnoreRules.of(ignore, here).above(here)
    names = path.split("/")
    for number, name in enumerate(names, 1):
        rules, here = rules.enter(here), here / name
        if rules.ignored(here, directory=number < len(names)):
            return True
    return False


def _add(shown: str, path: Path, resource: ResourceId, found: _Found) -> None:
    if resource.id in CONFIG_NAMES:
        return
    why = problem(resource.id)
    if why is not None:
        found.error(shown, "namespace-file-name", why, "rename it, or add it to .kestraignore")
        return
    try:
        there = path.stat()
        mode = there.st_mode
        if there.st_size > min(found.limit, MAX_FILE):
            found.too_large(shown, there.st_size)
            return
        content = _content(path, there.st_size)
    except OSError as error:
        found.error(shown, "namespace-file-unreadable", error.strerror or str(error))
        return
    if size_of(content) < _POINTER and is_pointer(path):
        found.error(
            shown,
            "namespace-file-pointer",
            "a Git LFS or git-annex pointer instead of the file",
            "run 'git lfs pull' or 'git annex get' (in actions/checkout: 'lfs: true')",
        )
        return
    if mode & stat.S_IXUSR and os.name == "posix":
        found.warn(
            shown,
            "namespace-file-mode",
            "executable in Git, but Kestra does not keep executable bits",
            "have the flow call the interpreter (bash script.sh), and run chmod -x",
        )
    known = found.desired.get(resource)
    if known is not None:
        found.error(
            shown,
            "namespace-file-duplicate",
            f"{resource} is also {known.path}",
            "remove one of them, or correct `files` in kestra-sync.yaml",
        )
        return
    document = Document(shown, 0, 1, content)
    found.desired[resource] = Desired(Flow(resource, document), content)


def _content(path: Path, size: int) -> Content:
    """:raises OSError: it cannot be read."""
    if size <= LARGE:
        data = read_resolved(path, limit=LARGE)
        if len(data) <= LARGE:  # otherwise it grew since its size was read
            return data
    return hashed(lambda: open_resolved(path))
