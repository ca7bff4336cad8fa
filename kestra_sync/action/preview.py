"""``command: preview``: maps events of GitHub to subcommands of ``preview``."""

from __future__ import annotations

from dataclasses import dataclass

from kestra_sync.action.context import Context
from kestra_sync.errors import RefusedError, UsageError
from kestra_sync.previews import environment_of, preview_name


@dataclass(frozen=True)
class PreviewRun:
    """The subcommand to run.

    :param subcommand: ``up``, ``down`` or ``clean``.
    :param name: of the preview; ``""`` for ``clean``.
    """

    subcommand: str
    name: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of the command line, without options."""
        return ("--", self.name) if self.name else ()

    @property
    def environment(self) -> str:
        """The environment that the comment belongs to."""
        return environment_of(self.name) if self.name else "previews"


def preview_run(context: Context, name: str) -> PreviewRun:
    """Select ``up`` for an open pull request, ``down`` for a closed one, ``clean`` for a schedule.

    :param name: specified by the workflow; by default that of the pull request.
    :raises UsageError: any other event, ``pull_request_target`` above all.
    :raises RefusedError: the pull request comes from a fork.
    """
    if context.event == "pull_request_target":
        raise UsageError(
            "previews are not deployed on pull_request_target: it would run the flows of anyone who"
            " opens a pull request, with the credentials of this repository",
            remedy="use `on: pull_request`",
        )
    if context.event in ("schedule", "workflow_dispatch") and not name:
        return PreviewRun("clean")
    if context.event != "pull_request" or context.pull_request is None:
        raise UsageError(
            f"previews are for pull requests, and this is the event {context.event!r}",
            remedy="use `on: pull_request`, with the types opened, synchronize, reopened and closed"
            "; and `on: schedule` to remove those that have expired",
        )
    if context.fork:
        raise RefusedError(
            "previews are not deployed for pull requests from forks: their flows would run with"
            " the credentials of this repository",
            remedy="push the branch to this repository after a review, and skip the job for forks:"
            " `if: github.event.pull_request.head.repo.full_name == github.repository`",
        )
    down = context.action == "closed"
    return PreviewRun("down" if down else "up", preview_name(name or f"pr-{context.pull_request}"))
