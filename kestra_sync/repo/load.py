"""Load a repository: walk, read, split, identify. Documents are only parsed when necessary."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from kestra_sync.errors import KestraSyncError, RefusedError, UsageError
from kestra_sync.model import Diagnostic, Document, Flow, Position, Repository, Severity, Skipped
from kestra_sync.repo.flows import diagnostic, duplicates, identify
from kestra_sync.repo.quote import quoted
from kestra_sync.repo.text import MAX_BYTES, split, too_large
from kestra_sync.repo.walk import FoundFile, unreadable, walk
from kestra_sync.safe.paths import is_there, read_resolved


def load(
    paths: Sequence[str],
    *,
    ignore: Sequence[str] = (),
    strict: bool = False,
    base: Path | None = None,
    apart: Collection[Path] = (),
    may_be_missing: bool = False,
) -> Repository:
    """Everything below ``paths``.

    :param ignore: more ignore patterns, relative to ``base``.
    :param strict: a document that is not a flow is an error.
    :param base: the directory of the configuration; by default the working directory.
    :param apart: resolved paths below ``paths`` that hold something else than flows.
    :param may_be_missing: a path that neither exists nor is in Git is empty.
    :raises UsageError: for a path that does not exist.
    :raises RefusedError: for one that does not exist here, but does in Git.
    """
    there = []
    for path in paths:
        if is_there(path):
            there.append(path)
            continue
        problem = _missing(path)
        if not (may_be_missing and isinstance(problem, UsageError)):
            raise problem
    found = walk(there, ignore=ignore, base=base, apart=apart)
    flows: list[Flow] = []
    skipped = list(found.skipped)
    diagnostics = list(found.diagnostics)
    for file in found.files:
        data = read(file)
        if isinstance(data, Diagnostic):
            diagnostics.append(data)
            continue
        documents = split(file.path, data)
        if not documents:
            skipped.append(Skipped(file.path, 1, "empty"))
        for document in documents:
            result = identify(document)
            if isinstance(result, Flow):
                flows.append(result)
            elif isinstance(result, Skipped):
                skipped.append(result)
            else:
                diagnostics.extend(result)
    diagnostics.extend(duplicates(flows))
    if strict:
        diagnostics.extend(_not_a_flow(entry) for entry in skipped)
    return Repository(
        source=", ".join(paths),
        files=len(found.files),
        flows=tuple(flows),
        skipped=tuple(sorted(skipped, key=lambda s: (s.path, s.first_line))),
        diagnostics=tuple(sorted(diagnostics, key=lambda d: d.sort_key)),
    )


def _missing(path: str) -> KestraSyncError:
    """The error for a missing path, which says so if Git has it."""
    from kestra_sync.repo.not_here import find_not_here

    if "\0" in path:  # which no file can have, nor Git be asked for
        return UsageError(f"no such file or directory: {quoted(path)}")
    held = next((each for each in find_not_here((path,)).paths if each.walked), None)
    if held is None:
        return UsageError(f"no such file or directory: {path}")
    return RefusedError(
        f"{path} is in Git, but missing here: the checkout is incomplete ({held}:"
        f" {held.cause.words})",
        remedy=held.remedy,
    )


def read(file: FoundFile) -> bytes | Diagnostic:
    """The bytes of a file, unless it is too large to be a flow or cannot be read."""
    try:
        data = read_resolved(file.file, limit=MAX_BYTES)
        if len(data) > MAX_BYTES:
            size = max(len(data), file.file.stat().st_size)
            return diagnostic(Document(file.path, 0, 1, b""), too_large(size))
    except OSError as error:
        return unreadable(file.path, error)
    return data


def _not_a_flow(entry: Skipped) -> Diagnostic:
    return Diagnostic(
        entry.path,
        Position(entry.first_line, 1),
        Severity.ERROR,
        "not-a-flow",
        f"not a flow: {entry.reason}",
        "add it to .kestraignore",
    )


class FilesWithoutFlows:
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
