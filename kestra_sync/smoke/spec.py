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
    """Which executions are kept on the server."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


@dataclass(frozen=True)
class Expectation:
    """The expected result.

    :param states: the allowed final states of the execution.
    :param outputs: expected outputs of the flow; others may have any value.
    :param tasks: the allowed states of all runs of a task, by task id.
    :param logs_match: regular expressions; each must match some log message.
    :param logs_no_match: regular expressions; none may match any log message.
    """

    states: tuple[str, ...] = ("SUCCESS",)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    logs_match: tuple[str, ...] = ()
    logs_no_match: tuple[str, ...] = ()


@dataclass(frozen=True)
class SmokeSpec:
    """One smoke test: a flow, its inputs, the expected result.

    :param name: distinguishes several tests of one flow.
    :param inputs: a ``Path`` is sent as a file.
    :param labels: in addition to those of kestra-sync itself.
    :param timeout: seconds after which the execution is killed and the test has failed.
    :param path: the file of the test; ``""`` if there is none.
    :param position: of the test in the file.
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
        """The name of the test in all reports."""
        return f"{self.flow} ({self.name})" if self.name else str(self.flow)


def _new_run_id() -> str:
    return secrets.token_hex(6)


@dataclass(frozen=True)
class SmokeSettings:
    """The settings that are not part of the tests.

    :param parallelism: maximum number of concurrent executions.
    :param keep: overrides the setting of each test.
    :param commit: the value of the label ``kestra-sync.commit``.
    :param run_id: the value of the label ``kestra-sync.run``, shared by all executions of a run.
    :param kill_seconds: how long a killed execution may take to end.
    """

    parallelism: int = 8
    keep: Keep | None = None
    commit: str | None = None
    run_id: str = field(default_factory=_new_run_id)
    kill_seconds: float = 15.0
