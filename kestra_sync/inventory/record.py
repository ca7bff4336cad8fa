"""The contents of an inventory."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from kestra_sync.model import Base, FlowId, ResourceId, Scope, Target
from kestra_sync.safe.text import visible

#: Maximum length of a name in the record.
_LONGEST_NAME = 80

#: Variables in which CI systems name the person who triggered the job.
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
    """Return who runs this: the person that CI names, or the user of the operating system.

    Safe to print and at most 80 characters long. ``None`` if unknown, as in a container whose user
    has no name.
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
    """Return a name that is safe to store and print; ``None`` if nothing is left of it."""
    return visible((name or "").strip())[:_LONGEST_NAME] or None


def origin(directory: str = ".", environ: Mapping[str, str] | None = None) -> Origin:
    """Return the origin according to GitHub Actions, GitLab CI or ``git``.

    ``KESTRA_SYNC_REPOSITORY`` names the repository if they cannot, such as in a container without
    Git. Never fails: without Git and CI all fields are unknown.
    """
    env = os.environ if environ is None else environ
    found = _detected(directory, env)
    named = env.get("KESTRA_SYNC_REPOSITORY", "").strip()
    if not named or found.repository:
        return found
    return replace(found, repository=_repository(named) or named.strip("/").lower())


def _detected(directory: str, env: Mapping[str, str]) -> Origin:
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
    """Normalize any URL of a repository to ``github.com/acme/flows``, without credentials."""
    match = _URL.match(url) or _SCP.match(url)
    if match is None:
        return ""
    path = match["path"].strip("/").removesuffix(".git")
    return f"{match['host']}/{path}".lower()


@dataclass(frozen=True)
class Resource:
    """A flow, a namespace file or a key that we applied.

    :param path: the file it came from.
    :param file_sha256: the hash of the file bytes.
    :param sent_sha256: the hash of the source on the server; differs from ``file_sha256`` for a
        flow that is kept disabled.
    :param revision: the server's number for that source, where it is known.
    :param kept_off: the source on the server is Git's plus the line that disables the flow.
    :param masked: it is a secret, and the hashes are those of its masked form.
    """

    flow_id: FlowId
    path: str
    file_sha256: str
    sent_sha256: str
    revision: int | None = None
    kept_off: bool = False
    masked: bool = False


@dataclass(frozen=True)
class Intent:
    """What a run is about to do: stored before its first write, removed after its last.

    :param writes: the intended state of each flow; ``None`` for a deletion.
    :param unknown: writes of kinds that this version does not know, kept as they are.
    """

    time: str
    commit: str | None
    writes: Mapping[FlowId, Resource | None] = field(default_factory=dict)
    unknown: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class HistoryEntry:
    """One entry of the history.

    :param generation: the number of the run, counted from 1; in records of kestra-sync before 0.2
        that of the record, which every write increases.
    :param result: ``applied``, ``partial``, ``failed``, ``interrupted``, ``rolled-back``,
        ``adopted``.
    :param dirty: the working tree had changes that are not in ``commit``.
    :param by: who ran it, according to CI or the operating system; ``None`` if unknown,
        as in records of kestra-sync 0.1.
    :param replaced: the previous state of the resources that it wrote; ``None`` for one that did
        not exist. ``None`` as a whole if it was not kept: then no state before this run can be
        restored.
    :param rollback_to: the run whose result it restored; ``None`` for an apply.
    :param kinds: the number of changes in ``counts`` by kind; empty if all are flows.
    """

    generation: int
    time: str
    commit: str | None
    branch: str | None
    result: str
    counts: Mapping[str, int] = field(default_factory=dict)
    dirty: bool = False
    by: str | None = None
    replaced: Mapping[FlowId, Resource | None] | None = None
    rollback_to: int | None = None
    kinds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PreviewRecord:
    """What the record of a preview contains in addition to other records.

    :param created: when it was first deployed, ISO 8601 in UTC.
    :param expires: when it may be removed automatically; ``None`` for never.
    :param result: how the last ``up`` ended: the words of :class:`Run`, or ``smoke-failed``.
    :param past: flows and files that it no longer contains: executions of the flows, and
        directories of the files, still belong to it.
    """

    created: str
    expires: str | None = None
    result: str = ""
    past: frozenset[ResourceId] = frozenset()


@dataclass(frozen=True)
class Inventory:
    """The whole record.

    :param repository: where the files come from, such as ``github.com/acme/flows``; ``""`` if
        that is unknown.
    :param generation: counts up with every write of the record.
    :param time: when it was written, ISO 8601 in UTC.
    :param history: the last runs that changed something, newest last.
    :param nonce: a new one with every write, so that a writer can distinguish its own record from
        another's; ``""`` in a record of kestra-sync 0.1.
    :param neighbours: the keys (namespace, key) of the other inventories of the tenant that
        existed when this one was written: a list without one of them is incomplete.
    :param moved_from: the namespace that the record was moved from, while the old copy may still
        exist.
    :param unknown: resources of kinds that this version does not know, kept as they are.
    :param preview: only set in the record of a preview.
    """

    name: str
    target: Target
    repository: str
    scope: Scope
    generation: int = 0
    commit: str | None = None
    branch: str | None = None
    time: str = ""
    intent: Intent | None = None
    resources: Mapping[FlowId, Resource] = field(default_factory=dict)
    history: tuple[HistoryEntry, ...] = ()
    nonce: str = ""
    neighbours: tuple[tuple[str, str], ...] = ()
    moved_from: str | None = None
    unknown: tuple[Mapping[str, Any], ...] = ()
    preview: PreviewRecord | None = None

    @property
    def version(self) -> tuple[int, str]:
        """A value that differs between any two writes of the record, by any run."""
        return self.generation, self.nonce

    def bases(self) -> dict[FlowId, Base]:
        """Return the sources of each owned flow that count as ours on the server.

        These are the recorded source, and the one that an unfinished run intended to write: it was
        killed, or a response was lost.
        """
        intended_writes = self.intent.writes if self.intent is not None else {}
        found = {}
        for flow_id in {*self.resources, *intended_writes}:
            recorded, intended = self.resources.get(flow_id), intended_writes.get(flow_id)
            sides = [each for each in (recorded, intended) if each is not None]
            if not sides:
                continue
            first = sides[0]
            found[flow_id] = Base(
                path=first.path,
                file_sha256=first.file_sha256,
                live_hashes=frozenset(each.sent_sha256 for each in sides),
                revision=recorded.revision if recorded is not None else None,
                kept_off=any(each.kept_off for each in sides),
                only_intended=recorded is None,
                masked=any(each.masked for each in sides),
            )
        return found


def now() -> str:
    """Return the current time in the format of inventories."""
    return written(datetime.now(timezone.utc))


def written(time: datetime) -> str:
    """Format a time for inventories: ISO 8601, UTC, seconds."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
