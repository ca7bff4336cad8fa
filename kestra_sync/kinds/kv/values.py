"""Normalizes the value of a key in Git and on the server, so that they can be compared.

Kestra derives the type of a value from its text, and returns a different text than was written:
``P1D`` becomes ``PT24H``, ``null`` members are dropped, ``1.0`` becomes ``1``. So both sides are
converted to the form that Kestra returns.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from functools import cache
from typing import Any

TYPES = ("STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON")
_BARE = frozenset({"DATETIME", "DATE", "DURATION"})
"""Types that Kestra parses from text without quotes."""

_DURATION = re.compile(
    r"P(?=[^T]|T.)(?:(?P<days>\d{1,18})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,18})H)?(?:(?P<minutes>\d{1,18})M)?(?:(?P<seconds>\d{1,18})S)?)?"
)
"""Kestra does not parse longer numbers either: they do not fit into 64 bits."""


class ValueProblem(Exception):  # noqa: N818 - becomes a diagnostic
    """A value that Kestra would not store as written.

    :param remedy: what to do about it. Message and remedy never contain a secret.
    """

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class KvValue:
    """A value as Kestra returns it.

    :param data: JSON; dates and durations are text.
    :param ttl: seconds.
    :param masked: the value must not be shown; it is compared by a hash.
    """

    type: str
    data: Any
    ttl: int | None = None
    description: str | None = None
    masked: bool = False

    @property
    def text(self) -> str:
        """The text to send."""
        if self.type in _BARE:
            return str(self.data)
        return json.dumps(self.data, allow_nan=False)

    @property
    def ttl_text(self) -> str | None:
        """The time to live as sent."""
        return None if self.ttl is None else duration_text(self.ttl)


def typed(data: Any, declared: str | None) -> KvValue:
    """Return the value that Kestra returns for a value in a YAML file.

    :param declared: the type that the file declares, if any.
    :raises ValueProblem: Kestra would store something else.
    """
    if declared in _BARE:
        if not isinstance(data, str):
            raise ValueProblem(f"a {declared} is written as text")
        return KvValue(declared, _BARE_FORMS[declared](data))
    found = _natural(data)
    if declared is not None and found.type != declared:
        raise ValueProblem(f"the value is a {found.type}, not a {declared}")
    return found


def typed_text(text: str, declared: str | None) -> KvValue:
    """Return the value of an environment variable, a STRING unless another type is declared.

    :raises ValueProblem: the text is not of that type. The message does not contain the text.
    """
    if declared is None or declared == "STRING":
        return typed(text, "STRING")
    if declared in _BARE:
        return typed(text, declared)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueProblem(f"the variable is not a {declared}") from None
    return typed(data, declared)


def _natural(data: Any) -> KvValue:
    if isinstance(data, bool):
        return KvValue("BOOLEAN", data)
    if isinstance(data, (int, float)):
        return KvValue("NUMBER", _kept(data))
    if isinstance(data, (dict, list)):
        return KvValue("JSON", _kept(data))
    if isinstance(data, str):
        if _DURATION.fullmatch(data):
            raise ValueProblem(
                "Kestra stores a text like this one as a DURATION",
                "declare it: {type: DURATION, value: …}",
            )
        return KvValue("STRING", data)
    raise ValueProblem("Kestra does not store null", "remove the key, or give it a value")


def _kept(data: Any) -> Any:
    """Return JSON as Kestra returns it. Recursion is limited by the nesting limit of files."""
    if isinstance(data, dict):
        return {str(key): _kept(each) for key, each in data.items() if each is not None}
    if isinstance(data, list):
        return [_kept(each) for each in data]
    if isinstance(data, float):
        if not math.isfinite(data):
            raise ValueProblem("a number that is not finite cannot be stored")
        if data.is_integer() and abs(data) < 2**53:
            return int(data)
    return data


def _date(text: str) -> str:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueProblem("a DATE is written as 2026-01-31") from None


def _datetime(text: str) -> str:
    """Convert to UTC: Kestra stores text with another offset as JSON."""
    try:
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        if found.tzinfo is None or "T" not in text:
            raise ValueError
        found = found.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ValueProblem("a DATETIME is written as 2026-01-31T08:00:00Z") from None
    if found.microsecond:
        raise ValueProblem("a DATETIME cannot have fractions of a second")
    return found.replace(tzinfo=None).isoformat() + "Z"


def _duration(text: str) -> str:
    return duration_text(seconds_of(text))


_BARE_FORMS = {"DATE": _date, "DATETIME": _datetime, "DURATION": _duration}


def seconds_of(text: str) -> int:
    """Return the seconds of an ISO 8601 duration of days, hours, minutes and whole seconds.

    :raises ValueProblem: it is not one.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueProblem("a duration is written as PT15M, PT1H or P1D")
    units = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
    return sum(int(match[name] or 0) * size for name, size in units.items())


def duration_text(seconds: int) -> str:
    """Format a duration as Java does: ``PT24H``, ``PT1H30M``, ``PT0S``."""
    hours, rest = divmod(seconds, 3_600)
    minutes, left = divmod(rest, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (left, "S"))]
    return "PT" + ("".join(each for each in parts if each[:-1] != "0") or "0S")


def from_server(kind: str | None, data: Any) -> KvValue:
    """Parse the value in a response."""
    if kind is None or kind not in TYPES:
        # Kestra 2.0 may return the bare value.
        return _natural_or_text(data)
    return KvValue(kind, _kept(data) if kind in {"NUMBER", "JSON"} else data)


def _natural_or_text(data: Any) -> KvValue:
    try:
        return _natural(data)
    except ValueProblem:
        return KvValue("STRING", data)


def source_of(value: KvValue, salt: str = "") -> bytes:
    """Return the bytes by which values are compared, and which a plan shows.

    For a masked value they contain a slow hash that differs between keys.

    :param salt: distinguishes the key and the tenant from all others.
    """
    members: dict[str, Any] = {"type": value.type}
    if value.masked:
        members["secret"] = slow_hash(value.text, salt)
    else:
        members["value"] = value.data
    members["ttl"] = value.ttl_text
    members["description"] = value.description
    kept = {name: each for name, each in members.items() if each is not None}
    return (json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode(
        "utf-8", "surrogatepass"
    )


def value_of(source: bytes) -> KvValue | None:
    """Return the value of a source from :func:`source_of`; ``None`` if it is masked."""
    members = json.loads(source.decode("utf-8", "surrogatepass"))
    if "secret" in members:
        return None
    ttl = members.get("ttl")
    return KvValue(
        members["type"],
        members.get("value"),
        None if ttl is None else seconds_of(ttl),
        members.get("description"),
    )


def declaration_of(value: KvValue) -> Any:
    """Return the declaration of a value in a file: just the value, if that is sufficient."""
    plain = value.type not in _BARE and value.ttl is None and value.description is None
    members = isinstance(value.data, dict) and bool(value.data.keys() & {"value", "env"})
    if plain and not members:
        return value.data
    found: dict[str, Any] = {} if value.type not in _BARE else {"type": value.type}
    found["value"] = value.data
    if value.ttl is not None:
        found["ttl"] = value.ttl_text
    if value.description is not None:
        found["description"] = value.description
    return found


def masked(value: KvValue) -> KvValue:
    """Return the value marked as masked."""
    return replace(value, masked=True)


@cache
def slow_hash(text: str, salt: str) -> str:
    """Hash a secret so that each guess costs 16 MiB and tens of milliseconds per key."""
    digest = hashlib.scrypt(
        text.encode("utf-8", "surrogatepass"),
        salt=f"kestra-sync\0{salt}".encode(),
        n=2**14,
        r=8,
        p=1,
        maxmem=64 * 1024 * 1024,
        dklen=32,
    )
    return f"scrypt:{digest.hex()}"
