"""The files of a namespace."""

from __future__ import annotations

from kestra_sync.client.answer import describe_html, looks_like_html
from kestra_sync.client.bulk import ArchiveLimits, read_named_archive
from kestra_sync.client.errors import NotFound
from kestra_sync.client.request import Part, Request, encode_multipart, query, segments
from kestra_sync.client.transport import Transport
from kestra_sync.errors import UsageError

_FLOWS = "_flows/"
"""Where an export has the flows of the namespace."""
_LIMITS = ArchiveLimits(
    entry_size=1024 * 1024 * 1024, any_ratio=256 * 1024 * 1024, ratio=50
)  # files may be larger than flows, and pack better
_ZIP = "application/octet-stream, */*;q=0.5"


class Files:
    """``client.files``. Small files: they are held in memory."""

    def __init__(self, transport: Transport, tenant: str) -> None:
        self._transport = transport
        self._base = f"/api/v1/{segments(tenant)}/namespaces"

    def put(self, namespace: str, path: str, data: bytes) -> None:
        """Write a file; directories come into being.

        :raises UsageError: a path below ``/_flows``, which Kestra would take for a flow.
        :raises UnknownOutcome: it may have been written or not.
        """
        # A part whose file name ends in ".zip" is unpacked into the root of the namespace.
        body, content_type = encode_multipart([Part("fileContent", data, "content")])
        self._transport.send(
            Request(
                "POST",
                self._files(namespace),
                query=query(("path", _checked(path))),
                body=body,
                content_type=content_type,
            )
        )

    def get(self, namespace: str, path: str, *, revision: int | None = None) -> bytes:
        """The contents of a file.

        :param revision: ignored by Kestra before 1.1, which keeps none.
        :raises NotFound: there is no such file, or not this revision of it.
        """
        asked = query(("path", _checked(path)), ("revision", revision))
        request = Request("GET", self._files(namespace), query=asked, accept="*/*")
        return self._transport.send(request).body

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

    def export(self, namespace: str) -> dict[str, bytes]:
        """All files of the namespace by their paths (without a leading ``/``), in one request.

        The flows that the server's export also contains are left out.

        :raises UnexpectedAnswer: the answer is not a zip, or larger than the limits.
        """
        request = Request("GET", f"{self._files(namespace)}/export", accept=_ZIP, large=True)
        answer = self._transport.send(request)
        if looks_like_html(answer.content[:64], answer.content_type):
            raise answer.unexpected(describe_html(answer.body))
        found = read_named_archive(
            answer.content, lambda name: not name.lstrip("/").startswith(_FLOWS), _LIMITS
        )
        return {name.lstrip("/"): data for name, data in found.items()}

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
