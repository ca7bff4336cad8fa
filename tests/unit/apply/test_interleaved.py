"""Two concurrent applies of one inventory, interleaved in any order, one possibly killed.

The lock is of no help here: it settles at once, so that both may believe to hold it. Whatever the
order, nothing foreign changes, what one of the two has written is known as ours afterwards, and at
most one of them ends as if it had been alone. ``KESTRA_SYNC_INTERLEAVINGS=5000`` plays more.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from kestra_sync.apply.run import ChangeStatus, Done
from kestra_sync.apply.transaction import apply_plan
from kestra_sync.client.bulk import FlowSummary
from kestra_sync.client.errors import AlreadyExists, NotFound
from kestra_sync.client.flows import RecentRead
from kestra_sync.client.kv import Kv, KvKey
from kestra_sync.errors import KestraSyncError
from kestra_sync.inventory.codec import from_json, to_json
from kestra_sync.inventory.others import read_others, with_runs
from kestra_sync.inventory.record import Inventory, Resource
from kestra_sync.model import FlowId, Live, Plan, Scope, Target, sha256
from kestra_sync.observer import SILENT
from kestra_sync.settings import ApplyOptions
from tests.unit.apply.fakes import ONE_BY_ONE, PLACE, change, owned

T = TypeVar("T")
TARGET = Target("http://kestra", "main")
RUNS = int(os.environ.get("KESTRA_SYNC_INTERLEAVINGS", "40"))


class Killed(BaseException):
    """The process is gone: none of its calls reaches the server any more."""


class Schedule:
    """Lets one of the runs make its next call, at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.changed = threading.Condition()
        self.alive = {"a", "b"}
        self.dead: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.kill = {}
        if self.random.random() < 0.5:
            self.kill = {self.random.choice("ab"): self.random.randrange(4, 30)}
        self.turn = self.random.choice("ab")

    def call(self, who: str, action: Callable[[], T]) -> T:
        """Make one call when it is its turn."""
        with self.changed:
            if who in self.dead:
                raise Killed
            if who in self.alive:
                assert self.changed.wait_for(lambda: self.turn == who, timeout=20)
            self.calls[who] += 1
            try:
                if self.calls[who] == self.kill.get(who):
                    self.dead.add(who)
                    self.alive.discard(who)
                    raise Killed
                return action()
            finally:
                self._next()

    def end(self, who: str) -> None:
        """It makes no more calls."""
        with self.changed:
            self.alive.discard(who)
            self._next()

    def _next(self) -> None:
        if self.alive:
            self.turn = self.random.choice(sorted(self.alive))
        self.changed.notify_all()


@dataclass
class Server:
    """Flows and keys in memory."""

    flows: dict[str, list[bytes | None]]
    keys: dict[tuple[str, str], Any] = field(default_factory=dict)


class Client:
    """What one run sees of the server."""

    def __init__(self, server: Server, schedule: Schedule, who: str) -> None:
        self.flows, self.kv = Flows(server, schedule, who), Keys(server, schedule, who)


class Flows:
    """``client.flows``."""

    def __init__(self, server: Server, schedule: Schedule, who: str) -> None:
        self._stored, self._schedule, self._who = server.flows, schedule, who

    def _live(self, flow_id: FlowId) -> Live:
        revisions = self._stored.get(flow_id.id, [None])
        if revisions[-1] is None:
            raise NotFound(404, "GET", "/flows")
        return Live(flow_id, revisions[-1], len(revisions))

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live:
        return self._schedule.call(self._who, lambda: self._live(flow_id))

    def create(self, source: bytes) -> Live:
        flow_id = FlowId("acme", source.decode().split()[1])

        def create() -> Live:
            if self._stored.get(flow_id.id, [None])[-1] is not None:
                raise AlreadyExists(422, "POST", "/flows", "already exists")
            self._stored.setdefault(flow_id.id, []).append(source)
            return self._live(flow_id)

        return self._schedule.call(self._who, create)

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

        def update() -> Live:
            if self._live(flow_id).source != source:
                self._stored[flow_id.id].append(source)
            return self._live(flow_id)

        return self._schedule.call(self._who, update)

    def delete(self, flow_id: FlowId) -> None:
        def delete() -> None:
            self._live(flow_id)
            self._stored[flow_id.id].append(None)

        self._schedule.call(self._who, delete)

    def search(self, scope: Scope | None) -> tuple[FlowSummary, ...]:
        return self._schedule.call(
            self._who,
            lambda: tuple(
                FlowSummary(FlowId("acme", name), len(each))
                for name, each in self._stored.items()
                if each[-1] is not None
            ),
        )

    def export(self, scope: Scope | None) -> tuple[bytes, ...]:
        return self._schedule.call(
            self._who,
            lambda: tuple(each[-1] for each in self._stored.values() if each[-1] is not None),
        )

    def namespaces(self) -> tuple[str, ...]:
        return ("acme",)


class Keys(Kv):
    """``client.kv``."""

    def __init__(self, server: Server, schedule: Schedule, who: str) -> None:
        self._keys, self._schedule, self._who = server.keys, schedule, who

    def get(self, namespace: str, key: str, *, maybe_absent: bool = False) -> Any:
        def get() -> Any:
            if (namespace, key) not in self._keys:
                raise NotFound(404, "GET", key)
            return self._keys[namespace, key]

        return self._schedule.call(self._who, get)

    def put(self, namespace: str, key: str, value: Any, **_more: object) -> None:
        self._schedule.call(self._who, lambda: self._keys.update({(namespace, key): value}))

    def delete(self, namespace: str, key: str) -> bool:
        return self._schedule.call(
            self._who, lambda: self._keys.pop((namespace, key), None) is not None
        )

    def search(self, text: str, page_size: int = 100) -> tuple[KvKey, ...]:
        return self._schedule.call(
            self._who, lambda: tuple(sorted(KvKey(*each) for each in self._keys if text in each[1]))
        )


def source(name: str, text: str) -> bytes:
    return f"id: {name}\nnamespace: acme\n# {text}\ntasks: []\n".encode()


BEFORE = {name: source(name, "first") for name in ("same", "up", "gone", "also")}


def plan_of(who: str) -> Plan:
    """Each run comes from another commit."""
    changes = (
        change(BEFORE["up"], source("up", who), flow_id=FlowId("acme", "up")),
        change(None, source(f"new-{who}", who), flow_id=FlowId("acme", f"new-{who}")),
        change(None, source("both", who), flow_id=FlowId("acme", "both")),
        *([change(BEFORE["gone"], None, flow_id=FlowId("acme", "gone"))] if who == "a" else ()),
    )
    return Plan(TARGET, "1.3", "flows", Scope(("acme",)), 3, changes, 0)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lock._SETTLE", "lock._POLL", "writer._SETTLE"):
        monkeypatch.setattr(f"kestra_sync.apply.{name}", 0.0)
    # On a machine that stands still for seconds, the lock of a killed run would be renewed.
    monkeypatch.setattr("kestra_sync.apply.lock.TTL", 3600)


def play(seed: int) -> tuple[Server, dict[str, Done | BaseException], Schedule]:
    """Both runs to their ends."""
    flows: dict[str, list[bytes | None]] = {name: [text] for name, text in BEFORE.items()}
    server = Server({**flows, "foreign": [b"theirs"]})
    entries = {
        FlowId("acme", name): Resource(
            FlowId("acme", name), f"{name}.yaml", sha256(text), sha256(text), 1
        )
        for name, text in BEFORE.items()
    }
    before = Inventory("flows", TARGET, "", Scope(("acme",)), nonce="0", resources=entries)
    server.keys["acme", PLACE.key] = to_json(before)
    schedule = Schedule(seed)
    ends: dict[str, Done | BaseException] = {}

    def run(who: str) -> None:
        client = Client(server, schedule, who)
        try:
            ends[who] = apply_plan(
                client, plan_of(who), owned(before), ONE_BY_ONE, ApplyOptions(), SILENT
            )
        except BaseException as error:
            ends[who] = error
        finally:
            schedule.end(who)

    threads = [threading.Thread(target=run, args=(who,)) for who in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not any(each.is_alive() for each in threads)
    return server, ends, schedule


@pytest.mark.parametrize("seed", range(RUNS))
def test_interleaved__two_applies_in_any_order(seed: int) -> None:
    server, ends, schedule = play(seed)
    for who, end in ends.items():
        if who not in schedule.dead:
            assert isinstance(end, (Done, KestraSyncError)), repr(end)
    # Nothing foreign was touched, and what neither run speaks of is as it was.
    assert server.flows["foreign"] == [b"theirs"]
    assert server.flows["same"] == [BEFORE["same"]]
    # Every owned flow is known: from the record, or from the intent of a run next to it.
    onlooker = Client(server, schedule, "onlooker").kv
    record = from_json(server.keys["acme", PLACE.key])
    runs = read_others(onlooker, PLACE, record, only_runs=True).runs
    known = with_runs(record.bases(), runs, Scope(("acme",)))
    for name, revisions in server.flows.items():
        if revisions[-1] is not None and name != "foreign":
            base = known.get(FlowId("acme", name))
            assert base is not None, f"{name} is lost"
            assert sha256(revisions[-1]) in base.live_hashes, f"the source of {name} is lost"
    # Both cannot have ended as if they had been alone: they wrote the same flows.
    clean = [
        who
        for who, end in ends.items()
        if isinstance(end, Done)
        and who not in schedule.dead
        and not (end.incomplete or end.notes)
        and all(each.status is ChangeStatus.APPLIED for each in end.outcomes)
    ]
    assert len(clean) <= 1
