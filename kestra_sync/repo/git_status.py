"""Finds uncommitted changes in the working tree."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from kestra_sync.repo.git import GitError, checkout_of, git, git_text
from kestra_sync.safe.paths import read_resolved

#: Maximum number of paths per command: command lines have a limit.
_PATHS_PER_COMMAND = 300


def is_dirty(directory: Path, *, untracked: Sequence[Path | str] = ()) -> bool | None:
    """Return whether tracked files differ from the commit; ``None`` if unknown.

    :param untracked: files and folders in which untracked files count, too; paths outside of the
        checkout are ignored.
    """
    status = [*_filters_off(directory), "status", "--porcelain", "-z", "--ignore-submodules=dirty"]
    top = checkout_of(directory.resolve())
    paths = [Path(each).resolve() for each in untracked]
    below = [str(each) for each in paths if top is not None and each.is_relative_to(top)]
    try:
        changed = git(directory, *status, "--untracked-files=no")
        if below and not changed:
            changed = git(
                directory, "--literal-pathspecs", *status, "--untracked-files=normal",
                "--", *below,
            )  # fmt: skip
    except GitError:
        return None
    return bool(changed)


def uncommitted(files: Iterable[Path]) -> dict[Path, str]:
    """Return the files whose content is not in any commit, with the reason. Without Git none.

    If Git cannot be run, all files of the checkout are returned.
    """
    checkouts: dict[Path, dict[Path, Path]] = defaultdict(dict)
    for path in files:
        file = path.parent.resolve() / path.name
        top = checkout_of(file.parent)
        if top is not None:
            checkouts[top][file] = path
    found = {}
    for top, paths in checkouts.items():
        try:
            reasons = {
                file: reason
                for batch in _batches(list(paths))
                for file, reason in _status(top, batch).items()
            }
        except GitError as error:
            reasons = dict.fromkeys(
                paths, f"cannot be compared with the committed file ({error.reason})"
            )
        found.update({path: reasons[file] for file, path in paths.items() if file in reasons})
    return found


def versions(file: Path) -> frozenset[str]:
    """Return the Git hashes of all committed versions of a file; empty without Git."""
    file = file.parent.resolve() / file.name
    top = checkout_of(file.parent)
    if top is None:
        return frozenset()
    path = file.relative_to(top).as_posix()
    output = git_text(
        top, "--literal-pathspecs", "log", "--format=", "--raw", "--no-abbrev", "-z", "-m",
        "--", path,
    )  # fmt: skip
    words = (output or "").replace("\0", " ").split(" ")
    return frozenset(each for each in words if len(each) in (40, 64) and each.strip("0"))


def _status(top: Path, files: Sequence[Path]) -> dict[Path, str]:
    """Return the files of one checkout that have changes.

    :raises GitError: Git cannot be run.
    """
    paths = [file.relative_to(top).as_posix() for file in files]
    output = git(
        top, "--literal-pathspecs", *_filters_off(top), "status", "--porcelain", "-z",
        "--no-renames", "--untracked-files=all", "--ignored=matching", "--", *paths,
    )  # fmt: skip
    found = {}
    for line in filter(None, os.fsdecode(output).split("\0")):
        state, path = line[:2], line[3:]
        for file in files if path.endswith("/") else (top / path,):
            if file.is_relative_to(top / path):
                found[file] = _WORDS.get(state, "has uncommitted changes")
    tags = git(top, "--literal-pathspecs", "ls-files", "-z", "-v", "--", *paths)
    for line in filter(None, os.fsdecode(tags).split("\0")):
        file = top / line[2:]
        # Hidden from Git by assume-unchanged or skip-worktree.
        if (line[0].islower() or line[0] == "S") and file not in found and _differs(top, line[2:]):
            found[file] = "has changes hidden by assume-unchanged or skip-worktree"
    return found


_WORDS = {
    "??": "is not in Git yet",
    "!!": "is ignored by Git and not in any commit",
}


def _differs(top: Path, path: str) -> bool:
    """Return whether a file differs from the index, byte for byte."""
    try:
        return git(top, "cat-file", "blob", f":{path}") != read_resolved(top / path)
    except (GitError, OSError):
        return True


def _filters_off(directory: Path) -> list[str]:
    """Return options that disable the filters in the repository's configuration.

    Filters are programs, too. They would only run for files that Git has to read again, because
    their time or size has changed.
    """
    names = git_text(directory, "config", "--name-only", "--get-regexp", r"^filter\..*\.") or ""
    return [
        each
        for name in sorted({name.rpartition(".")[0] for name in names.splitlines()})
        for setting in ("clean=", "process=", "required=false")
        for each in ("-c", f"{name}.{setting}")
    ]


def _batches(files: list[Path]) -> Iterable[list[Path]]:
    size = _PATHS_PER_COMMAND
    return (files[at : at + size] for at in range(0, len(files), size))
