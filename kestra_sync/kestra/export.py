"""Reads all sources of a scope, by the shortest way that the server lets us go.

The export is one request, but it fails for the whole server when two flows share
``{namespace}-{id}``. Then each namespace is asked for apart, and where even that fails each flow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from kestra_sync.kestra.answer import Answer
from kestra_sync.kestra.archive import read_archive
from kestra_sync.kestra.errors import NotFound, ServerFailure
from kestra_sync.kestra.filters import scope_filters
from kestra_sync.kestra.parallel import in_parallel
from kestra_sync.kestra.problems import describe_html, looks_like_html
from kestra_sync.kestra.request import Request
from kestra_sync.kestra.transport import Transport
from kestra_sync.kestra.values import FlowSummary
from kestra_sync.model import FlowId, Live, Scope

LOG = logging.getLogger("kestra_sync.kestra")
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
        namespaces: Callable[[], tuple[str, ...]],
        search: Callable[[Scope], tuple[FlowSummary, ...]],
        get: Callable[[FlowId], Live],
    ) -> None:
        self._transport = transport
        self._path = path
        self._namespaces = namespaces
        self._search = search
        self._get = get

    def export(self, scope: Scope | None) -> tuple[bytes, ...]:
        """The sources; more than those of the scope, if the server's filter is coarse."""
        sources = self._archive(scope)
        if sources is not None:
            return sources
        namespaces = [
            namespace
            for namespace in self._namespaces()
            if scope is None or scope.covers(namespace)
        ]
        LOG.info(
            "the export fails as two flows have the same file name: %d namespaces one by one",
            len(namespaces),
        )
        found = in_parallel(self._namespace, namespaces, PARALLEL)
        return tuple(source for sources in found for source in sources)

    def _namespace(self, namespace: str) -> tuple[bytes, ...]:
        scope = Scope((namespace,), exact=True)
        sources = self._archive(scope)
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
        """One export; ``None`` if two names collide."""
        request = Request("GET", self._path, query=scope_filters(scope), accept=ZIP)
        try:
            answer = self._transport.send(request)
        except ServerFailure as error:
            if error.status == 500 and "duplicate entry" in error.server_message.lower():
                return None
            raise
        return read_export(answer)


def read_export(answer: Answer) -> tuple[bytes, ...]:
    """The sources in an answer. Where there are none, there is an empty zip, never nothing.

    :raises UnexpectedAnswer: it is no zip.
    """
    if looks_like_html(answer.body, answer.content_type):
        raise answer.unexpected(describe_html(answer.body))
    return read_archive(answer.body)
