"""What a plain scalar means to Kestra, that is to Jackson's YAML parser on SnakeYAML's rules.

Differs from YAML 1.2 (``017`` is 15, ``yes`` is true) and from YAML 1.1 (``1:30`` and dates stay
text). Each line of the tables was seen on jackson-dataformat-yaml 2.21, which Kestra 1.3 uses;
``tests/unit/repo/jackson.tsv`` holds what it answered.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_STARTS_NUMBER = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|[0-9][0-9_]*(?=[eE])|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?\Z"
)
# Numbers to SnakeYAML that Jackson cannot read: infinities, NaN, and base 60 with a fraction.
_UNREADABLE = re.compile(
    r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*\Z"
)


_NAMED_FLOATS = frozenset(("", "NaN", "Infinity", "INF", "-Infinity", "-INF", "+Infinity", "+INF"))


def plain(text: str) -> Scalar:
    """The value of an untagged, unquoted scalar."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] in _STARTS_NUMBER:
        if _INT.match(text):
            return _integer(text)
        if _FLOAT.match(text):
            return float(text.replace("_", ""))
    return text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag."""
    match tag.removeprefix("tag:yaml.org,2002:"):
        case "bool":
            return _BOOLEANS.get(text, text)
        case "int":
            return _integer(text) if _INT.match(text) else text
        case "float":
            number = text.replace("_", "")
            return float(number) if _INT.match(text) or _FLOAT.match(text) else text
        case "null" if text:
            return None
    return text


def is_unreadable(text: str, tag: str | None = None) -> bool:
    """Whether Jackson takes a scalar for a number, and then refuses it."""
    if tag is not None:
        if tag.removeprefix("tag:yaml.org,2002:") != "float" or text in _NAMED_FLOATS:
            return False
        return not isinstance(tagged(tag, text), float)
    return text[:1] in _STARTS_NUMBER and _UNREADABLE.match(text) is not None


def _integer(text: str) -> int | str:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    # No one writes numbers of that length; int() itself refuses 4300 digits and more.
    if len(digits) > 1000:
        return text
    if digits in ("0b", "0x"):
        return text
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    if digits.startswith("0") and digits.strip("0"):
        return sign * int(digits, 8)
    return sign * int(digits)
