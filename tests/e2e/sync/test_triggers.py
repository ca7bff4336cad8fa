"""Triggers, with the scheduler of a real server."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.client.triggers import TriggerState
from kestra_sync.model import Scope
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source
from kestra_sync.triggers.dates import next_dates
from kestra_sync.triggers.definition import triggers_of
from tests.e2e.sync.conftest import Repo
from tests.support.sources import log_flow

pytestmark = pytest.mark.versions

_PATIENCE_SECONDS = 90.0
_CRONS = (
    "0 3 * * *", "@daily", "@weekly", "@monthly", "@yearly", "@midnight",
    "0 9-17 * * MON-FRI", "0 0 1,15 * 3", "0 0 */2 * MON", "30 4 1 JAN,jul *", "0 0 * * 7",
    "0 0 13 * 5", "0 0 29 2 *", "0 22 * * sun", "0 0 * * 1-7/2", "0 0 1 * */2", "0 0 31 */2 *",
)  # fmt: skip
_WITH_SECONDS = ("0 0 3 * * *", "30 5 3 * * MON", "@daily")
_ZONES = ("Europe/Berlin", "Asia/Kolkata", "America/New_York", "+02:00", "UTC+05:30", "GMT-3")


def _states(
    client: KestraClient, namespace: str, done: Callable[[dict[str, TriggerState]], bool]
) -> dict[str, TriggerState]:
    """The states in the namespace by trigger, once ``done`` with them."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = client.triggers.search(Scope((namespace,), exact=True))
        states = {each.trigger_id: each for each in found}
        if done(states):
            return states
        assert time.monotonic() < deadline, states
        time.sleep(0.5)


def test_trigger_dates__match_the_server(repo: Repo) -> None:
    client, namespace = repo.client, repo.namespace
    crons = [(each, False) for each in _CRONS] + [(each, True) for each in _WITH_SECONDS]
    lines = ["triggers:\n"]
    for number, (cron, seconds) in enumerate(crons):
        zone = _ZONES[number % len(_ZONES)]
        lines.append(
            f'  - {{id: t{number}, type: io.kestra.plugin.core.trigger.Schedule, cron: "{cron}",'
            f' timezone: "{zone}", withSeconds: {str(seconds).lower()}}}\n'
        )
    source = log_flow(namespace, "f", extra="".join(lines))
    parsed = parse_source(source.encode())
    assert isinstance(parsed, ParsedDocument)
    triggers = triggers_of(parsed.value)
    before = datetime.now(timezone.utc)
    client.flows.create(source)
    states = _states(client, namespace, lambda found: len(found) == len(triggers))
    later = datetime.now(timezone.utc) + timedelta(seconds=1)
    theirs = {id_: state.next_date for id_, state in states.items()}
    # A date may pass while we look.
    either = [
        {id_: next_dates(each, now, 1)[:1] for id_, each in triggers.items()}
        for now in (before, later)
    ]
    assert {
        triggers[id_].cron: date
        for id_, date in theirs.items()
        if all((date,) != each[id_] for each in either)
    } == {}


def _trigger(cron: str, more: str = "") -> str:
    return (
        "triggers:\n  - id: yearly\n    type: io.kestra.plugin.core.trigger.Schedule\n"
        f'    cron: "{cron}"\n    timezone: Europe/Berlin\n{more}'
    )


def test_trigger__disabled_on_the_server_is_reported(repo: Repo) -> None:
    """From plan over apply and drift to enabling it: what each version does is told before."""
    old = repo.release < (2, 0)
    key = (repo.id("a"), "yearly")
    repo.config()
    repo.flow("a", extra=_trigger("0 3 1 1 *"))
    first = repo.run("apply", "--yes", "--verify-triggers")
    assert first.code == 0, first.err
    assert 'trigger yearly: new, cron "0 3 1 1 *"' in first.out
    assert "Triggers: 1 of 1 active on the server." in first.out
    assert "-01-01 03:00:00 (Europe/Berlin)" in first.out

    def disable() -> None:
        repo.client.triggers.set_disabled([key], disabled=True)
        _states(repo.client, repo.namespace, lambda found: found["yearly"].disabled)

    disable()
    repo.flow("a", extra=_trigger("0 4 1 1 *"))
    changed = repo.run("apply", "--yes", "--verify-triggers", "--format", "json")
    (planned,) = changed.json["triggers"]
    assert (planned["action"], planned["cron_before"], planned["cron"]) == (
        "changed", "0 3 1 1 *", "0 4 1 1 *",
    )  # fmt: skip
    assert planned["next"][0].endswith("-01-01T04:00:00+01:00")
    assert planned["disabled_on_server"] is True
    assert planned["effect"] == ("stays-off" if old else "switched-on")
    (check,) = changed.json["trigger_checks"]
    assert (changed.code, check["status"]) == ((7, "disabled") if old else (0, "registered"))
    assert ("disabled on the server" in " ".join(changed.json["notes"])) == old

    if not old:
        disable()
    drift = repo.run("drift")
    assert drift.code == 0, drift.err
    assert "1 trigger disabled on the server, enabled in Git:" in drift.out
    assert f"{repo.namespace}/a yearly" in drift.out
    assert "1 enabled in Git and disabled on the server" in repo.run("doctor").out
    unasked = repo.run("apply", "--triggers", "enable")
    assert unasked.code == 64
    assert "1 trigger disabled on the server, to be enabled" in unasked.out
    enabled = repo.run("apply", "--yes", "--triggers", "enable", "--format", "json")
    assert (enabled.code, enabled.json["outcomes"]) == (0, [])
    assert [each["status"] for each in enabled.json["trigger_checks"]] == ["enabled"]
    _states(repo.client, repo.namespace, lambda found: not found["yearly"].disabled)


def test_verify_triggers__next_run_has_the_written_revision(repo: Repo) -> None:
    repo.config()
    often = _trigger("*/10 * * * * *", "    withSeconds: true\n")
    repo.flow("a", "one", extra=often)
    assert repo.run("apply", "--yes").code == 0
    repo.flow("a", "two", extra=often.replace("*/10", "*/5"))
    ran = repo.run("apply", "--yes", "--verify-triggers", "--format", "json")
    assert ran.code == 0, ran.err
    (check,) = ran.json["trigger_checks"]
    assert (check["status"], check["revision"]) == ("registered", 2)
