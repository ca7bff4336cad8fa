"""The definition of a smoke test: plain values."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.model import FlowId, Position, StrEnum

DEFAULT_TIMEOUT = 300.0

NOT_RUN = "NOT_RUN"
"""In addition to Kestra's own states: the task must not have run at all."""


class When(StrEnum):
    """When a test runs after an apply."""

    CHANGED = "changed"
    ALWAYS = "always"


class Keep(StrEnum):
    """Which executions stay on the server."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


@dataclass(frozen=True)
class Expectation:
    """What must come out.

    :param states: the execution ends in one of these.
    :param outputs: outputs of the flow; those that are not named may be anything.
    :param tasks: for each task id the states in which all of its runs may end.
    :param logs_match: regular expressions; each is found in some log message.
    :param logs_no_match: regular expressions; none is found in any log message.
    """

    states: tuple[str, ...] = ("SUCCESS",)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    logs_match: tuple[str, ...] = ()
    logs_no_match: tuple[str, ...] = ()


@dataclass(frozen=True)
class SmokeSpec:
    """One smoke test: a flow, what to give it, what must come out.

    :param name: distinguishes several tests of one flow.
    :param inputs: a ``Path`` is sent as a file.
    :param labels: in addition to those of kestra-sync itself.
    :param timeout: seconds after which the execution is killed and the test has failed.
    :param path: the file in which the test stands; ``""`` if it comes from no file.
    :param position: where it begins there.
    """

    flow: FlowId
    name: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    timeout: float = DEFAULT_TIMEOUT
    expect: Expectation = Expectation()
    when: When = When.CHANGED
    keep: Keep = Keep.ON_FAILURE
    path: str = ""
    position: Position | None = None

    @property
    def title(self) -> str:
        """How the test is called in every report."""
        return f"{self.flow} ({self.name})" if self.name else str(self.flow)


def _new_run_id() -> str:
    return secrets.token_hex(6)


@dataclass(frozen=True)
class SmokeSettings:
    """Everything that is not in the tests themselves.

    :param parallelism: maximum number of concurrent executions.
    :param keep: instead of what each test says.
    :param commit: becomes the label ``kestra-sync.commit``.
    :param run_id: becomes the label ``kestra-sync.run``, the same for all executions of a run.
    :param kill_seconds: how long a killed execution may take to end.
    """

    parallelism: int = 8
    keep: Keep | None = None
    commit: str | None = None
    run_id: str = field(default_factory=_new_run_id)
    kill_seconds: float = 15.0
