"""The context of a step: repository, commit, pull request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kestra_sync.safe.paths import read_text


@dataclass(frozen=True)
class Context:
    """The context from GitHub's variables and the event.

    :param pull_request: the number of the pull request that the event is about.
    :param fork: it comes from another repository, so the token may only read.
    :param event: the event that started the run, such as ``pull_request``; ``action`` is its
        type of activity, such as ``closed``.
    """

    api_url: str
    graphql_url: str
    repository: str
    sha: str = ""
    branch: str = ""
    pull_request: int | None = None
    fork: bool = False
    event: str = ""
    action: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Context:
        """Create it from the variables of the step."""
        event = _event(environ.get("GITHUB_EVENT_PATH", ""))
        request = event.get("pull_request") or {}
        repository = environ.get("GITHUB_REPOSITORY", "")
        head = ((request.get("head") or {}).get("repo") or {}).get("full_name")
        number = request.get("number")
        api_url = environ.get("GITHUB_API_URL") or "https://api.github.com"
        return cls(
            api_url=api_url,
            graphql_url=environ.get("GITHUB_GRAPHQL_URL") or f"{api_url}/graphql",
            repository=repository,
            # For a merged pull request, the commit on the target branch.
            sha=str(request.get("merge_commit_sha") or "")
            if request.get("merged")
            else environ.get("GITHUB_SHA", ""),
            branch=environ.get("GITHUB_REF_NAME", ""),
            pull_request=number if isinstance(number, int) else None,
            # A fork that was deleted since no longer has a repository.
            fork=bool(request) and head != repository,
            event=environ.get("GITHUB_EVENT_NAME", ""),
            action=str(event.get("action") or ""),
        )


def _event(path: str) -> dict[str, Any]:
    try:
        event = json.loads(read_text(path)) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}
