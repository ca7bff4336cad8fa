"""Finds recorded files that still exist but no longer contain a flow."""

from __future__ import annotations

from kestra_sync.model import Repository
from kestra_sync.safe.paths import is_there


class SilentPaths:
    """Whether a file that once held a flow is still there and holds none now.

    Such a file lost its ``tasks``, is ignored, or has become a link: reasons to look, not to
    delete what it deployed.
    """

    def __init__(self, repository: Repository) -> None:
        self._skipped = {each.path for each in repository.skipped}
        self._yielding = {each.path for each in repository.flows}

    def __call__(self, path: str) -> bool:
        """Ask for one recorded path, as it was shown then."""
        if path in self._skipped:
            return True
        if path in self._yielding:
            return False
        return is_there(path)
