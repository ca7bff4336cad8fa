"""Reads all flows of the scope on the server, from one export that is treated as untrusted."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Protocol

from kestra_sync.client.bulk import FlowSummary
from kestra_sync.client.parallel import in_parallel
from kestra_sync.model import Diagnostic, FlowId, Live, Scope, Severity, sha256
from kestra_sync.repo.load import identify_source
from kestra_sync.safe.text import is_flow_id, shown

RULE = "server-name"


def left_alone(flow_id: FlowId, why: str) -> Diagnostic:
    """Return the warning for a flow with an unusable name, shown in printable ASCII."""
    return Diagnostic(
        "",
        None,
        Severity.WARNING,
        RULE,
        f"the flow {shown(str(flow_id))} on the server is ignored: {why}",
        "if it is yours, rename it on the server",
    )


def unusable_names(flow_ids: Iterable[FlowId]) -> tuple[Diagnostic, ...]:
    """Return a warning for each name that is not valid in Kestra."""
    return tuple(left_alone(each, _why(each)) for each in sorted(flow_ids))


def _why(flow_id: FlowId) -> str:
    if is_flow_id(flow_id):
        return "its id is not quoted, and YAML does not read it as text"
    return "not a valid name in Kestra"


log = logging.getLogger(__name__)


class BulkReads(Protocol):
    """The reads of :class:`kestra_sync.client.flows.Flows` that a snapshot needs."""

    def export(self, scope: Scope | None) -> tuple[bytes, ...]: ...

    def search(self, scope: Scope | None) -> tuple[FlowSummary, ...]: ...

    def namespaces(self) -> tuple[str, ...]: ...

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live: ...


class FlowReads(BulkReads, Protocol):
    """The same, and the history of a flow."""

    def revisions(self, flow_id: FlowId) -> tuple[Live, ...]: ...


def snapshot(
    flows: BulkReads,
    scope: Scope,
    known: Mapping[str, FlowId],
    *,
    parallelism: int = 8,
    held: Mapping[FlowId, bytes] | None = None,
    unusable: set[FlowId] | None = None,
    exported: Callable[[], tuple[bytes, ...]] | None = None,
) -> dict[FlowId, Live]:
    """Read all live flows of ``scope``, by name.

    The namespace and id of a source are read from the source: the names in an export cannot be
    split. Whatever the server's filter did, flows outside the scope are dropped here; and an
    empty response is only trusted once the server's list of namespaces agrees, since some filters
    are answered with an empty archive and a 200 (``docs/kestra-api.md``, filters).

    :param known: hash of a desired source → its flow: equal sources have equal names, so they need
        not be parsed.
    :param held: the desired sources, so that equal sources are only kept in memory once.
    :param unusable: receives the invalid names. They are not part of the result: such a flow is
        never planned, pruned, read by name, or written to a file.
    :param exported: waits for the export of ``scope``, if it was requested already.
    :raises KestraError: if the server cannot be read.
    """
    if not scope.namespaces:
        return {}
    unusable = set() if unusable is None else unusable
    look = _Inspector(scope, known, held or {}, unusable)
    found, unclear = look.at(flows.export(scope) if exported is None else exported())
    if not found:
        inside = tuple(name for name in flows.namespaces() if scope.covers(name))
        if inside:
            log.info("the export is empty, but flows exist: reading %s", inside)
            found, unclear = _one_by_one(flows, inside, look)
    if unclear:
        found.update(_read_missing(flows, scope, found, parallelism, unusable))
    return found


class _Inspector:
    """Tells whose each source is; see :func:`snapshot` for the parameters."""

    def __init__(
        self,
        scope: Scope,
        known: Mapping[str, FlowId],
        held: Mapping[FlowId, bytes],
        unusable: set[FlowId],
    ) -> None:
        self._unusable = unusable
        self._known = known
        self._held = held
        self._covers = cache(scope.covers)

    def at(self, sources: Iterable[bytes]) -> tuple[dict[FlowId, Live], int]:
        """Return the flows of the scope in ``sources``, and how many sources have no known flow."""
        found: dict[FlowId, Live] = {}
        unclear = 0
        for source in sources:
            digest = sha256(source)
            flow_id = self._known.get(digest)
            if flow_id is not None:
                source = self._held.get(flow_id, source)  # the same bytes
            else:
                flow_id = identify_source(source)
            if flow_id is None:
                unclear += 1
            elif digest not in self._known and (written := _written(source, flow_id)) is not None:
                self._unusable.add(written)
            elif digest not in self._known and not is_flow_id(flow_id):
                self._unusable.add(flow_id)
            elif self._covers(flow_id.namespace):
                found[flow_id] = live = Live(flow_id, source)
                vars(live)["sha256"] = digest  # set the cached property to avoid hashing it again
        return found, unclear


#: Plain values that YAML does not read as text: numbers and booleans.
_NOT_TEXT = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?|true|false|-?inf|nan|-?\.inf")
_ID_LINE = re.compile(rb"^id[ \t]*:[ \t]*([^\s#]+)", re.MULTILINE)


def _written(source: bytes, flow_id: FlowId) -> FlowId | None:
    """Return the id as written, if YAML reads it as something else (``010`` is 8).

    Kestra stores such a flow under the id as written.
    """
    if not _NOT_TEXT.fullmatch(flow_id.id):
        return None
    line = _ID_LINE.search(source)
    text = line.group(1).decode("utf-8", "replace") if line is not None else flow_id.id
    if text.strip("'\"") == flow_id.id:
        return None
    return FlowId(flow_id.namespace, text)


def _one_by_one(
    flows: BulkReads, namespaces: Iterable[str], look: _Inspector
) -> tuple[dict[FlowId, Live], int]:
    found: dict[FlowId, Live] = {}
    unclear = 0
    for namespace in namespaces:
        some, doubts = look.at(flows.export(Scope((namespace,), exact=True)))
        found.update(some)
        unclear += doubts
    # Still empty although there are flows: use the search to find what to read.
    return found, unclear if found else 1


def _read_missing(
    flows: BulkReads,
    scope: Scope,
    found: Mapping[FlowId, Live],
    parallelism: int,
    unusable: set[FlowId],
) -> dict[FlowId, Live]:
    """Read flows individually whose source does not contain a known name."""
    missing = []
    for summary in flows.search(scope):
        if not is_flow_id(summary.flow_id):
            unusable.add(summary.flow_id)
        elif summary.flow_id not in found and scope.covers(summary.flow_id.namespace):
            missing.append(summary.flow_id)
    log.info("reading %d flows one by one", len(missing))
    return {live.flow_id: live for live in in_parallel(flows.get, missing, parallelism)}
