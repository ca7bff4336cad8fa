"""The key-value store of a namespace."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kestra_sync.client.answer import int_of, time_of
from kestra_sync.client.bulk import pages
from kestra_sync.client.errors import ApiError, NotFound, UnexpectedAnswer
from kestra_sync.client.parallel import in_background
from kestra_sync.client.request import TEXT, Request, query, segments
from kestra_sync.client.transport import Transport
from kestra_sync.errors import UsageError

_TYPES = frozenset(
    {"STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON", "NULL", "OBJECT"}
)

#: Seconds before a key is read again that the server lists but does not find.
_BEING_WRITTEN = (0.05, 0.2, 0.5, 1.0)
#: The server cannot list keys (before 1.1), or this account must not.
_NO_LIST = frozenset({401, 403, 404, 405, 501})


@dataclass(frozen=True)
class KvEntry:
    """A key's value, with its metadata."""

    value: Any
    type: str | None = None
    revision: int | None = None
    updated: str | None = None


@dataclass(frozen=True, order=True)
class KvKey:
    """A key in a namespace."""

    namespace: str
    key: str


@dataclass(frozen=True)
class KvListed:
    """A key in a list, without its value.

    :param revision: the number of its last write.
    :param ttl: seconds between its last write and its expiry; ``None`` if it does not expire.
    """

    namespace: str
    key: str
    revision: int | None = None
    description: str | None = None
    ttl: int | None = None


class Kv:
    """``client.kv``. There is no compare-and-set: the last writer wins."""

    def __init__(self, transport: Transport, tenant: str) -> None:
        self._transport = transport
        self._base = f"/api/v1/{segments(tenant)}"

    def get(self, namespace: str, key: str, *, maybe_absent: bool = False) -> Any:
        """Return the value of a key; see :meth:`entry`.

        :param maybe_absent: list the keys at the same time, which saves a round trip if the key
            does not exist.
        :raises NotFound: there is no such key.
        :raises Gone: it has expired.
        """
        return self.entry(namespace, key, maybe_absent=maybe_absent).value

    def entry(self, namespace: str, key: str, *, maybe_absent: bool = False) -> KvEntry:
        """Return the value with its revision and time, if the server returns them.

        Kestra (1.3 and 2.0) stores the metadata of a new value before the value, and answers 404
        in between. So a key only counts as absent if it is not listed either.

        :param maybe_absent: list the keys at the same time.
        :raises NotFound: there is no such key.
        :raises Gone: it has expired.
        """

        def is_listed() -> bool:
            return self._is_listed(namespace, key)

        listed = in_background(is_listed) if maybe_absent else is_listed
        for pause in _BEING_WRITTEN:
            try:
                return self.entry_now(namespace, key)
            except NotFound:
                if not listed():
                    raise
            listed = is_listed
            self._transport.backoff.sleep(pause)
        return self.entry_now(namespace, key)

    def entry_now(self, namespace: str, key: str) -> KvEntry:
        """Return the value as :meth:`entry` does, with one request.

        :raises NotFound: there is no such key, or it is being written.
        :raises Gone: it has expired.
        """
        # While a value is being written its file is briefly empty: Kestra responds with 500
        # ("No content to map due to end-of-input", seen on 1.3 with local storage).
        request = Request("GET", self._path(namespace, key), unsettled=True)
        data = self._transport.send(request).json()
        kind = data.get("type") if isinstance(data, dict) and "value" in data else None
        if isinstance(kind, str) and kind in _TYPES:
            return KvEntry(
                value=data["value"],
                type=kind,
                revision=int_of(data.get("revision")),
                updated=data.get("updated") if isinstance(data.get("updated"), str) else None,
            )
        return KvEntry(value=data)  # Kestra 2.0 may return the bare value

    def put(
        self,
        namespace: str,
        key: str,
        value: Any,
        *,
        ttl: str | None = None,
        description: str | None = None,
    ) -> None:
        """Store a JSON value. Members that are ``None`` are dropped by the server.

        :param ttl: how long to keep it, an ISO 8601 duration such as ``PT10M``.
        :raises UnknownOutcome: it may have been stored or not.
        """
        # The server parses JSON, and truncates anything else. ASCII needs no charset.
        text = json.dumps(value, allow_nan=False)
        self.put_text(namespace, key, text, ttl=ttl, description=description)

    def put_text(
        self,
        namespace: str,
        key: str,
        text: str,
        *,
        ttl: str | None = None,
        description: str | None = None,
    ) -> None:
        """Store the value that the server parses from ``text``: JSON, a date, time or duration.

        :param text: ASCII.
        :raises UnknownOutcome: it may have been stored or not.
        """
        headers = {}
        for name, each in (("ttl", ttl), ("description", description)):
            if each is not None:
                headers[name] = _header(name, each)
        body = text.encode("ascii")
        path = self._path(namespace, key)
        self._transport.send(Request("PUT", path, body=body, content_type=TEXT, headers=headers))

    def delete(self, namespace: str, key: str) -> bool:
        """Delete a key. Returns whether it existed.

        :raises UnknownOutcome: it may have been deleted or not.
        """
        try:
            answer = self._transport.send(Request("DELETE", self._path(namespace, key)))
        except NotFound:
            return False
        return answer.json() is not False

    def search(self, text: str, page_size: int = 100) -> tuple[KvKey, ...]:
        """Return the keys of the whole tenant that the server finds for ``text``, sorted.

        The server matches anywhere in the key: check the returned keys.
        """
        filters = query(("filters[q][EQUALS]", text))
        found = pages(self._transport, f"{self._base}/kv", filters, _key, page_size)
        return tuple(sorted(found))

    def list(self, namespace: str, page_size: int = 1000) -> tuple[KvListed, ...]:
        """Return the keys of exactly this namespace, without their values, sorted by key."""
        filters = query(("filters[namespace][EQUALS]", namespace))
        found = pages(self._transport, f"{self._base}/kv", filters, _listed, page_size)
        return tuple(
            sorted((each for each in found if each.namespace == namespace), key=lambda it: it.key)
        )

    def _is_listed(self, namespace: str, key: str) -> bool:
        try:
            return any(each.key == key for each in self.list(namespace))
        except ApiError as error:
            if error.status not in _NO_LIST:
                raise
        try:  # the second best way to know: a write takes less than this
            self._transport.backoff.sleep(_BEING_WRITTEN[1])
            self.entry_now(namespace, key)
        except NotFound:
            return False
        return True

    def _path(self, namespace: str, key: str) -> str:
        return f"{self._base}/namespaces/{segments(namespace)}/kv/{segments(key)}"


def _header(name: str, text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise UsageError(f"the {name} of a key must be printable ASCII")
    return text


def _key(item: dict[str, Any]) -> KvKey:
    namespace, key = item.get("namespace"), item.get("key")
    if not (isinstance(namespace, str) and isinstance(key, str)):
        raise UnexpectedAnswer("the search returned something that is not a key")
    return KvKey(namespace, key)


def _listed(item: dict[str, Any]) -> KvListed:
    name = _key(item)
    revision = item.get("revision", item.get("version"))  # 2.0 and 1.3
    description = item.get("description")
    return KvListed(
        name.namespace,
        name.key,
        int_of(revision),
        description if isinstance(description, str) and description else None,
        _ttl(item),
    )


def _ttl(item: dict[str, Any]) -> int | None:
    expires = time_of(item.get("expirationDate"))
    # The creation date is that of the latest revision.
    written = time_of(item.get("updateDate")) or time_of(item.get("creationDate"))
    if expires is None or written is None:
        return None
    return round((expires - written).total_seconds())
