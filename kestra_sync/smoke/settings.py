"""How smoke tests are run."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from kestra_sync.smoke.spec import Keep


def _new_run_id() -> str:
    return secrets.token_hex(6)


@dataclass(frozen=True)
class SmokeSettings:
    """Everything that is not in the tests themselves.

    :param parallelism: how many executions are under way at once.
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
