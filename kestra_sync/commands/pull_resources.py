"""``pull`` of namespace files and keys: what is new on the server, and keys as files declare them.

Secrets are never written to a file: keys that Git takes from a variable, keys that it masks, and
keys that are masked in the inventory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any

from kestra_sync.client.client import KestraClient
from kestra_sync.client.errors import Gone, NotFound
from kestra_sync.commands.new_files import problem_of_place
from kestra_sync.commands.plan import PlanResult
from kestra_sync.configured import FilesFolder
from kestra_sync.kinds.files.kind import FilesKind
from kestra_sync.kinds.files.load import is_ignored, roots
from kestra_sync.kinds.files.names import problem
from kestra_sync.kinds.kv.load import RESERVED, declared_value, files_of
from kestra_sync.kinds.kv.load import load as load_keys
from kestra_sync.kinds.kv.values import ValueProblem, declaration_of, source_of, value_of
from kestra_sync.kinds.kv.values import from_server as value_from_server
from kestra_sync.model import Base, Change, Kind, ResourceId, sha256
from kestra_sync.observer import Observer
from kestra_sync.plan.pulling import PullDecision, PullOutcome
from kestra_sync.render import unmap_namespace
from kestra_sync.render.namespaces import NamespaceMap
from kestra_sync.render.patch import Patching
from kestra_sync.render.paths import Key
from kestra_sync.render.writer import PatchError
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.parse import parse
from kestra_sync.resources import Content, in_memory
from kestra_sync.safe.paths import fixed_part, is_there, read_bytes
from kestra_sync.safe.text import is_namespace
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class OnlyThere:
    """A file or key that exists only on the server.

    :param path: the file that it belongs to; ``None`` if there is none.
    :param namespace: its name in the files.
    :param source: in the form that plans compare.
    :param why_not: why it is not written.
    """

    resource: ResourceId
    path: str | None
    namespace: str
    source: Content = b""
    why_not: str | None = None


def secrets_of(settings: Settings, bases: Mapping[ResourceId, Base]) -> frozenset[ResourceId]:
    """Return the keys that are not written to files: secrets, and overrides of the environment."""
    to_server = NamespaceMap(settings.rendering.namespaces).to_server
    found = load_keys(settings.kv, secrets=False)
    masked = {ResourceId(each.namespace, each.key, Kind.KV) for each in settings.rendering.kv}
    masked |= {*found.withheld, *(key for key, each in found.keys.items() if each.value.masked)}
    return frozenset(
        {
            *(replace(each, namespace=to_server(each.namespace)) for each in masked),
            *(key for key, each in bases.items() if each.masked),
        }
    )


def not_pulled(change: Change, base: Base | None) -> PullDecision | None:
    """Return the report on a key of :func:`secrets_of`; ``None`` if it is unchanged."""
    if base is None or change.before is None or sha256(change.before) in base.live_hashes:
        return None
    why = "a secret, which is not written to files" if base.masked else "the environment sets it"
    return PullDecision(PullOutcome.LEFT, f"changed on the server: {why}")


def only_there(
    client: KestraClient,
    settings: Settings,
    planned: PlanResult,
    secrets: frozenset[ResourceId],
    *,
    values: bool,
    observer: Observer,
) -> Iterator[OnlyThere]:
    """Find the files and keys of the managed namespaces that are not in Git.

    :param values: also read the values of keys.
    :param observer: is notified of the bytes of large files.
    :raises KestraError: the server cannot be read.
    """
    if planned.plan is None or not (settings.files or settings.kv):
        return
    bases = planned.ownership.bases if planned.ownership is not None else {}
    known = {*planned.repository.other_resources, *bases, *secrets}
    scope = planned.plan.scope
    names = {*client.flows.namespaces(), *scope.namespaces, *(each.namespace for each in known)}
    to_server = NamespaceMap(settings.rendering.namespaces).to_server
    # A namespace without flows can only be found by its name.
    names |= {to_server(space) for each in settings.files for space in _namespaces(each)}
    # Directories are named after namespaces, and names from the server may be any text.
    for namespace in sorted(each for each in names if is_namespace(each) and scope.covers(each)):
        in_files = unmap_namespace(settings.rendering, namespace)
        if in_files is None:
            continue
        if settings.files:
            yield from _files(client, settings, ResourceId(namespace, in_files), known, observer)
        if settings.kv:
            yield from _keys(client, settings, ResourceId(namespace, in_files), known, values)


def _files(
    client: KestraClient,
    settings: Settings,
    names: ResourceId,
    known: set[ResourceId],
    observer: Observer,
) -> Iterator[OnlyThere]:
    """:param names: the namespace on the server, and as ``id`` in the files."""
    found = FilesKind(observer=observer).everything(client, names.namespace)
    folder, root = _root(settings.files, names.id)
    for path, content in sorted(found.items(), key=itemgetter(0)):
        resource = ResourceId(names.namespace, path, Kind.FILE)
        if resource in known:
            continue
        if root is None or folder is None:
            none = "`files` has no directory for its namespace, or more than one"
            yield OnlyThere(resource, None, names.id, why_not=none)
            continue
        parts = tuple(path.split("/"))
        why = problem(path)
        if why is None and any(each.startswith(".") for each in parts):
            why = "a hidden file, which would not be deployed"
        if why is None and is_ignored(root, folder.ignore, path):
            why = "excluded by the ignore rules"
        why = why or problem_of_place(root, parts)
        yield OnlyThere(resource, None if why else f"{root}/{path}", names.id, content, why)


def _namespaces(folder: FilesFolder) -> list[str]:
    """Return the namespaces of a folder, as far as they are known."""
    return [folder.namespace] if folder.namespace != "*" else [each for _, each in roots(folder)]


def _root(
    folders: tuple[FilesFolder, ...], namespace: str
) -> tuple[FilesFolder | None, str | None]:
    """Return the directory of a namespace, which need not exist yet."""
    for folder in folders:
        path = None
        if folder.namespace == namespace and "*" not in folder.path:
            path = folder.path
        elif folder.namespace == "*":
            inner = "" if "*" in folder.path else f"/{namespace}"
            path = folder.path.replace("*", namespace) + inner
        elif folder.namespace == namespace:
            there = [each for each, _ in roots(folder)]
            path = there[0] if len(there) == 1 else None
        if path is not None:
            return folder, path
    return None, None


def _keys(
    client: KestraClient,
    settings: Settings,
    names: ResourceId,
    known: set[ResourceId],
    values: bool,
) -> Iterator[OnlyThere]:
    file = _file_of_keys(settings, names.id)
    for listed in client.kv.list(names.namespace):
        resource = ResourceId(names.namespace, listed.key, Kind.KV)
        if resource in known or listed.key.startswith(RESERVED):
            continue
        if not values:
            yield OnlyThere(
                resource, file, names.id, why_not="only on the server; --kv-values writes its value"
            )
            continue
        if file is None:
            yield OnlyThere(resource, None, names.id, why_not="`kv` has no file for its namespace")
            continue
        try:
            entry = client.kv.entry(names.namespace, listed.key)
        except (NotFound, Gone):
            continue
        value = value_from_server(entry.type, entry.value)
        value = replace(value, ttl=listed.ttl, description=listed.description)
        source = source_of(value)
        can = with_key(file, names.id, listed.key, source) is not None
        why = None if can else "the file cannot declare its value"
        yield OnlyThere(resource, file, names.id, source, why)


def _file_of_keys(settings: Settings, namespace: str) -> str | None:
    """Return the file that declares the keys of a namespace, or the one to create."""
    for pattern in settings.kv:
        for path in files_of(pattern):
            if _namespace_of(path) == namespace:
                return path
    for pattern in settings.kv:
        place = _new_file_of_keys(pattern, settings, namespace)
        if place is not None and not is_there(place):
            new = PurePosixPath(place)
            root = PurePosixPath(fixed_part(pattern)) if "*" in pattern else new.parent
            if problem_of_place(str(root), new.relative_to(root).parts) is None:
                return place
    return None


def _new_file_of_keys(pattern: str, settings: Settings, namespace: str) -> str | None:
    """Return the file that matches a pattern and belongs to the namespace by its location."""
    file = PurePosixPath(pattern)
    if "*" not in pattern:
        # Next to the namespace's files, or the only file where there is only one namespace.
        spaces = [
            each.namespace for each in settings.files
            if "*" not in each.path and PurePosixPath(each.path).parent == file.parent
        ]  # fmt: skip
        scope = settings.files_scope or settings.scope
        if not spaces and len(settings.kv) == 1 and scope is not None:
            spaces = list(scope.namespaces)
        return pattern if spaces == [namespace] or file.stem == namespace else None
    folders = {PurePosixPath(each.path).parent for each in settings.files if each.namespace == "*"}
    above = next((each for each in file.parents if each in folders and each.name == "*"), None)
    if above is not None:
        file = above.parent / namespace / file.relative_to(above)
    if "*" in file.name:
        file = file.with_name(f"{namespace}{file.suffix or '.yaml'}")
    path = str(file)
    return path if "*" not in path and fnmatch(path, pattern) else None


def _namespace_of(path: str) -> str | None:
    value = _parsed(_bytes_of(path))
    found = value.get("namespace") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def with_key(path: str, namespace: str, key: str, source: bytes) -> bytes | None:
    """Return the file at ``path`` with the key from the server; ``None`` if it cannot express it.

    :param namespace: its name in the files.
    :param source: of the key, in the form that plans compare.
    """
    value = value_of(source)
    data = _bytes_of(path)
    if value is None:
        return None
    if not data:
        data = f"namespace: {namespace}\nvalues: {{}}\n".encode()
    patching = Patching.of(data)
    if patching is None:
        return None
    steps = (Key("values"), Key(key))
    try:
        patched = patching.set(steps, declaration_of(value))
    except PatchError:
        return None
    if patched is None:
        return None
    written = _parsed(patched.data)
    try:
        again = source_of(declared_value(written["values"][key]))
    except (ValueProblem, KeyError, TypeError):
        return None
    return patched.data if again == source else None


def _parsed(data: bytes) -> Any:
    parsed = parse(data)
    return parsed.value if isinstance(parsed, ParsedDocument) else None


def _bytes_of(path: str) -> bytes:
    """Return the content of a file; empty if it does not exist or cannot be read."""
    try:
        return read_bytes(Path(path))
    except OSError:
        return b""


def decided(change: Change, verdict: PullDecision, path: str | None) -> PullDecision:
    """Decide about a changed key; a conflict if its file cannot express the value."""
    if verdict.pulled not in (PullOutcome.UPDATED, PullOutcome.CONFLICT) or path is None:
        return verdict
    assert change.before is not None
    source = in_memory(change.before)
    if with_key(path, change.flow_id.namespace, change.flow_id.id, source) is not None:
        return verdict
    reason = f"{verdict.reason}, with a value that the file cannot declare"
    return PullDecision(PullOutcome.CONFLICT, reason, final=True)
