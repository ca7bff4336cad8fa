"""One step, from the inputs to the exit code, with a command line of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import kestra_sync
from kestra_sync.action.action import main
from kestra_sync.errors import ExitCode
from tests.action.github import TOKEN, Github
from tests.support.measured import MEASURED

MARKER = "<!-- kestra-sync:default -->"
DIGEST = "sha256:" + "ab" * 32
_COUNTS = {"create": 1, "update": 0, "move": 0, "delete": 0, "drifted": 0}
_PLAN = {"plan": {"summary": _COUNTS}, "digest": DIGEST}


class CommandLine:
    """A fake kestra-sync: keeps its arguments and writes the requested reports."""

    def __init__(self, code: int = 0, document: Any = None, **texts: str) -> None:
        self.code = code
        self.texts = {
            "json": json.dumps(_PLAN if document is None else document),
            "comment": f"{MARKER}\n\na plan\n\n<sub>Plan <code>{DIGEST}</code></sub>\n",
            "summary": "### a plan\n",
            "github": "::warning::careful\n",
            "html": "<!doctype html>",
            **texts,
        }
        self.args: list[str] = []
        self.secrets: dict[str, str | None] = {}

    def __call__(self, args: Sequence[str]) -> int:
        self.args = list(args)
        for arg in args:
            option, _, value = arg.partition("=")
            if option == "--output":
                name, _, path = value.partition("=")
                if name in self.texts:
                    Path(path).write_text(self.texts[name], encoding="utf-8")
            if option == "--out":
                Path(value).write_text("{}")
        return self.code


Step = Callable[..., int]


@pytest.fixture
def environ(github: Github, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    event = tmp_path / "event.json"
    request = {"number": 7, "head": {"repo": {"full_name": "acme/flows"}}}
    event.write_text(json.dumps({"pull_request": request}))
    (tmp_path / "temp").mkdir()
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": "acme/flows",
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "INPUT_GITHUB_TOKEN": TOKEN,
    }


def outputs(environ: dict[str, str]) -> dict[str, str]:
    lines = Path(environ["GITHUB_OUTPUT"]).read_text(encoding="utf-8").splitlines()
    found = {}
    for first, value, _ in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        found[first.partition("<<")[0]] = value
    return found


def summary(environ: dict[str, str]) -> str:
    path = Path(environ["GITHUB_STEP_SUMMARY"])
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_a_plan_with_changes(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2 is not a failure; everything is reported in its place."""
    run = CommandLine(2)
    environ |= {"INPUT_COMMAND": "plan", "INPUT_PATHS": "flows", "INPUT_PASSWORD": "s3cret"}
    assert main(environ, run) == 0
    found = outputs(environ)
    assert (found["exit-code"], found["has-changes"], found["created"]) == ("2", "true", "1")
    assert found["plan-digest"] == DIGEST
    assert Path(found["plan-file"]).read_text() == "{}"
    assert Path(found["report-file"]).read_text() == "<!doctype html>"
    assert Path(found["report-file"]).is_relative_to(tmp_path / "temp")
    assert summary(environ) == "### a plan\n"
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "::add-mask::s3cret",
        f"::add-mask::{TOKEN}",
        "::warning::careful",
    ]
    assert run.args[0] == "plan"
    assert run.args[-2:] == ["--", "flows"]
    assert f"--env-file={os.devnull}" in run.args
    assert not any("s3cret" in each for each in run.args)
    assert environ["KESTRA_PASSWORD"] == "s3cret"
    assert not [name for name in environ if name.startswith("INPUT_")]


def test_detailed_exitcode__changes_fail_the_step(environ: dict[str, str]) -> None:
    environ |= {"INPUT_COMMAND": "plan", "INPUT_DETAILED_EXITCODE": "true"}
    assert main(environ, CommandLine(2)) == 2


@pytest.mark.parametrize("code", [1, 3, 4, 5, 6, 7, 69, 70, 77, 130])
def test_other_codes_are_those_of_the_step(environ: dict[str, str], code: int) -> None:
    environ["INPUT_COMMAND"] = "apply"
    assert main(environ, CommandLine(code)) == code
    assert outputs(environ)["failure-reason"]


def test_an_apply(environ: dict[str, str]) -> None:
    run = CommandLine()
    environ |= {
        "INPUT_COMMAND": "apply",
        "INPUT_PLAN_FILE": "plan.json",
        "INPUT_EXPECT_DIGEST": DIGEST,
        "INPUT_ROLLBACK": "true",
        "INPUT_TOKEN": "t0ken",
        "KESTRA_PASSWORD": "of the job",
        "KESTRA_TOKEN_FILE": "of the job",
    }
    assert main(environ, run) == 0
    assert {"--yes", "--plan=plan.json", f"--expect-digest={DIGEST}", "--rollback"} <= {*run.args}
    # Only the credentials that were passed.
    assert environ["KESTRA_TOKEN"] == "t0ken"
    assert not {"KESTRA_PASSWORD", "KESTRA_TOKEN_FILE"} & set(environ)
    assert outputs(environ)["plan-file"] == ""


def test_a_saved_plan_where_the_workflow_wants_it(environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {"INPUT_COMMAND": "plan", "INPUT_PLAN_FILE": "mine.json"}
    main(environ, CommandLine(2))
    assert outputs(environ)["plan-file"] == str(tmp_path / "mine.json")


def test_working_directory__another_directory(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    environ |= {"INPUT_WORKING_DIRECTORY": "below", "INPUT_REPORT": "markdown"}
    main(environ, CommandLine(markdown="# a plan"))
    assert Path.cwd() == tmp_path / "below"
    assert outputs(environ)["report-file"].endswith("report.md")


@pytest.mark.parametrize("folder", ["link", "..", "link/inner"])
def test_working_directory__outside_the_workspace_is_refused(
    folder: str,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A link of the checkout would have files of the runner read as flows."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "inner").mkdir()
    (workspace / "link").symlink_to(tmp_path)
    monkeypatch.chdir(workspace)
    environ |= {"INPUT_WORKING_DIRECTORY": folder, "GITHUB_WORKSPACE": str(workspace)}
    assert main(environ, CommandLine()) == ExitCode.USAGE
    assert "outside of the workspace" in capsys.readouterr().out
    assert Path.cwd() == workspace


def test_working_directory__missing_directory(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environ["INPUT_WORKING_DIRECTORY"] = "nowhere"
    assert main(environ, CommandLine()) == ExitCode.USAGE
    assert "::error title=kestra-sync::the input 'working-directory'" in capsys.readouterr().out


def test_inputs__invalid_values_are_refused(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environ |= {"INPUT_COMMAND": "destroy"}
    assert main(environ, CommandLine()) == ExitCode.USAGE
    assert outputs(environ)["failure-reason"] == "usage"
    assert "'command' is 'destroy'%0Ait must be one of validate" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "no json", "[]"])
def test_a_run_without_a_report(environ: dict[str, str], text: str) -> None:
    """Such as one that a bug ended."""
    environ["INPUT_COMMAND"] = "validate"
    assert main(environ, CommandLine(70, json=text)) == ExitCode.BUG
    assert outputs(environ)["failure-reason"] == "bug"


def test_a_run_that_is_interrupted(environ: dict[str, str]) -> None:
    def interrupted(_: Sequence[str]) -> int:
        raise KeyboardInterrupt

    assert main(environ, interrupted) == ExitCode.INTERRUPTED


def test_the_comment(github: Github, environ: dict[str, str]) -> None:
    environ |= {"INPUT_COMMENT": "true", "INPUT_SUMMARY": "false", "INPUT_ANNOTATIONS": "false"}
    assert main(environ, CommandLine(2)) == 0
    assert [each["body"].splitlines()[0] for each in github.comments[7]] == [MARKER]
    assert summary(environ) == ""


def test_a_comment_with_a_key(github: Github, environ: dict[str, str]) -> None:
    environ |= {
        "INPUT_COMMENT": "true",
        "INPUT_COMMENT_KEY": "sales",
        "INPUT_ENVIRONMENT": "prod",
    }
    main(environ, CommandLine(2))
    (comment,) = github.comments[7]
    assert comment["body"].startswith("<!-- kestra-sync:prod.sales -->\n\na plan")


def test_comment__without_permission_does_not_fail_the_step(
    github: Github, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary says so and has the report, even if none was asked for."""
    github.read_only = True
    environ |= {"INPUT_COMMENT": "true", "INPUT_SUMMARY": "false"}
    assert main(environ, CommandLine(2)) == 0
    assert (
        "::warning title=kestra-sync::The comment could not be written" in capsys.readouterr().out
    )
    assert summary(environ).startswith("> [!WARNING]\n> The comment could not be written")
    assert summary(environ).endswith("### a plan\n")


def test_no_pull_request_to_comment_on(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(environ["GITHUB_EVENT_PATH"]).write_text("{}")
    environ["INPUT_COMMENT"] = "true"
    assert main(environ, CommandLine(2)) == 0
    assert "No pull request to comment on" in capsys.readouterr().out


def test_comment__without_a_login(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environ |= {"INPUT_COMMENT": "true", "INPUT_GITHUB_TOKEN": ""}
    assert main(environ, CommandLine(2)) == 0
    assert "Nothing was posted" in capsys.readouterr().out


def test_a_summary_that_is_too_long(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(environ, CommandLine(summary="x" * 1024 * 1024 + "y"))
    assert "The summary exceeds the size limit" in capsys.readouterr().out
    assert summary(environ) == ""


def test_drift__opens_an_issue_and_its_end_closes_it(
    github: Github, environ: dict[str, str]
) -> None:
    inputs = {"INPUT_COMMAND": "drift", "INPUT_ISSUE": "true", "INPUT_GITHUB_TOKEN": TOKEN}
    assert main({**environ, **inputs}, CommandLine(2, {"drifted": [{}]})) == 0
    assert [each["state"] for each in github.issues] == ["open"]
    # A server that did not answer says nothing about drift.
    assert main({**environ, **inputs}, CommandLine(69, {"error": {"message": "no"}})) == 69
    assert [each["state"] for each in github.issues] == ["open"]
    assert main({**environ, **inputs}, CommandLine(0, {"drifted": []})) == 0
    assert [each["state"] for each in github.issues] == ["closed"]
    assert main({**environ, **inputs}, CommandLine(0, {"drifted": []})) == 0


def test_an_issue_that_may_not_be_written(
    github: Github, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    github.read_only = True
    environ |= {"INPUT_COMMAND": "drift", "INPUT_ISSUE": "true"}
    assert main(environ, CommandLine(2, {"drifted": [{}]})) == 0
    assert "`permissions: issues: write`" in capsys.readouterr().out


def test_reviewed__digest_of_the_comment_is_expected(
    github: Github, environ: dict[str, str]
) -> None:
    run = CommandLine(2)
    main({**environ, "INPUT_COMMENT": "true"}, run)
    run = CommandLine()
    inputs = {"INPUT_COMMAND": "apply", "INPUT_EXPECT_DIGEST": "reviewed"}
    assert main({**environ, **inputs}, run) == 0
    assert f"--expect-digest={DIGEST}" in run.args


def test_reviewed__unreviewed_plan_is_not_applied(
    github: Github, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = {"INPUT_COMMAND": "apply", "INPUT_EXPECT_DIGEST": "reviewed"}
    run = CommandLine()
    assert main({**environ, **inputs}, run) == ExitCode.CONFLICT
    github.broken = True
    assert main({**environ, **inputs}, run) == ExitCode.FAILURE
    assert "the reviewed plan cannot be read" in capsys.readouterr().out
    assert main({**environ, **inputs, "INPUT_GITHUB_TOKEN": ""}, run) == ExitCode.USAGE
    assert run.args == []


@pytest.mark.parametrize(
    "odd",
    [
        None, [], {}, [1e999], [{"id": 1e400, "user": [], "body": {}}], [{"id": True}], "text",
        [{"number": "7", "merged_at": 1, "base": [], "merge_commit_sha": {}}],
        [{"id": 1, "user": {"login": 7}, "body": 7, "updated_at": 1}], 10**400,
    ],
)  # fmt: skip
def test_github__unexpected_responses_do_not_affect_the_apply(
    github: Github, environ: dict[str, str], odd: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outputs are there, and the exit code is the one of the command."""
    monkeypatch.setattr(github, "answer", lambda *_: (200, odd))
    inputs = {"INPUT_COMMAND": "plan", "INPUT_COMMENT": "true"}
    assert main({**environ, **inputs}, CommandLine(2)) == 0
    assert "exit-code<<" in Path(environ["GITHUB_OUTPUT"]).read_text()
    inputs = {"INPUT_COMMAND": "drift", "INPUT_ISSUE": "true"}
    assert main({**environ, **inputs}, CommandLine(2, {"drifted": [{}]})) == 0
    # What was reviewed is not known then: nothing is applied.
    inputs = {"INPUT_COMMAND": "apply", "INPUT_EXPECT_DIGEST": "reviewed"}
    run = CommandLine()
    assert main({**environ, **inputs}, run) in (ExitCode.CONFLICT, ExitCode.FAILURE)
    assert run.args == []


def test_files_that_cannot_be_written_never_alter_what_an_apply_did(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ |= {"GITHUB_OUTPUT": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path)}
    assert main({**environ, "INPUT_COMMAND": "apply"}, CommandLine()) == 0
    assert "Step outputs could not be written" in capsys.readouterr().out


def test_action__runs_by_its_path(tmp_path: Path) -> None:
    """By its path, as the action runs it: nothing comes from the checkout of the pull request."""
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "bad.yaml").write_text("id: bad\nnamespace: acme\ntasks: 5\n")
    for name in ("json.py", "requests.py", "kestra_sync.py", "click.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('code of the pull request was run')")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("KESTRA_")},
        "INPUT_COMMAND": "validate",
        "INPUT_OFFLINE": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "RUNNER_TEMP": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        **MEASURED,
    }
    script = Path(kestra_sync.__file__).parent / "action" / "__main__.py"
    done = subprocess.run(
        [sys.executable, "-I", str(script)],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.INVALID, done.stdout + done.stderr
    assert "::error file=flows/bad.yaml,line=3,col=8," in done.stdout
    assert outputs(environ)["failure-reason"] == "invalid"
