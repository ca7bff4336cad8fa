"""The results of calls, in addition to :class:`kestra_sync.model.Live`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from kestra_sync.client.errors import UnexpectedAnswer
from kestra_sync.model import FlowId, Live


@dataclass(frozen=True)
class FlowSummary:
    """A flow as returned by the search, without its source."""

    flow_id: FlowId
    revision: int | None
    disabled: bool = False
    deleted: bool = False


@dataclass(frozen=True)
class Validation:
    """What the server says about one source.

    :param index: the place of the source in the call, from 0.
    :param constraints: what is wrong with it, one message each; empty if it is valid.
    :param raw_constraints: the same as the server wrote it.
    :param outdated: its ``revision:`` line is not the server's.
    :param flow_id: as far as the server could read it.
    """

    index: int
    constraints: tuple[str, ...] = ()
    raw_constraints: str = ""
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    deprecations: tuple[str, ...] = ()
    outdated: bool = False
    flow_id: FlowId | None = None

    @property
    def valid(self) -> bool:
        """Whether the server would take it."""
        return not self.constraints


@dataclass(frozen=True)
class KvEntry:
    """A key's value, with its metadata."""

    value: Any
    type: str | None = None
    revision: int | None = None
    updated: str | None = None


@dataclass(frozen=True, order=True)
class KvKey:
    """A key in a namespace."""

    namespace: str
    key: str


@dataclass(frozen=True)
class KvListed:
    """A key as a list shows it, without its value.

    :param revision: the number of its last write.
    :param ttl: seconds between its last write and its expiry; ``None`` if it does not expire.
    """

    namespace: str
    key: str
    revision: int | None = None
    description: str | None = None
    ttl: int | None = None


def live_of(data: Any, source: bytes | None = None) -> Live:
    """The flow in an answer.

    :param source: what to take where the answer brings no source.
    :raises UnexpectedAnswer: it is not a flow.
    """
    flow_id = flow_id_of(data)
    if flow_id is None:
        raise UnexpectedAnswer("the server's answer is not a flow")
    text = data.get("source")
    if isinstance(text, str):
        source = text.encode("utf-8", errors="surrogatepass")
    if source is None:
        raise UnexpectedAnswer(f"the server's answer has no source for {flow_id}")
    return Live(flow_id=flow_id, content=source, revision=int_of(data.get("revision")))


def flow_id_of(data: Any) -> FlowId | None:
    """Namespace and id of an object, if it has both."""
    if not isinstance(data, dict):
        return None
    namespace, flow = data.get("namespace"), data.get("id")
    if isinstance(namespace, str) and isinstance(flow, str):
        return FlowId(namespace, flow)
    return None


def int_of(value: Any) -> int | None:
    """A number, and nothing that merely looks like one."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_FRACTION = re.compile(r"\.(\d+)(?=[+-]|\Z)")


def time_of(value: Any) -> datetime | None:
    """A time in an answer, in UTC if it names no offset; ``None`` if it is not one.

    Kestra gives nanoseconds, and leaves out zeros at the end: Python 3.10 reads 3 or 6 digits.
    """
    if not isinstance(value, str):
        return None
    text = value.replace("Z", "+00:00")
    try:
        found = datetime.fromisoformat(_FRACTION.sub(lambda it: f".{it[1][:6]:0<6}", text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def texts_of(value: Any) -> tuple[str, ...]:
    """The strings of a list; of anything else, nothing."""
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value if isinstance(item, str))
