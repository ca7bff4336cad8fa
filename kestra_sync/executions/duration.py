"""Parses durations such as ``20s`` and ``1h30m``, and formats durations for people."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_WHOLE = re.compile(r"(?:[0-9]{1,6}[hms])+\Z")
_PART = re.compile(r"([0-9]+)([hms])")


def parse_duration(text: str) -> float:
    """Parse a duration to seconds; units are ``h``, ``m`` and ``s``.

    :raises ValueError: the text is not a duration, or it is zero.
    """
    if not _WHOLE.match(text):
        raise ValueError(f"not a duration: {text}")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not seconds:
        raise ValueError("a duration of zero")
    return seconds


def format_duration(seconds: float) -> str:
    """``0.8 s``, ``12 s``, ``5 min``, ``1 h 30 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def format_limit(seconds: float) -> str:
    """Format a duration from a file: ``4 s``, not ``4.0 s``."""
    return f"{seconds:g} s" if seconds < 60 else format_duration(seconds)


_ISO = re.compile(
    r"P(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?\Z"
)


def iso_seconds(text: str | None) -> float | None:
    """Parse an ISO 8601 duration such as ``PT1M2.5S``, as used by Kestra, to seconds."""
    match = _ISO.match(text or "")
    if match is None:
        return None
    days, hours, minutes, seconds = (float(match[name] or 0) for name in "dhms")
    return days * 86400 + hours * 3600 + minutes * 60 + seconds
