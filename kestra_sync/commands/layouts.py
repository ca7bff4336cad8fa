"""Finds the flows, namespace files and keys of an existing repository, for ``init``.

Known are the directories of the tasks of Kestra's Git plugin, one directory per project in a
monorepo, and directories recognized by their names or files. The result is only written
into the first configuration, where it is reviewed: nothing is guessed later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kestra_sync.checks.reads import reads
from kestra_sync.configured import FilesFolder
from kestra_sync.kinds.kv.load import load as load_keys
from kestra_sync.model import Desired, Flow, Kind
from kestra_sync.repo.load import load
from kestra_sync.safe.paths import is_directory
from kestra_sync.safe.text import is_namespace

_DEFAULT = "flows"
_GIT_FLOWS, _GIT_FILES = "_flows", "_files"
_FILES = (
    _GIT_FILES, "files", "namespace_files", "namespace-files", "namespacefiles", "nsfiles",
    "namespaces",
)  # fmt: skip
_KEYS = ("kv", "_kv")
_NOT_FILES = frozenset({"node_modules", "vendor", "dist", "build", "target", "venv", "docs"})


@dataclass(frozen=True)
class FoundResources:
    """The namespace files and keys of a repository.

    :param unsure: directories that look like namespace files of an unknown namespace.
    """

    files: tuple[FilesFolder, ...] = ()
    kv: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


def find_sources() -> tuple[str, ...]:
    """Find the directories of flows in or directly below the working directory; default ``flows``.

    ``_flows`` is that of the tasks ``SyncFlows`` and ``PushFlows``; ``NAMESPACE/flows`` that of
    ``NamespaceSync`` and ``TenantSync``; ``PROJECT/flows`` is a monorepo.
    """
    if is_directory(_DEFAULT):
        return (_DEFAULT,)
    for base in ("", *_directories("")):
        git = _join(base, _GIT_FLOWS)
        if is_directory(git):
            return (git,)
        found = [path for each in _directories(base) if is_directory(path := f"{each}/{_DEFAULT}")]
        if found and all(_is_namespace_directory(each) for each in found):
            # A new namespace then requires no change to the configuration.
            return (base or ".",)
        if found:
            return tuple(found)
    return (_DEFAULT,)


def find_resources(paths: Sequence[str], flows: Iterable[Flow]) -> FoundResources:
    """Find the namespace files and keys next to and below the directories of flows.

    :param paths: the directories of flows.
    :param flows: the flows in them.
    """
    flows = tuple(flows)
    paths = [each for each in paths if is_directory(each)]
    namespaces = {each.flow_id.namespace for each in flows}
    found: dict[str, FilesFolder] = {}
    unsure: list[str] = []
    keys: list[str] = []
    for path in paths:
        per_namespace = _of_namespaces(path, namespaces)
        if per_namespace is not None:
            found[per_namespace.path] = per_namespace
        bases = dict.fromkeys([_parent(path), path])
        keys += [each for base in bases for name in _KEYS for each in _keys(_join(base, name))]
        own = {each.flow_id.namespace for each in flows if _is_in(each.document.path, path)}
        for base in bases if per_namespace is None else ():
            for name in _FILES:
                folder = _join(base, name)
                if folder in (*paths, *found, *unsure) or not is_directory(folder):
                    continue
                if not _names(folder):
                    continue
                entries = list(_entries(folder, own or namespaces, namespaces))
                found.update({each.path: each for each in entries})
                if not entries:
                    unsure.append(folder)
    for entry in _read_by(flows, paths, tuple(found)):
        found.setdefault(entry.path, entry)
    left = tuple(each for each in unsure if each not in found)
    return FoundResources(tuple(found.values()), tuple(dict.fromkeys(keys)), left)


def _entries(folder: str, own: set[str], known: set[str]) -> Iterator[FilesFolder]:
    """Derive namespaces from the names of the directories in a folder."""
    inner = _directories(folder)
    names = [PurePosixPath(each).name for each in inner]
    only_directories = bool(inner) and not any(
        not each.lower().endswith(".md") for each in _files_in(folder)
    )
    if only_directories and all(_belongs(each, known) for each in names):
        yield FilesFolder(folder, "*")
        return
    by_last_part = {each.rpartition(".")[2]: each for each in sorted(known)}
    if only_directories and len(known) > 1 and set(names) <= by_last_part.keys():
        yield from (
            FilesFolder(each, by_last_part[name]) for each, name in zip(inner, names, strict=True)
        )
    elif len(own) == 1:
        yield FilesFolder(folder, next(iter(own)))


def _of_namespaces(path: str, known: set[str]) -> FilesFolder | None:
    """``NAMESPACE/files`` below ``path``; ``None`` unless all such directories are namespaces."""
    base = "" if path == "." else path
    names = [
        PurePosixPath(each).name for each in _directories(base) if is_directory(f"{each}/files")
    ]
    if not names or not all(_belongs(each, known) for each in names):
        return None
    return FilesFolder(_join(base, "*/files"), "*")


def _read_by(
    flows: Sequence[Flow], paths: Sequence[str], known: Sequence[str]
) -> Iterator[FilesFolder]:
    """Find directories with a file that a flow reads by name, and that no known directory has."""
    desired = [Desired(each, each.document.data) for each in flows]
    missing_reads = {
        (each.name, each.namespaces[0])
        for each in reads(desired, (Kind.FILE,))
        if each.name and not each.below
    }
    missing_reads = {
        each for each in missing_reads if not any(Path(at, each[0]).is_file() for at in known)
    }
    candidates = [
        folder
        for outer in _directories("")
        for folder in (outer, *_directories(outer))
        if not any(_is_in(folder, each) and each != "." for each in paths)
        and not any(_is_in(folder, each.partition("*")[0].rstrip("/") or each) for each in known)
    ]
    for folder in candidates:
        owners = {space for name, space in missing_reads if Path(folder, name).is_file()}
        if len(owners) == 1:
            yield FilesFolder(folder, owners.pop())


def _keys(folder: str) -> Iterator[str]:
    for suffix in ("yaml", "yml"):
        pattern = f"{folder}/*.{suffix}"
        found = load_keys([pattern], {}, secrets=False)
        if found.files and not any(each.rule == "kv-file" for each in found.diagnostics):
            yield pattern


def _belongs(name: str, known: set[str]) -> bool:
    """Whether a directory is named like a namespace of the flows, or one above or below them."""
    return is_namespace(name) and any(
        name == each or each.startswith(f"{name}.") or name.startswith(f"{each}.") for each in known
    )


def _is_namespace_directory(path: str) -> bool:
    """Whether the flows in ``NAMESPACE/flows`` are those of the namespace."""
    name = PurePosixPath(path).parent.name
    found = {each.flow_id.namespace for each in load((path,)).flows}
    return found == {name}


def _directories(folder: str) -> list[str]:
    return [
        path
        for name in _names(folder or ".")
        if name not in _NOT_FILES
        and is_directory(path := _join(folder, name))
        and not Path(path).is_symlink()
    ]


def _files_in(folder: str) -> list[str]:
    return [name for name in _names(folder) if not is_directory(f"{folder}/{name}")]


def _names(folder: str) -> list[str]:
    return sorted(each.name for each in Path(folder).iterdir() if not each.name.startswith("."))


def _join(base: str, name: str) -> str:
    return f"{base}/{name}" if base not in ("", ".") else name


def _parent(path: str) -> str:
    return PurePosixPath(path).parent.as_posix()


def _is_in(path: str, folder: str) -> bool:
    return folder == "." or PurePosixPath(path).is_relative_to(folder)
