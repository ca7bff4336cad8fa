"""Server-sent events, as far as Kestra uses them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kestra_sync.client.errors import UnexpectedAnswer

MAX_EVENT = 64 * 1024 * 1024
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Event:
    """One event: its id is its kind (``start``, ``progress``, ``end``)."""

    id: str = ""
    data: str = ""
    event: str = "message"


def read_events(chunks: Iterable[bytes], limit: int = MAX_EVENT) -> Iterator[Event]:
    """The events of a stream, however it is cut into chunks. An unfinished last one is dropped.

    :raises UnexpectedAnswer: an event is over the limit.
    """
    fields: dict[str, list[str]] = {}
    size = 0
    for line in _lines(chunks, limit):
        size += len(line)
        if size > limit:
            raise UnexpectedAnswer(f"an event in the stream is larger than {limit} bytes")
        if line:
            name, _, value = line.decode("utf-8", errors="replace").partition(":")
            # No name is a comment, which servers send to keep the connection open.
            if name:
                fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields or "id" in fields:
            yield Event(
                id=fields.get("id", [""])[-1],
                data="\n".join(fields.get("data", [])),
                event=fields.get("event", ["message"])[-1],
            )
        fields, size = {}, 0


def _lines(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    pending = bytearray()
    first = True
    for chunk in chunks:
        if first and chunk:
            chunk, first = chunk.removeprefix(b"\xef\xbb\xbf"), False
        pending += chunk
        start = 0
        for match in _LINE_END.finditer(pending):
            # A CR at the very end may be half of a CRLF: wait for what follows.
            if match.group() == b"\r" and match.end() == len(pending):
                break
            yield bytes(pending[start : match.start()])
            start = match.end()
        del pending[:start]
        if len(pending) > limit:
            raise UnexpectedAnswer(f"an event in the stream is larger than {limit} bytes")
