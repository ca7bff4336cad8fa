"""The workflows to copy, run unchanged: by act or a shell, against a real Kestra."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.action.act import ROOT, Act, Run
from tests.action.component import jobs_of, load, scripts_of
from tests.action.github import Github
from tests.action.gitlab import ME, Gitlab
from tests.action.test_action import config, flow, names, pull_request
from tests.support.server import YAML as YAML_HEADER
from tests.support.server import Http, Server

CI = ROOT / "docs" / "ci"


@pytest.fixture
def basic(act: Act, server: Server) -> Act:
    """The copies log in with a token, and the embedded engine knows users only."""
    if not server.token:
        act.environ = {
            **act.environ,
            "KESTRA_USERNAME": server.username,
            "KESTRA_PASSWORD": server.password,
        }
    return act


def text(name: str) -> str:
    return (CI / name).read_text(encoding="utf-8")


def done(run: Run) -> dict[str, str]:
    return run.results()


def test_from_the_pull_request_to_drift(
    basic: Act, namespace: str, http: Http, github: Github
) -> None:
    """What the comment shows is applied, and nothing else, if that is asked for."""
    files = {"kestra-sync.yaml": config(namespace), "flows/a.yaml": flow(namespace, "a")}
    basic.commit(files)
    # A pull request from a fork is only validated.
    fork = pull_request(head="mallory/flows")
    run = basic.run(text("pull-request.yml"), event="pull_request", payload=fork)
    assert done(run)["validate"] == "success"
    assert done(run).get("plan") != "failure"
    assert "Run Main kestra-sync plan" not in run.log
    assert github.comments == {}

    run = basic.run(text("pull-request.yml"), event="pull_request", payload=pull_request())
    assert done(run) == {"validate": "success", "plan": "success"}, run.log
    (comment,) = github.comments[7]
    assert "1 to create" in comment["body"]

    sha = basic.commit(files)
    base = {"ref": "main"}
    github.pulls[sha] = [
        {"number": 7, "merge_commit_sha": sha, "merged_at": "2026-01-01T00:00:00Z", "base": base}
    ]
    main = text("main.yml")
    assert "          # expect-digest: reviewed\n" in main
    careful = main.replace("# expect-digest: reviewed", "expect-digest: reviewed")

    # A change in between: this is not what was reviewed.
    http.post("/flows", data=flow(namespace, "a", "theirs"), headers=YAML_HEADER).raise_for_status()
    run = basic.run(careful, GITHUB_SHA=sha)
    assert done(run) == {"apply": "failure"}
    assert http.get(f"/flows/{namespace}/a").json()["tasks"][0]["message"] == "theirs"

    http.delete(f"/flows/{namespace}/a").raise_for_status()
    run = basic.run(careful, GITHUB_SHA=sha)
    # A flow that was deleted is created with a higher revision; the plan is the same.
    assert done(run) == {"apply": "success"}, run.log
    assert names(http, namespace) == ["a"]

    # Drift has an issue.
    edited = flow(namespace, "a", "edited by hand")
    http.put(f"/flows/{namespace}/a", data=edited, headers=YAML_HEADER).raise_for_status()
    run = basic.run(text("nightly-drift.yml"), event="workflow_dispatch")
    assert done(run) == {"drift": "success"}, run.log
    assert [each["state"] for each in github.issues] == ["open"]


_PREVIEW = 'preview:\n  namespaces: {{{ns}: "{ns}.preview.{{name}}"}}\n  ttl: 7d\n'


def test_a_preview_comes_and_goes_with_its_pull_request(
    basic: Act, namespace: str, http: Http, github: Github
) -> None:
    """One comment, from the first commit to the end."""
    basic.commit(
        {
            "kestra-sync.yaml": config(namespace) + _PREVIEW.format(ns=namespace),
            "flows/a.yaml": flow(namespace, "a"),
            "flows/a.smoke.yaml": f"flow: {namespace}/a\ntimeout: 60s\n",
        }
    )
    there = f"{namespace}.preview.pr-7"
    event = {**pull_request(), "action": "opened"}
    run = basic.run(text("preview.yml"), event="pull_request", payload=event)
    assert done(run) == {"preview": "success"}, run.log
    assert names(http, there) == ["a"]
    (comment,) = github.comments[7]
    assert f"/flows/edit/{there}/a" in comment["body"]
    assert "passed" in comment["body"]

    event["action"] = "closed"
    run = basic.run(text("preview.yml"), event="pull_request", payload=event)
    assert done(run) == {"preview": "success"}, run.log
    assert names(http, there) == []
    (comment,) = github.comments[7]
    assert "Removed the preview pr-7" in comment["body"]
    assert "1 flow, 1 execution and its record." in comment["body"]


def test_staging_comes_before_production(basic: Act, namespace: str, http: Http) -> None:
    """And production gets the plan that was approved."""
    environments = "".join(
        f"  {name}: {{source: flows/{name}, scope: [{namespace}.{name}]}}\n"
        for name in ("staging", "production")
    )
    basic.commit(
        {
            "kestra-sync.yaml": f"version: 1\nname: act\nenvironments:\n{environments}",
            "flows/staging/a.yaml": flow(f"{namespace}.staging", "a"),
            "flows/production/a.yaml": flow(f"{namespace}.production", "a"),
        }
    )
    run = basic.run(text("environments.yml"))
    results = done(run)
    assert results == dict.fromkeys(("staging", "plan", "production"), "success"), run.log
    assert names(http, f"{namespace}.staging") == ["a"]
    assert names(http, f"{namespace}.production") == ["a"]


@pytest.fixture
def checkout(tmp_path: Path, namespace: str) -> Path:
    """A repository for the scripts that no act runs."""
    folder = tmp_path / "checkout"
    (folder / "flows").mkdir(parents=True)
    (folder / "kestra-sync.yaml").write_text(config(namespace))
    (folder / "flows" / "a.yaml").write_text(flow(namespace, "a"))
    return folder


def shell(
    command: list[str], checkout: Path, server: Server, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a script with kestra-sync on the path."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KESTRA_", "GITHUB_", "GITLAB_", "CI_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=checkout,
        env={**kept, **server.env, "PATH": path, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_plain_script(
    checkout: Path, server: Server, namespace: str, http: Http, tmp_path: Path
) -> None:
    """Plan, apply of that plan, drift, and a plan of a flow that is not valid."""
    reports = tmp_path / "reports"

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(CI / "plain.sh"), name]
        return shell(command, checkout, server, REPORTS=str(reports))

    planned = run("plan")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert {each.name for each in reports.iterdir()} == {
        "validate.xml",
        "plan.json",
        "plan.html",
        "plan.md",
    }
    applied = run("apply")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert names(http, namespace) == ["a"]
    edited = flow(namespace, "a", "edited by hand")
    http.put(f"/flows/{namespace}/a", data=edited, headers=YAML_HEADER).raise_for_status()
    assert run("drift").returncode == 2
    bad = flow(namespace, "a", task="io.kestra.NoSuchTask")
    (checkout / "flows" / "a.yaml").write_text(bad)
    assert run("plan").returncode == 3
    assert run("destroy").returncode == 64


def test_the_jobs_of_gitlab(
    checkout: Path, server: Server, namespace: str, http: Http, gitlab: Gitlab
) -> None:
    """The scripts of the component, line by line as GitLab's runner would run them."""
    jobs = jobs_of({})

    def run(name: str) -> int:
        job = jobs[f"kestra:{name}"]
        command = ["bash", "-c", "\n".join(["set -e", *job["script"]])]
        ended = shell(command, checkout, server, **job["variables"], **gitlab.environ)
        if ended.returncode == 0:
            for path in [job["artifacts"]["reports"]["junit"], *job["artifacts"].get("paths", [])]:
                assert (checkout / path).stat().st_size
        return ended.returncode

    assert [run(name) for name in ("validate", "plan", "save-plan")] == [0, 0, 0]
    (note,) = gitlab.notes
    assert note["author"]["username"] == ME
    assert "1 to create" in note["body"]
    # A change before the approval: this is not the plan that was approved.
    http.post("/flows", data=flow(namespace, "a", "theirs"), headers=YAML_HEADER).raise_for_status()
    assert run("apply") == 5
    http.delete(f"/flows/{namespace}/a").raise_for_status()
    assert run("apply") == 0
    assert names(http, namespace) == ["a"]
    edited = flow(namespace, "a", "edited by hand")
    http.put(f"/flows/{namespace}/a", data=edited, headers=YAML_HEADER).raise_for_status()
    assert run("drift") == 2
    bad = flow(namespace, "a", task="io.kestra.NoSuchTask")
    (checkout / "flows" / "a.yaml").write_text(bad)
    # What failed is in the note as well.
    assert run("plan") == 3
    (note,) = gitlab.notes
    assert "NoSuchTask" in note["body"]


def test_the_review_app_of_gitlab(
    checkout: Path, server: Server, namespace: str, http: Http, gitlab: Gitlab
) -> None:
    """Up with a note, and down again."""
    (checkout / "kestra-sync.yaml").write_text(
        config(namespace) + _PREVIEW.format(ns=namespace) + "  smoke: false\n"
    )
    jobs = load(CI / "gitlab-previews.yml")
    number = gitlab.environ["CI_MERGE_REQUEST_IID"]

    def run(name: str) -> int:
        command = ["bash", "-c", "\n".join(["set -e", *jobs[name]["script"]])]
        return shell(command, checkout, server, **gitlab.environ).returncode

    there = f"{namespace}.preview.mr-{number}"
    assert run("preview") == 0
    assert names(http, there) == ["a"]
    (note,) = gitlab.notes
    assert f"/flows/edit/{there}/a" in note["body"]
    assert run("stop-preview") == 0
    assert names(http, there) == []


@pytest.mark.parametrize("name", ["bitbucket-pipelines.yml", "azure-pipelines.yml", "Jenkinsfile"])
def test_the_scripts_of_other_forges(
    name: str, checkout: Path, server: Server, namespace: str, http: Http, tmp_path: Path
) -> None:
    """Plan, apply of the saved plan, as their steps have it; artifacts stay where they are."""
    (tmp_path / "plan").symlink_to(checkout)  # where Azure downloads the plan to
    ran = set()
    for script in sorted(set(scripts_of(CI / name)), key=lambda each: " apply " in each):
        for command in ("validate", "plan", "apply"):
            if f"kestra-sync {command} " in script:
                ran.add(command)
                environ = {"PIPELINE_WORKSPACE": str(tmp_path)}
                ended = shell(["sh", "-ec", script], checkout, server, **environ)
                assert ended.returncode == 0, ended.stdout + ended.stderr
                break
    assert ran == {"validate", "plan", "apply"}
    assert names(http, namespace) == ["a"]
