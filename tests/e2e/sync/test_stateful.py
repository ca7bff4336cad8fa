"""Git edits, edits on the server, deletions on both sides, killed runs: played at random.

Whatever happens, a successful apply ends with every flow of Git on the server byte for byte, with
nothing of ours that Git has dropped, with a record of exactly what is ours; and flows of others are
never touched.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from kestra_sync.apply.outcome import Outcome
from kestra_sync.apply.writer import ChangeWriter
from kestra_sync.model import Change, sha256
from tests.e2e.sync.conftest import Repo, RunResult
from tests.support.cleanup import remove_namespace
from tests.support.examples import examples
from tests.support.server import Http

OURS = st.sampled_from(["a", "b", "c", "d"])
THEIRS = st.sampled_from(["x", "y"])
TEXTS = st.sampled_from(["one", "two", "three"])
OFF = b"\ndisabled: true"


class KilledError(BaseException):
    """What a killed process does not notice."""


class Machine(RuleBasedStateMachine):
    """A repository and a server, and what we know of both."""

    repo: Repo
    http: Http
    monkeypatch: pytest.MonkeyPatch

    def __init__(self) -> None:
        super().__init__()
        template = type(self).repo
        namespace = f"kstest.{uuid.uuid4().hex[:10]}"
        self.here = template.again(namespace)
        self.here.config()
        self.git: dict[str, bytes] = {}
        self.foreign: dict[str, bytes] = {}

    def teardown(self) -> None:
        remove_namespace(type(self).http, self.here.namespace)
        shutil.rmtree(self.here.root)

    # --- Git ---

    @rule(name=OURS, text=TEXTS)
    def edit_in_git(self, name: str, text: str) -> None:
        self.git[name] = self.here.flow(name, text)

    @precondition(lambda self: self.git)
    @rule(data=st.data())
    def remove_from_git(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.git)))
        self.here.remove(name)
        del self.git[name]

    @precondition(lambda self: self.git)
    @rule(data=st.data(), to=OURS)
    def rename_in_git(self, data: st.DataObject, to: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.git)))
        if to in self.git:
            return
        source = self.git.pop(name).replace(f"id: {name}\n".encode(), f"id: {to}\n".encode(), 1)
        self.here.remove(name)
        self.here.write(f"flows/{to}.yaml", source)
        self.git[to] = source

    # --- the server ---

    @rule(name=OURS, text=TEXTS)
    def edit_on_the_server(self, name: str, text: str) -> None:
        """Another user: edits an existing flow, or creates one with the same name as a flow in
        Git."""
        source = self.here.source(name, f"{text}, by hand")
        if name in self.here.lives():
            self.here.edit(name, source)
        else:
            self.here.client.flows.create(source)

    @rule(name=OURS)
    def switch_off_on_the_server(self, name: str) -> None:
        live = self.here.lives().get(name)
        if live is not None and b"disabled" not in live:
            self.here.edit(name, live + OFF)

    @rule(name=OURS)
    def delete_on_the_server(self, name: str) -> None:
        if name in self.here.lives():
            self.here.client.flows.delete(self.here.id(name))

    @rule(name=THEIRS, text=TEXTS)
    def somebody_elses_flow(self, name: str, text: str) -> None:
        """A flow of a name that Git never had."""
        source = self.here.source(name, text)
        if name in self.foreign:
            self.here.edit(name, source)
        else:
            self.here.client.flows.create(source)
        self.foreign[name] = source

    # --- runs ---

    @rule()
    def plan_writes_nothing(self) -> None:
        before = self.here.lives()
        assert self.here.plan("--allow-empty").code in (0, 4, 5)
        assert self.here.lives() == before

    @rule()
    def apply(self) -> None:
        before, (owned, meant) = self.here.lives(), self._record()
        ran = self.here.apply("--allow-empty")
        assert ran.code in (0, 4, 5), ran.err
        if ran.code:
            assert ran.json["refusals"]
            assert self.here.lives() == before
            assert self._record() == (owned, meant)
        else:
            self._check(ran, before, owned, meant)

    @rule()
    def apply_whatever_others_did(self) -> None:
        before, (owned, meant) = self.here.lives(), self._record()
        ran = self.here.apply("--on-drift", "overwrite", "--allow-large", "--allow-empty")
        assert ran.code == 0, ran.err
        self._check(ran, before, owned, meant)

    @rule(after=st.integers(0, 2), where=st.sampled_from(["before", "after"]))
    def killed_apply(self, after: int, where: str) -> None:
        """It dies in its n-th write, before or after the server has heard of it, unrecorded."""
        with self._killed(after, where):
            args = ("--on-drift", "overwrite", "--allow-large", "--parallelism", "1")
            with suppress(KilledError):
                self.here.apply(*args)

    @invariant()
    def nobody_touches_what_is_somebody_elses(self) -> None:
        lives = self.here.lives()
        assert {name: lives.get(name) for name in self.foreign} == self.foreign

    def _check(
        self, ran: RunResult, before: dict[str, bytes], owned: set[str], meant: set[str]
    ) -> None:
        lives = self.here.lives()
        off = {
            each["flow"]["id"]
            for each in ran.json["plan"]["changes"]
            if each["reason"] == "kept-off"
        }
        assert set(self.git) <= set(lives), ran.out
        for name, source in self.git.items():
            live = lives[name]
            if name in off:
                assert b"disabled: true" in live
                assert live.replace(b"disabled: true", b"").rstrip() == source.rstrip()
            else:
                assert live == source
        # What Git does not have and the record had is gone; what it had not is as it was.
        beside = set(lives) - set(self.git)
        assert not beside & owned
        assert {name: lives[name] for name in beside} == {name: before[name] for name in beside}
        assert set(before) - set(lives) <= owned | meant
        assert self._record() == (set(self.git), set())
        assert all(self.here.owned()[name] == sha256(lives[name]) for name in self.git)
        again = self.here.plan("--detailed-exitcode", "--allow-empty")
        assert again.code == 0
        assert set(again.reasons().values()) <= {"none kept-off", "none foreign"}

    def _record(self) -> tuple[set[str], set[str]]:
        """What the record says is ours, and what a run meant that did not come to its end."""
        if not any(each.key == self.here.key for each in self.here.client.kv.search(self.here.key)):
            return set(), set()
        record = self.here.inventory()
        meant = record.get("intent", {}).get("writes", ())
        return {each["id"] for each in record["resources"]}, {each["id"] for each in meant}

    @contextmanager
    def _killed(self, after: int, where: str) -> Iterator[None]:
        """The n-th write ends the process, as far as that can be played in this one."""
        write, left = ChangeWriter.write, [after]

        def killing(writer: ChangeWriter, change: Change) -> Outcome:
            left[0] -= 1
            if left[0] >= 0:
                return write(writer, change)
            if where == "after" and left[0] == -1:
                write(writer, change)
            raise KilledError

        with type(self).monkeypatch.context() as patch:
            patch.setattr(ChangeWriter, "write", killing)
            yield


@pytest.fixture
def machine(repo: Repo, http: Http, monkeypatch: pytest.MonkeyPatch) -> type[Machine]:
    """The machine for this server."""
    Machine.repo, Machine.http, Machine.monkeypatch = repo, http, monkeypatch
    return Machine


def test_random_history__keeps_all_guarantees(machine: type[Machine], tmp_path: Path) -> None:
    run_machine(
        machine,
        settings=settings(
            max_examples=examples(50),
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
