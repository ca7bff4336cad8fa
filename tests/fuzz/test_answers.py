"""Every command, with mutated responses of the server.

A session of each command is recorded against a small Kestra; then, seeded, one answer of it (or
every answer of one kind) is changed on its way. Whatever the server says: a documented exit code
and never 70, nothing claimed that is not so, nothing of others changed, nothing of ours forgotten,
no secret and no control sequence in the output.

``KESTRA_SYNC_FUZZ`` is the number of cases (default 45), ``KESTRA_SYNC_FUZZ_SEED`` the first seed.
A failure names its seed; ``KESTRA_SYNC_FUZZ=1 KESTRA_SYNC_FUZZ_SEED=n`` plays it again, with
``KESTRA_SYNC_FUZZ_SHOW=1`` and ``pytest -s`` in full.
"""

from __future__ import annotations

import io
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.cli.main import run
from kestra_sync.client.retry import Backoff
from kestra_sync.errors import ExitCode
from kestra_sync.executions.follow import Clock
from kestra_sync.smoke.case import run_case
from tests.fuzz.mutations import SECRET, mutated
from tests.fuzz.small_kestra import Answer, Name, SmallKestra, State

CASES = int(os.environ.get("KESTRA_SYNC_FUZZ", "45"))
SEED = int(os.environ.get("KESTRA_SYNC_FUZZ_SEED", "0"))
#: Show all that was said, to look into one case.
SHOW = bool(os.environ.get("KESTRA_SYNC_FUZZ_SHOW"))
#: Seconds that no command may take, with a server that answers at once; generous for slow machines.
LONGEST = 30.0
#: Cases of one test: a few, so that they can be spread over workers.
CHUNK = 15

LOCK = ("--lock-timeout", "0")
APPLY = ("apply", "--yes", "--format", "json", "--allow-large", *LOCK)
COMMANDS: tuple[tuple[str, ...], ...] = (
    APPLY,
    (*APPLY, "--smoke", "--rollback"),
    (*APPLY, "--take-over", "-v"),
    ("apply", "--yes", "--allow-large", *LOCK, "--rollback", "-o", "html=report.html"),
    ("plan", "-v", "-o", "markdown=report.md", "-o", "html=report.html"),
    ("plan", "--format", "json", "--prune", "scope"),
    ("validate",),
    ("drift", "--format", "json"),
    ("smoke", "--format", "json"),
    ("smoke", "-o", "junit=report.xml", "--keep", "on-failure"),
    ("run", "acme/changed", "-i", "day=x", "--timeout", "2s", "--format", "json"),
    ("run", "acme/changed", "--follow", "--timeout", "2s"),
    ("logs", "e0"),
    ("executions", "delete", "e0"),
    ("pull", "--dry-run"),
    ("history",),
    ("inventory", "--format", "json"),
    ("doctor", "--format", "json"),
    ("unlock",),
    ("graph",),
)


def source(name: str, text: str = "", namespace: str = "acme") -> bytes:
    return (
        f"id: {name}\nnamespace: {namespace}\n"
        "inputs:\n  - {id: day, type: STRING, required: false}\n"
        f"tasks:\n  - {{id: t, type: io.kestra.plugin.core.log.Log, message: x{text}}}\n"
    ).encode()


#: What Git holds when the cases run; ``gone`` was there when the record was made.
GIT = {"same": source("same"), "changed": source("changed", "2"), "new": source("new")}
BEFORE = {"same": source("same"), "changed": source("changed"), "gone": source("gone")}
OURS = ("same", "changed", "new", "gone")
THEIRS: dict[Name, bytes] = {
    ("acme", "foreign"): source("foreign"),
    ("acme", "theirs"): source("theirs"),
    ("acme.sub", "foreign"): source("foreign", namespace="acme.sub"),
    ("other", "flow"): source("flow", namespace="other"),
}


@dataclass
class World:
    """A repository, a server, and what it holds before each case."""

    server: SmallKestra
    state: State
    sessions: dict[tuple[str, ...], list[str]]


@dataclass
class RunResult:
    """What a command has said."""

    code: int
    out: str
    err: str


def play(args: tuple[str, ...]) -> RunResult:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(args))
    return RunResult(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    """No waiting, and a clock that goes on by sleeping."""
    offset = [0.0]

    def sleep(seconds: float) -> None:
        offset[0] += seconds

    clock = Clock(lambda: time.monotonic() + offset[0], sleep)
    real = run_case
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith(("KESTRA_", "GITHUB_"))]:
            patch.delenv(name)
        patch.setattr(
            "kestra_sync.smoke.runner.run_case",
            lambda *args, **how: real(*args, **how, clock=clock),
        )
        patch.setattr("kestra_sync.executions.manual.CLOCK", clock)
        patch.setattr(
            "kestra_sync.client.client.Backoff",
            lambda **how: Backoff(**how, sleep=lambda _seconds: None),
        )
        for module in ("lock", "writer"):
            patch.setattr(f"kestra_sync.apply.{module}._SETTLE", 0.0)
        patch.setattr("kestra_sync.client.logs.SILENCE", 0.2)
        yield patch


@pytest.fixture(scope="module")
def world(patched: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three flows are recorded as ours; since then one was changed, one removed, one is new."""
    root = tmp_path_factory.mktemp("fuzz")
    patched.chdir(root)
    flows = root / "flows"
    flows.mkdir()
    config = "version: 1\nname: ours\nsource: flows\nscope: [acme]\nprotect: [other]\n"
    (root / "kestra-sync.yaml").write_text(config)
    with SmallKestra() as server:
        patched.setenv("KESTRA_API_URL", server.url)
        patched.setenv("KESTRA_USERNAME", "admin")
        patched.setenv("KESTRA_PASSWORD", SECRET)
        for name, text in BEFORE.items():
            (flows / f"{name}.yaml").write_bytes(text)
        server.begin(State())
        ran = play(APPLY)
        assert ran.code == 0, ran.err
        (flows / "gone.yaml").unlink()
        for name, text in GIT.items():
            (flows / f"{name}.yaml").write_bytes(text)
        (flows / "changed.smoke.yaml").write_text(
            "flow: acme/changed\ninputs: {day: x}\ntimeout: 2s\nwhen: always\n"
            "expect: {logs: {match: done}}\n"
        )
        state = server.state
        state.flows |= {name: [text] for name, text in THEIRS.items()}
        record = state.keys[("acme", "kestra-sync.ours")]
        state.keys[("acme", "kestra-sync.theirs")] = {
            **record,
            "name": "theirs",
            "repository": "github.com/other/flows",
            "resources": [
                {**each, "id": "theirs"} for each in record["resources"] if each["id"] == "same"
            ],
        }
        state.executions["e0"] = {
            "id": "e0", "namespace": "acme", "flowId": "same", "kind": "NORMAL",
            "state": {"current": "SUCCESS"}, "taskRunList": [], "labels": [],
        }  # fmt: skip
        sessions = {}
        for command in COMMANDS:
            server.begin(state)
            ran = play(command)
            assert ran.code in (0, 2), (command, ran)
            sessions[command] = list(server.routes)
        yield World(server, state, sessions)


def test_console__sessions_are_complete(world: World) -> None:
    """The test below is only as good as this: what is mutated is what commands ask for."""
    routes = {route for session in world.sessions.values() for route in session}
    assert routes >= {
        "configs", "export", "search keys", "get record", "put record", "get lock", "put lock",
        "delete lock", "validate", "create", "update", "delete", "get", "search", "start", "follow",
        "execution", "delete execution", "log",
    }  # fmt: skip
    assert "elsewhere" not in world.sessions[APPLY]


def test_checks__find_what_they_are_for(world: World) -> None:
    """The checks below detect faults."""
    world.server.begin(world.state)
    document = {
        "outcomes": [
            {"flow": {"namespace": "acme", "id": "new"}, "action": "create", "status": "applied"}
        ]
    }
    state = world.server.state
    state.flows[("acme", "foreign")].append(None)
    state.keys.clear()
    said = RunResult(70, json.dumps(document), f"\x1b[2J{SECRET}\n::error::x")
    found = "\n".join(wrong(world, said, APPLY, []))
    for words in (
        "exit 70", "others was changed", "the record of others", "the password",
        "a control character", "a command for CI", "said to be applied", "the record is gone",
    ):  # fmt: skip
        assert words in found
    assert list(wrong(world, RunResult(0, "", ""), ("plan", "--format", "json"), [])) != []


@pytest.mark.parametrize("chunk", range(-(-CASES // CHUNK)))
def test_fuzzed_responses__never_claim_or_change_anything_wrong(world: World, chunk: int) -> None:
    failures = []
    for number in range(chunk * CHUNK, min((chunk + 1) * CHUNK, CASES)):
        failures += [f"seed {SEED + number}: {each}" for each in case(world, SEED + number)]
    assert not failures, "\n".join(failures)


def case(world: World, seed: int) -> list[str]:
    """Play one case; what is wrong about it."""
    chance = random.Random(seed)
    command = chance.choice(COMMANDS + COMMANDS[:3])
    session = world.sessions[command]
    target = chance.randrange(len(session))
    always = chance.random() < 0.3
    done: list[str] = []

    def mutate(route: str, number: int, answer: Answer) -> Answer:
        if not (route == session[target] if always else number == target):
            return answer
        words, other = mutated(answer, random.Random(seed) if always else chance)
        done.append(f"{route}: {words}")
        return other

    for name in ("report.html", "report.md", "report.xml"):
        Path(name).unlink(missing_ok=True)
    world.server.begin(world.state, mutate)
    begun = time.monotonic()
    try:
        ran = play(command)
    except BaseException as error:  # nothing may leave the edge
        return [f"{command} {done[:3]}: {type(error).__name__}: {error}"]
    about = f"{' '.join(command)} [{'; '.join(done[:3])}]"
    if SHOW:
        print(about, ran.code, ran.out, ran.err, world.server.state.keys)
    found = [f"{about}: {each}" for each in wrong(world, ran, command, done)]
    if time.monotonic() - begun > LONGEST:
        found.append(f"{about}: took {time.monotonic() - begun:.0f} s")
    return found


def wrong(world: World, ran: RunResult, command: tuple[str, ...], done: list[str]) -> Iterator[str]:
    """Everything that must not be, whatever the server said."""
    state = world.server.state
    if ran.code not in set(ExitCode) or ran.code == ExitCode.BUG:
        yield f"exit {ran.code}: {ran.err[-600:]}"
    live = state.live()
    for name, text in THEIRS.items():
        if live.get(name) != text:
            yield f"{name} of others was changed"
    theirs = ("acme", "kestra-sync.theirs")
    taken = "--take-over" in command
    if state.keys.get(theirs) != world.state.keys[theirs] and not taken:
        yield "the record of others was changed"
    written: str = "\n".join(
        Path(each).read_text(encoding="utf-8")
        for each in ("report.html", "report.md", "report.xml")
        if Path(each).exists()
    )
    said = (("stdout", ran.out), ("stderr", ran.err), ("a report", written))
    for where, said_there in said:
        if SECRET in said_there:
            yield f"the password is on {where}"
        if "\x1b" in said_there or "\u202e" in said_there:
            yield f"a control character is on {where}"
        if where != "a report" and any(
            line.lstrip().startswith("::") or "##[" in line for line in said_there.splitlines()
        ):
            yield f"a command for CI is on {where}"
    document = _document(ran)
    if "json" in command and document is None:
        yield "no whole JSON document on stdout"
    if command[0] == "apply":
        yield from _claims(document, live, world.state.live())
        yield from _forgotten(state, live, world.state, done)


def _document(ran: RunResult) -> dict[str, Any] | None:
    try:
        document = json.loads(ran.out)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _claims(
    document: dict[str, Any] | None, live: dict[Name, bytes], before: dict[Name, bytes]
) -> Iterator[str]:
    """What the result says of each flow is so."""
    outcomes = (document or {}).get("outcomes") or []
    back = {
        (each["flow"]["namespace"], each["flow"]["id"])
        for each in (document or {}).get("restored") or []
        if each["result"] == "restored"
    }
    for each in outcomes:
        name = (each["flow"]["namespace"], each["flow"]["id"])
        wanted = GIT.get(name[1]) if each["action"] != "delete" else None
        if name in back:
            if live.get(name) != before.get(name):
                yield f"{name} is said to be restored"
        elif each["status"] == "applied" and live.get(name) != wanted:
            yield f"{name} is said to be applied"
        elif each["status"] == "not-attempted" and live.get(name) != before.get(name):
            yield f"{name} is said to be not attempted"


def _forgotten(
    state: State, live: dict[Name, bytes], before: State, done: list[str]
) -> Iterator[str]:
    """What is ours and on the server is in the record, or in its intent."""
    if any(each.startswith("get record") for each in done):
        return  # what the record itself says is believed
    record = state.keys.get(("acme", "kestra-sync.ours"))
    if record is None:
        yield "the record is gone"
        return
    known = {each["id"] for each in record.get("resources", [])}
    known |= {each["id"] for each in record.get("intent", {}).get("writes", [])}
    old = before.live()
    for name in OURS:
        there = live.get(("acme", name))
        ours = name in BEFORE or there != old.get(("acme", name))
        if there is not None and ours and name not in known:
            yield f"acme/{name} is ours and forgotten"
