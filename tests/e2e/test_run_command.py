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


def test_run__shows_outputs_log_and_the_reason_of_a_failure(
    repo: Repo,  # noqa: F811
    deploy: Deploy,
    tmp_path: Path,
) -> None:
    """Logs may outlive their execution."""
    flow = deploy("greet", GREET)
    repo.edit("greet", repo.live("greet") + b"# changed\n")
    letter = tmp_path / "letter.txt"
    letter.write_text("dear @all")
    inputs = ("-i", "name=@@home=1", "-i", f"letter=@{letter}", "--label", "a=b:c")
    ran = repo.run("run", flow, *inputs, "--revision", "1")
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"SUCCESS   {flow}   rev 1   ")
    assert '    name: "@home=1"\n' in ran.out
    assert '    letter: "dear @all"\n' in ran.out
    assert ran.err.startswith("started ")

    ran = repo.run("run", flow, "--follow", "--kind", "TEST", "--label", "a=b:c", "--format=json")
    assert ran.code == 0, ran.err
    execution = ran.json["execution"]
    assert (execution["state"], execution["kind"], execution["labels"]["a"]) == (
        "SUCCESS",
        "TEST",
        "b:c",
    )
    assert (execution["outputs"]["name"], execution["revision"]) == ("world", 2)
    assert [task["task"] for task in execution["tasks"]] == ["greet", "nap", "bye"]
    assert "INFO  greet  hello world" in ran.err
    assert "WARN  bye  bye world" in ran.err
    known = execution["id"]
    list(repo.client.logs.follow(known))
    keep = ("--keep-logs", "--keep-metrics", "--keep-storage")
    assert repo.run("executions", "delete", known, *keep).out == f"deleted   {known}\n"
    assert len(repo.client.logs.get(known)) >= 2

    broken = deploy("broken", f"tasks:\n  - {{id: burn, type: {FAIL}, errorMessage: it burns}}\n")
    ran = repo.run("run", broken)
    assert ran.code == 1
    assert "  task burn FAILED: it burns" in ran.out


@pytest.mark.once
def test_run__what_has_not_ended_is_kept(repo: Repo, deploy: Deploy) -> None:  # noqa: F811
    """At a breakpoint, paused, or to be started later."""
    flow = deploy("greet", GREET)
    ran = repo.run("run", flow, "--breakpoint", "nap", "--timeout", "2s")
    assert ran.code == 1
    assert "BREAKPOINT" in ran.out
    assert "it is suspended at a breakpoint; it keeps running" in ran.out

    paused = deploy("paused", f"tasks:\n  - {{id: wait, type: {PAUSE}}}\n")
    ran = repo.run("run", paused, "--timeout", "1s", "--format", "json")
    assert ran.code == 1
    assert (ran.json["execution"]["state"], ran.json["execution"]["final"]) == ("PAUSED", False)
    known = ran.json["execution"]["id"]
    assert repo.client.executions.get(known).state == "PAUSED"
    repo.client.executions.kill(known)

    ran = repo.run("run", flow, "--no-wait", "--schedule-date", "2099-01-01T00:00:00Z")
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"started   {flow}   rev 1   ")
    assert repo.client.executions.get(ran.err.split()[1]).state == "CREATED"

    ran = repo.run("run", f"{repo.namespace}/unknown", "--format", "json")
    assert (ran.code, ran.json["error"]["kind"]) == (1, "NotFound")


@pytest.mark.once
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
