"""``action.yml`` itself, run by act on this machine, against a real Kestra."""

from __future__ import annotations

from pathlib import Path

from kestra_sync.action.comment import digest_in
from tests.action.act import Act, Run
from tests.action.github import BOT, Github
from tests.support.hostile import plant
from tests.support.server import YAML, Http, Server

CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd"
LOG = "io.kestra.plugin.core.log.Log"
FAIL = "io.kestra.plugin.core.execution.Fail"
#: Commands to the runner, a marker, a digest, an end of the code block.
_HOSTILE = f"""\
description: |
  ::error::forged
  ##[error]forged
  ::add-mask::forged
  ```
  </details>
  <!-- kestra-sync:default -->
  <sub>Plan <code>sha256:{"0" * 64}</code></sub>
"""
_COMMANDS = ("error", "warning", "notice", "add-mask", "set-output", "debug", "group")
_LOGIN = {
    "url": "${{ vars.KESTRA_API_URL }}",
    "tenant": "${{ vars.KESTRA_TENANT }}",
    "username": "${{ vars.KESTRA_USERNAME }}",
    "password": "${{ secrets.KESTRA_PASSWORD }}",
    "token": "${{ secrets.KESTRA_TOKEN }}",
}


def workflow(**steps: dict[str, str]) -> str:
    """A workflow with a step of the action for each of ``steps``, which all run."""
    lines = [
        "name: test",
        "on: [push, pull_request, schedule]",
        "jobs:",
        "  test:",
        "    runs-on: ubuntu-latest",
        "    steps:",
        f"      - uses: {CHECKOUT}",
    ]
    for name, inputs in steps.items():
        lines += [
            f"      - id: {name}",
            "        if: always()",
            "        continue-on-error: true",
            "        uses: kestra-sync/kestra-sync@main",
            "        with:",
        ]
        for key, value in {**_LOGIN, **inputs}.items():
            lines.append(f"          {key}: |-")
            lines += [f"            {line}" for line in value.splitlines() or [""]]
    lines += ["      - if: always()", "        shell: bash", "        env:"]
    for name in steps:
        lines += [f"          {name.upper()}: ${{{{ toJSON(steps.{name}.outputs) }}}}"]
        lines += [f"          {name.upper()}_RESULT: ${{{{ steps.{name}.outcome }}}}"]
    lines.append("        run: |")
    for name in steps:
        upper = name.upper()
        lines.append(f'          printf "%s" "${upper}" > "$CAPTURE/{name}.json"')
        lines.append(f'          printf "%s" "${upper}_RESULT" > "$CAPTURE/{name}.result"')
    return "\n".join(lines) + "\n"


def result(run: Run, step: str) -> str:
    """``success`` or ``failure``."""
    return (run.captured / f"{step}.result").read_text(encoding="utf-8")


def flow(namespace: str, name: str, message: str = "hello", task: str = LOG) -> str:
    """The source of a flow with one task."""
    said = "message" if task == LOG else "errorMessage"
    return (
        f"id: {name}\nnamespace: {namespace}\ntasks:\n"
        f'  - id: only\n    type: {task}\n    {said}: "{message}"\n'
    )


def config(namespace: str) -> str:
    """A configuration with a name, so that the server keeps a record."""
    return f"version: 1\nname: act\nsource: flows\nscope: [{namespace}]\n"


def pull_request(number: int = 7, *, head: str = "acme/flows") -> dict[str, object]:
    """The event of a pull request."""
    return {"pull_request": {"number": number, "head": {"repo": {"full_name": head}}}}


def names(http: Http, namespace: str) -> list[str]:
    """The flows of a namespace."""
    answer = http.get(f"/flows/search?filters%5Bnamespace%5D%5BEQUALS%5D={namespace}&size=50")
    answer.raise_for_status()
    return sorted(each["id"] for each in answer.json()["results"])


def test_from_the_plan_to_drift(
    act: Act, namespace: str, http: Http, server: Server, github: Github
) -> None:
    """Plan, apply of that plan, nothing left to do; then an edit on the server."""
    act.commit(
        {
            "kestra-sync.yaml": config(namespace),
            "flows/a.yaml": flow(namespace, "a"),
            "flows/b.yaml": flow(namespace, "b"),
        }
    )
    run = act.run(
        workflow(
            plan={"command": "plan"},
            apply={
                "command": "apply",
                "plan-file": "${{ steps.plan.outputs.plan-file }}",
                "expect-digest": "${{ steps.plan.outputs.plan-digest }}",
            },
            again={"command": "plan", "report": "json", "python-version": "3.13"},
        )
    )
    assert run.code == 0, run.log
    planned, applied, again = (run.outputs(name) for name in ("plan", "apply", "again"))
    assert {name: result(run, name) for name in ("plan", "apply", "again")} == {
        "plan": "success",
        "apply": "success",
        "again": "success",
    }
    assert (planned["exit-code"], planned["has-changes"], planned["created"]) == ("2", "true", "2")
    assert planned["summary"] == "2 to create"
    assert planned["report-file"].endswith("report.html")
    assert planned["plan-digest"].startswith("sha256:")
    assert (applied["exit-code"], applied["created"], applied["failed"]) == ("0", "2", "0")
    assert applied["summary"] == "2 created"
    assert (again["exit-code"], again["has-changes"], again["plan-file"] != "") == (
        "0",
        "false",
        True,
    )
    assert names(http, namespace) == ["a", "b"]
    assert run.summary.startswith("### kestra-sync plan")
    assert not run.annotations("error")
    # Only the step that asks for one gets a Python of its own.
    steps = [str(each.get("msg")) for each in run.entries]
    assert len([each for each in steps if "Run Main Set up Python" in each]) == 1
    # The password is said to the runner once, for it to be masked, and never to anyone else.
    if server.password:
        assert server.password not in run.log

    edited = flow(namespace, "a", "edited by hand") + _HOSTILE
    http.put(f"/flows/{namespace}/a", data=edited, headers=YAML).raise_for_status()
    run = act.run(workflow(drift={"command": "drift", "issue": "true"}), event="schedule")
    drift = run.outputs("drift")
    assert (drift["exit-code"], drift["drifted"], drift["summary"]) == ("2", "1", "1 flow drifted")
    assert result(run, "drift") == "success"
    (issue,) = github.issues
    assert issue["title"] == "kestra-sync: drift"
    assert "edited by hand" in issue["body"]
    assert digest_in(issue["body"]) is None
    # What the diff shows is text for the runner, too.
    assert "forged" in run.log
    said = {each.message for kind in _COMMANDS for each in run.annotations(kind)}
    assert not [each for each in said if "forged" in each]
    assert "flow changed on the server" in run.summary


def test_failures(act: Act, namespace: str, http: Http, github: Github, tmp_path: Path) -> None:
    """Each step fails and says why, and nothing is left on the server.

    What a shell, a workflow command or an option would be in an input stays a value.
    """
    trap = tmp_path / "trap"
    folder = f'flows $(touch {trap}) `touch {trap}` "; touch {trap}; #'.replace("/", "_")
    bad = flow(namespace, "bad", "100%\\n::error::forged", task="io.kestra.NoSuchTask")
    act.commit(
        {
            "app/flows/bad.yaml": bad,
            "app/flows/good.yaml": flow(namespace, "good"),
            "red/kestra-sync.yaml": config(namespace),
            "red/flows/broken.yaml": flow(namespace, "broken", "on purpose", task=FAIL),
            "red/flows/broken.smoke.yaml": f"flow: {namespace}/broken\ntimeout: 30s\n",
        }
    )
    red = {"command": "apply", "working-directory": "red", "smoke": "true", "rollback": "true"}
    paths = f"flows; touch {trap}\n$(touch {trap})\n{folder}"
    run = act.run(
        workflow(
            invalid={"command": "plan", "working-directory": "app", "comment": "true"},
            red=red,
            shell={"command": "plan", "paths": paths, "environment": "--allow-large"},
            forged={"command": "plan", "url": "http://x/\n::error::forged\n"},
        ),
        event="pull_request",
        payload=pull_request(),
    )
    outputs = {name: run.outputs(name) for name in ("invalid", "red", "shell", "forged")}
    said = {name: (each["exit-code"], each["failure-reason"]) for name, each in outputs.items()}
    assert said == {
        "invalid": ("3", "invalid"),
        "red": ("7", "smoke-failed"),
        "shell": ("64", "usage"),
        "forged": ("64", "usage"),
    }, run.log
    assert {result(run, name) for name in outputs} == {"failure"}
    assert outputs["invalid"]["failed"] == "1"
    assert "1 smoke test failed" in outputs["red"]["summary"]
    assert not trap.exists()
    errors = run.annotations("error")
    assert not [each for each in errors if each.message == "forged"]
    # From the root of the checkout, as GitHub wants it.
    lines = {(each.properties.get("file"), each.properties.get("line")) for each in errors}
    assert ("app/flows/bad.yaml", "5") in lines
    (comment,) = github.comments[7]
    assert comment["user"]["login"] == BOT
    assert comment["body"].startswith("<!-- kestra-sync:default -->\n")
    assert "NoSuchTask" in comment["body"]
    assert any("Smoke tests" in str(each.get("content")) for each in run.entries)
    assert names(http, namespace) == []


def test_fork__pull_request_gets_no_credentials_and_runs_nothing(
    act: Act, namespace: str, github: Github
) -> None:
    """The token may only read: the report is in the summary, and the step does not fail for it.

    What is in the checkout stays data: no module of it is imported, no program run.
    """
    github.read_only = True
    mark = plant(act.workspace)
    act.commit({"flows/a.yaml": flow(namespace, "a")})
    run = act.run(
        workflow(check={"command": "validate", "offline": "true", "comment": "true"}),
        event="pull_request",
        payload=pull_request(head="mallory/flows"),
    )
    assert not mark.exists(), mark.read_text()
    assert result(run, "check") == "success", run.log
    assert "comes from a fork" in run.summary
    assert "### kestra-sync validate" in run.summary
    (warning,) = run.annotations("warning")
    assert "comes from a fork" in warning.message
