"""The comment on a pull request, the plan reviewed in it, and the issue about drift.

The issue is opened, kept up to date, and closed when the drift is gone.
"""

from __future__ import annotations

import html
import re

from kestra_sync.action.context import Context
from kestra_sync.action.github_api import GithubApi, GithubIssues
from kestra_sync.action.notes import Notes, PostAction, first_line, own, upsert
from kestra_sync.client.errors import ApiError, KestraError
from kestra_sync.errors import ConflictError
from kestra_sync.report.comment import marker

#: A whole line, which nothing that comes from a flow can be: of that, no line begins with ``<``.
_DIGEST = re.compile(r"<sub>Plan <code>(?P<digest>sha256:[0-9a-f]{64})</code></sub>")

_WORDS = {
    PostAction.CREATED: "The comment was written",
    PostAction.UPDATED: "The comment was updated",
    PostAction.KEPT: "The comment is up to date",
}
_ISSUE_WORDS = {
    PostAction.CREATED: "An issue was opened",
    PostAction.UPDATED: "The issue was updated",
    PostAction.KEPT: "The issue is up to date",
}


def marker_of(environment: str, key: str) -> str:
    """Return the first line of the comment of a run.

    :param key: distinguishes the comments of several runs for one environment; ``""`` for one.
    """
    return marker(".".join(filter(None, (environment, key))))


def with_marker(body: str, first: str) -> str:
    """Replace the marker in the first line of ``body``."""
    _, _, rest = body.partition("\n")
    return f"{first}\n{rest}"


def post(notes: Notes, body: str) -> str:
    """Create or update the comment. Return a message about it.

    :raises KestraError: for any failure.
    """
    posted = upsert(notes, body)
    url = f": {posted.note.url}" if posted.note.url else ""
    return f"{_WORDS[posted.action]}{url}"


def excuse(error: KestraError, context: Context, what: str, permission: str) -> str:
    """Return why something could not be written, in a sentence."""
    if not (isinstance(error, ApiError) and error.status in (401, 403, 404)):
        return f"The {what} could not be written: {error.message}"
    if context.fork:
        return (
            f"The {what} could not be written: this pull request comes from a fork, so the token "
            f"is read-only. See the job summary for the report."
        )
    return (
        f"The {what} could not be written: the token lacks permission, or the repository does not "
        f"exist ({error.status}). The job needs `permissions: {permission}: write`. See the job "
        f"summary for the report."
    )


def digest_in(body: str) -> str | None:
    """Return the digest of the plan in a comment."""
    # The last of them: it is at the end.
    for line in reversed(body.splitlines()):
        match = _DIGEST.fullmatch(html.unescape(line.rstrip()))
        if match is not None and line.startswith("<sub>"):
            return match["digest"]
    return None


def reviewed_digest(github: GithubApi, context: Context, first: str) -> str:
    """Return the digest of the plan that was reviewed in the pull request being applied.

    :param first: the marker of the comment.
    :raises ConflictError: there is none; only reviewed plans are applied.
    :raises KestraError: GitHub cannot be reached.
    """
    if context.pull_request is not None:
        number = context.pull_request
    else:
        numbers = github.merged(context.sha, context.branch)
        if len(numbers) != 1:
            several = ", ".join(f"#{each}" for each in numbers) + " were"
            found = several if numbers else "no pull request was"
            raise _unknown(context, f"{found} merged with it")
        number = numbers[0]
    notes = own(github.comments(number), first)
    # An older one may show a plan that has been replaced.
    newest = notes[-1] if notes else None
    digest = digest_in(newest.body) if newest is not None else None
    if newest is None or digest is None:
        raise _unknown(context, f"no comment with a plan in #{number}")
    doubt = github.edited_by_others(newest)
    if doubt is not None:
        raise _unknown(context, f"the comment in #{number} cannot be trusted: {doubt}")
    return digest


def _unknown(context: Context, why: str) -> ConflictError:
    return ConflictError(
        f"the reviewed plan for commit {context.sha[:12]} is unknown: {why}",
        remedy="run plan in the pull request with `comment: true`, or apply without "
        "`expect-digest: reviewed`",
    )


def title_of(environment: str) -> str:
    """Return the title of the issue."""
    return f"kestra-sync: drift{f' in {environment}' if environment else ''}"


def report_drift(issues: GithubIssues, body: str, *, drifted: bool) -> str:
    """Create, update or close the issue. Return a message about it; ``""`` if unchanged.

    :param body: the report, its marker in the first line.
    :raises KestraError: for any failure.
    """
    if drifted:
        posted = upsert(issues, body)
        url = f": {posted.note.url}" if posted.note.url else ""
        return f"{_ISSUE_WORDS[posted.action]}{url}"
    found = own(issues, first_line(body))
    for each in found:
        issues.update(each, body)
        issues.close(each)
    return "The issue was closed: there is no more drift" if found else ""
