"""Mutations of responses: values, sizes, status, bytes, connections."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.fuzz.small_kestra import Answer

SECRET = "Sup3r-Secret/Word+9"
"""The password of the commands, which a hostile server may send back."""

#: Written into JSON as they stand, in place of a string that marks the place.
_RAW = {
    "@huge@": "1e999",
    "@digits@": "9" * 5000,
    "@nan@": "NaN",
    "@deep@": "[" * 3000 + "]" * 3000,
    "@deeper@": "[" * 200_000,
    "@half@": '"\\ud800"',
    "@nul@": '"a\\u0000b"',
}
_VALUES: list[Any] = [
    None, True, False, 0, -1, 2**63, 0.5, "", " ", [], {}, [None], {"": None},
    "x" * 100_000, "0", "null", "\x1b[2J\x1b]0;owned\x07", "::error::pwned", "::add-mask::a",
    "##[group]pwned", "##vso[task.setvariable]x", "\u202eevil", "a\nb\r\nc", "../../../etc/passwd",
    "/etc/passwd", "C:\\con", "a/b", "acme.other", "foreign", "http://[::1/x",
    "javascript:alert(1)",
    "${{ secrets.X }}", "<script>x</script>", "FAILED", "KILLED", "RUNNING", "99999999999999999999",
    SECRET, f"password={SECRET}", f"http://admin:{SECRET}@host/", *_RAW,
]  # fmt: skip
_STATUS = [200, 204, 206, 301, 302, 307, 400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 418, 422,
           429, 500, 501, 502, 503, 504, 599]  # fmt: skip
_LOCATIONS = ["/", "http://[::1/x", "http://127.0.0.1:99999/", "//evil", "", "ftp://x/", "\x7f"]
_HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>::error::x</body></html>"


def mutated(answer: Answer, chance: random.Random) -> tuple[str, Answer]:
    """Another answer, and what was done to it in words."""
    kinds = [_value] * 6 + [_drop, _double, _status, _status, _body, _body, _bytes, _gone]
    return chance.choice(kinds)(answer, chance)


def _value(answer: Answer, chance: random.Random) -> tuple[str, Answer]:
    data = _parsed(answer)
    places = list(_places(data))
    if not places:
        return _body(answer, chance)
    # The outer ones are few and matter most.
    place = chance.choice(places[: max(1, len(places) // chance.choice((1, 2, 8)))])
    value = chance.choice(_VALUES)
    return f"{place} := {str(value)[:40]!r}", _with(answer, _set(data, place, value))


def _drop(answer: Answer, chance: random.Random) -> tuple[str, Answer]:
    data = _parsed(answer)
    places = [each for each in _places(data) if each]
    if not places:
        return _status(answer, chance)
    place = chance.choice(places)
    return f"{place} is missing", _with(answer, _set(data, place, ..., drop=True))


def _double(answer: Answer, chance: random.Random) -> tuple[str, Answer]:
    data = _parsed(answer)
    lists = [each for each in _places(data) if isinstance(_get(data, each), list)]
    if not lists:
        return _status(answer, chance)
    place = chance.choice(lists)
    found = _get(data, place)
    return f"{place} twice", _with(answer, _set(data, place, [*found, *found]))


def _status(answer: Answer, chance: random.Random) -> tuple[str, Answer]:
    status = chance.choice(_STATUS)
    headers = dict(answer.headers)
    if status in (301, 302, 307):
        headers["Location"] = chance.choice(_LOCATIONS)
    if status in (429, 503) and chance.random() < 0.5:
        headers["Retry-After"] = chance.choice(["0", "99999999999", "-1", "soon", "\u0661"[:0]])
    body = chance.choice([answer.body, b"", _HTML, json.dumps({"message": _text(chance)}).encode()])
    if status == 204:
        body = b""
    return f"status {status}", replace(answer, status=status, headers=headers, body=body)


def _body(answer: Answer, chance: random.Random) -> tuple[str, Answer]:
    body = chance.choice(
        [b"", b"null", b"[]", b"{}", b"0", b'""', b"\xff\xfe\x00", b"\xef\xbb\xbf{}",
         b"[" * 200_000, _HTML, b"{" + answer.body, answer.body * 2,
         b"id: x\nnamespace: acme\n", b"PK\x05\x06"]
    )  # fmt: skip
    content_type = chance.choice([answer.content_type, "text/html", "", "text/plain; charset=x"])
    words = f"body {body[:20]!r} as {content_type!r}"
    return words, replace(answer, body=body, content_type=content_type)


def _bytes(answer: Answer, chance: random.Random) -> tuple[str, Answer]:
    if not answer.body:
        return _gone(answer, chance)
    if chance.random() < 0.5:
        cut = chance.randint(1, len(answer.body))
        return f"{cut} bytes less than promised", replace(answer, cut=cut)
    if chance.random() < 0.5:
        end = chance.randrange(len(answer.body))
        return f"the first {end} bytes", replace(answer, body=answer.body[:end])
    body = bytearray(answer.body)
    for _ in range(chance.choice((1, 3, 20))):
        body[chance.randrange(len(body))] = chance.randrange(256)
    return "other bytes", replace(answer, body=bytes(body))


def _gone(answer: Answer, _chance: random.Random) -> tuple[str, Answer]:
    return "connection closed", replace(answer, gone=True)


def _text(chance: random.Random) -> str:
    return str(chance.choice([each for each in _VALUES if isinstance(each, str)]))


def _parsed(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        pass
    found = [json.loads(each) for each in re.findall(rb"^data: (.*)$", answer.body, re.MULTILINE)]
    return found or None


def _with(answer: Answer, data: Any) -> Answer:
    text = json.dumps(data)
    for mark, raw in _RAW.items():
        text = text.replace(f'"{mark}"', raw)
    if answer.content_type == "text/event-stream":
        text = f"id: start\ndata: {{}}\n\nid: progress\ndata: {text}\n\nid: end\ndata: {text}\n\n"
    return replace(answer, body=text.encode())


Path = tuple[str | int, ...]


def _places(data: Any, at: Path = ()) -> Iterator[Path]:
    """The path of every value, the outer ones first."""
    if data is None and not at:
        return
    waiting: list[tuple[Path, Any]] = [(at, data)]
    while waiting:
        place, value = waiting.pop(0)
        yield place
        pairs = value.items() if isinstance(value, dict) else ()
        items = pairs or (enumerate(value) if isinstance(value, list) else ())
        waiting += [((*place, key), each) for key, each in items]


def _get(data: Any, place: Path) -> Any:
    for step in place:
        data = data[step]
    return data


def _set(data: Any, place: Path, value: Any, *, drop: bool = False) -> Any:
    if not place:
        return value
    data = json.loads(json.dumps(data))
    *way, last = place
    inner = _get(data, tuple(way))
    if drop:
        del inner[last]
    else:
        inner[last] = value
    return data
