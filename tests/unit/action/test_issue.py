"""The issue about drift."""

from __future__ import annotations

from kestra_sync.action.comment import report_drift, title_of
from kestra_sync.action.github_api import GithubApi
from tests.action.github import Github

MARKER = "<!-- kestra-sync:prod -->"
TITLE = "kestra-sync: drift in prod"


def body(text: str) -> str:
    return f"{MARKER}\n\n{text}\n"


def test_the_life_of_an_issue(github: Github, api: GithubApi) -> None:
    """Opened once, kept up to date, closed, and reopened when there is drift again."""
    issues = api.issues(title_of("prod"))
    assert report_drift(issues, body("none"), drifted=False) == ""
    assert report_drift(issues, body("1 flow"), drifted=True).startswith("An issue was opened: ")
    assert report_drift(issues, body("1 flow"), drifted=True).startswith("The issue is up to date")
    assert report_drift(issues, body("2 flows"), drifted=True).startswith("The issue was updated")
    assert [(each["title"], each["state"]) for each in github.issues] == [(TITLE, "open")]
    assert github.issues[0]["body"] == body("2 flows")

    assert report_drift(issues, body("none"), drifted=False).startswith("The issue was closed")
    assert github.issues[0]["state"] == "closed"
    assert report_drift(issues, body("again"), drifted=True).startswith("An issue was opened: ")
    assert [each["state"] for each in github.issues] == ["closed", "open"]


def test_others_are_left_alone(github: Github, api: GithubApi) -> None:
    """Pull requests are issues to GitHub, too; and anyone who can write can write our marker."""
    github.add_issue(TITLE, body("evil"), author="mallory")
    github.add_issue("a pull request", body("plan"), pull_request={})
    issues = api.issues(title_of("prod"))
    assert report_drift(issues, body("none"), drifted=False) == ""
    report_drift(issues, body("1 flow"), drifted=True)
    assert len(github.issues) == 3


def test_issue__duplicate_is_closed(github: Github, api: GithubApi) -> None:
    github.add_issue(TITLE, body("one"))
    github.add_issue(TITLE, body("two"))
    report_drift(api.issues(TITLE), body("three"), drifted=True)
    assert [each["state"] for each in github.issues] == ["open", "closed"]


def test_titles() -> None:
    assert title_of("") == "kestra-sync: drift"
    assert title_of("prod") == TITLE
