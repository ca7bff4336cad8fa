"""``status``: every environment in one table. Writes nothing; each has a time limit."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from kestra_sync.client.client import connect
from kestra_sync.client.errors import KestraError
from kestra_sync.commands.drift import drifted
from kestra_sync.commands.plan import make_plan
from kestra_sync.commands.triggers import disabled_triggers
from kestra_sync.errors import ExitCode, KestraSyncError, worst
from kestra_sync.inventory.record import HistoryEntry
from kestra_sync.repo.git import checkout_of, git_text
from kestra_sync.settings import OnDrift, Settings


@dataclass(frozen=True)
class EnvironmentStatus:
    """The state of one environment, as far as it is known.

    :param environment: its name; ``None`` for the top of the configuration.
    :param url: the server; ``""`` if unknown.
    :param version: the server's version; ``None`` if it did not respond.
    :param changes: how many flows an apply would create, update, delete and move.
    :param drift: how many flows others changed since the last apply; ``None`` without a record.
    :param last: the last apply that is recorded.
    :param behind: how many commits the last apply is behind this checkout; ``None`` if unknown.
    :param invalid: how many errors the files have for it.
    :param triggers_off: how many triggers are enabled in Git and disabled at run time; ``None`` if
        unknown.
    :param error: why the state is not known; ``remedy`` is what to do about it.
    :param exit_code: of that error; 3 if files are invalid.
    """

    environment: str | None
    url: str = ""
    tenant: str = ""
    version: str | None = None
    changes: Mapping[str, int] = field(default_factory=dict)
    drift: int | None = None
    last: HistoryEntry | None = None
    behind: int | None = None
    invalid: int = 0
    triggers_off: int | None = None
    error: str | None = None
    remedy: str | None = None
    exit_code: ExitCode = ExitCode.OK

    @property
    def pending(self) -> int:
        """How many flows an apply would write."""
        return sum(self.changes.values())


@dataclass(frozen=True)
class StatusResult:
    """All environments, in the order of the configuration."""

    environments: tuple[EnvironmentStatus, ...]

    def exit_code(self, *, detailed: bool) -> ExitCode:
        """That of the worst error; 2 if ``detailed`` and anything is pending or drifted."""
        code = worst(each.exit_code for each in self.environments)
        differs = any(each.pending or each.drift for each in self.environments)
        return ExitCode.CHANGES if detailed and code is ExitCode.OK and differs else code


#: Makes the settings of an environment; raises where its configuration makes no sense.
MakeSettings = Callable[[], Settings]


def status(
    environments: Sequence[tuple[str | None, MakeSettings]], *, limit: float
) -> StatusResult:
    """Ask all environments at once.

    :param limit: seconds after which one that has not answered is reported as such.
    """
    found: dict[int, EnvironmentStatus] = {}

    def look(number: int, name: str | None, make: MakeSettings) -> None:
        found[number] = _of(name, make)

    threads = [
        threading.Thread(target=look, args=(number, *each), daemon=True)
        for number, each in enumerate(environments)
    ]
    end = time.monotonic() + limit
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive() and (left := end - time.monotonic()) > 0:
            thread.join(min(left, 0.5))  # and wake up: on Windows signals are only heard in between
    return StatusResult(
        tuple(
            found.get(number)
            or EnvironmentStatus(
                name,
                error=f"no complete answer within {limit:g} s",
                exit_code=ExitCode.UNREACHABLE,
            )
            for number, (name, _) in enumerate(environments)
        )
    )


def _of(name: str | None, make: MakeSettings) -> EnvironmentStatus:
    so_far = EnvironmentStatus(name)
    try:
        settings = make()
        with connect(settings.connection, settings.parallelism) as client:
            so_far = replace(so_far, url=client.url, tenant=client.tenant)
            so_far = replace(so_far, version=client.server_info().version)
            looking = replace(settings, on_drift=OnDrift.REVERT, re_enable=False, display_only=True)
            planned = make_plan(looking, client)
            if planned.plan is not None:
                with suppress(KestraError):  # who may not read triggers may still see the rest
                    off = disabled_triggers(client, planned.plan.scope, planned.desired)
                    so_far = replace(so_far, triggers_off=len(off))
    except KestraSyncError as error:
        return replace(so_far, error=error.message, remedy=error.remedy, exit_code=error.exit_code)
    except Exception as error:  # one environment must not hide the others
        return replace(so_far, error=f"{type(error).__name__}: {error}", exit_code=ExitCode.FAILURE)
    plan, ownership = planned.plan, planned.ownership
    errors = sum(each.severity.value == "error" for each in planned.diagnostics)
    if planned.invalid:
        so_far = replace(so_far, invalid=errors, exit_code=ExitCode.INVALID)
    if plan is not None:
        counts = Counter(each.action.value for each in plan.writes)
        so_far = replace(so_far, changes=counts)
    if ownership is None or plan is None:
        return so_far
    inventory = ownership.inventory
    last = inventory.history[-1] if inventory is not None and inventory.history else None
    commit = inventory.commit if inventory is not None else None
    return replace(
        so_far,
        drift=len(tuple(drifted(plan.changes, ownership.bases))),
        last=last,
        behind=_behind(commit),
    )


def _behind(commit: str | None) -> int | None:
    """How many commits of ``HEAD`` an older commit does not have; ``None`` if Git cannot tell."""
    top = checkout_of(Path())
    if commit is None or top is None or not commit.isalnum():
        return None
    count = git_text(top, "rev-list", "--count", f"{commit}..HEAD", "--")
    return int(count) if count is not None and count.strip().isdigit() else None
