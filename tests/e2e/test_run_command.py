"""``run``, ``executions delete`` and ``logs`` on a real Kestra."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kestra_sync.client.errors import NotFound
from tests.e2e.sync.conftest import Repo, repo  # noqa: F401 - a fixture
from tests.support.smoke import FAIL, LOG, PAUSE, SLEEP

pytestmark = pytest.mark.versions

Deploy = Callable[[str, str], str]


@pytest.fixture
def deploy(repo: Repo) -> Deploy:  # noqa: F811
    """Deploys a flow, and gives its full name."""

    def create(name: str, body: str) -> str:
        head = f"id: {name}\nnamespace: {repo.namespace}\n"
        return str(repo.client.flows.create((head + body).encode()).flow_id)

    return create


GREET = f"""\
inputs:
  - {{id: name, type: STRING, defaults: world}}
  - {{id: letter, type: FILE, required: false}}
tasks:
  - {{id: greet, type: {LOG}, message: "hello {{{{ inputs.name }}}}"}}
  - {{id: nap, type: {SLEEP}, duration: PT0.5S}}
  - {{id: bye, type: {LOG}, level: WARN, message: "bye {{{{ inputs.name }}}}"}}
outputs:
  - {{id: name, type: STRING, value: "{{{{ inputs.name }}}}"}}
  - id: letter
    type: STRING
    value: "{{{{ inputs.letter is defined ? read(inputs.letter) : '' }}}}"
"""


def test_a_run_shows_its_outputs(repo: Repo, deploy: Deploy, tmp_path: Path) -> None:  # noqa: F811
    flow = deploy("greet", GREET)
    letter = tmp_path / "letter.txt"
    letter.write_text("dear @all")
    ran = repo.run(
        "run", flow, "-i", "name=@@home=1", "-i", f"letter=@{letter}", "--label", "a=b:c"
    )
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"SUCCESS   {flow}   rev 1   ")
    assert '    name: "@home=1"\n' in ran.out
    assert '    letter: "dear @all"\n' in ran.out
    assert ran.err.startswith("started ")


def test_a_run_as_json_with_its_log_on_stderr(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    flow = deploy("greet", GREET)
    ran = repo.run("run", flow, "--follow", "--kind", "TEST", "--label", "a=b:c", "--format=json")
    assert ran.code == 0, ran.err
    execution = ran.json["execution"]
    assert (execution["state"], execution["kind"], execution["labels"]["a"]) == (
        "SUCCESS",
        "TEST",
        "b:c",
    )
    assert execution["outputs"]["name"] == "world"
    assert [task["task"] for task in execution["tasks"]] == ["greet", "nap", "bye"]
    assert "INFO  greet  hello world" in ran.err
    assert "WARN  bye  bye world" in ran.err


def test_run__failure_shows_the_task_and_the_reason(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    flow = deploy("broken", f"tasks:\n  - {{id: burn, type: {FAIL}, errorMessage: it burns}}\n")
    ran = repo.run("run", flow)
    assert ran.code == 1
    assert "  task burn FAILED: it burns" in ran.out


@pytest.mark.once
def test_an_older_revision(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    flow = deploy("twice", GREET)
    repo.edit("twice", repo.live("twice") + b"# changed\n")
    assert (
        repo.run("run", flow, "--revision", "1", "--format", "json").json["execution"]["revision"]
        == 1
    )


@pytest.mark.once
def test_cleanup__paused_execution_is_kept(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    flow = deploy("paused", f"tasks:\n  - {{id: wait, type: {PAUSE}}}\n")
    ran = repo.run("run", flow, "--timeout", "1s", "--format", "json")
    assert ran.code == 1
    assert (ran.json["execution"]["state"], ran.json["execution"]["final"]) == ("PAUSED", False)
    known = ran.json["execution"]["id"]
    assert repo.client.executions.get(known).state == "PAUSED"
    repo.client.executions.kill(known)


@pytest.mark.once
def test_a_breakpoint_halts(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    flow = deploy("greet", GREET)
    ran = repo.run("run", flow, "--breakpoint", "nap", "--timeout", "2s")
    assert ran.code == 1
    assert "BREAKPOINT" in ran.out
    assert "it is suspended at a breakpoint; it keeps running" in ran.out


@pytest.mark.once
def test_started_now_or_later_without_waiting(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    flow = deploy("greet", GREET)
    ran = repo.run("run", flow, "--no-wait", "--schedule-date", "2099-01-01T00:00:00Z")
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"started   {flow}   rev 1   ")
    assert repo.client.executions.get(ran.err.split()[1]).state == "CREATED"


@pytest.mark.once
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["no-slash"], "not a flow"),
        (["a/b", "-i", "novalue"], "expected NAME=VALUE"),
        (["a/b", "-i", "x=@/no/such/file"], "no such file"),
        (["a/b", "--timeout", "soon"], "not a duration"),
        (["a/b", "--no-wait", "--follow"], "--no-wait cannot be combined"),
    ],
)
def test_options__contradictory_options(repo: Repo, args: list[str], words: str) -> None:  # noqa: F811
    ran = repo.run("run", *args)
    assert ran.code == 64
    assert words in ran.err


@pytest.mark.once
def test_an_unknown_flow(repo: Repo) -> None:  # noqa: F811
    ran = repo.run("run", f"{repo.namespace}/unknown", "--format", "json")
    assert ran.code == 1
    assert ran.json["error"]["kind"] == "NotFound"


def test_logs_and_their_deletion(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    flow = deploy(
        "leaky",
        f"""\
tasks:
  - {{id: say, type: {LOG}, message: "::error::x\\ntoken=abcdef \\e[31mred"}}
  - {{id: warn, type: {LOG}, level: WARN, message: careful}}
""",
    )
    known = repo.run("run", flow, "--format", "json").json["execution"]["id"]
    all_of_it = repo.run("logs", known, "--follow")
    assert all_of_it.code == 0, all_of_it.err
    assert "INFO  say  \\x3a:error::x\n              token=*** red\n" in all_of_it.out
    warnings = repo.run("logs", known, "--min-level", "WARN", "--format", "json")
    assert [each["text"] for each in warnings.json["log"]] == ["careful"]
    mixed = repo.run("executions", "delete", known, "nosuchexecution", "--format", "json")
    assert mixed.code == 1
    assert [each["deleted"] for each in mixed.json["executions"]] == [True, False]
    assert repo.run("logs", known).code == 1
    with pytest.raises(NotFound):
        repo.client.executions.get(known)


def test_logs__may_outlive_their_execution(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    flow = deploy("greet", GREET)
    known = repo.run("run", flow, "--format", "json").json["execution"]["id"]
    list(repo.client.logs.follow(known))
    assert (
        repo.run(
            "executions", "delete", known, "--keep-logs", "--keep-metrics", "--keep-storage"
        ).out
        == f"deleted   {known}\n"
    )
    assert len(repo.client.logs.get(known)) >= 2
