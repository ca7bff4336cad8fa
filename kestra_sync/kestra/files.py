"""The files of a namespace."""

from __future__ import annotations

from kestra_sync.errors import UsageError
from kestra_sync.kestra.errors import NotFound
from kestra_sync.kestra.multipart import Part, encode_multipart
from kestra_sync.kestra.request import Request, query, segments
from kestra_sync.kestra.transport import Transport


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
        body, content_type = encode_multipart([Part("fileContent", data, path.rpartition("/")[2])])
        self._transport.send(
            Request(
                "POST",
                self._files(namespace),
                query=query(("path", _checked(path))),
                body=body,
                content_type=content_type,
            )
        )

    def get(self, namespace: str, path: str) -> bytes:
        """The contents of a file.

        :raises NotFound: there is no such file.
        """
        asked = query(("path", _checked(path)))
        request = Request("GET", self._files(namespace), query=asked, accept="*/*")
        return self._transport.send(request).body

    def delete(self, namespace: str, path: str) -> None:
        """Delete a file or directory, if it is there.

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
        raise UsageError(f"this is no path for a namespace file: {path}")
    return path
