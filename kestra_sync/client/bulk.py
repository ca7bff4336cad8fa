"""Reads many resources: filters by scope, pages of search results, and exports of sources.

Filters only reduce what is fetched: the caller filters again with ``Scope.covers``. So a coarser
filter is used where the server rejects a finer one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kestra_sync.client.answer import Answer, describe_html, int_of, looks_like_html
from kestra_sync.client.archive import read_archive
from kestra_sync.client.errors import ApiError, KestraError, NotFound, Unreachable
from kestra_sync.client.parallel import in_parallel
from kestra_sync.client.request import Query, Request, query
from kestra_sync.client.response import Storage
from kestra_sync.client.transport import Transport
from kestra_sync.model import FlowId, Live, Scope

LOG = logging.getLogger("kestra_sync.client")
_PARALLEL = 8
# Errors are JSON even where a zip was requested, so accept anything.
ZIP = "application/octet-stream, */*;q=0.5"


@dataclass(frozen=True)
class FlowSummary:
    """A flow as returned by the search, without its source."""

    flow_id: FlowId
    revision: int | None
    disabled: bool = False
    deleted: bool = False


class Exporter:
    """Reads all sources of a scope, with the most efficient requests that the server supports.

    The export is one request, but it fails for the whole server when two flows share
    ``{namespace}-{id}``, may exceed the timeout of a gateway, and is not available on every server.
    Then each namespace is exported separately, and if that fails, each flow is read. A method that
    failed once is not tried again.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        filtering: Filtering,
        namespaces: Callable[[], tuple[str, ...]],
        search: Callable[[Scope], tuple[FlowSummary, ...]],
        get: Callable[[FlowId], Live],
    ) -> None:
        self._transport = transport
        self._path = path
        self._filtering = filtering
        self._at_once = self._at_all = True
        self._namespaces = namespaces
        self._search = search
        self._get = get

    def export(self, scope: Scope | None) -> tuple[bytes, ...]:
        """Return the sources; more than those of the scope if the server's filter is coarse."""
        if self._at_once:
            sources = self._archive(scope)
            if sources is not None:
                return sources
            self._at_once = False
        if scope is not None and scope.exact:
            namespaces = list(scope.namespaces)
        else:
            namespaces = [
                namespace
                for namespace in self._namespaces()
                if scope is None or scope.covers(namespace)
            ]
        LOG.info("reading %d namespaces one by one", len(namespaces))
        found = self._transport.map(self._namespace, namespaces, _PARALLEL)
        return tuple(source for sources in found for source in sources)

    def _namespace(self, namespace: str) -> tuple[bytes, ...]:
        scope = Scope((namespace,), exact=True)
        sources = self._archive(scope) if self._at_all else None
        if sources is not None:
            return sources
        LOG.info("the export of %s failed as well: reading its flows one by one", namespace)
        return tuple(self._each(summary.flow_id for summary in self._search(scope)))

    def _each(self, flow_ids: Iterable[FlowId]) -> Iterable[bytes]:
        found = self._transport.map(self._source, flow_ids, _PARALLEL)
        return (source for source in found if source is not None)

    def _source(self, flow_id: FlowId) -> bytes | None:
        try:
            return self._get(flow_id).source
        except NotFound:
            return None  # deleted since the search

    def _archive(self, scope: Scope | None) -> tuple[bytes, ...] | None:
        """Make one export request; ``None`` if the server cannot handle it."""

        def fetch(filters: Query) -> Answer:
            request = Request("GET", self._path, query=filters, accept=ZIP, storage=Storage.MAP)
            return self._transport.send(replace(request, replaceable=True))

        try:
            answers = self._filtering.fetch(scope, fetch)
        except KestraError as error:
            why = self._replaceable(error)
            if why is None:
                raise
            LOG.info("no export of all flows at once: %s", why)
            return None
        return tuple(source for answer in answers for source in read_export(answer))

    def _replaceable(self, error: KestraError) -> str | None:
        """Return why the export failed, if there is an alternative; otherwise ``None``."""
        if isinstance(error, Unreachable) and error.too_slow:
            return "it takes longer than the time limit"
        if not isinstance(error, ApiError):
            return None
        if error.status == 504:
            return "it takes longer than the timeout of a gateway"
        if error.status == 500 and "duplicate entry" in error.server_message.lower():
            return "two flows have the same file name"
        if error.status in {404, 405, 501}:
            self._at_all = False
            return f"the server does not support it ({error.status})"
        return None


def read_export(answer: Answer) -> tuple[bytes, ...]:
    """Return the sources in a response. Without flows it is an empty zip, never an empty body.

    :raises UnexpectedAnswer: it is not a zip file.
    """
    if looks_like_html(answer.content[:64], answer.content_type):
        raise answer.unexpected(describe_html(answer.body))
    return read_archive(answer.content)


T = TypeVar("T")

MAX_PATTERN = 250
"""Kestra 2.0 rejects longer patterns, and any ``(...)*`` or ``(...)?`` in a pattern."""
MAX_REQUESTS = 8
"""With more filters than these, each a request, parent namespaces are requested instead."""


def scope_filters(
    scope: Scope | None, *, pattern: int = MAX_PATTERN, requests: int = MAX_REQUESTS
) -> tuple[Query, ...]:
    """Return filters, one per request, that together find at least what the scope covers.

    An empty filter means the whole tenant.
    """
    if scope is None:
        return ((),)
    namespaces = tuple(dict.fromkeys(scope.namespaces))
    exact = scope.exact
    if not exact:
        namespaces = _outermost(namespaces)
    found = _filters(namespaces, exact, pattern)
    while len(found) > requests:
        namespaces, exact = _widen(namespaces), False
        if not namespaces:
            return ((),)
        found = _filters(namespaces, exact, pattern)
    return found


class Filtering:
    """Filters requests, or reads the whole tenant if the server does not support the filters."""

    def __init__(self) -> None:
        self._refused = False

    def fetch(self, scope: Scope | None, send: Callable[[Query], T]) -> list[T]:
        """Return the result of ``send`` for each filter of ``scope``, or for no filter.

        Several filters call ``send`` from several threads.
        """
        filters = ((),) if self._refused else scope_filters(scope)
        try:
            if len(filters) == 1:
                return [send(filters[0])]  # most scopes: no threads are needed
            return in_parallel(send, filters, _FILTERS_AT_ONCE)
        except ApiError as error:
            if not any(filters) or error.status not in {400, 422}:
                raise
            answer = send(())
            self._refused = True
            LOG.info("the server does not support the filter (%s): reading the whole tenant", error)
            return [answer]


def namespace_regex(namespaces: tuple[str, ...], *, exact: bool) -> str:
    """Return one regular expression for several namespaces: two filters would be ANDed.

    The server searches for it anywhere in the name, hence the anchors.
    """
    alternatives = "|".join(re.sub(r"[^A-Za-z0-9_-]", r"\\\g<0>", name) for name in namespaces)
    return f"^({alternatives})$" if exact else f"^({alternatives})($|\\.)"


def _filters(namespaces: tuple[str, ...], exact: bool, max_length: int) -> tuple[Query, ...]:
    groups: list[tuple[str, ...]] = []
    for name in namespaces:
        joined = (*groups[-1], name) if groups else ()
        if joined and len(namespace_regex(joined, exact=exact)) <= max_length:
            groups[-1] = joined
        else:
            groups.append((name,))
    return tuple(_filter(group, exact) for group in groups)


def _filter(namespaces: tuple[str, ...], exact: bool) -> Query:
    if len(namespaces) == 1:
        return ((f"filters[namespace][{'EQUALS' if exact else 'PREFIX'}]", namespaces[0]),)
    return (("filters[namespace][REGEX]", namespace_regex(namespaces, exact=exact)),)


def _outermost(namespaces: tuple[str, ...]) -> tuple[str, ...]:
    """Remove namespaces that another one covers."""
    return tuple(
        name for name in namespaces if not any(name.startswith(f"{other}.") for other in namespaces)
    )


def _widen(namespaces: tuple[str, ...]) -> tuple[str, ...]:
    """Replace the deepest namespaces by their parents; return ``()`` at the root."""
    deepest = max(name.count(".") for name in namespaces)
    if deepest == 0:
        return ()
    parents = (
        name.rpartition(".")[0] if name.count(".") == deepest else name for name in namespaces
    )
    return _outermost(tuple(dict.fromkeys(parents)))


Hit = TypeVar("Hit", bound=Hashable)
_PAGES_AT_ONCE = 4
_FILTERS_AT_ONCE = 4
"""Concurrent exports of a scope with many namespaces: each one takes memory on the server."""
MOST = 16
"""Maximum number of pages in memory."""


def pages(
    transport: Transport,
    path: str,
    filters: Query,
    convert: Callable[[dict[str, Any]], Hit],
    page_size: int,
) -> Iterator[Hit]:
    """Yield every result once, in the server's order; reads pages concurrently if possible.

    :raises UnexpectedAnswer: a page is invalid, or only repeats results while some are missing.
    """

    def request_page(page: int) -> Answer:
        parameters = (*filters, *query(("page", page), ("size", page_size)))
        return transport.send(Request("GET", path, query=parameters))

    seen: set[Hit] = set()
    page = 1
    ahead: list[Answer] = []
    while True:
        answer = ahead.pop(0) if ahead else request_page(page)
        data = answer.object()
        results, total = data.get("results"), int_of(data.get("total"))
        if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
            raise answer.unexpected("JSON without results")
        items = [convert(item) for item in results]
        new = [item for item in dict.fromkeys(items) if item not in seen]
        if items and not new:
            raise answer.unexpected(f"page {page} identical to an earlier page")
        if total is not None and len(items) < min(page_size, total - (page - 1) * page_size):
            raise answer.unexpected(
                f"{len(items)} results on page {page}, but a total of {total}: some are missing"
            )
        seen.update(new)
        yield from new
        if not items or (total is not None and page * page_size >= total):
            return
        page += 1
        if total is not None and not ahead:
            last = -(-total // page_size)
            ahead = transport.map(
                request_page, range(page, min(last, page + MOST - 1) + 1), _PAGES_AT_ONCE
            )
