"""The files and commands that GitHub's runner reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kestra_sync.action.context import Context
from kestra_sync.action.runner import Runner
from kestra_sync.report.comment import SUMMARY_LIMIT


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner.of(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        }
    )


def test_outputs__cannot_end_their_here_document(runner: Runner) -> None:
    """What a value holds is never another output."""
    assert runner.output is not None
    runner.set_outputs({"summary": "a\nghadelimiter\nfailed=0\nfailed<<x\n0\nx", "failed": "1"})
    text = runner.output.read_text(encoding="utf-8")
    first, *_, last = text.splitlines()
    name, _, delimiter = first.partition("<<")
    assert name == "summary"
    assert text.count(delimiter) == 2
    assert last != delimiter
    assert len(delimiter) > 32


def test_a_summary_too_long_is_not_written(runner: Runner) -> None:
    assert runner.summary is not None
    assert runner.add_summary("x" * (SUMMARY_LIMIT - 1))
    assert not runner.add_summary("ä")
    assert runner.add_summary("y")
    assert runner.summary.stat().st_size == SUMMARY_LIMIT


def test_secrets__are_masked_line_by_line(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.mask("first%\n\n second ")
    assert capsys.readouterr().out == "::add-mask::first%25\n::add-mask:: second \n"


def test_messages__are_escaped(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    runner.say("error", "100%\n::set-output name=x::y\x1b[2J")
    out = capsys.readouterr().out
    assert out == "::error title=kestra-sync::100%25%0A::set-output name=x::y\\x1b[2J\n"


def test_action__annotations_are_in_the_log(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.annotate("::error::a\n::warning::b\n")
    runner.annotate("")
    assert capsys.readouterr().out == "::error::a\n::warning::b\n"


def test_runner__writes_nothing_outside_of_ci(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret least of all."""
    nowhere = Runner.of({})
    nowhere.mask("s3cret")
    nowhere.annotate("::error::a")
    nowhere.set_outputs({"failed": "1"})
    assert nowhere.add_summary("text")
    nowhere.say("warning", "one\n::two")
    assert capsys.readouterr().out == "warning: one\nwarning: ::two\n"


def test_the_place_of_a_step(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    request = {"number": 7, "head": {"repo": {"full_name": "acme/flows"}}}
    event.write_text(json.dumps({"pull_request": request}))
    environ = {
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "acme/flows",
        "GITHUB_SHA": "abc",
        "GITHUB_REF_NAME": "main",
        "GITHUB_RUN_ID": "5",
    }
    found = Context.of(environ)
    assert (found.pull_request, found.fork, found.sha) == (7, False, "abc")
    assert found.api_url == "https://api.github.com"

    request["head"]["repo"]["full_name"] = "mallory/flows"  # type: ignore[index]
    merged = {**request, "merged": True, "merge_commit_sha": "def"}
    event.write_text(json.dumps({"pull_request": merged}))
    found = Context.of(environ)
    assert (found.fork, found.sha) == (True, "def")

    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"repo": None}}}))
    assert Context.of(environ).fork


@pytest.mark.parametrize("text", ["[]", "no json", None])
def test_a_step_without_an_event(tmp_path: Path, text: str | None) -> None:
    event = tmp_path / "event.json"
    if text is not None:
        event.write_text(text)
    found = Context.of({"GITHUB_EVENT_PATH": str(event), "GITHUB_API_URL": "https://ghe/api/v3"})
    assert (found.pull_request, found.fork) == (None, False)
    assert found.graphql_url == "https://ghe/api/v3/graphql"
