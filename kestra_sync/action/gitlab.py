"""``python -I -m kestra_sync.action.gitlab FILE``: a report as a note on a GitLab merge request.

FILE was written by ``-o comment=FILE``. The note is kept up to date, one for each
environment. The token is in ``GITLAB_TOKEN``: that of a job may not write notes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kestra_sync.action.forge_api import ForgeApi, number_of, text_of
from kestra_sync.action.notes import Note, first_line, upsert
from kestra_sync.client.request import segments
from kestra_sync.client.retry import Backoff
from kestra_sync.errors import ExitCode, KestraSyncError, UsageError
from kestra_sync.repo.git import git_text
from kestra_sync.safe.paths import read_text
from kestra_sync.safe.text import visible

#: The markers written by :func:`kestra_sync.report.comment.marker`.
_MARKER = re.compile(r"<!-- kestra-sync:[A-Za-z0-9._-]+ -->")
_LIMIT = 1024 * 1024


class GitlabNotes:
    """The notes on one merge request."""

    def __init__(self, api: ForgeApi, project: str, request: str) -> None:
        self._api = api
        self._notes = f"/projects/{segments(project)}/merge_requests/{segments(request)}/notes"

    def login(self) -> str:
        """Return the login that the token belongs to."""
        return text_of(self._api.get("/user"), "username")

    def list(self) -> Iterator[Note]:
        """Return all notes, the oldest first."""
        found = self._api.pages(self._notes, sort="asc", order_by="created_at")
        return (_note(each) for each in found)

    def create(self, body: str) -> Note:
        """Create a note."""
        return _note(self._api.send("POST", self._notes, {"body": body}))

    def update(self, note: Note, body: str) -> Note:
        """Replace the text."""
        return _note(self._api.send("PUT", f"{self._notes}/{note.id}", {"body": body}))

    def delete(self, note: Note) -> None:
        """Delete a note."""
        self._api.delete(f"{self._notes}/{note.id}")


def _note(document: Mapping[str, Any]) -> Note:
    author = text_of(document.get("author"), "username")
    return Note(number_of(document, "id"), author, text_of(document, "body"))


def note(
    file: str,
    environ: Mapping[str, str],
    *,
    backoff: Backoff = Backoff(retries=2),  # noqa: B008 - frozen
) -> str:
    """Create or update the note. Return a message about it.

    :raises UsageError: no file, or not in the pipeline of a merge request.
    :raises KestraError: GitLab cannot be reached, or refuses.
    """
    names = ("CI_API_V4_URL", "CI_PROJECT_ID", "CI_MERGE_REQUEST_IID", "GITLAB_TOKEN")
    for name in names:
        if not environ.get(name):
            raise UsageError(
                f"{name} is not set",
                remedy="run this in a merge request pipeline, with a project access token (scope "
                "api) in the masked variable GITLAB_TOKEN",
            )
    url, project, request, token = (environ[name] for name in names)
    body = _report(file)
    api = ForgeApi(url, token, backoff=backoff)
    try:
        posted = upsert(GitlabNotes(api, project, request), body)
    finally:
        api.close()
    return f"the note on !{request} was {posted.action.value}"


def _report(file: str) -> str:
    """Read the text of a report that kestra-sync wrote.

    A file of that name may lie in the checkout, put there by the author of the merge request: a
    link to what the job can read, or a report that says what suits them.

    :raises UsageError: there is none, it belongs to the repository, or it is another file.
    """
    try:
        body = read_text(file, limit=_LIMIT)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}",
            remedy="create it with -o comment=FILE, preferably in a directory outside of the "
            "checkout",
        ) from error
    place = Path(os.path.realpath(file))
    if git_text(place.parent, "ls-files", "--", str(place)):
        raise UsageError(
            f"{file} is a file of the repository, not written by kestra-sync",
            remedy="write the report to a directory outside of the checkout",
        )
    if not _MARKER.fullmatch(first_line(body)):
        raise UsageError(
            f"{file} is not a comment written by kestra-sync",
            remedy="create it with -o comment=FILE",
        )
    return body


def main(args: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run it and return the exit code."""
    try:
        if len(args) != 1:
            raise UsageError("expected one file", remedy="pass the file written by -o comment=FILE")
        message = note(args[0], environ)
    except KestraSyncError as error:
        sys.stderr.write(f"kestra-sync: error: {visible(error.message)}\n")
        # The default remedies refer to Kestra servers.
        if isinstance(error, UsageError) and error.remedy:
            sys.stderr.write(f"  {error.remedy}\n")
        return int(error.exit_code)
    sys.stdout.write(f"{message}\n")
    return int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
