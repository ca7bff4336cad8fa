"""Paths that are in Git but missing in the working tree: cause and remedy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kestra_sync.model import FlowId, StrEnum
from kestra_sync.repo.git import GitError


class Cause(StrEnum):
    """Why a path is missing in the working tree."""

    SUBMODULE = "submodule"
    OTHER_COMMIT = "other-commit"
    SPARSE = "sparse"
    ASSUMED = "assumed"
    POINTER = "pointer"
    FAILED = "failed"
    UNMERGED = "unmerged"
    LINK = "link"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """A description of the path."""
        return _WORDS[self]

    @property
    def remedy(self) -> str:
        """How to fix it."""
        return _REMEDIES[self]


_WORDS = {
    Cause.SUBMODULE: "a submodule that is not checked out",
    Cause.OTHER_COMMIT: "a submodule not at the commit recorded in Git",
    Cause.SPARSE: "excluded by a sparse checkout",
    Cause.ASSUMED: "missing, and hidden from Git by assume-unchanged",
    Cause.POINTER: "a Git LFS or git-annex pointer instead of the file",
    Cause.FAILED: "missing from a checkout that failed or was interrupted",
    Cause.UNMERGED: "missing, in an unresolved merge",
    Cause.LINK: "a symbolic link that is broken, or was checked out as text",
    Cause.UNKNOWN: "Git cannot read its content",
}
_REMEDIES = {
    Cause.SUBMODULE: "run 'git submodule update --init --recursive' (in actions/checkout:"
    " 'submodules: true' or 'recursive'; in GitLab: 'GIT_SUBMODULE_STRATEGY: recursive')",
    Cause.OTHER_COMMIT: "run 'git submodule update --init --recursive', or 'git add' the"
    " submodule if its current commit is intended",
    Cause.SPARSE: "run 'git sparse-checkout disable' (in actions/checkout: remove"
    " 'sparse-checkout:')",
    Cause.ASSUMED: "run 'git update-index --no-assume-unchanged' and 'git checkout --' for these"
    " paths",
    Cause.POINTER: "run 'git lfs pull' or 'git annex get' (in actions/checkout: 'lfs: true')",
    Cause.FAILED: "run 'git checkout -f HEAD', or clone again; remove .git/index.lock if no Git"
    " command is running",
    Cause.UNMERGED: "resolve the merge (see 'git status')",
    Cause.LINK: "check out the target of the link; on Windows 'git config core.symlinks true'"
    " and 'git checkout -f HEAD'",
    Cause.UNKNOWN: "make the repository readable for git",
}


@dataclass(frozen=True)
class MissingPath:
    """A path that is in Git but missing in the working tree.

    :param file: the absolute path.
    :param directory: everything below it is missing, too.
    :param walked: a run over a complete checkout would read it.
    :param flows: the flows in Git's version of it; ``None`` if unknown.
    :param remedy: what to do about it.
    """

    file: Path
    cause: Cause
    directory: bool
    walked: bool
    flows: frozenset[FlowId] | None
    remedy: str

    def __str__(self) -> str:
        here = Path.cwd().resolve()
        inside = self.file.is_relative_to(here)
        return (self.file.relative_to(here) if inside else self.file).as_posix()


@dataclass(frozen=True)
class IncompleteCheckout:
    """All missing paths.

    :param problems: why Git could not be run; the paths are then read from the index file.
    """

    paths: tuple[MissingPath, ...] = ()
    problems: tuple[GitError, ...] = ()

    def find(self, flow_id: FlowId, path: str | None) -> MissingPath | None:
        """Return the missing path in which Git may still have a flow; ``None`` if there is none.

        :param path: the recorded file of the flow, relative to the working directory.
        """
        for each in self.paths:
            if each.flows is not None and flow_id in each.flows:
                return each
        if path is not None and "\0" not in path:  # a record may contain any text
            file = Path(os.path.normpath(Path.cwd().resolve() / path))
            places = {file, file.resolve()}  # it may have been found through a link
            for each in self.paths:
                if each.file in places or (
                    each.directory and any(place.is_relative_to(each.file) for place in places)
                ):
                    return each
        # It may have been moved to a missing path.
        return next((each for each in self.paths if each.walked and each.flows is None), None)
