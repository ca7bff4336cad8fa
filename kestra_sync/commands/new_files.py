"""Determines where ``pull`` writes new resources: paths derived from names on the server.

A layout maps namespaces to directories: that of Kestra's Git plugin, or one directory per project.
It is derived from the configuration, so that it also works in an empty repository.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

from kestra_sync.configured import FilesFolder
from kestra_sync.errors import UsageError
from kestra_sync.kinds.flows.snapshot import left_alone
from kestra_sync.model import Diagnostic, Flow, FlowId, Scope
from kestra_sync.repo.walk import is_flow_file
from kestra_sync.safe.paths import check_writable, is_below, is_directory, is_file, is_there
from kestra_sync.safe.text import is_flow_id
from kestra_sync.settings import Settings

#: Device names on Windows, with any extension: a checkout there fails on them.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{name}{number}" for name in ("com", "lpt") for number in range(10)]
)


#: The directories of flows in the layouts of Kestra's Git plugin: ``NAMESPACE/flows`` of
#: ``NamespaceSync`` and ``TenantSync``, ``_flows`` of ``SyncFlows`` and ``PushFlows``.
_PER_NAMESPACE, _OF_ONE = "flows", "_flows"


def new_files(
    flow_ids: Iterable[FlowId], settings: Settings, flows: Iterable[Flow] = ()
) -> tuple[dict[FlowId, str], tuple[Diagnostic, ...]]:
    """Return the file for each flow, in the directory of its namespace: see :func:`flow_directory`.

    :param flow_ids: their names in the files.
    :param flows: the flows in Git.
    :return: the paths, and a warning for each flow without a valid path.
    :raises UsageError: the directory of the flows is a file.
    """
    flows = tuple(flows)
    directory = cache(lambda namespace: flow_directory(namespace, settings, flows))
    candidates: dict[FlowId, PurePosixPath] = {}
    problems: dict[FlowId, str] = {}
    for flow_id in flow_ids:
        root, below = directory(flow_id.namespace)
        if is_file(root):
            raise UsageError(
                f"{root} is a file, not a directory for new flows",
                remedy="pass a directory as the first path",
            )
        parts = (*below, f"{flow_id.id}.yaml")
        problem = _of_name(flow_id, parts) or problem_of_place(root, parts)
        if problem is None:
            candidates[flow_id] = PurePosixPath(root, *parts)
        else:
            problems[flow_id] = problem
    several = Counter(_folded(str(path)) for path in candidates.values())
    for flow_id, path in candidates.items():
        if several[_folded(str(path))] > 1:
            problems[flow_id] = (
                f"another flow would get the same file, {path}, on case-insensitive file systems"
            )
    paths = {key: str(path) for key, path in candidates.items() if key not in problems}
    return paths, tuple(left_alone(key, problem) for key, problem in problems.items())


def flow_directory(
    namespace: str, settings: Settings, flows: Sequence[Flow] = ()
) -> tuple[str, tuple[str, ...]]:
    """Return the directory for new flows of a namespace: one of the paths, or one below it.

    ``NAMESPACE/flows`` where the namespace files are in ``NAMESPACE/files``, or the flows in Git
    are laid out like this. Else, of several paths and of ``_flows``, the one next to the files of
    the namespace or of one above it, or the only one with flows of the namespace; in such a path
    only child namespaces have directories. Else the first path, with the namespace as directories.

    :param namespace: its name in the files.
    :param flows: the flows in Git.
    """
    paths = settings.paths or (_PER_NAMESPACE,)
    for path in paths:
        if _is_per_namespace(path, settings.files, flows):
            return path, (namespace, _PER_NAMESPACE)
    own = [
        (each.namespace, path)
        for path in paths
        for each in settings.files
        if "*" not in each.path
        and _parent(each.path) == _parent(path)
        and Scope((each.namespace,)).covers(namespace)
        and (len(paths) > 1 or PurePosixPath(path).name == _OF_ONE)
    ]
    scope = settings.files_scope or settings.scope
    if not own and PurePosixPath(paths[0]).name == _OF_ONE and scope and len(scope.namespaces) == 1:
        own = [(each, paths[0]) for each in scope.namespaces if Scope((each,)).covers(namespace)]
    if own:
        above, path = max(own, key=lambda it: len(it[0]))
        return path, tuple(namespace[len(above) + 1 :].split(".")) if namespace != above else ()
    there = [path for path in paths if any(_has(path, each, namespace) for each in flows)]
    return (there[0] if len(there) == 1 else paths[0]), tuple(namespace.split("."))


def _is_per_namespace(path: str, folders: Sequence[FilesFolder], flows: Sequence[Flow]) -> bool:
    """Whether the directories in ``path`` are named like the namespaces of the flows in them."""
    if any(
        each.namespace == "*" and _parent(each.path) == PurePosixPath(path, "*") for each in folders
    ):
        return True
    here = [each for each in flows if PurePosixPath(each.document.path).is_relative_to(path)]
    return bool(here) and all(
        PurePosixPath(each.document.path).is_relative_to(
            PurePosixPath(path, each.flow_id.namespace, _PER_NAMESPACE)
        )
        for each in here
    )


def _has(path: str, flow: Flow, namespace: str) -> bool:
    return flow.flow_id.namespace == namespace and PurePosixPath(flow.document.path).is_relative_to(
        path
    )


def _parent(path: str) -> PurePosixPath:
    return PurePosixPath(path).parent


def _of_name(flow_id: FlowId, parts: tuple[str, ...]) -> str | None:
    """Return why a name cannot be used as a path."""
    if not is_flow_id(flow_id):
        return "not a valid name in Kestra"
    if not all(parts):
        return "the namespace has an empty part"
    if not is_flow_file(parts[-1]):
        return f"{parts[-1]} is a file name that kestra-sync reserves"
    return None


def problem_of_place(root: str, parts: tuple[str, ...]) -> str | None:
    """Return why a path below ``root`` must not be written to."""
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
