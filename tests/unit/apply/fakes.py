"""A server in memory, with configurable faults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from kestra_sync.client.errors import (
    AlreadyExists,
    InvalidContent,
    KestraError,
    NotFound,
    UnknownOutcome,
    Unreachable,
)
from kestra_sync.client.flows import RecentRead
from kestra_sync.client.kv import Kv, KvKey
from kestra_sync.inventory.read import InventoryLocation, Ownership
from kestra_sync.inventory.record import Inventory, Origin
from kestra_sync.model import Action, Change, Desired, Document, Flow, FlowId, Live, Reason
from kestra_sync.settings import Settings

A = FlowId("acme", "a")
PLACE = InventoryLocation("acme", "flows")
ORIGIN = Origin("github.com/acme/flows", "c0ffee", "main")

LOST = UnknownOutcome("the answer was lost", method="PUT", path="/flows")
DOWN = Unreachable("no answer")
NOT_FOUND = NotFound(404, "GET", "/flows")
INVALID = InvalidContent(422, "POST", "/flows", "no")

Step = Callable[[], None]


class Flows:
    """Flows in memory. ``before`` and ``after`` script what happens around the n-th call."""

    def __init__(self, **sources: bytes) -> None:
        self.stored: dict[str, list[bytes | None]] = {
            name: [source] for name, source in sources.items()
        }
        self.calls: list[str] = []
        self._before: dict[str, list[Step | None]] = defaultdict(list)
        self._after: dict[str, list[Step | None]] = defaultdict(list)

    def before(self, call: str, *steps: Step | None) -> None:
        """Before the server gets the first, second, … ``call``."""
        self._before[call] = list(steps)

    def after(self, call: str, *steps: Step | None) -> None:
        """When the server has carried the first, second, … ``call`` out."""
        self._after[call] = list(steps)

    def source(self, name: str) -> bytes | None:
        """The current source."""
        revisions = self.stored.get(name)
        return revisions[-1] if revisions else None

    def put(self, name: str, source: bytes | None) -> None:
        """Another user writes; ``None`` deletes."""
        self.stored.setdefault(name, []).append(source)

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live:
        self._around("get", self._before)
        revisions = self.stored.get(flow_id.id, [])
        if revision is not None and not 0 < revision <= len(revisions):
            raise NOT_FOUND
        source = revisions[(revision or len(revisions)) - 1] if revisions else None
        if source is None:
            raise NOT_FOUND
        return Live(flow_id, source, revision or len(revisions))

    def create(self, source: bytes) -> Live:
        self._around("create", self._before)
        if self.source("a") is not None:
            raise AlreadyExists(422, "POST", "/flows", "already exists")
        return self._store("create", source)

    def update(
        self,
        flow_id: FlowId,
        source: bytes,
        *,
        check: Callable[[Live], None] | None = None,
        recent: RecentRead | None = None,
    ) -> Live:
        if check is not None:
            check(recent.live if recent is not None else self.get(flow_id))
        self._around("update", self._before)
        if self.source(flow_id.id) is None:
            raise NOT_FOUND
        if self.source(flow_id.id) == source:
            return self.get(flow_id)
        return self._store("update", source)

    def delete(self, flow_id: FlowId) -> None:
        self._around("delete", self._before)
        if self.source(flow_id.id) is None:
            raise NOT_FOUND
        self.put(flow_id.id, None)
        self._around("delete", self._after)

    def _store(self, call: str, source: bytes) -> Live:
        self.put("a", source)
        live = Live(A, source, len(self.stored["a"]))
        self._around(call, self._after)
        return live

    def _around(self, call: str, steps: dict[str, list[Step | None]]) -> None:
        if steps is self._before:
            self.calls.append(call)
        step = steps[call].pop(0) if steps[call] else None
        if step is not None:
            step()


def fail(error: Exception) -> Step:
    """A step that raises this error."""

    def step() -> None:
        raise error

    return step


def change(
    before: bytes | None,
    after: bytes | None,
    revision: int | None = 1,
    flow_id: FlowId = A,
    reason: Reason | None = None,
    **more: Any,
) -> Change:
    """The change from one source to another; ``None`` means no flow."""
    action = Action.CREATE if before is None else Action.DELETE if after is None else Action.UPDATE
    reasons = {
        Action.CREATE: Reason.NEW,
        Action.UPDATE: Reason.CHANGED,
        Action.DELETE: Reason.REMOVED,
    }
    desired = None
    if after is not None:
        desired = Desired(Flow(flow_id, Document(f"{flow_id.id}.yaml", 0, 1, after)), after)
    return Change(
        more.pop("action", action),
        reason or reasons[action],
        flow_id,
        f"{flow_id.id}.yaml",
        before=before,
        after=after,
        desired=desired,
        revision=None if before is None else revision,
        **more,
    )


class KvStore(Kv):
    """A key-value store in memory, with configurable faults."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.puts: list[tuple[str, Any, str | None]] = []
        self.fail_get: list[KestraError | None] = []
        self.fail_put: list[KestraError | None] = []
        self.lose_put: list[KestraError | None] = []
        self.fail_delete: list[KestraError | None] = []

    def get(self, namespace: str, key: str, *, maybe_absent: bool = False) -> Any:
        _raise_next(self.fail_get)
        if key not in self.values:
            raise NotFound(404, "GET", key)
        return self.values[key]

    def search(self, text: str, page_size: int = 100) -> tuple[KvKey, ...]:
        return tuple(sorted(KvKey("acme", key) for key in self.values if text in key))

    def put(
        self,
        namespace: str,
        key: str,
        value: Any,
        *,
        ttl: str | None = None,
        description: str | None = None,
    ) -> None:
        _raise_next(self.fail_put)
        self.values[key] = value
        self.puts.append((key, value, ttl))
        _raise_next(self.lose_put)

    def delete(self, namespace: str, key: str) -> bool:
        _raise_next(self.fail_delete)
        return self.values.pop(key, None) is not None


def _raise_next(errors: list[KestraError | None]) -> None:
    error = errors.pop(0) if errors else None
    if error is not None:
        raise error


def owned(inventory: Inventory) -> Ownership:
    """The inventory of the test, at its place."""
    return Ownership(PLACE, inventory, ORIGIN, PLACE)


#: One write at a time, so that the n-th call is always the same.
ONE_BY_ONE = Settings(parallelism=1, lock_timeout=0.0)
