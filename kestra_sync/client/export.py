"""Reads all sources of a scope, with the most efficient requests that the server supports.

The export is one request, but it fails for the whole server when two flows share
``{namespace}-{id}``, may take longer than a gateway waits, and is not there on every server. Then
each namespace is asked for apart, and where even that fails each flow. What did not work once is
not tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from kestra_sync.client.answer import Answer
from kestra_sync.client.archive import read_archive
from kestra_sync.client.errors import ApiError, KestraError, NotFound, Unreachable
from kestra_sync.client.filters import Filtering
from kestra_sync.client.parallel import in_parallel
from kestra_sync.client.problems import describe_html, looks_like_html
from kestra_sync.client.request import Query, Request
from kestra_sync.client.transport import Transport
from kestra_sync.client.values import FlowSummary
from kestra_sync.model import FlowId, Live, Scope

LOG = logging.getLogger("kestra_sync.client")
PARALLEL = 8
# An error comes as JSON where a zip was asked for, so nothing is ruled out.
ZIP = "application/octet-stream, */*;q=0.5"


class Exporter:
    """The three ways, and when to take which."""

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
        """The sources; more than those of the scope, if the server's filter is coarse."""
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
        found = in_parallel(self._namespace, namespaces, PARALLEL)
        return tuple(source for sources in found for source in sources)

    def _namespace(self, namespace: str) -> tuple[bytes, ...]:
        scope = Scope((namespace,), exact=True)
        sources = self._archive(scope) if self._at_all else None
        if sources is not None:
            return sources
        LOG.info("the export of %s fails too: its flows one by one", namespace)
        return tuple(self._each(summary.flow_id for summary in self._search(scope)))

    def _each(self, flow_ids: Iterable[FlowId]) -> Iterable[bytes]:
        found = in_parallel(self._source, flow_ids, PARALLEL)
        return (source for source in found if source is not None)

    def _source(self, flow_id: FlowId) -> bytes | None:
        try:
            return self._get(flow_id).source
        except NotFound:
            return None  # deleted since the search

    def _archive(self, scope: Scope | None) -> tuple[bytes, ...] | None:
        """One export; ``None`` if the server cannot do that."""

        def ask(filters: Query) -> Answer:
            return self._transport.send(
                Request("GET", self._path, query=filters, accept=ZIP, large=True, replaceable=True)
            )

        try:
            answers = self._filtering.ask(scope, ask)
        except KestraError as error:
            why = self._replaceable(error)
            if why is None:
                raise
            LOG.info("no export: %s", why)
            return None
        return tuple(source for answer in answers for source in read_export(answer))

    def _replaceable(self, error: KestraError) -> str | None:
        """Why the export fails, if there is another way."""
        if isinstance(error, Unreachable) and error.too_slow:
            return "it takes longer than the time limit"
        if not isinstance(error, ApiError):
            return None
        if error.status == 504:
            return "it takes longer than a gateway waits"
        if error.status == 500 and "duplicate entry" in error.server_message.lower():
            return "two flows have the same file name"
        if error.status in {404, 405, 501}:
            self._at_all = False
            return f"the server has none (it answers {error.status})"
        return None


def read_export(answer: Answer) -> tuple[bytes, ...]:
    """The sources in an answer. Where there are none, there is an empty zip, never nothing.

    :raises UnexpectedAnswer: it is not a zip file.
    """
    if looks_like_html(answer.content[:64], answer.content_type):
        raise answer.unexpected(describe_html(answer.body))
    return read_archive(answer.content)
