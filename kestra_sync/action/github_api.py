"""The parts of GitHub's API that the Action needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kestra_sync.action.context import Context
from kestra_sync.action.forge_api import ForgeApi, number_of, text_of
from kestra_sync.action.notes import Note
from kestra_sync.client.errors import ApiError, KestraError
from kestra_sync.client.request import segments
from kestra_sync.client.retry import Backoff

#: The login of the token that every workflow has.
WORKFLOW_LOGIN = "github-actions[bot]"
_ACCEPT = "application/vnd.github+json"
_HEADERS = {"X-GitHub-Api-Version": "2022-11-28"}
_LAST_EDIT = """query($id: ID!) {
  node(id: $id) { ... on IssueComment { lastEditedAt editor { __typename login } } }
}"""


class GithubApi:
    """One repository on GitHub or GitHub Enterprise Server."""

    def __init__(
        self,
        context: Context,
        token: str,
        *,
        backoff: Backoff = Backoff(retries=2),  # noqa: B008 - frozen
    ) -> None:
        self._context = context
        self._token = token
        self._backoff = backoff
        self._api = self._connect(context.api_url)
        self._repository = f"/repos/{segments(*context.repository.split('/'))}"
        self._login = ""

    def _connect(self, url: str) -> ForgeApi:
        return ForgeApi(url, self._token, accept=_ACCEPT, headers=_HEADERS, backoff=self._backoff)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def login(self) -> str:
        """Return the login that the token belongs to.

        A person's may ask for it; an app's, such as that of a workflow, may not, but knows who
        looks at it through the other API.

        :raises KestraError: GitHub cannot be reached.
        """
        if not self._login:
            self._login = self._user() or self._viewer() or WORKFLOW_LOGIN
        return self._login

    def _user(self) -> str:
        try:
            return text_of(self._api.get("/user"), "login")
        except ApiError as error:
            if error.status not in (401, 403, 404):
                raise
            return ""

    def _viewer(self) -> str:
        try:
            viewer = self._graphql("query { viewer { login } }").get("viewer")
        except KestraError:
            return ""
        login = text_of(viewer, "login")
        # There an app may go by its name alone.
        return login if not login or login.endswith("[bot]") else f"{login}[bot]"

    def _graphql(self, question: str, **variables: str) -> dict[str, Any]:
        """Send a query to the GraphQL API and return its data.

        :raises KestraError: it refuses, or the response is not valid.
        """
        base, _, last = self._context.graphql_url.rpartition("/")
        api = self._connect(base)
        try:
            answer = api.send("POST", f"/{last}", {"query": question, "variables": variables})
        finally:
            api.close()
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    def edited_by_others(self, note: Note) -> str | None:
        """Return why the text of our comment may not be ours; ``None`` if it is.

        Anyone with write access to the repository can edit it, and it keeps its author. An update
        of ours replaces all of it, so who edited last counts.

        :raises KestraError: GitHub cannot be reached.
        """
        if not note.touched:
            return None
        comment = self._graphql(_LAST_EDIT, id=note.node).get("node") if note.node else None
        if not isinstance(comment, dict) or "lastEditedAt" not in comment:
            return "it was edited, and GitHub does not say by whom"
        if comment["lastEditedAt"] is None:
            return None
        editor = comment.get("editor")
        login = text_of(editor, "login")
        if text_of(editor, "__typename") == "Bot" and not login.endswith("[bot]"):
            login += "[bot]"
        if login.lower() == self.login().lower():
            return None
        return f"it was edited by {login or 'an unknown user'}"

    def comments(self, number: int) -> GithubComments:
        """Return the comments on a pull request."""
        return GithubComments(self, self._api, self._repository, number)

    def issues(self, title: str) -> GithubIssues:
        """Return the open issues; new ones get ``title``."""
        return GithubIssues(self, self._api, self._repository, title)

    def merged(self, sha: str, branch: str) -> list[int]:
        """Return the pull requests whose merge created this commit.

        GitHub names with a commit every pull request that contains it; of the others the merge
        made another commit.

        :raises KestraError: for any failure.
        """
        return [
            number_of(each, "number")
            for each in self._api.pages(f"{self._repository}/commits/{segments(sha)}/pulls")
            if each.get("merged_at")
            and text_of(each.get("base"), "ref") == branch
            and each.get("merge_commit_sha") == sha
        ]


class GithubComments:
    """The comments on one pull request."""

    def __init__(self, github: GithubApi, api: ForgeApi, repository: str, number: int) -> None:
        self._github = github
        self._api = api
        self._comments = f"{repository}/issues/{number}/comments"
        self._comment = f"{repository}/issues/comments"

    def login(self) -> str:
        """Return our login."""
        return self._github.login()

    def list(self) -> Iterator[Note]:
        """Return all comments, the oldest first."""
        return (_note(each) for each in self._api.pages(self._comments))

    def create(self, body: str) -> Note:
        """Create a comment."""
        return _note(self._api.send("POST", self._comments, {"body": body}))

    def update(self, note: Note, body: str) -> Note:
        """Replace the text."""
        return _note(self._api.send("PATCH", f"{self._comment}/{note.id}", {"body": body}))

    def delete(self, note: Note) -> None:
        """Delete a comment."""
        self._api.delete(f"{self._comment}/{note.id}")


class GithubIssues:
    """The open issues of a repository."""

    def __init__(self, github: GithubApi, api: ForgeApi, repository: str, title: str) -> None:
        self._github = github
        self._api = api
        self._issues = f"{repository}/issues"
        self._title = title

    def login(self) -> str:
        """Return our login."""
        return self._github.login()

    def list(self) -> Iterator[Note]:
        """Return the open issues, the oldest first. GitHub also returns pull requests."""
        found = self._api.pages(self._issues, state="open", sort="created", direction="asc")
        return (_note(each) for each in found if "pull_request" not in each)

    def create(self, body: str) -> Note:
        """Open an issue."""
        return _note(self._api.send("POST", self._issues, {"title": self._title, "body": body}))

    def update(self, note: Note, body: str) -> Note:
        """Replace the text."""
        return _note(self._api.send("PATCH", f"{self._issues}/{note.id}", {"body": body}))

    def delete(self, note: Note) -> None:
        """Close an issue: on GitHub only an administrator can delete it."""
        self.close(note)

    def close(self, note: Note) -> None:
        """Close an issue."""
        document = {"state": "closed", "state_reason": "completed"}
        self._api.send("PATCH", f"{self._issues}/{note.id}", document)


def _note(document: dict[str, Any]) -> Note:
    return Note(
        # An issue is known by its number, a comment has none.
        number_of(document, "number" if document.get("number") else "id"),
        text_of(document.get("user"), "login"),
        text_of(document, "body"),
        text_of(document, "html_url"),
        text_of(document, "node_id"),
        touched=document.get("updated_at") != document.get("created_at"),
    )
