"""Random histories: edits and deletions in Git and on the server, killed runs.

Whatever happens, a successful apply ends with every flow, file and key of Git on the server byte
for byte, with nothing of ours that Git has dropped, and with a record of exactly what is ours; and
what is of others is never touched, above all the neighbor of a file that is deleted.

Files and keys are called ``file:PATH`` and ``kv:KEY`` here. The source of a key is its value and
its description: a write without a description would drop it.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from kestra_sync.apply.run import Outcome
from kestra_sync.apply.writer import ChangeWriter
from kestra_sync.model import Change, sha256
from kestra_sync.resources import in_memory
from tests.e2e.sync.conftest import Repo, RunResult
from tests.support.cleanup import remove_namespaces
from tests.support.examples import THOROUGH
from tests.support.server import Http

FLOWS = st.sampled_from(["a", "b", "c"])
#: The two files below ``x`` are each the only neighbor of the other, unless ``theirs`` is there.
OURS = st.sampled_from(["a", "b", "c", "file:x/one", "file:x/y/two", "kv:k"])
THEIRS = st.sampled_from(["x", "file:x/theirs", "kv:theirs"])
TEXTS = st.sampled_from(["one", "two", "three"])
#: Also what was there before it was in Git.
OVERWRITE = ("--on-drift", "overwrite", "--take-over", "--allow-large")
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
        self.here.config(f"files: [{{path: files, namespace: {namespace}}}]\nkv: [kv.yaml]\n")
        (self.here.root / "files").mkdir()
        self._write_keys({})
        self.git: dict[str, bytes] = {}
        self.foreign: dict[str, bytes] = {}

    def teardown(self) -> None:
        remove_namespaces(type(self).http, self.here.namespace)
        shutil.rmtree(self.here.root)

    # --- Git ---

    @rule(name=OURS, text=TEXTS)
    def edit_in_git(self, name: str, text: str) -> None:
        kind, _, rest = name.rpartition(":")
        if not kind:
            self.git[name] = self.here.flow(name, text)
            return
        self.git[name] = text.encode() if kind == "file" else _key_source(text, f"is {text}")
        if kind == "file":
            self.here.write(f"files/{rest}", text)
        else:
            self._write_keys({**self._keys(), rest: text})

    @precondition(lambda self: self.git)
    @rule(data=st.data())
    def remove_from_git(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.git)))
        kind, _, rest = name.rpartition(":")
        del self.git[name]
        if kind == "file":
            (self.here.root / "files" / rest).unlink()
        elif kind:
            self._write_keys(self._keys())
        else:
            self.here.remove(name)

    @precondition(lambda self: self.git)
    @rule(data=st.data(), to=st.one_of(FLOWS, st.just("file:x/y/two")))
    def rename_in_git(self, data: st.DataObject, to: str) -> None:
        """A flow or a file."""
        file = to.startswith("file:")
        same = sorted(each for each in self.git if each.startswith("file:") or ":" not in each)
        same = [each for each in same if each.startswith("file:") is file]
        if to in self.git or not same:
            return
        name = data.draw(st.sampled_from(same))
        source = self.git.pop(name)
        if file:
            (self.here.root / "files" / name.removeprefix("file:")).unlink()
            self.here.write(f"files/{to.removeprefix('file:')}", source)
        else:
            source = source.replace(f"id: {name}\n".encode(), f"id: {to}\n".encode(), 1)
            self.here.remove(name)
            self.here.write(f"flows/{to}.yaml", source)
        self.git[to] = source

    def _keys(self) -> dict[str, str]:
        """The keys that Git has."""
        return {
            name.removeprefix("kv:"): value.decode().partition(" ")[0]
            for name, value in self.git.items()
            if name.startswith("kv:")
        }

    def _write_keys(self, keys: dict[str, str]) -> None:
        values = (
            "".join(
                f"\n  {name}: {{value: {value}, description: is {value}}}"
                for name, value in keys.items()
            )
            or " {}"
        )
        self.here.write("kv.yaml", f"namespace: {self.here.namespace}\nvalues:{values}\n")

    # --- the server ---

    @rule(name=OURS, text=TEXTS)
    def edit_on_the_server(self, name: str, text: str) -> None:
        """Another user: edits what exists, or creates something of a name in Git."""
        self._put(name, f"{text}, by hand")

    @rule(name=FLOWS)
    def switch_off_on_the_server(self, name: str) -> None:
        live = self.here.lives().get(name)
        if live is not None and b"disabled" not in live:
            self.here.edit(name, live + OFF)

    @rule(name=OURS)
    def delete_on_the_server(self, name: str) -> None:
        client, space = self.here.client, self.here.namespace
        kind, _, rest = name.rpartition(":")
        if kind == "kv":
            client.kv.delete(space, rest)
        elif kind and rest in client.files.names(space):
            client.files.delete(space, rest)
        elif not kind and name in self.here.lives():
            client.flows.delete(self.here.id(name))

    @rule(name=THEIRS, text=TEXTS)
    def owned_by_others(self, name: str, text: str) -> None:
        """A name that Git never had."""
        self.foreign[name] = self._put(name, text)

    def _put(self, name: str, text: str) -> bytes:
        kind, _, rest = name.rpartition(":")
        if kind == "file":
            self.here.client.files.put(self.here.namespace, rest, text.encode())
        elif kind:
            self.here.client.kv.put(self.here.namespace, rest, text, description=f"is {text}")
            return _key_source(text, f"is {text}")
        else:
            source = self.here.source(name, text)
            if name in self.here.lives():
                self.here.edit(name, source)
            else:
                self.here.client.flows.create(source)
            return source
        return text.encode()

    def _lives(self) -> dict[str, bytes]:
        """Everything on the server, by name."""
        client, space = self.here.client, self.here.namespace
        found = client.files.export(space)
        files = {f"file:{path}": in_memory(data) for path, data in found.items()}
        keys = {
            f"kv:{name}": _key_source(client.kv.get(space, name), description or "")
            for name, (description, _) in self.here.live_keys().items()
        }
        return {**self.here.lives(), **files, **keys}

    # --- runs ---

    @rule()
    def plan_writes_nothing(self) -> None:
        before = self._lives()
        assert self.here.plan("--allow-empty").code in (0, 4, 5)
        assert self._lives() == before

    @rule()
    def apply(self) -> None:
        before, (owned, meant) = self._lives(), self._record()
        ran = self.here.apply("--allow-empty")
        assert ran.code in (0, 4, 5), ran.err
        if ran.code:
            assert ran.json["refusals"]
            assert self._lives() == before
            assert self._record() == (owned, meant)
        else:
            self._check(ran, before, owned, meant)

    @rule()
    def apply_whatever_others_did(self) -> None:
        before, (owned, meant) = self._lives(), self._record()
        ran = self.here.apply(*OVERWRITE, "--allow-empty")
        assert ran.code == 0, ran.err
        self._check(ran, before, owned, meant)

    @rule(after=st.integers(0, 2), where=st.sampled_from(["before", "after"]))
    def killed_apply(self, after: int, where: str) -> None:
        """It dies in its n-th write, before or after the server has heard of it, unrecorded."""
        with self._killed(after, where), suppress(KilledError):
            self.here.apply(*OVERWRITE, "--parallelism", "1")
        self._theirs_is_untouched(self._lives())

    def _theirs_is_untouched(self, lives: dict[str, bytes]) -> None:
        assert {name: lives.get(name) for name in self.foreign} == self.foreign

    def _check(
        self, ran: RunResult, before: dict[str, bytes], owned: set[str], meant: set[str]
    ) -> None:
        lives = self._lives()
        self._theirs_is_untouched(lives)
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
        foreign = set(lives) - set(self.git)
        assert not foreign & owned
        assert {name: lives[name] for name in foreign} == {name: before[name] for name in foreign}
        assert set(before) - set(lives) <= owned | meant
        assert self._record() == (set(self.git), set())
        assert all(
            hash_ == sha256(lives[name])
            for name, hash_ in (self._owned() if self.git else {}).items()
            if not name.startswith("kv:")
        )
        again = self.here.plan("--detailed-exitcode", "--allow-empty")
        assert again.code == 0
        assert set(again.reasons().values()) <= {"none kept-off", "none foreign"}

    def _record(self) -> tuple[set[str], set[str]]:
        """What the record says is ours, and what a run meant that did not come to its end."""
        if not any(each.key == self.here.key for each in self.here.client.kv.search(self.here.key)):
            return set(), set()
        record = self.here.inventory()
        meant = record.get("intent", {}).get("writes", ())
        return {_name(each) for each in record["resources"]}, {_name(each) for each in meant}

    def _owned(self) -> dict[str, str]:
        """What the record says is ours, each with the hash of what was sent."""
        return {
            _name(each): each.get("sent_sha256") or each["file_sha256"]
            for each in self.here.inventory()["resources"]
        }

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


def _key_source(value: str, description: str) -> bytes:
    return f"{value} {description}".encode()


def _name(entry: dict[str, str]) -> str:
    kind = entry.get("kind", "flow")
    return entry["id"] if kind == "flow" else f"{kind}:{entry['id']}"


@pytest.fixture
def machine(repo: Repo, http: Http, monkeypatch: pytest.MonkeyPatch) -> type[Machine]:
    """The machine for this server."""
    Machine.repo, Machine.http, Machine.monkeypatch = repo, http, monkeypatch
    return Machine


#: One version is enough in every run: the contract tests show that both answer alike.
_VERSIONS = pytest.mark.versions if THOROUGH else pytest.mark.once


@_VERSIONS
def test_random_history__keeps_all_guarantees(machine: type[Machine], tmp_path: Path) -> None:
    run_machine(
        machine,
        settings=settings(
            max_examples=50 if THOROUGH else 3,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate, Phase.shrink],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
