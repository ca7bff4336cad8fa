"""Which files a smoke test may send to the server.

A test comes with a pull request, and its inputs go to a server whose flows its author may read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kestra_sync.repo.git import git_text
from kestra_sync.repo.walk import IgnoreRules
from kestra_sync.safe.paths import check_readable, is_below, is_directory, is_file


@dataclass(frozen=True)
class InputFiles:
    """The files that tests may send: next to the test, below the flows, or explicitly allowed.

    :param sources: the directories of the flows.
    :param ignore: patterns of the configuration, relative to ``base``.
    :param allowed: files and directories allowed by the user (``--allow-file``).
    """

    sources: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    base: Path | None = None
    allowed: tuple[str, ...] = field(default=())

    def problem(self, spec_path: str, given: str) -> str | None:
        """Return why a test in ``spec_path`` may not send a file; ``None`` if it may."""
        folder = Path(spec_path).parent
        file = folder / given
        if is_below(file, [Path(each) for each in self.allowed]):
            return None if is_file(file) else f"no such file: {given}"
        homes = [folder, *(Path(each) for each in self.sources if is_directory(each))]
        try:
            check_readable(file)
        except OSError as error:
            return f"the file {given} must not be sent: {error.strerror}"
        home = next((each for each in homes if is_below(file, [each])), None)
        if home is None:
            return f"the file {given} is outside of the directories of the test and of the flows"
        if not is_file(file):
            return f"no such file: {given}"
        real = Path(os.path.realpath(file))
        inside = real.relative_to(os.path.realpath(home)).parts
        if any(each.startswith(".") and each != os.pardir for each in (*inside, file.name)):
            return f"the file {given} is hidden"
        if self._ignored(real) or git_text(real.parent, "check-ignore", "--", str(real)):
            return f"the file {given} is ignored"
        return None

    def _ignored(self, file: Path) -> bool:
        base = Path(os.path.realpath(self.base or Path.cwd()))
        rules = IgnoreRules.of(self.ignore, base)
        for directory in _down(base, file.parent):
            rules = rules.enter(directory)
            child = next(each for each in (file, *file.parents) if each.parent == directory)
            if rules.ignored(child, directory=child != file):
                return True
        return False


def _down(base: Path, folder: Path) -> Iterator[Path]:
    """Return ``base`` and the directories from there to ``folder``; empty if it is elsewhere."""
    way: Sequence[Path] = (folder, *folder.parents)
    if base in way:
        yield from reversed(way[: way.index(base) + 1])
