"""The commit and repository of this run, from CI variables or the Git checkout."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kestra_sync.safe.text import visible

#: Characters of a name that are kept in the record.
_LONGEST_NAME = 80

#: Where CI systems name the person whose push, click or schedule started the job.
_ACTORS = (
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BITBUCKET_STEP_TRIGGERER_UUID",
    "BUILD_REQUESTEDFOR",  # Azure Pipelines
    "CIRCLE_USERNAME",
    "BUILD_USER_ID",  # Jenkins, with its plugin "build user vars"
)


@dataclass(frozen=True)
class Origin:
    """Where the files come from.

    :param repository: host and path, such as ``github.com/acme/flows``; ``""`` if unknown.
    :param dirty: the files may differ from ``commit``; see ``commands/ownership.py``.
    :param by: who runs this; see :func:`actor`.
    """

    repository: str = ""
    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    by: str | None = None


def actor(environ: Mapping[str, str] | None = None) -> str | None:
    """Who runs this: the person that CI names, else the user of the operating system.

    Harmless to print and at most 80 characters long. ``None`` if neither is known, as in a
    container whose user has no name.
    """
    env = os.environ if environ is None else environ
    for variable in _ACTORS:
        if name := short_name(env.get(variable)):
            return name
    try:
        return short_name(getpass.getuser())
    except (KeyError, OSError, ImportError):  # no such user; Windows without USERNAME
        return None


def short_name(name: str | None) -> str | None:
    """A name that may be stored and printed; ``None`` if nothing is left of it."""
    return visible((name or "").strip())[:_LONGEST_NAME] or None


def origin(directory: str = ".", environ: Mapping[str, str] | None = None) -> Origin:
    """What the variables of GitHub Actions or GitLab CI say, else what ``git`` says.

    ``KESTRA_SYNC_REPOSITORY`` names the repository where none of them can, such as in a container
    without Git. Never fails: without Git and CI nothing is known, which is an answer too.
    """
    env = os.environ if environ is None else environ
    found = _told(directory, env)
    named = env.get("KESTRA_SYNC_REPOSITORY", "").strip()
    if not named or found.repository:
        return found
    return replace(found, repository=_repository(named) or named.strip("/").lower())


def _told(directory: str, env: Mapping[str, str]) -> Origin:
    if env.get("GITHUB_ACTIONS") == "true":
        server = env.get("GITHUB_SERVER_URL", "")
        return Origin(
            _repository(f"{server}/{env.get('GITHUB_REPOSITORY', '')}"),
            env.get("GITHUB_SHA") or None,
            env.get("GITHUB_HEAD_REF") or env.get("GITHUB_REF_NAME") or None,
        )
    if env.get("GITLAB_CI") == "true":
        return Origin(
            _repository(env.get("CI_PROJECT_URL", "")),
            env.get("CI_COMMIT_SHA") or None,
            env.get("CI_COMMIT_REF_NAME") or None,
        )
    branch = _git(directory, "rev-parse", "--abbrev-ref", "HEAD")
    return Origin(
        _repository(_git(directory, "config", "--get", "remote.origin.url") or ""),
        _git(directory, "rev-parse", "HEAD"),
        None if branch == "HEAD" else branch,
    )


def _git(directory: str, *args: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", directory, *args],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


_SCP = re.compile(r"^(?:[^@/]+@)?(?P<host>[^:/]+):(?P<path>(?!/).+)$")
_URL = re.compile(r"^[a-z+]+://(?:[^@/]+@)?(?P<host>[^/:]+)(?::\d+)?/(?P<path>.+)$")


def _repository(url: str) -> str:
    """``github.com/acme/flows`` for every way to write it; credentials are dropped."""
    match = _URL.match(url) or _SCP.match(url)
    if match is None:
        return ""
    path = match["path"].strip("/").removesuffix(".git")
    return f"{match['host']}/{path}".lower()
