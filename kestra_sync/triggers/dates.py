"""When a schedule fires next, by the rules of Kestra's own cron.

Kestra reads UNIX cron: five fields, six with ``withSeconds: true``, names of months and days,
nicknames such as ``@daily``. The dates are compared with those of the server in
``tests/e2e/sync/test_triggers.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from kestra_sync.triggers.definition import Trigger

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_OFFSET = re.compile(r"(?:UTC|GMT|UT)?(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d\d))?")


def next_dates(trigger: Trigger, now: datetime, count: int = 3) -> tuple[datetime, ...]:
    """The next dates of a schedule in its time zone, UTC if it names none.

    :param now: with a time zone; dates are later than this.
    :returns: fewer than ``count`` if there are no more; none for other triggers, and for a
        definition that Kestra would refuse.
    """
    zone = zone_of(trigger.timezone)
    if zone is None:
        return ()
    start = now.astimezone(zone)
    if trigger.cron is not None:
        return tuple(islice(_of_cron(trigger, start), count))
    dates = trigger.properties.get("dates")
    found = {_date(each, zone) for each in dates} if isinstance(dates, list) else set()
    return tuple(sorted(each for each in found if each is not None and each > start))[:count]


def zone_of(name: str | None) -> tzinfo | None:
    """The time zone of that name, UTC for ``None``; ``None`` if there is no such zone."""
    if name is None or name in ("Z", "UTC", "GMT", "UT"):
        return timezone.utc
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        shift = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"] or 0))
        if shift > timedelta(hours=18):  # Java knows no larger ones
            return None
        return timezone(shift if offset["sign"] == "+" else -shift)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; not a name; a directory
        return None


def _of_cron(trigger: Trigger, start: datetime) -> Iterator[datetime]:
    # Imported on first use: most plans have no schedule to compute.
    from cronsim import CronSim, CronSimError

    assert trigger.cron is not None
    expression = _NICKNAMES.get(trigger.cron.strip().lower(), trigger.cron)
    fields = 6 if trigger.properties.get("withSeconds") is True else 5
    if len(expression.split()) == 5 and expression is not trigger.cron:
        fields = 5
    if len(expression.split()) != fields:
        return
    try:
        dates = CronSim(expression, start)
    except CronSimError:
        return
    # A day of the month or one of the week: cronsim, as Debian's cron, wants both with `*/2`.
    month_day, _, week_day = expression.split()[-3:]
    dates.day_and = "*" in (month_day, week_day)
    yield from dates


def _date(value: Any, zone: tzinfo) -> datetime | None:
    """A date of ``ScheduleOnDates``: without an offset it is in the trigger's time zone."""
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime(value.year, value.month, value.day)  # noqa: DTZ001
    elif isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
    else:
        return None
    return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)
