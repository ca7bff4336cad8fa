"""The next dates of a schedule."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from kestra_sync.triggers.dates import next_dates
from kestra_sync.triggers.definition import Trigger

#: A Wednesday.
_NOW = datetime(2026, 11, 25, 22, 30, 15, tzinfo=timezone.utc)
_TYPE = "io.kestra.plugin.core.trigger.Schedule"


def _next(cron: Any = None, **properties: Any) -> list[str]:
    given = {**({} if cron is None else {"cron": cron}), **properties}
    return [each.isoformat() for each in next_dates(Trigger("t", _TYPE, given), _NOW)]


@pytest.mark.parametrize(
    ("cron", "dates"),
    [
        ("0 3 * * *", ["2026-11-26T03:00", "2026-11-27T03:00", "2026-11-28T03:00"]),
        ("@daily", ["2026-11-26T00:00", "2026-11-27T00:00", "2026-11-28T00:00"]),
        ("@Hourly", ["2026-11-25T23:00", "2026-11-26T00:00", "2026-11-26T01:00"]),
        ("@weekly", ["2026-11-29T00:00", "2026-12-06T00:00", "2026-12-13T00:00"]),
        ("0 9 * dec MON-fri", ["2026-12-01T09:00", "2026-12-02T09:00", "2026-12-03T09:00"]),
        ("0 0 * * 7", ["2026-11-29T00:00", "2026-12-06T00:00", "2026-12-13T00:00"]),
        # A day of the month or of the week, even if one of them is a step.
        ("0 0 1 * MON", ["2026-11-30T00:00", "2026-12-01T00:00", "2026-12-07T00:00"]),
        ("0 0 */2 * MON", ["2026-11-27T00:00", "2026-11-29T00:00", "2026-11-30T00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
    ],
)
def test_the_next_three_dates(cron: str, dates: list[str]) -> None:
    assert _next(cron) == [f"{each}:00+00:00" for each in dates]


def test_seconds() -> None:
    assert _next("*/20 * * * * *", withSeconds=True) == [
        "2026-11-25T22:30:20+00:00", "2026-11-25T22:30:40+00:00", "2026-11-25T22:31:00+00:00",
    ]  # fmt: skip
    assert _next("@hourly", withSeconds=True)[0] == "2026-11-25T23:00:00+00:00"


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Berlin", "2026-11-26T03:00:00+01:00"),
        ("America/New_York", "2026-11-26T03:00:00-05:00"),
        ("Asia/Kolkata", "2026-11-27T03:00:00+05:30"),  # it is 04:00 there
        ("+02:00", "2026-11-26T03:00:00+02:00"),
        ("UTC+5:30", "2026-11-27T03:00:00+05:30"),
        ("GMT-3", "2026-11-26T03:00:00-03:00"),
        ("UTC", "2026-11-26T03:00:00+00:00"),
    ],
)
def test_dates_are_in_the_time_zone_of_the_trigger(zone: str, first: str) -> None:
    assert _next("0 3 * * *", timezone=zone)[0] == first


@pytest.mark.parametrize(
    "properties",
    [
        {"cron": "0 3 * *"},
        {"cron": "0 61 * * *"},
        {"cron": "* * * * * *"},
        {"cron": "0 3 * * *", "withSeconds": True},
        {"cron": "0 0 31 2 *"},
        {"cron": "@never"},
        {"cron": ""},
        {"cron": 5},
        {"cron": "0 3 * * *", "timezone": "Middle/Earth"},
        {"cron": "0 3 * * *", "timezone": "../etc/passwd"},
        {"cron": "0 3 * * *", "timezone": "+99:00"},
        {"cron": "0 3 * * *", "timezone": ""},
        {"interval": "PT1M"},
        {"dates": "tomorrow"},
        {"dates": ["tomorrow", 7, None]},
    ],
)
def test_trigger_dates__invalid_schedule_has_none(properties: dict[str, Any]) -> None:
    assert _next(**properties) == []


def test_listed_dates() -> None:
    dates = [
        "2027-01-01T00:00:00Z",
        "2026-12-01T12:00:00",
        "2020-01-01",
        "2027-01-01T01:00:00+01:00",
    ]
    assert _next(dates=dates, timezone="Europe/Berlin") == [
        "2026-12-01T12:00:00+01:00", "2027-01-01T01:00:00+01:00",
    ]  # fmt: skip
