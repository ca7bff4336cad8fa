"""Searches: a scope as query filters, and all pages of what they find.

Filters are there to fetch less, not to decide: the caller filters again with ``Scope.covers``. So
what is built here may find too much and must never find too little.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

from kestra_sync.client.answer import Answer
from kestra_sync.client.errors import ApiError
from kestra_sync.client.request import Query, Request, query
from kestra_sync.client.transport import Transport
from kestra_sync.client.values import int_of
from kestra_sync.model import Scope

LOG = logging.getLogger("kestra_sync.client")
T = TypeVar("T")

MAX_PATTERN = 250
"""Kestra 2.0 refuses longer patterns; so does it ``(...)*`` and ``(...)?`` within one."""
MAX_REQUESTS = 8
"""Before more filters than these, each a request, parents are asked for instead."""


def scope_filters(
    scope: Scope | None, *, pattern: int = MAX_PATTERN, requests: int = MAX_REQUESTS
) -> tuple[Query, ...]:
    """Filters that find, together, at least what the scope covers: one for each request.

    An empty one means the whole tenant.
    """
    if scope is None:
        return ((),)
    namespaces = tuple(dict.fromkeys(scope.namespaces))
    exact = scope.exact
    if not exact:
        namespaces = _outermost(namespaces)
    found = _filters(namespaces, exact, pattern)
    while len(found) > requests:
        namespaces, exact = _widen(namespaces), False
        if not namespaces:
            return ((),)
        found = _filters(namespaces, exact, pattern)
    return found


class Filtering:
    """Remembers whether the server understands our filters: all of the tenant will do as well."""

    def __init__(self) -> None:
        self._refused = False

    def ask(self, scope: Scope | None, send: Callable[[Query], T]) -> list[T]:
        """What ``send`` gives for each of the filters of ``scope``, or else for none."""
        filters = ((),) if self._refused else scope_filters(scope)
        try:
            return [send(each) for each in filters]
        except ApiError as error:
            if not any(filters) or error.status not in {400, 422}:
                raise
            answer = send(())
            self._refused = True
            LOG.info("the server does not support the filter (%s): reading the whole tenant", error)
            return [answer]


def namespace_regex(namespaces: tuple[str, ...], *, exact: bool) -> str:
    """One regular expression for several namespaces: two filters would be ANDed.

    It is searched for, not matched, hence the anchors.
    """
    alternatives = "|".join(re.sub(r"[^A-Za-z0-9_-]", r"\\\g<0>", name) for name in namespaces)
    return f"^({alternatives})$" if exact else f"^({alternatives})($|\\.)"


def _filters(namespaces: tuple[str, ...], exact: bool, longest: int) -> tuple[Query, ...]:
    groups: list[tuple[str, ...]] = []
    for name in namespaces:
        joined = (*groups[-1], name) if groups else ()
        if joined and len(namespace_regex(joined, exact=exact)) <= longest:
            groups[-1] = joined
        else:
            groups.append((name,))
    return tuple(_filter(group, exact) for group in groups)


def _filter(namespaces: tuple[str, ...], exact: bool) -> Query:
    if len(namespaces) == 1:
        return ((f"filters[namespace][{'EQUALS' if exact else 'PREFIX'}]", namespaces[0]),)
    return (("filters[namespace][REGEX]", namespace_regex(namespaces, exact=exact)),)


def _outermost(namespaces: tuple[str, ...]) -> tuple[str, ...]:
    """Without those that another one covers."""
    return tuple(
        name for name in namespaces if not any(name.startswith(f"{other}.") for other in namespaces)
    )


def _widen(namespaces: tuple[str, ...]) -> tuple[str, ...]:
    """The deepest ones replaced by their parents; nothing once a root would be."""
    deepest = max(name.count(".") for name in namespaces)
    if deepest == 0:
        return ()
    parents = (
        name.rpartition(".")[0] if name.count(".") == deepest else name for name in namespaces
    )
    return _outermost(tuple(dict.fromkeys(parents)))


Hit = TypeVar("Hit", bound=Hashable)
PARALLEL = 4
MOST = 16
"""Pages that are held at once."""


def pages(
    transport: Transport,
    path: str,
    filters: Query,
    convert: Callable[[dict[str, Any]], Hit],
    page_size: int,
) -> Iterator[Hit]:
    """Every result once, in the server's order; some pages at once when their number is known.

    :raises UnexpectedAnswer: a page that is none, or one that only repeats, while more is due.
    """

    def ask(page: int) -> Answer:
        asked = (*filters, *query(("page", page), ("size", page_size)))
        return transport.send(Request("GET", path, query=asked))

    seen: set[Hit] = set()
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
            ahead = transport.map(ask, range(page, min(last, page + MOST - 1) + 1), PARALLEL)
