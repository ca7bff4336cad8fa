"""The comment on a pull request: one per environment, by the Action's login, kept up to date."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kestra_sync.action import comment
from kestra_sync.action.context import Context
from kestra_sync.action.github_api import GithubApi
from kestra_sync.client.errors import Forbidden, KestraError, ServerFailure
from kestra_sync.errors import ConflictError
from tests.action.github import BOT, TOKEN, Github
from tests.unit.action.conftest import QUICK

MARKER = "<!-- kestra-sync:prod -->"
DIGEST = "sha256:" + "ab" * 32
SHOWN = DIGEST.replace(":", "&#58;")


def body(text: str = "a plan", *, marker: str = MARKER, digest: str = SHOWN) -> str:
    return f"{marker}\n\n{text}\n\n<sub>Plan <code>{digest}</code></sub>\n"


def test_the_first_is_written(github: Github, api: GithubApi) -> None:
    said = comment.post(api.comments(7), body())
    assert said.startswith("The comment was written: http")
    (written,) = github.comments[7]
    assert written["body"] == body()


def test_the_next_replaces_it(github: Github, api: GithubApi) -> None:
    comment.post(api.comments(7), body("one"))
    assert comment.post(api.comments(7), body("two")).startswith("The comment was updated")
    (written,) = github.comments[7]
    assert written["body"] == body("two")


def test_nothing_is_written_if_nothing_changed(github: Github, api: GithubApi) -> None:
    """GitHub stores other line endings; that does not count as an edit."""
    github.add_comment(7, body().replace("\n", "\r\n").rstrip())
    assert comment.post(api.comments(7), body()).startswith("The comment is up to date")
    assert not [each for each in github.writes() if "graphql" not in each]


def test_environments_have_comments_of_their_own(github: Github, api: GithubApi) -> None:
    comment.post(api.comments(7), body())
    comment.post(api.comments(7), body(marker="<!-- kestra-sync:staging -->"))
    assert len(github.comments[7]) == 2


def test_comment__marker_by_others_is_not_trusted(github: Github, api: GithubApi) -> None:
    theirs = github.add_comment(7, body("evil"), author="mallory")
    comment.post(api.comments(7), body())
    assert theirs["body"] == body("evil")
    assert [each["user"]["login"] for each in github.comments[7]] == ["mallory", BOT]


def test_marker__must_be_in_the_first_line(github: Github, api: GithubApi) -> None:
    """Such as in a comment of another bot that quotes ours."""
    quoting = github.add_comment(7, f"> quoted\n{body()}")
    comment.post(api.comments(7), body())
    assert quoting["body"].startswith("> quoted")
    assert len(github.comments[7]) == 2


@pytest.mark.parametrize("number", [99, 100, 101, 250])
def test_comment__is_found_on_any_page(github: Github, api: GithubApi, number: int) -> None:
    for index in range(number):
        github.add_comment(7, f"comment {index}", author="alice")
    github.add_comment(7, body("old"))
    comment.post(api.comments(7), body("new"))
    assert [each["body"] for each in github.comments[7] if each["user"]["login"] == BOT] == [
        body("new")
    ]


def test_comment__duplicate_is_deleted(github: Github, api: GithubApi) -> None:
    """Two runs at once may have written one each."""
    first = github.add_comment(7, body("one"))
    github.add_comment(7, body("two"))
    comment.post(api.comments(7), body("three"))
    assert github.comments[7] == [first]
    assert first["body"] == body("three")


def test_the_token_of_a_person(github: Github, api: GithubApi) -> None:
    github.person, github.login = True, "Alice"
    github.add_comment(7, body("old"), author="alice")
    github.login = "alice"
    comment.post(api.comments(7), body("new"))
    assert [each["body"] for each in github.comments[7]] == [body("new")]


@pytest.mark.parametrize("viewer", ["deployer[bot]", "deployer"])
def test_the_token_of_an_app(github: Github, api: GithubApi, viewer: str) -> None:
    github.login, github.viewer = "deployer[bot]", viewer
    comment.post(api.comments(7), body("old"))
    comment.post(api.comments(7), body("new"))
    assert [each["body"] for each in github.comments[7]] == [body("new")]


def test_github__unknown_login(github: Github, api: GithubApi) -> None:
    github.viewer = ""
    assert api.login() == BOT


def test_a_second_api_that_is_not_there(context: Context, github: Github) -> None:
    lost = replace(context, graphql_url="http://127.0.0.1:9/graphql")
    api = GithubApi(lost, TOKEN, backoff=QUICK)
    assert api.login() == BOT
    api.close()


def test_comment__of_a_fork_is_reported(github: Github, api: GithubApi, context: Context) -> None:
    github.read_only = True
    with pytest.raises(Forbidden) as caught:
        comment.post(api.comments(7), body())
    said = comment.excuse(caught.value, replace(context, fork=True), "comment", "pull-requests")
    assert "comes from a fork" in said
    said = comment.excuse(caught.value, context, "comment", "pull-requests")
    assert "`permissions: pull-requests: write`" in said


def test_comment__other_failure_is_reported(
    github: Github, api: GithubApi, context: Context
) -> None:
    github.broken = True
    with pytest.raises(ServerFailure) as caught:
        comment.post(api.comments(7), body())
    said = comment.excuse(caught.value, context, "comment", "pull-requests")
    assert said.startswith("The comment could not be written: GET /")


def test_what_is_too_long_is_an_error(api: GithubApi) -> None:
    """The reporter cuts it; if it did not, this would be said."""
    with pytest.raises(KestraError, match="too long"):
        comment.post(api.comments(7), body("x" * 70_000))


def test_markers() -> None:
    assert comment.marker_of("prod", "") == MARKER
    assert comment.marker_of("prod", "sales") == "<!-- kestra-sync:prod.sales -->"
    assert comment.marker_of("", "") == "<!-- kestra-sync:default -->"
    assert comment.with_marker(body(), "<!-- other -->").startswith("<!-- other -->\n\na plan")


def test_the_digest_is_the_last_line_that_is_one() -> None:
    assert comment.digest_in(body()) == DIGEST
    other = "sha256:" + "0" * 64
    forged = f"```diff\n+<sub>Plan <code>{other}</code></sub>\n```\n&lt;sub>Plan <code>{other}"
    assert comment.digest_in(body(forged)) == DIGEST
    assert comment.digest_in(f"{forged}\n") is None
    # Entities that would only become the line when they are read.
    assert comment.digest_in(f"&lt;sub>Plan <code>{other}</code></sub>") is None
    assert comment.digest_in(body(digest="sha256:short")) is None


def merged(
    number: int, sha: str, *, base: str = "main", at: str | None = "now"
) -> dict[str, object]:
    return {"number": number, "merge_commit_sha": sha, "merged_at": at, "base": {"ref": base}}


def test_what_was_reviewed(github: Github, api: GithubApi, context: Context) -> None:
    """The comment on the pull request by which the commit was merged."""
    github.pulls["c0ffee"] = [
        merged(3, "c0ffee", base="release"),
        merged(4, "c0ffee", at=None),
        merged(5, "other"),
        merged(6, "c0ffee"),
    ]
    github.add_comment(5, body(digest="sha256&#58;" + "0" * 64))
    github.add_comment(6, body(digest="sha256&#58;" + "1" * 64), author="mallory")
    github.add_comment(6, body())
    pushed = replace(context, pull_request=None)
    assert comment.reviewed_digest(api, pushed, MARKER) == DIGEST
    # On the event of a pull request that was merged, it is that one.
    assert comment.reviewed_digest(api, replace(context, pull_request=6), MARKER) == DIGEST


def test_nothing_was_reviewed(github: Github, api: GithubApi, context: Context) -> None:
    pushed = replace(context, pull_request=None)
    with pytest.raises(ConflictError, match="no pull request was merged with it"):
        comment.reviewed_digest(api, pushed, MARKER)
    github.pulls["c0ffee"] = [merged(6, "c0ffee")]
    github.add_comment(6, f"{MARKER}\n\ninvalid, no plan\n")
    github.add_comment(6, body(), author="mallory")
    with pytest.raises(ConflictError, match="no comment with a plan in #6"):
        comment.reviewed_digest(api, pushed, MARKER)


def test_reviewed_digest__plan_of_another_pull_request_is_rejected(
    github: Github, api: GithubApi, context: Context
) -> None:
    """Neither that of one that contains the commit, nor one of two by the same merge."""
    pushed = replace(context, pull_request=None)
    github.add_comment(5, body())
    github.add_comment(6, body())
    github.pulls["c0ffee"] = [merged(5, "other"), merged(6, "c0ffee")]
    github.comments[6].clear()
    with pytest.raises(ConflictError, match="no comment with a plan in #6"):
        comment.reviewed_digest(api, pushed, MARKER)
    github.pulls["c0ffee"] = [merged(5, "other")]
    with pytest.raises(ConflictError, match="no pull request was merged with it"):
        comment.reviewed_digest(api, pushed, MARKER)
    github.pulls["c0ffee"] = [merged(5, "c0ffee"), merged(6, "c0ffee")]
    with pytest.raises(ConflictError, match="#5, #6 were merged with it"):
        comment.reviewed_digest(api, pushed, MARKER)


def test_reviewed_digest__replaced_plan_is_rejected(
    github: Github, api: GithubApi, context: Context
) -> None:
    github.add_comment(7, body())
    github.add_comment(7, f"{MARKER}\n\ninvalid, no plan\n")
    with pytest.raises(ConflictError, match="no comment with a plan"):
        comment.reviewed_digest(api, context, MARKER)


def test_reviewed_digest__comment_edited_by_others_is_rejected(
    github: Github, api: GithubApi, context: Context
) -> None:
    written = github.add_comment(7, body(digest="sha256&#58;" + "0" * 64))
    comment.post(api.comments(7), body())
    assert written["updated_at"] != written["created_at"]
    assert comment.reviewed_digest(api, context, MARKER) == DIGEST
    github.edit_comment(written, body(digest="sha256&#58;" + "1" * 64), "mallory")
    with pytest.raises(ConflictError, match="cannot be trusted: it was edited by mallory"):
        comment.reviewed_digest(api, context, MARKER)
    # A person may have the name of an app.
    github.edit_comment(written, body(), BOT.removesuffix("[bot]"))
    with pytest.raises(ConflictError, match="edited by github-actions"):
        comment.reviewed_digest(api, context, MARKER)
    # The account was deleted, or GitHub does not say.
    github.editors[written["node_id"]] = ""
    with pytest.raises(ConflictError, match="an unknown user"):
        comment.reviewed_digest(api, context, MARKER)
    written["node_id"] = ""
    with pytest.raises(ConflictError, match="GitHub does not say by whom"):
        comment.reviewed_digest(api, context, MARKER)
