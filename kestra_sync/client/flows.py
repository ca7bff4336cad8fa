"""Flows: read, write, validate, find, export."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kestra_sync.client.answer import (
    flow_id_of,
    int_of,
    texts_of,
)
from kestra_sync.client.bulk import ZIP, Exporter, Filtering, FlowSummary, pages, read_export
from kestra_sync.client.errors import (
    AlreadyExists,
    ApiError,
    ConflictingState,
    UnexpectedAnswer,
)
from kestra_sync.client.request import JSON, YAML, Query, Request, query, segments
from kestra_sync.client.transport import Transport
from kestra_sync.client.validation import Validation, Validator
from kestra_sync.model import FlowId, Live, Scope

if TYPE_CHECKING:
    from kestra_sync.client.client import ServerInfo

LOG = logging.getLogger("kestra_sync.client")


@dataclass(frozen=True)
class RecentRead:
    """A flow that the caller has just read.

    :param until: when (monotonic clock) the read is too old to precede a write.
    """

    live: Live
    until: float


class Flows:
    """``client.flows``. Every method may raise any :class:`~kestra_sync.client.errors.KestraError`;
    only errors that are specific to the call are documented."""

    def __init__(
        self, transport: Transport, tenant: str, server_info: Callable[[], ServerInfo]
    ) -> None:
        self._transport = transport
        self._base = f"/api/v1/{segments(tenant)}/flows"
        self._validator = Validator(
            transport, f"{self._base}/validate", lambda: server_info().can.multipart_validate
        )
        self._filtering = Filtering()
        self._exporter = Exporter(
            transport,
            f"{self._base}/export/by-query",
            filtering=self._filtering,
            namespaces=self.namespaces,
            search=self.search,
            get=self.get,
        )

    def create(self, source: bytes | str) -> Live:
        """Create the flow in ``source``: one YAML document, sent byte for byte.

        :raises AlreadyExists: a flow with this name exists.
        :raises InvalidContent: the server rejects the source.
        :raises UnknownOutcome: it may have been created or not.
        """
        body = _bytes(source)
        try:
            answer = self._transport.send(Request("POST", self._base, body=body, content_type=YAML))
        except ConflictingState as error:
            raise AlreadyExists(
                error.status, error.method, error.path, error.server_message
            ) from error
        return _written(answer.object(), body)

    def update(
        self,
        flow_id: FlowId,
        source: bytes | str,
        *,
        check: Callable[[Live], None] | None = None,
        recent: RecentRead | None = None,
    ) -> Live:
        """Replace the source of a flow. An identical source does not create a new revision.

        The server is lenient here: it stores unknown properties that ``create`` and
        ``validate`` reject. Validate first.

        The flow is read right before the update. If it does not exist, nothing is sent: updating a
        flow that does not exist can hang the server (kestra-io/kestra issue 12984).

        :param check: called with the flow as it was read; if it raises, nothing is sent.
        :param recent: the flow, if the caller has just read it; it is read again if the request
            has to wait for too long.
        :raises NotFound: there is no such flow.
        :raises InvalidContent: the server rejects the source, or it names another flow.
        :raises UnknownOutcome: it may have been updated or not.
        """
        body = _bytes(source)
        path = self._path(flow_id)
        request = Request("PUT", path, body=body, content_type=YAML, first=Request("GET", path))
        if check is not None:

            def compare(data: dict[str, Any]) -> None:
                live = live_of(data)
                if live.flow_id != flow_id:
                    raise UnexpectedAnswer(f"the read of {flow_id} returned {live.flow_id}")
                check(live)

            read = Request("GET", path, query=query(("source", True)))
            request = replace(request, first=read, check=compare)
        if recent is not None:
            if check is not None:
                check(recent.live)
            request = replace(request, fresh_until=recent.until)
        return _written(self._transport.send(request).object(), body)

    def delete(self, flow_id: FlowId) -> None:
        """Delete a flow. Its revisions can still be read, and their numbering continues.

        :raises NotFound: there is no such flow.
        :raises UnknownOutcome: it may have been deleted or not.
        """
        self._transport.send(Request("DELETE", self._path(flow_id)))

    def get(
        self, flow_id: FlowId, *, revision: int | None = None, allow_deleted: bool = False
    ) -> Live:
        """Return a flow with its source and revision.

        :raises NotFound: there is no such flow or revision.
        """
        parameters = query(
            ("source", True), ("revision", revision), ("allowDeleted", allow_deleted or None)
        )
        answer = self._transport.send(Request("GET", self._path(flow_id), query=parameters))
        live = live_of(answer.object())
        if live.flow_id != flow_id:
            raise answer.unexpected(f"another flow ({live.flow_id})")
        return live

    def revisions(self, flow_id: FlowId) -> tuple[Live, ...]:
        """Return all revisions that the server keeps, oldest first.

        :raises NotFound: there is no such flow.
        """
        answer = self._transport.send(Request("GET", f"{self._path(flow_id)}/revisions"))
        found = [live_of(item) for item in answer.list()]
        return tuple(sorted(found, key=lambda live: live.revision or 0))

    def validate(self, sources: Sequence[bytes]) -> tuple[Validation, ...]:
        """Validate the sources on the server, in their order. Nothing is stored.

        Each source must contain one document: the server ignores a second one.
        """
        return self._validator.validate(sources) if sources else ()

    def search(self, scope: Scope | None = None, page_size: int = 2000) -> tuple[FlowSummary, ...]:
        """Return all flows of the scope, without sources. ``None`` is the whole tenant."""
        if scope is not None and not scope.namespaces:
            return ()

        def fetch(filters: Query) -> list[FlowSummary]:
            parameters = (*filters, *query(("sort", "id:asc")))
            return list(
                pages(self._transport, f"{self._base}/search", parameters, _summary, page_size)
            )

        return tuple(
            summary
            for summaries in self._filtering.fetch(scope, fetch)
            for summary in summaries
            if scope is None or scope.covers(summary.flow_id.namespace)
        )

    def export(self, scope: Scope | None = None) -> tuple[bytes, ...]:
        """Return the sources of all flows of the scope, byte for byte, without revisions.

        The result may contain flows of other namespaces, because this client does not read YAML:
        filter by the namespace in the source. Falls back to single namespaces and flows if the
        server's export fails.
        """
        if scope is not None and not scope.namespaces:
            return ()
        return self._exporter.export(scope)

    def export_by_ids(self, flow_ids: Iterable[FlowId]) -> tuple[bytes, ...]:
        """Return the sources of these flows, in any order.

        :raises NotFound: one of them is missing.
        """
        ids = [{"id": flow.id, "namespace": flow.namespace} for flow in flow_ids]
        if not ids:
            return ()
        request = Request(
            "POST",
            f"{self._base}/export/by-ids",
            body=json.dumps(ids).encode(),
            content_type=JSON,
            accept=ZIP,
            safe=True,
        )
        return read_export(self._transport.send(request))

    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces of the tenant that contain flows, sorted."""
        try:
            answer = self._transport.send(Request("GET", f"{self._base}/distinct-namespaces"))
        except ApiError as error:
            if error.status not in {404, 405, 501}:
                raise
            LOG.info("the server does not list namespaces (%s): searching all flows", error.status)
            return tuple(sorted({each.flow_id.namespace for each in self.search()}))
        return tuple(sorted(set(texts_of(answer.list()))))

    def dependencies(self, flow_id: FlowId) -> dict[str, Any]:
        """Return the dependency graph of a flow, as the server returns it.

        :raises NotFound: there is no such flow.
        """
        answer = self._transport.send(Request("GET", f"{self._path(flow_id)}/dependencies"))
        return answer.object()

    def _path(self, flow_id: FlowId) -> str:
        return f"{self._base}/{segments(flow_id.namespace, flow_id.id)}"


def _bytes(source: bytes | str) -> bytes:
    return source.encode() if isinstance(source, str) else source


def _written(data: dict[str, Any], sent: bytes) -> Live:
    try:
        return live_of(data, sent)
    except UnexpectedAnswer as error:
        error.may_have_written = True
        raise


def live_of(data: Any, source: bytes | None = None) -> Live:
    """Parse a flow from a response.

    :param source: the source to use if the response has none.
    :raises UnexpectedAnswer: it is not a flow.
    """
    flow_id = flow_id_of(data)
    if flow_id is None:
        raise UnexpectedAnswer("the server's answer is not a flow")
    text = data.get("source")
    if isinstance(text, str):
        source = text.encode("utf-8", errors="surrogatepass")
    if source is None:
        raise UnexpectedAnswer(f"the server's answer has no source for {flow_id}")
    return Live(flow_id=flow_id, content=source, revision=int_of(data.get("revision")))


def _summary(item: dict[str, Any]) -> FlowSummary:
    flow_id = flow_id_of(item)
    if flow_id is None:
        raise UnexpectedAnswer("the search returned something that is not a flow")
    return FlowSummary(
        flow_id=flow_id,
        revision=int_of(item.get("revision")),
        disabled=item.get("disabled") is True,
        deleted=item.get("deleted") is True,
    )
