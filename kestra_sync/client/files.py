"""The files of a namespace."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from kestra_sync.client.answer import describe_html, looks_like_html
from kestra_sync.client.archive import ArchiveLimits, read_named_archive
from kestra_sync.client.bulk import ZIP
from kestra_sync.client.errors import NotFound, SourceChanged
from kestra_sync.client.request import (
    Part,
    Request,
    StreamedBody,
    encode_multipart,
    query,
    segments,
    stream_multipart,
)
from kestra_sync.client.response import MAX_ANSWER, Progress, Storage
from kestra_sync.client.transport import Transport
from kestra_sync.errors import UsageError
from kestra_sync.resources import (
    LARGE,
    MAX_FILE,
    Content,
    ContentChangedError,
    LargeContent,
    here,
)

_FLOWS = "_flows/"
"""The directory of an export that has the flows of the namespace."""
_LIMITS = ArchiveLimits(
    entry_size=LARGE, any_ratio=256 * 1024 * 1024, ratio=50, large=16 * MAX_ANSWER
)  # files compress better than flows, and large ones are not kept in memory


class Files:
    """``client.files``. Large files are streamed in both directions."""

    def __init__(self, transport: Transport, tenant: str) -> None:
        self._transport = transport
        self._base = f"/api/v1/{segments(tenant)}/namespaces"

    def put(
        self, namespace: str, path: str, content: Content, *, progress: Progress | None = None
    ) -> None:
        """Write a file; missing directories are created.

        :param progress: called with the number of bytes of a large file that were sent.
        :raises UsageError: a path below ``/_flows``, which Kestra would take for a flow.
        :raises SourceChanged: a large file changed since it was hashed; it was not written.
        :raises UnknownOutcome: it may have been written or not.
        """
        # A part whose file name ends in ".zip" is unpacked into the root of the namespace.
        body: bytes | StreamedBody
        try:
            content = here(content)  # a request within a request would wait for a slot forever
            if isinstance(content, LargeContent):
                body, content_type = stream_multipart("fileContent", content, "content", progress)
            else:
                body, content_type = encode_multipart([Part("fileContent", content, "content")])
            self._transport.send(
                Request(
                    "POST",
                    self._files(namespace),
                    query=query(("path", _checked(path))),
                    body=body,
                    content_type=content_type,
                )
            )
        except ContentChangedError as error:
            raise SourceChanged(
                f"{path}: {error}; it was not written", remedy="run the command again"
            ) from error

    def get(self, namespace: str, path: str, *, revision: int | None = None) -> bytes:
        """Return the contents of a file, in memory.

        :param revision: ignored by Kestra before 1.1, which keeps no revisions.
        :raises NotFound: there is no such file or revision.
        """
        return self._transport.send(self._get(namespace, path, revision)).body

    def read(
        self,
        namespace: str,
        path: str,
        *,
        revision: int | None = None,
        storage: Storage = Storage.HASH,
        progress: Progress | None = None,
    ) -> Content:
        """Return the content of a file; of a large one, size, hash and a way to read it.

        :param storage: ``FILE`` keeps a large one in a temporary file; ``HASH`` requests it again
            when it is read, when it must be unchanged or still available as a revision.
        :param progress: called with the number of bytes received.
        :raises NotFound: there is no such file or revision.
        """
        request = self._get(namespace, path, revision)
        answer = self._transport.send(
            replace(request, storage=storage, progress=progress, max_size=MAX_FILE)
        )
        content = answer.whole
        if storage is Storage.FILE or not isinstance(content, LargeContent):
            return content

        def fetch() -> Content:
            read = partial(self.read, namespace, path, storage=Storage.FILE)
            try:
                found = read(revision=revision)
                if revision is None and found != content:  # overwritten, it is a revision
                    for number in reversed(self.revisions(namespace, path)):
                        found = read(revision=number)
                        if found == content:
                            break
            except NotFound as error:
                raise ContentChangedError("it is no longer on the server") from error
            return found

        return replace(content, fetch=fetch)

    def _get(self, namespace: str, path: str, revision: int | None) -> Request:
        parameters = query(("path", _checked(path)), ("revision", revision))
        return Request("GET", self._files(namespace), query=parameters, accept="*/*")

    def revisions(self, namespace: str, path: str) -> tuple[int, ...]:
        """Return the numbers of the kept revisions, oldest first; none before Kestra 1.1.

        :raises NotFound: there is no such file, or it was deleted.
        """
        parameters = query(("path", _checked(path)))
        request = Request("GET", f"{self._files(namespace)}/revisions", query=parameters)
        found = self._transport.send(request).list()
        return tuple(
            sorted(
                each["revision"]
                for each in found
                if isinstance(each, dict) and isinstance(each.get("revision"), int)
            )
        )

    def export(self, namespace: str, *, progress: Progress | None = None) -> dict[str, Content]:
        """Return all files of the namespace by path (without a leading ``/``), in one request.

        The flows in the server's export are left out. Large files stay in the export, which is kept
        in a temporary file.

        :param progress: called with the number of bytes received.
        :raises UnexpectedAnswer: the answer is not a zip.
        :raises AnswerTooLarge: it is larger than 512 MiB.
        """
        answer = self._transport.send(
            Request(
                "GET",
                f"{self._files(namespace)}/export",
                accept=ZIP,
                storage=Storage.FILE,
                progress=progress,
                replaceable=True,
            )
        )
        if looks_like_html(answer.body[:64], answer.content_type):
            raise answer.unexpected(describe_html(answer.body))
        found = read_named_archive(
            answer.whole, lambda name: not name.lstrip("/").startswith(_FLOWS), _LIMITS
        )
        return {name.lstrip("/"): content for name, content in found.items()}

    def names(self, namespace: str) -> tuple[str, ...]:
        """The paths of all files of the namespace (without a leading ``/``), sorted."""
        # Since Kestra 2.0, an empty query finds nothing.
        request = Request("GET", f"{self._files(namespace)}/search", query=query(("q", "/")))
        names = self._transport.send(request).list()
        return tuple(sorted(str(name).lstrip("/") for name in names if isinstance(name, str)))

    def delete(self, namespace: str, path: str) -> None:
        """Delete an existing file or directory.

        Never call this for a path that may not exist, and never twice: Kestra then deletes the
        parent directory if it contains only one other entry, and responds with 200.

        :raises UnknownOutcome: it may have been deleted or not.
        """
        parameters = query(("path", _checked(path)))
        self._transport.send(Request("DELETE", self._files(namespace), query=parameters))

    def list(self, namespace: str, path: str = "/") -> tuple[str, ...]:
        """Return the names in a directory, sorted, directories with a trailing ``/``."""
        parameters = query(("path", path))
        request = Request("GET", f"{self._files(namespace)}/directory", query=parameters)
        try:
            items = self._transport.send(request).list()
        except NotFound:
            return ()
        names = [
            f"{item['fileName']}/" if item.get("type") == "Directory" else str(item["fileName"])
            for item in items
            if isinstance(item, dict) and isinstance(item.get("fileName"), str)
        ]
        return tuple(sorted(names))

    def _files(self, namespace: str) -> str:
        return f"{self._base}/{segments(namespace)}/files"


def _checked(path: str) -> str:
    path = f"/{path.lstrip('/')}"
    parts = path.split("/")
    if ".." in parts or parts[1] == "_flows" or path == "/":
        raise UsageError(f"not a valid path for a namespace file: {path}")
    return path
