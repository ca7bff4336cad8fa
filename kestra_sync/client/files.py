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
from kestra_sync.client.response import MAX_ANSWER, Moved, Storage
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
"""Where an export has the flows of the namespace."""
_LIMITS = ArchiveLimits(
    entry_size=LARGE, any_ratio=256 * 1024 * 1024, ratio=50, large=16 * MAX_ANSWER
)  # files pack better than flows, and large ones are not held in memory


class Files:
    """``client.files``. Large files are neither sent nor received as a whole."""

    def __init__(self, transport: Transport, tenant: str) -> None:
        self._transport = transport
        self._base = f"/api/v1/{segments(tenant)}/namespaces"

    def put(
        self, namespace: str, path: str, content: Content, *, moved: Moved | None = None
    ) -> None:
        """Write a file; directories come into being.

        :param moved: is notified how many bytes of a large file have been sent.
        :raises UsageError: a path below ``/_flows``, which Kestra would take for a flow.
        :raises SourceChanged: a large file changed since it was hashed; it was not written.
        :raises UnknownOutcome: it may have been written or not.
        """
        # A part whose file name ends in ".zip" is unpacked into the root of the namespace.
        body: bytes | StreamedBody
        try:
            content = here(content)  # a request inside of a request would wait for its turn
            if isinstance(content, LargeContent):
                body, content_type = stream_multipart("fileContent", content, "content", moved)
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
        """The contents of a file, in memory.

        :param revision: ignored by Kestra before 1.1, which keeps none.
        :raises NotFound: there is no such file, or not this revision of it.
        """
        return self._transport.send(self._get(namespace, path, revision)).body

    def read(
        self,
        namespace: str,
        path: str,
        *,
        revision: int | None = None,
        storage: Storage = Storage.HASH,
        moved: Moved | None = None,
    ) -> Content:
        """The content of a file: of a large one size and hash, and a way to read it.

        :param storage: ``FILE`` keeps a large one in a temporary file; ``HASH`` asks for it again
            when it is read, and it must be the same then, or a revision that is kept.
        :param moved: is notified how many bytes came.
        :raises NotFound: there is no such file, or not this revision of it.
        """
        request = self._get(namespace, path, revision)
        answer = self._transport.send(
            replace(request, storage=storage, moved=moved, longest=MAX_FILE)
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
        asked = query(("path", _checked(path)), ("revision", revision))
        return Request("GET", self._files(namespace), query=asked, accept="*/*")

    def revisions(self, namespace: str, path: str) -> tuple[int, ...]:
        """The numbers of the revisions that are kept, the oldest first; none before Kestra 1.1.

        :raises NotFound: there is no such file, or it was deleted.
        """
        asked = query(("path", _checked(path)))
        request = Request("GET", f"{self._files(namespace)}/revisions", query=asked)
        found = self._transport.send(request).list()
        return tuple(
            sorted(
                each["revision"]
                for each in found
                if isinstance(each, dict) and isinstance(each.get("revision"), int)
            )
        )

    def export(self, namespace: str, *, moved: Moved | None = None) -> dict[str, Content]:
        """All files of the namespace by their paths (without a leading ``/``), in one request.

        The flows that the server's export also contains are left out. Large files stay in the
        export, which is in a temporary file then.

        :param moved: is notified how many bytes came.
        :raises UnexpectedAnswer: the answer is not a zip.
        :raises AnswerTooLarge: it is larger than 512 MiB.
        """
        answer = self._transport.send(
            Request(
                "GET",
                f"{self._files(namespace)}/export",
                accept=ZIP,
                storage=Storage.FILE,
                moved=moved,
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
        # An empty text finds nothing since Kestra 2.0.
        request = Request("GET", f"{self._files(namespace)}/search", query=query(("q", "/")))
        names = self._transport.send(request).list()
        return tuple(sorted(str(name).lstrip("/") for name in names if isinstance(name, str)))

    def delete(self, namespace: str, path: str) -> None:
        """Delete a file or directory that is there.

        Never call this for a path that may not exist, and never twice: Kestra then deletes the
        directory above if it contains one other entry only, and 200 is the answer.

        :raises UnknownOutcome: it may have been deleted or not.
        """
        asked = query(("path", _checked(path)))
        self._transport.send(Request("DELETE", self._files(namespace), query=asked))

    def list(self, namespace: str, path: str = "/") -> tuple[str, ...]:
        """The names in a directory, sorted, directories with ``/`` at the end."""
        asked = query(("path", path))
        request = Request("GET", f"{self._files(namespace)}/directory", query=asked)
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
