"""The path of a new file for a flow on the server, from names that the server sent."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from kestra_sync.errors import UsageError
from kestra_sync.live.snapshot import left_alone
from kestra_sync.model import Diagnostic, FlowId
from kestra_sync.repo.walk import is_flow_file
from kestra_sync.safe.paths import check_writable, is_below, is_directory, is_file, is_there
from kestra_sync.safe.text import is_flow_id

#: Names of devices on Windows, whatever follows the first dot: a checkout there fails on them.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{name}{number}" for name in ("com", "lpt") for number in range(10)]
)


def new_files(
    root: str, flow_ids: Iterable[FlowId]
) -> tuple[dict[FlowId, str], tuple[Diagnostic, ...]]:
    """The file for each flow: ``<root>/<namespace as folders>/<id>.yaml``.

    :param root: the directory of the flows, as the user wrote it.
    :return: the paths, and a warning for each flow that cannot have one.
    :raises UsageError: ``root`` is a file.
    """
    if is_file(root):
        raise UsageError(
            f"{root} is a file, not a directory for new flows",
            remedy="pass a directory as the first path",
        )
    wanted: dict[FlowId, PurePosixPath] = {}
    problems: dict[FlowId, str] = {}
    for flow_id in flow_ids:
        parts = (*flow_id.namespace.split("."), f"{flow_id.id}.yaml")
        problem = _of_name(flow_id, parts) or problem_of_place(root, parts)
        if problem is None:
            wanted[flow_id] = PurePosixPath(root, *parts)
        else:
            problems[flow_id] = problem
    several = Counter(_folded(str(path)) for path in wanted.values())
    for flow_id, path in wanted.items():
        if several[_folded(str(path))] > 1:
            problems[flow_id] = (
                f"another flow would get the same file, {path}, on case-insensitive file systems"
            )
    paths = {key: str(path) for key, path in wanted.items() if key not in problems}
    return paths, tuple(left_alone(key, problem) for key, problem in problems.items())


def _of_name(flow_id: FlowId, parts: tuple[str, ...]) -> str | None:
    """Why a name makes no path."""
    if not is_flow_id(flow_id):
        return "not a valid name in Kestra"
    if not all(parts):
        return "the namespace has an empty part"
    if not is_flow_file(parts[-1]):
        return f"{parts[-1]} is a file name that kestra-sync reserves"
    return None


def problem_of_place(root: str, parts: tuple[str, ...]) -> str | None:
    """Why a path below ``root`` is not one to write to."""
    device = _device(parts)
    if device is not None:
        return device
    folder = Path(root)
    for part in parts:
        if is_directory(folder):
            names = [each.name for each in folder.iterdir()]
            other = next((n for n in names if n != part and _folded(n) == _folded(part)), None)
            if other is not None and part not in names:
                return (
                    f"{(folder / other).as_posix()} is the same name on case-insensitive file"
                    " systems"
                )
        elif is_there(folder):
            return f"{folder.as_posix()} is not a directory"
        folder /= part
    if not is_below(folder, [Path(root)]):
        return f"{folder.as_posix()} would be outside of {root}"
    if is_there(folder) and not is_file(folder):
        return f"{folder.as_posix()} is not a regular file"
    try:
        check_writable(folder)
    except OSError as error:
        return f"{folder.as_posix()} cannot be written: {error.strerror}"
    return None


def _device(parts: tuple[str, ...]) -> str | None:
    device = next((each for each in parts if each.partition(".")[0].lower() in _DEVICES), None)
    return None if device is None else f"{device} is a device name on Windows"


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", path).casefold()
