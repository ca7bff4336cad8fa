"""Finds paths that are in Git but missing in the working tree, whose flows must not be deleted.

With a submodule that is not initialized, a sparse checkout or an interrupted one, files of the
commit are missing. A deletion that is committed, staged, or made in the working tree of a complete
checkout is intended; everything else that is missing is reported by :func:`find_missing`.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kestra_sync.model import FlowId, Repository
from kestra_sync.repo.git import GitError, checkout_of, git, git_text
from kestra_sync.repo.git_index import (
    LINK,
    SUBMODULE,
    TREE,
    Entry,
    entries_of,
    git_directory,
    index_file,
    read_index,
    tree_of,
)
from kestra_sync.repo.incomplete import Cause, IncompleteCheckout, MissingPath
from kestra_sync.repo.walk import IgnoreRules, is_flow_file
from kestra_sync.safe.paths import read_resolved

#: Seconds after which a lock of the index does not belong to a short command.
_LOCK_WAIT = 2.0


def find_missing(
    paths: Sequence[str],
    *,
    ignore: Sequence[str] = (),
    base: Path | None = None,
    repository: Repository | None = None,
    flows_in: Callable[[str, bytes], frozenset[FlowId] | None] = lambda _path, _data: None,
) -> IncompleteCheckout:
    """Compare the checkouts that contain ``paths`` with Git. Returns nothing without Git.

    :param ignore: as for :func:`kestra_sync.repo.load.load`; so is ``base``.
    :param repository: the files loaded from ``paths``: those skipped include pointers.
    :param flows_in: returns the flows of a file in Git, see :func:`kestra_sync.repo.load.flows_in`;
        without it they are unknown.
    """
    walked = _WalkFilter(paths, ignore, Path(base or Path.cwd()).resolve())
    search = _Search(walked, flows_in)
    for root in search.walked.roots:
        search.begin(root)
    for entry in repository.skipped if repository is not None else ():
        file = Path(os.path.abspath(entry.path))  # noqa: PTH100 - links are not followed
        if is_pointer(file):
            search.add(file, Cause.POINTER)
    return IncompleteCheckout(search.result(), tuple(search.problems.values()))


def is_pointer(file: Path) -> bool:
    """Return whether a file is a Git LFS or git-annex pointer."""
    try:
        return _is_pointer(read_resolved(file, limit=200))
    except OSError:
        return False


def _is_pointer(data: bytes) -> bool:
    return data.startswith(
        (b"version https://git-lfs.github.com/", b"version https://hawser.github.com/", b"/annex/")
    )


class _WalkFilter:
    """Checks whether a walk over complete checkouts would reach a path."""

    def __init__(self, paths: Sequence[str], ignore: Sequence[str], base: Path) -> None:
        self.base = base
        self.roots = [Path(path).resolve() for path in paths]
        self._rules = IgnoreRules.of(ignore, base)

    def __call__(self, file: Path, *, directory: bool) -> bool:
        return any(self._below(root, file, directory=directory) for root in self.roots)

    def _below(self, root: Path, file: Path, *, directory: bool) -> bool:
        if root == file or (directory and root.is_relative_to(file)):
            return True
        if not file.is_relative_to(root):
            return False
        rules, here = self._rules.above(root), root
        names = file.relative_to(root).parts
        for number, name in enumerate(names, 1):
            rules, here = rules.enter(here), here / name
            inner = number < len(names) or directory
            if name.startswith(".") or rules.ignored(here, directory=inner):
                return False
        return directory or is_flow_file(file.name)


@dataclass
class _Search:
    walked: _WalkFilter
    flows_in: Callable[[str, bytes], frozenset[FlowId] | None]
    found: dict[Path, MissingPath] = field(default_factory=dict)
    blobs: dict[Path, tuple[Path, str]] = field(default_factory=dict)
    problems: dict[str, GitError] = field(default_factory=dict)
    visited: set[Path] = field(default_factory=set)
    links: list[Path] = field(default_factory=list)

    def begin(self, root: Path) -> None:
        """Check the checkout that contains ``root``, and the ones above and below it."""
        top = checkout_of(root)
        while top is not None:
            self.visit(top)
            if self.walked.base.is_relative_to(top):
                break
            inner, top = top, checkout_of(top.parent)
            # Only if the inner checkout is a submodule of the outer one.
            while top is not None and not _is_submodule(top, inner):
                top = checkout_of(top.parent)
        for directory, names, files in os.walk(root):
            names[:] = [name for name in names if not name.startswith(".")]
            if ".git" in files or os.path.isdir(os.path.join(directory, ".git")):  # noqa: PTH112, PTH118
                self.visit(Path(directory))

    def visit(self, top: Path) -> None:
        """Compare a checkout, and its submodules, with the index."""
        if top in self.visited:
            return
        self.visited.add(top)
        try:
            index = index_file(top)
            if _locked(index):
                self.add(top, Cause.FAILED, directory=True)
            entries, failed = self._entries(top, index)
        except GitError as error:
            remedy = error.remedy or Cause.UNKNOWN.remedy
            self.add(top, Cause.UNKNOWN, directory=True, remedy=f"{error.reason}: {remedy}")
            return
        for entry in entries:
            self._compare(top, entry, failed=failed)

    def _entries(self, top: Path, index: Path) -> tuple[tuple[Entry, ...], bool]:
        """Return the contents of the index, and whether the checkout itself failed.

        :raises GitError: the entries cannot be determined.
        """
        if not index.exists():
            if git_text(top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is not None:
                return tree_of(top, "HEAD"), True
            git(top, "rev-parse", "--git-dir")  # no commit yet, or Git cannot be read
            return (), False
        try:
            entries = entries_of(top)
        except GitError as error:
            entries = read_index(index)
            self.problems.setdefault(error.reason, error)
        files = [each for each in entries if not each.skip and each.mode != SUBMODULE]
        failed = bool(files) and not any(os.path.lexists(top / each.path) for each in files)
        return entries, failed

    def _compare(self, top: Path, entry: Entry, *, failed: bool) -> None:
        file = top / entry.path
        if entry.mode == SUBMODULE:
            self._submodule(file, entry)
            return
        if entry.mode == TREE:
            self.add(file, Cause.SPARSE, directory=True)
            return
        if entry.mode == LINK and os.path.lexists(file):
            if not file.is_symlink() or not file.exists():
                self.add(file, Cause.LINK, directory=not is_flow_file(file.name))
            elif file.is_dir() and self.walked(file, directory=True):
                self.links.append(file.resolve())
            return
        cause = _cause(entry, failed=failed)
        if cause is not None and not os.path.lexists(file):
            self.add(file, cause, blob=(top, entry.oid))

    def _submodule(self, file: Path, entry: Entry) -> None:
        if not os.path.lexists(file / ".git"):
            cause = Cause.SPARSE if entry.skip else Cause.SUBMODULE
            self.add(file, cause, directory=True)
            return
        if _head(file) != entry.oid:
            try:
                recorded = tree_of(file, entry.oid)
            except GitError:
                self.add(file, Cause.OTHER_COMMIT, directory=True)
            else:
                for each in recorded:
                    inner = file / each.path
                    if not os.path.lexists(inner):
                        submodule = each.mode == SUBMODULE
                        blob = None if submodule else (file, each.oid)
                        self.add(inner, Cause.OTHER_COMMIT, directory=submodule, blob=blob)
        self.visit(file)

    def add(
        self,
        file: Path,
        cause: Cause,
        *,
        directory: bool = False,
        blob: tuple[Path, str] | None = None,
        remedy: str | None = None,
    ) -> None:
        """Record a path; the first cause is kept."""
        if file in self.found:
            return
        walked = self.walked(file, directory=directory)
        self.found[file] = MissingPath(file, cause, directory, walked, None, remedy or cause.remedy)
        if blob is not None and walked:
            self.blobs[file] = blob

    def result(self) -> tuple[MissingPath, ...]:
        """Return all missing paths, with the flows in Git's version."""
        files_by_oid: dict[Path, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
        for file, (top, oid) in self.blobs.items():
            files_by_oid[top][oid].append(file)
        flows: dict[Path, frozenset[FlowId] | None] = {}
        for top, oids in files_by_oid.items():
            for oid, data in _contents(top, oids).items():
                for file in oids[oid]:
                    flows[file] = None if _is_pointer(data) else self.flows_in(str(file), data)
        return tuple(
            replace(each, flows=flows.get(file), walked=each.walked or self._linked(each))
            for file, each in sorted(self.found.items())
        )

    def _linked(self, each: MissingPath) -> bool:
        """Return whether a walk would reach a directory through a link."""
        return each.directory and any(
            target.is_relative_to(each.file) or each.file.is_relative_to(target)
            for target in self.links
        )


def _cause(entry: Entry, *, failed: bool) -> Cause | None:
    """Return why the entry is missing, if it was not deleted."""
    if entry.skip:
        return Cause.SPARSE
    if failed:
        return Cause.FAILED
    if entry.unmerged:
        return Cause.UNMERGED
    return Cause.ASSUMED if entry.assume else None


def _locked(index: Path) -> bool:
    """Return whether a Git command has locked the index, or was killed while it did."""
    lock = index.with_name("index.lock")
    end = time.monotonic() + _LOCK_WAIT
    while lock.exists():
        if time.monotonic() > end:
            return True
        time.sleep(0.1)
    return False


def _is_submodule(top: Path, inner: Path) -> bool:
    try:
        try:
            entries = entries_of(top)
        except GitError:
            entries = read_index(index_file(top))
    except GitError:
        return False
    return any(each.mode == SUBMODULE and top / each.path == inner for each in entries)


def _head(top: Path) -> str | None:
    """Return the commit that is checked out, even if Git cannot be run."""
    commit = git_text(top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if commit is not None:
        return commit
    try:
        directory = git_directory(top)
        text = read_resolved(directory / "HEAD", limit=4096).decode("ascii").strip()
        if text.startswith("ref:"):
            ref = directory / text.removeprefix("ref:").strip()
            text = read_resolved(ref, limit=4096).decode("ascii").strip()
    except (GitError, OSError, ValueError):
        return None
    return text


def _contents(top: Path, oids: Iterable[str]) -> dict[str, bytes]:
    """Return the objects that exist in the local repository."""
    try:
        data = git(top, "cat-file", "--batch", stdin="".join(f"{each}\n" for each in oids).encode())
    except GitError:
        return {}
    found = {}
    place = 0
    while (end := data.find(b"\n", place)) >= 0:
        words = data[place:end].split()
        place = end + 1
        if len(words) == 3 and words[2].isdigit():
            size = int(words[2])
            found[words[0].decode()] = data[place : place + size]
            place += size + 1
    return found
