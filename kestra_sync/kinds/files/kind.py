"""The kind ``file``: reads, writes and displays namespace files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from kestra_sync.client.client import KestraClient
from kestra_sync.client.errors import (
    AlreadyExists,
    AnswerTooLarge,
    KestraError,
    NotCredible,
    NotFound,
    ServerFailure,
    Unreachable,
)
from kestra_sync.client.files import Files
from kestra_sync.client.response import Progress
from kestra_sync.configured import FilesFolder
from kestra_sync.kinds.base import KindContext, Loaded, Reading, ResourceKind, Store
from kestra_sync.kinds.files.load import ANY, load, roots
from kestra_sync.kinds.files.names import problem
from kestra_sync.model import (
    Base,
    Desired,
    Diagnostic,
    Kind,
    Live,
    ResourceId,
    Severity,
    sha256,
)
from kestra_sync.observer import SILENT, Observer, SafeObserver
from kestra_sync.plan.diff import Hunk, LineMark, unified
from kestra_sync.resources import LARGE, MAX_FILE, Content, in_memory, is_in_memory, size_of
from kestra_sync.safe.paths import fixed_part, is_there

LOG = logging.getLogger(__name__)
MAX_EXPORT = 128 * 1024 * 1024
"""Maximum bytes of a namespace's files in Git for which they are read in one export."""
_AT_ONCE = 4
"""Concurrent requests if files are read one by one."""


@dataclass(frozen=True)
class FilesKind(ResourceKind):
    """Namespace files, of the folders in the configuration.

    :param to_server: the name on the server of a namespace in the files.
    :param limit: the maximum size in bytes of a file in Git.
    """

    folders: tuple[FilesFolder, ...] = ()
    to_server: Callable[[str], str] = field(default=str, repr=False)
    observer: Observer = field(default=SILENT, repr=False)
    limit: int = MAX_FILE
    written: dict[ResourceId, int] = field(default_factory=dict, repr=False, compare=False)
    """The recorded revisions of the files that were read."""

    def load(self, excluded: Collection[Path] = ()) -> Loaded:
        """Load all files in the folders."""
        return load(self.folders, self.to_server, excluded, self.limit)

    def paths(self) -> frozenset[Path]:
        found = {each.path for each in self.folders if ANY not in each.path}
        found.update(path for folder in self.folders for path, _ in roots(folder))
        return frozenset(Path(each).resolve() for each in found)

    def read(
        self,
        client: KestraClient,
        desired: Mapping[ResourceId, Desired],
        bases: Mapping[ResourceId, Base],
    ) -> Reading:
        """Read the files on the server, with one request per namespace."""
        live: dict[ResourceId, Live] = {}
        diagnostics: list[Diagnostic] = []
        self.written.update({key: it.revision for key, it in bases.items() if it.revision})
        for namespace in sorted({each.namespace for each in (*desired, *bases)}):
            declared = {key: it for key, it in desired.items() if key.namespace == namespace}
            known = [each for each in bases if each.namespace == namespace]
            try:
                contents = self._exported(client.files, namespace, declared.values())
            except _NotInOneError as error:
                diagnostics.append(_only_known(namespace, error))
                contents = self._each(client, namespace, {*declared, *known})
            else:
                _check_whole(client.files, namespace, contents, known)
            for path, content in contents.items():
                resource = ResourceId(namespace, path, Kind.FILE)
                if problem(path) is not None and resource not in bases:
                    continue  # not a valid name, so never written by us
                ours = declared.get(resource)
                # Only one of two equal contents is kept in memory or on disk.
                same = ours is not None and ours.content == content
                live[resource] = Live(resource, ours.content if same and ours else content)
        return Reading(live, bases, (*diagnostics, *_shadowed(desired, live)))

    def everything(self, client: KestraClient, namespace: str) -> Mapping[str, Content]:
        """Read all files of a namespace by path, one by one if they are too large for an export.

        :raises KestraError: the server cannot be read.
        """
        try:
            return self._exported(client.files, namespace, ())
        except _NotInOneError:
            return self._each(client, namespace)

    def _exported(
        self, files: Files, namespace: str, desired: Iterable[Desired]
    ) -> dict[str, Content]:
        """Export all files of the namespace. The server builds the export in memory.

        :raises _NotInOneError: it would be too large, or the server cannot do it.
        """
        if sum(size_of(each.content) for each in desired) > MAX_EXPORT:
            raise _NotInOneError(f"Git has more than {MAX_EXPORT // 1024**2} MiB of them")
        try:
            return files.export(namespace, progress=self._progress(f"files of {namespace}"))
        except (AnswerTooLarge, ServerFailure, Unreachable) as error:
            if isinstance(error, ServerFailure):
                why = f"the server answers {error.status}"
            elif isinstance(error, AnswerTooLarge):
                why = "it is larger than the longest response that is read"
            elif error.too_slow:
                why = "the server takes longer than the time limit"
            else:
                raise
            LOG.info("no export of the files of %s: %s", namespace, error)
            raise _NotInOneError(why) from error

    def _each(
        self, client: KestraClient, namespace: str, known: Collection[ResourceId] | None = None
    ) -> dict[str, Content]:
        """Read files one by one: the known files, or all."""
        names = client.files.names(namespace)
        if known is not None:
            names = tuple(it for it in names if ResourceId(namespace, it, Kind.FILE) in known)

        def read(name: str) -> Content | None:
            try:
                return client.files.read(namespace, name, progress=self._progress(name))
            except NotFound:
                return None  # deleted since

        found = zip(names, client.map(read, names, _AT_ONCE), strict=True)
        return {name: content for name, content in found if content is not None}

    def _progress(self, name: str) -> Progress:
        """Return a progress callback for a large download, whose total size is unknown."""

        def progress(done: int, total: int | None) -> None:
            if done > LARGE:
                SafeObserver(self.observer).transfer(name, done, total)

        return progress

    def names(self, client: KestraClient, namespace: str) -> Collection[str]:
        return client.files.names(namespace)

    def versions(
        self, client: KestraClient, resource: ResourceId, *, current: bool = True
    ) -> Iterator[Content]:
        """Yield the revisions of a file, which Kestra keeps until it is deleted."""
        files = client.files
        with suppress(NotFound):
            numbers = files.revisions(resource.namespace, resource.id)
            for number in reversed(numbers if current else numbers[:-1]):
                yield files.read(resource.namespace, resource.id, revision=number)

    def clean(self, client: KestraClient, deleted: Iterable[ResourceId]) -> None:
        """Remove directories that are empty after deletions."""
        remove_empty_directories(client.files, deleted)

    def store(self, client: KestraClient) -> FileStore:
        """Return the store of single files."""
        return FileStore(client.files, self.observer, self.written)


def make(context: KindContext) -> FilesKind:
    """Create the kind with the configured folders."""
    settings = context.settings
    folders = settings.files
    if settings.new_paths:  # a folder that does not exist counts as empty
        folders = tuple(each for each in folders if is_there(fixed_part(each.path)))
    return FilesKind(folders, context.to_server, context.observer, settings.file_limit or MAX_FILE)


def diff(before: Content, after: Content, *, context: int = 2) -> Sequence[Hunk]:
    """Compare text by line, and anything else by size and hash."""
    if before == after:
        return ()
    if is_text(before) and is_text(after):
        return unified(in_memory(before), in_memory(after), context=context)
    lines = ((LineMark.REMOVED, _described(before)), (LineMark.ADDED, _described(after)))
    return (Hunk("binary", 1, 1, lines),)


class _NotInOneError(Exception):
    """The files of a namespace cannot be read in one export."""


def _only_known(namespace: str, why: _NotInOneError) -> Diagnostic:
    return Diagnostic(
        "",
        None,
        Severity.INFO,
        "namespace-files-many",
        f"the files of {namespace} cannot be read in one export ({why}): they are read one by one, "
        f"and those that are neither in Git nor in the inventory are left out",
    )


def _check_whole(
    files: Files, namespace: str, contents: Collection[str], known: Sequence[ResourceId]
) -> None:
    """Check that recorded files that are missing in the export were deleted.

    :raises NotCredible: the list of names contains such a file.
    """
    missing = [each.id for each in known if each.id not in contents]
    there = set(files.names(namespace)) if missing else set()
    for path in missing:
        if path in there:
            raise NotCredible(
                f"the export of the files of {namespace} does not contain {path}, but it exists",
                remedy="run the command again; if that does not help, check any proxy in between",
            )


def is_text(data: Content) -> bool:
    """Return whether ``data`` can be shown as text: small UTF-8 without control characters."""
    if not is_in_memory(data) or b"\0" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _described(data: Content) -> str:
    return f"{size_of(data):,} bytes, SHA-256 {sha256(data)[:12]}"


def _shadowed(
    desired: Mapping[ResourceId, Desired], live: Iterable[ResourceId]
) -> Iterable[Diagnostic]:
    """Return a diagnostic for each file whose name is a folder on the server, or vice versa.

    Kestra 1.x responds with 200, but the file cannot be read.
    """
    there = set(live)
    folders = {above for each in there for above in _above(each)}
    for resource, each in desired.items():
        if resource in there:
            continue
        blocking = next((above for above in _above(resource) if above in there), None)
        if resource not in folders and blocking is None:
            continue
        what = "a folder" if blocking is None else "a file"
        yield Diagnostic(
            each.path,
            None,
            Severity.ERROR,
            "namespace-file-folder",
            f"{blocking or resource} is {what} on the server",
            "rename it, or delete what is there first",
        )


def _above(resource: ResourceId) -> Iterable[ResourceId]:
    parts = resource.id.split("/")
    for end in range(1, len(parts)):
        yield ResourceId(resource.namespace, "/".join(parts[:end]), Kind.FILE)


def remove_empty_directories(files: Files, deleted: Iterable[ResourceId]) -> None:
    """Remove directories of deleted files that are empty.

    :param deleted: the deleted files.
    :raises KestraError: the server cannot be reached, or refuses.
    """
    above = {each for resource in deleted for each in _above(resource)}
    # Deepest first: the parent directory may then be empty, too.
    for each in sorted(above, key=lambda it: (-it.id.count("/"), it)):
        parent, _, name = each.id.rpartition("/")
        # If a path does not exist, Kestra may delete something else.
        there = f"{name}/" in files.list(each.namespace, f"/{parent}")
        if there and not files.list(each.namespace, f"/{each.id}"):
            files.delete(each.namespace, each.id)


class FileStore(Store):
    """Reads and writes namespace files one by one."""

    #: A second deletion may delete the parent directory; see :meth:`.Files.delete`.
    delete_twice = False

    def __init__(
        self,
        files: Files,
        observer: Observer = SILENT,
        written: Mapping[ResourceId, int] = MappingProxyType({}),
    ) -> None:
        self._files = files
        self._observer = observer
        self._written = written

    def get(self, resource: ResourceId, *, revision: int | None = None) -> Live:
        """Read the contents. The response does not have the revision."""
        content = self._files.read(resource.namespace, resource.id, revision=revision)
        return Live(resource, content, revision)

    def create(self, resource: ResourceId, source: Content) -> Live:
        """Write a file that does not exist. Kestra itself would overwrite it."""
        if self._exists(resource):
            raise AlreadyExists(409, "POST", str(resource), "the file exists")
        self._put(resource, source)
        return Live(resource, source)

    def update(self, resource: ResourceId, source: Content) -> Live:
        """Write the file, and request its revision. It is read again after all writes."""
        self._put(resource, source)
        revision = None
        if is_in_memory(source):
            with suppress(KestraError):  # the write itself succeeded
                revision = max(self._files.revisions(resource.namespace, resource.id), default=None)
        return Live(resource, source, revision)

    def overwrote(
        self, resource: ResourceId, revision: int, before: Content, ours: Content
    ) -> bool:
        """Compare the previous revision, unless it is recorded: writes have no precondition."""
        if revision - 1 == self._written.get(resource) or not is_in_memory(before):
            return False
        with suppress(KestraError):
            replaced = self._files.read(resource.namespace, resource.id, revision=revision - 1)
            return replaced not in (before, ours)
        return False

    def _put(self, resource: ResourceId, source: Content) -> None:
        progress = partial(SafeObserver(self._observer).transfer, resource.id)
        self._files.put(resource.namespace, resource.id, source, progress=progress)

    def delete(self, resource: ResourceId) -> None:
        """Delete a file that was listed just before."""
        if resource.id not in self._files.names(resource.namespace):
            raise NotFound(404, "DELETE", str(resource))
        self._files.delete(resource.namespace, resource.id)

    def _exists(self, resource: ResourceId) -> bool:
        try:
            self._files.read(resource.namespace, resource.id)
        except NotFound:
            return False
        return True
