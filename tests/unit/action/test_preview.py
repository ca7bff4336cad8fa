"""The effect of GitHub events on a preview."""

from __future__ import annotations

import pytest

from kestra_sync.action.context import Context
from kestra_sync.action.inputs import read
from kestra_sync.action.preview import preview_run
from kestra_sync.action.result import result_of
from kestra_sync.errors import RefusedError, UsageError


def context(event: str = "pull_request", action: str = "opened", **more: object) -> Context:
    values = {"pull_request": 7, "event": event, "action": action, **more}
    return Context("", "", "acme/flows", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened"])
def test_preview__is_deployed_when_opened_or_updated(action: str) -> None:
    run = preview_run(context(action=action), "")
    assert (run.subcommand, run.name, run.words) == ("up", "pr-7", ("--", "pr-7"))
    assert run.environment == "preview-pr-7"


def test_preview__is_taken_down_and_cleaned_up() -> None:
    assert preview_run(context(action="closed"), "").subcommand == "down"
    clean = preview_run(context("schedule", pull_request=None), "")
    assert (clean.subcommand, clean.words) == ("clean", ())


def test_preview__name_of_the_workflow() -> None:
    assert preview_run(context(), "Team-7").name == "team-7"


def test_preview__never_for_strangers() -> None:
    with pytest.raises(RefusedError, match="forks"):
        preview_run(context(fork=True), "")
    with pytest.raises(RefusedError, match="forks"):
        preview_run(context(action="closed", fork=True), "")
    with pytest.raises(UsageError, match="pull_request_target"):
        preview_run(context("pull_request_target"), "")
    for event in ("push", "workflow_run", "issue_comment", ""):
        with pytest.raises(UsageError, match="pull requests"):
            preview_run(context(event, pull_request=None), "")


def test_preview__down_reads_no_files() -> None:
    """Options that only `up` knows are left out, whatever the workflow gives."""
    inputs = read({"command": "preview", "strict": "true", "url": "http://k", "diff": "full"})
    assert inputs.options_of("up") == ("--strict", "--diff=full", "--url=http://k")
    assert inputs.options_of("down") == ("--url=http://k",)
    with pytest.raises(UsageError, match="'environment' is not supported by 'preview'"):
        read({"command": "preview", "environment": "prod"})


def test_preview__outputs_of_down() -> None:
    deleted = {"flows": 2, "files": 0, "keys": 0, "executions": 3}
    one = {"name": "pr-7", "namespaces": ["preview.pr-7"], "removed": True}
    one |= {"problems": [], "deleted": deleted}
    outputs = result_of("preview", 0, {"previews": [one]}).outputs()
    assert (outputs["preview-name"], outputs["preview-namespaces"]) == ("pr-7", "preview.pr-7")
    assert (outputs["deleted"], outputs["summary"]) == ("2", "removed pr-7")
