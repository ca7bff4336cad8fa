"""Iterates over all pages of a search."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

from kestra_sync.client.answer import Answer
from kestra_sync.client.parallel import in_parallel
from kestra_sync.client.request import Query, Request, query
from kestra_sync.client.transport import Transport
from kestra_sync.client.values import int_of

T = TypeVar("T", bound=Hashable)
PARALLEL = 4
MOST = 16
"""Pages that are held at once."""


def pages(
    transport: Transport,
    path: str,
    filters: Query,
    convert: Callable[[dict[str, Any]], T],
    page_size: int,
) -> Iterator[T]:
    """Every result once, in the server's order; some pages at once when their number is known.

    :raises UnexpectedAnswer: a page that is none, or one that only repeats, while more is due.
    """

    def ask(page: int) -> Answer:
        asked = (*filters, *query(("page", page), ("size", page_size)))
        return transport.send(Request("GET", path, query=asked))

    seen: set[T] = set()
    page = 1
    ahead: list[Answer] = []
    while True:
        answer = ahead.pop(0) if ahead else ask(page)
        data = answer.object()
        results, total = data.get("results"), int_of(data.get("total"))
        if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
            raise answer.unexpected("JSON without results")
        items = [convert(item) for item in results]
        new = [item for item in dict.fromkeys(items) if item not in seen]
        if items and not new:
            raise answer.unexpected(f"page {page} identical to an earlier page")
        if total is not None and len(items) < min(page_size, total - (page - 1) * page_size):
            raise answer.unexpected(
                f"{len(items)} results on page {page}, but a total of {total}: some are missing"
            )
        seen.update(new)
        yield from new
        if not items or (total is not None and page * page_size >= total):
            return
        page += 1
        if total is not None and not ahead:
            last = -(-total // page_size)
            ahead = in_parallel(ask, range(page, min(last, page + MOST - 1) + 1), PARALLEL)
