"""Finds smoke test files: ``*.smoke.yaml`` next to the flows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kestra_sync.errors import UsageError
from kestra_sync.repo.walk import SMOKE_SUFFIXES, IgnorePatternError, IgnoreRules
from kestra_sync.safe.paths import check_readable, is_directory, is_file, is_there


def find_spec_files(
    paths: Sequence[str], *, ignore: Sequence[str] = (), base: Path | None = None
) -> list[str]:
    """Find the smoke test files for ``paths``, sorted, with paths as the user would specify them.

    A directory selects everything in it, a flow file the tests with its name next to it. Ignored
    flow files are ignored here as well. Symbolic links are not followed.

    :param base: the directory of the configuration, to which ``ignore`` is relative.
    :raises UsageError: for a path that does not exist or leads out of the repository by a link,
        and for an ignore file that cannot be read.
    """
    rules = IgnoreRules.of(ignore, Path(base or Path.cwd()).resolve())
    found: dict[Path, str] = {}
    for given in paths:
        path = Path(given)
        try:
            if is_there(path):
                check_readable(path, hidden=is_directory(path))
        except OSError as error:
            raise UsageError(f"{given} cannot be read: {error.strerror}") from error
        if is_directory(path):
            for file in _below(path, rules):
                found.setdefault(file.resolve(), file.as_posix())
        elif is_file(path):
            for file in [path] if is_spec_file(path.name) else _next_to(path):
                found.setdefault(file.resolve(), file.as_posix())
        else:
            raise UsageError(f"no such file or directory: {given}")
    return sorted(found.values())


def _unusable(file: Path, error: Exception) -> None:
    line = f":{error.line}" if isinstance(error, IgnorePatternError) else ""
    reason = getattr(error, "strerror", None) or str(error)
    raise UsageError(
        f"{file}{line} is not valid: {reason}", remedy="the syntax is that of .gitignore"
    )


def is_spec_file(name: str) -> bool:
    """Whether a file of that name contains smoke tests."""
    return name.lower().endswith(SMOKE_SUFFIXES) and not name.startswith(".")


def _next_to(flow_file: Path) -> Iterator[Path]:
    for suffix in SMOKE_SUFFIXES:
        candidate = flow_file.with_name(flow_file.stem + suffix)
        if is_file(candidate) and not candidate.is_symlink():
            yield candidate


def _below(root: Path, rules: IgnoreRules) -> Iterator[Path]:
    # The rules need real paths; messages show the paths that the user specified.
    real = root.resolve()
    rules_of = {root: rules.above(real, _unusable)}
    for folder, directories, files in os.walk(root):
        here = Path(folder)
        inside = real / here.relative_to(root)
        current = rules_of.pop(here).enter(inside, _unusable)
        directories[:] = [
            name
            for name in sorted(directories)
            if not name.startswith(".")
            and not (here / name).is_symlink()
            and not current.ignored(inside / name, directory=True)
        ]
        rules_of.update((here / name, current) for name in directories)
        for name in files:
            if not is_spec_file(name) or (here / name).is_symlink():
                continue
            if not current.ignored(inside / name, directory=False):
                yield here / name
