"""After the first write, the record and the report are correct, whatever a step raises.

Every step of an apply is made to throw, every time it is taken; after each run the server, the
record, the report and the exit code must tell the same story.
"""

from __future__ import annotations

import errno
import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.apply.journal import Journal
from kestra_sync.apply.run import ChangeStatus, Done, Outcome, RollbackStatus
from kestra_sync.apply.transaction import apply_plan
from kestra_sync.client.bulk import FlowSummary
from kestra_sync.client.errors import AlreadyExists, NotFound, ServerFailure, Unreachable
from kestra_sync.client.flows import RecentRead
from kestra_sync.commands.apply import ApplyResult
from kestra_sync.errors import ExitCode
from kestra_sync.inventory.codec import from_json, to_json
from kestra_sync.inventory.record import Inventory, Resource
from kestra_sync.model import FlowId, Live, Plan, Scope, Target, sha256
from kestra_sync.observer import Observer
from kestra_sync.settings import ApplyOptions
from tests.support.examples import THOROUGH
from tests.unit.apply.fakes import ONE_BY_ONE, PLACE, KvStore, change, owned

TARGET = Target("http://kestra", "main")

#: What a step may throw; the last two are of the server.
ERRORS: dict[str, Callable[[], BaseException]] = {
    "RuntimeError": lambda: RuntimeError("a bug"),
    "RecursionError": lambda: RecursionError("too deep"),
    "MemoryError": MemoryError,
    "UnicodeEncodeError": lambda: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"),
    "full disk": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "broken pipe": lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "interrupt": KeyboardInterrupt,
    "500": lambda: ServerFailure(500, "PUT", "/x", "no", may_have_written=True),
    "away": lambda: Unreachable("no answer"),
}


def source(name: str, text: str) -> bytes:
    return f"id: {name}\nnamespace: acme\ntasks: [] # {text}\n".encode()


@dataclass
class Faults:
    """Throws at the n-th time that a step is taken, and counts them."""

    step: str = ""
    nth: int = 0
    error: Callable[[], BaseException] = RuntimeError
    after: bool = False
    times: Counter[str] = field(default_factory=Counter)
    raised: bool = False
    lock: Any = field(default_factory=threading.Lock)

    def at(self, step: str, *, after: bool = False) -> None:
        """A step is taken; ``after`` it was carried out."""
        with self.lock:
            key = f"{step} carried out" if after else step
            self.times[key] += 1
            if key == self.step and self.times[key] == self.nth:
                self.raised = True
                raise self.error()


class Server:
    """Flows and keys in memory, as faithful as an apply needs them."""

    def __init__(self, faults: Faults, flows: dict[str, list[bytes | None]]) -> None:
        self.faults = faults
        self.stored = flows
        self.kv = Keys(faults)
        self.flows = self

    def source(self, name: str) -> bytes | None:
        return self.stored[name][-1] if name in self.stored else None

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live:
        self.faults.at("get")
        revisions = self.stored.get(flow_id.id, [])
        found = revisions[(revision or len(revisions)) - 1] if revisions else None
        if found is None:
            raise NotFound(404, "GET", "/flows")
        return Live(flow_id, found, revision or len(revisions))

    def create(self, text: bytes) -> Live:
        self.faults.at("create")
        name = text.decode().split()[1]
        if self.source(name) is not None:
            raise AlreadyExists(422, "POST", "/flows", "already exists")
        return self._put("create", name, text)

    def update(
        self,
        flow_id: FlowId,
        text: bytes,
        *,
        check: Callable[[Live], None] | None = None,
        recent: RecentRead | None = None,
    ) -> Live:
        if check is not None:
            check(recent.live if recent is not None else self.get(flow_id))
        self.faults.at("update")
        if self.source(flow_id.id) is None:
            raise NotFound(404, "PUT", "/flows")
        if self.source(flow_id.id) == text:
            return Live(flow_id, text, len(self.stored[flow_id.id]))
        return self._put("update", flow_id.id, text)

    def delete(self, flow_id: FlowId) -> None:
        self.faults.at("delete")
        if self.source(flow_id.id) is None:
            raise NotFound(404, "DELETE", "/flows")
        self.stored[flow_id.id].append(None)
        self.faults.at("delete", after=True)

    def _put(self, call: str, name: str, text: bytes) -> Live:
        self.stored.setdefault(name, []).append(text)
        self.faults.at(call, after=True)
        return Live(FlowId("acme", name), text, len(self.stored[name]))

    def search(self, scope: Scope | None) -> tuple[FlowSummary, ...]:
        self.faults.at("search")
        return tuple(
            FlowSummary(FlowId("acme", name), len(each))
            for name, each in self.stored.items()
            if each[-1] is not None
        )

    def export(self, scope: Scope | None) -> tuple[bytes, ...]:
        self.faults.at("export")
        return tuple(each[-1] for each in self.stored.values() if each[-1] is not None)

    def namespaces(self) -> tuple[str, ...]:
        return ("acme",)

    def revisions(self, flow_id: FlowId) -> tuple[object, ...]:
        raise AssertionError


class Keys(KvStore):
    """The keys, with the record and the lock told apart."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.faults = faults

    def get(self, namespace: str, key: str, *, maybe_absent: bool = False) -> Any:
        self.faults.at("look at the lock" if "lock" in key else "read the record")
        return super().get(namespace, key)

    def put(self, namespace: str, key: str, value: Any, **more: Any) -> None:
        step = "renew the lock" if "lock" in key else "record"
        self.faults.at(step)
        super().put(namespace, key, value, **more)
        self.faults.at(step, after=True)

    def delete(self, namespace: str, key: str) -> bool:
        self.faults.at("unlock")
        return super().delete(namespace, key)


class Progress(Observer):
    """Throws as it is told to."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def stage(self, name: str) -> None:
        self.faults.at("progress: stage")

    def begin(self, total: int) -> None:
        self.faults.at("progress: begin")

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        self.faults.at("progress: done")

    def end(self) -> None:
        self.faults.at("progress: end")


@dataclass
class Planned:
    """What the exit code asks of a plan."""

    def exit_code(self, *, detailed: bool) -> ExitCode:
        return ExitCode.OK


BEFORE = {name: source(name, "before") for name in ("update", "gone", "same")}
CHANGES = (
    change(None, source("create", "new"), flow_id=FlowId("acme", "create")),
    change(BEFORE["update"], source("update", "new"), flow_id=FlowId("acme", "update")),
    change(BEFORE["gone"], None, flow_id=FlowId("acme", "gone")),
)


@dataclass
class Story:
    """One apply, and what is there afterwards."""

    server: Server
    done: Done | None
    raised: BaseException | None

    @property
    def result(self) -> ApplyResult:
        assert self.done is not None
        return ApplyResult(Planned(), self.done)  # type: ignore[arg-type]

    @property
    def record(self) -> Inventory:
        return from_json(self.server.kv.values[PLACE.key])


def play(
    faults: Faults, *, rollback: bool, tests_failed: bool = False, journal: Path | None = None
) -> Story:
    """Create, update and delete a flow, run a smoke test, and perhaps take all of it back."""
    server = Server(faults, {name: [text] for name, text in BEFORE.items()})
    entries = {
        FlowId("acme", name): Resource(
            FlowId("acme", name), f"{name}.yaml", sha256(text), sha256(text), 1
        )
        for name, text in BEFORE.items()
    }
    before = Inventory("flows", TARGET, "", Scope(("acme",)), resources=entries)
    server.kv.values[PLACE.key] = to_json(before)

    def prove(_outcomes: Sequence[Outcome], _stop: threading.Event) -> bool:
        faults.at("smoke")
        return tests_failed

    plan = Plan(TARGET, "1.3", "flows", Scope(("acme",)), 3, CHANGES, 0)
    options = ApplyOptions(rollback=rollback, journal=str(journal) if journal else None)
    progress = Progress(faults)
    try:
        done = apply_plan(server, plan, owned(before), ONE_BY_ONE, options, progress, prove)
    except BaseException as error:
        return Story(server, None, error)
    return Story(server, done, None)


def assert_true(story: Story, *, recorded: bool) -> None:
    """Server, record, report and exit code agree.

    :param recorded: the record could be stored; else the intent must cover what was written.
    """
    assert story.done is not None
    outcomes = {each.change.flow_id: each for each in story.done.outcomes}
    assert set(outcomes) == {each.flow_id for each in CHANGES}
    back = {
        each.change.flow_id
        for each in story.done.restored
        if each.status is RollbackStatus.RESTORED
    }
    perhaps = {
        each.change.flow_id
        for each in story.done.restored
        if each.message == "possibly not rolled back: interrupted"
    }
    known = story.record.bases()
    changed = []
    for each in CHANGES:
        outcome, there = outcomes[each.flow_id], story.server.source(each.flow_id.id)
        if each.flow_id in back or outcome.status is ChangeStatus.NOT_ATTEMPTED:
            assert there == each.before, f"{each.flow_id} is said to be as it was"
        elif outcome.status is ChangeStatus.APPLIED:
            assert there == each.after or each.flow_id in perhaps
        else:
            assert outcome.status in (ChangeStatus.FAILED, ChangeStatus.CONFLICT)
            assert there in (each.before, each.after)
            assert there == each.before or outcome.unsure or outcome.written
        if there != each.before:
            changed.append(each)
        if there is not None and each.flow_id not in perhaps:
            assert sha256(there) in known[each.flow_id].live_hashes, "ownership is lost"
    assert story.server.source("same") == BEFORE["same"]
    code = story.result.exit_code
    if recorded and not story.done.interrupted:
        assert story.record.intent is None or any(each.unsure for each in outcomes.values())
    if code is ExitCode.OK:
        assert recorded
        assert changed == list(CHANGES)
    elif code is ExitCode.FAILURE:
        assert changed == []
    elif code is ExitCode.SMOKE_FAILED:
        assert changed == ([] if back else list(CHANGES))
    else:
        nothing = (ExitCode.UNREACHABLE,) if changed == [] else ()
        assert code in (ExitCode.PARTIAL, ExitCode.CONFLICT, ExitCode.INTERRUPTED, *nothing)
    assert (code is ExitCode.INTERRUPTED) is story.done.interrupted


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kestra_sync.apply.lock._SETTLE", 0.0)
    monkeypatch.setattr("kestra_sync.apply.writer._SETTLE", 0.0)


def steps_of(*, rollback: bool, tests_failed: bool) -> list[tuple[str, int]]:
    """Every step that an apply takes, and each time it takes it."""
    faults = Faults()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kestra_sync.apply.lock._SETTLE", 0.0)
        story = play(faults, rollback=rollback, tests_failed=tests_failed)
    assert story.raised is None
    return [(step, nth) for step, times in faults.times.items() for nth in range(1, times + 1)]


def _scenes() -> Iterator[Any]:
    """Each step of an apply with the errors that it throws.

    A third of them at a time, in turns: each step meets each error somewhere. A thorough run
    throws all of them everywhere.
    """
    taken: Counter[str] = Counter()
    for name, rollback, tests_failed in (
        ("green", True, False),
        ("red", True, True),
        ("stays", False, True),
    ):
        for step, nth in steps_of(rollback=rollback, tests_failed=tests_failed):
            errors = list(ERRORS) if THOROUGH else list(ERRORS)[taken[step] % 3 :: 3]
            taken[step] += 1
            yield pytest.param(
                rollback, tests_failed, step, nth, errors, id=f"{name}: {step} {nth}"
            )


@pytest.mark.parametrize(("rollback", "tests_failed", "step", "nth", "errors"), [*_scenes()])
def test_apply__any_exception_is_recorded_and_reported(
    rollback: bool, tests_failed: bool, step: str, nth: int, errors: list[str]
) -> None:
    for name in errors:
        if name == "away" and step.endswith("carried out"):
            continue  # only reported for what was never sent
        faults = Faults(step, nth, ERRORS[name])
        story = play(faults, rollback=rollback, tests_failed=tests_failed)
        assert faults.raised
        if story.raised is not None:
            # Only before the first write may anything pass.
            live = {name: story.server.source(name) for name in ("create", *BEFORE)}
            assert live == {"create": None, **BEFORE}, story.raised
            continue
        assert_true(story, recorded=not _noted(story, "inventory"))


def _noted(story: Story, words: str) -> bool:
    assert story.done is not None
    return any(words in each for each in story.done.notes)


def test_the_steps_are_those_of_a_whole_apply() -> None:
    """The test above is only as good as this."""
    met: dict[str, set[str]] = {}
    for scene in _scenes():
        met.setdefault(scene.values[2], set()).update(scene.values[4])
    assert [step for step, errors in met.items() if errors != set(ERRORS)] == []
    steps = {step for step, _ in steps_of(rollback=True, tests_failed=True)}
    assert steps >= {
        "read the record", "look at the lock", "renew the lock", "record", "search", "get",
        "create", "create carried out", "update", "update carried out", "delete",
        "delete carried out", "export", "smoke", "unlock", "progress: stage", "progress: begin",
        "progress: done", "progress: end", "record carried out",
    }  # fmt: skip


@pytest.mark.parametrize("name", [*ERRORS])
def test_smoke__test_that_crashes_fails(name: str) -> None:
    """What was written is taken back, recorded, and the exit code is that of a red test."""
    story = play(Faults("smoke", 1, ERRORS[name]), rollback=True)
    assert story.done is not None
    if name == "interrupt":
        assert story.result.exit_code is ExitCode.INTERRUPTED
        assert story.record.history[-1].result == "interrupted"
        return
    assert story.result.exit_code is ExitCode.SMOKE_FAILED
    assert {str(each.status) for each in story.done.restored} == {"restored"}
    assert story.record.history[-1].result == "rolled-back"
    assert _noted(story, "the smoke tests crashed")


def test_second_interrupt__in_a_rollback_reports_the_rest() -> None:
    """Reads: before the update, before the deletion, and then of the way back."""
    story = play(Faults("get", 4, KeyboardInterrupt), rollback=True, tests_failed=True)
    assert story.done is not None
    undone = {each.change.flow_id.id: each for each in story.done.restored}
    assert undone["gone"].status is RollbackStatus.RESTORED
    assert undone["create"].message == "not rolled back: interrupted"
    assert undone["update"].message == "possibly not rolled back: interrupted"
    assert_true(story, recorded=True)


class FullDisk(io.BytesIO):
    """A file that takes so many lines and no more."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.left = lines

    def write(self, line: Any) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(line)

    def fileno(self) -> int:
        raise io.UnsupportedOperation


@pytest.mark.parametrize("tests_failed", [False, True], ids=["green", "red"])
@pytest.mark.parametrize("lines", range(14))
def test_journal__full_disk_does_not_affect_the_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int, tests_failed: bool
) -> None:
    monkeypatch.setattr("kestra_sync.apply.journal.append_to", lambda _path: FullDisk(lines))
    monkeypatch.setattr(Journal, "_sync", lambda _self: None)
    story = play(
        Faults(), rollback=True, tests_failed=tests_failed, journal=tmp_path / "journal.jsonl"
    )
    assert story.done is not None
    assert_true(story, recorded=True)
    assert story.result.exit_code is (ExitCode.SMOKE_FAILED if tests_failed else ExitCode.OK)
    whole = 7 if not tests_failed else 13
    assert _noted(story, "the journal failed") is (lines < whole)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_journal__disk_full_from_the_start() -> None:
    story = play(Faults(), rollback=True, journal=Path("/dev/full"))
    assert story.result.exit_code is ExitCode.OK
    assert _noted(story, "the journal failed")


def test_apply__flow_created_in_the_meantime_is_a_conflict() -> None:
    """A flow was created since: nothing is written, and nothing is rolled back."""
    faults = Faults()
    server = Server(faults, {"create": [b"theirs"], **{n: [t] for n, t in BEFORE.items()}})
    before = Inventory("flows", TARGET, "", Scope(("acme",)))
    server.kv.values[PLACE.key] = to_json(before)
    plan = Plan(TARGET, "1.3", "flows", Scope(("acme",)), 3, CHANGES, 0)
    options = ApplyOptions(rollback=True)
    done = apply_plan(server, plan, owned(before), ONE_BY_ONE, options, Observer())
    assert {str(each.status) for each in done.outcomes} == {"conflict", "not-attempted"}
    assert done.restored == ()


def test_stop_event__ends_the_run_cleanly() -> None:
    """An agent that is told to end sets the event: nothing more is begun, and it is recorded."""
    faults, stop = Faults(), threading.Event()
    server = Server(faults, {name: [text] for name, text in BEFORE.items()})
    before = Inventory("flows", TARGET, "", Scope(("acme",)))
    server.kv.values[PLACE.key] = to_json(before)
    plan = Plan(TARGET, "1.3", "flows", Scope(("acme",)), 3, CHANGES, 0)
    stop.set()
    done = apply_plan(
        server, plan, owned(before), ONE_BY_ONE, ApplyOptions(), Observer(), stop=stop
    )
    assert done.interrupted
    assert {str(each.status) for each in done.outcomes} == {"not-attempted"}
    assert {name: each[-1] for name, each in server.stored.items()} == BEFORE
    assert from_json(server.kv.values[PLACE.key]).intent is None
    assert not any("lock" in key for key in server.kv.values)
