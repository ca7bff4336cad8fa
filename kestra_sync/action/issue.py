"""The issue about drift: opened, kept up to date, closed when the drift is gone."""

from __future__ import annotations

from kestra_sync.action.github_api import GithubIssues
from kestra_sync.action.notes import PostAction, first_line, own, upsert

_WORDS = {
    PostAction.CREATED: "An issue was opened",
    PostAction.UPDATED: "The issue was updated",
    PostAction.KEPT: "The issue is up to date",
}


def title_of(environment: str) -> str:
    """The title of the issue."""
    return f"kestra-sync: drift{f' in {environment}' if environment else ''}"


def report(issues: GithubIssues, body: str, *, drifted: bool) -> str:
    """Bring the issue in line with what was found; says so in a sentence, ``""`` for nothing.

    :param body: the report, its marker in the first line.
    :raises KestraError: for any failure.
    """
    if drifted:
        posted = upsert(issues, body)
        url = f": {posted.note.url}" if posted.note.url else ""
        return f"{_WORDS[posted.action]}{url}"
    found = own(issues, first_line(body))
    for each in found:
        issues.update(each, body)
        issues.close(each)
    return "The issue was closed: there is no more drift" if found else ""
