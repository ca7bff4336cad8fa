"""The number of requests of a run, which does not depend on the machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from uuid import uuid4

import pytest

from tests.e2e.sync.conftest import Repo, RunResult
from tests.support.proxy import FaultProxy, Rule, Seen, delay

_MANY = 120
"""Flows, each in a namespace of its own: too many for a query string that proxies let pass."""


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read right before a write is one on a slow machine, too: no request is added."""
    for module in ("writer", "lock"):
        monkeypatch.setattr(f"kestra_sync.apply.{module}._RECENT", 60)


def _requests(proxy: FaultProxy) -> Counter[str]:
    """What was asked for, and how often."""
    return Counter(f"{each.method} {_kind(each.path)}" for each in proxy.requests)


def _kind(path: str) -> str:
    path = re.sub(r"^/api/v1/(?:[^/]+/)?", "", path)
    path = re.sub(r"^flows/[^/]+/[^/]+$", "flow", path) if "export" not in path else path
    return "inventory" if "/kv/kestra-sync." in path else path


def _name(number: int) -> str:
    return f"f{number:03d}"


def _space(repo: Repo, number: int) -> str:
    return f"{repo.namespace}.n{number:03d}"


def _scope(repo: Repo, namespaces: Iterable[str]) -> None:
    """A configuration with these namespaces."""
    head = f"version: 1\nname: {repo.name}\nsource: flows\nscope:\n"
    repo.write("kestra-sync.yaml", head + "".join(f"  - {each}\n" for each in namespaces))


def _planned(repo: Repo, proxy: FaultProxy, code: int = 0) -> Counter[str]:
    """The requests of a plan."""
    proxy.forget()
    ran = repo.plan("--detailed-exitcode", "--allow-large")
    assert ran.code == code, ran.out + ran.err
    # Longer query strings do not pass every proxy.
    assert max(len(each.query) for each in proxy.requests) <= 2000
    return _requests(proxy)


def _change(repo: Repo, numbers: Iterable[int], text: str) -> None:
    for number in numbers:
        repo.flow(_name(number), text, ns=_space(repo, number))


def test_requests__do_not_grow_with_flows_and_namespaces(repo: Repo, proxy: FaultProxy) -> None:
    """Of plans without and with changes, with a record and without."""
    repo.config()
    _change(repo, range(_MANY), "before")
    unowned = {"GET configs": 1, "GET flows/export/by-query": 1}
    owned = {**unowned, "GET inventory": 1}
    # An empty export is confirmed with another request; a missing record is not listed in its
    # namespace, nor anywhere else. Flows are validated in batches.
    confirmed = {"GET flows/distinct-namespaces": 1, "GET kv": 2, "POST flows/validate": 4}
    assert _planned(repo, proxy, 2) == {**owned, **confirmed}
    ran = repo.apply()
    assert ran.code == 0, ran.err
    assert _planned(repo, proxy) == owned
    _change(repo, range(110), "something else")
    # The record tells the revisions of many; without one, pages of the search do.
    assert _planned(repo, proxy, 2) == {**owned, "POST flows/validate": 4}
    (repo.root / "kestra-sync.yaml").unlink()
    seen = _planned(repo, proxy, 2)
    assert seen == {**unowned, "POST flows/validate": 4, "GET flows/search": 1}
    _change(repo, range(110), "before")
    assert _planned(repo, proxy) == unowned
    _scope(repo, [_space(repo, number) for number in range(_MANY)])
    seen = _planned(repo, proxy, 2)  # the record moves
    assert seen.total() <= 6, seen

    repo.config()
    # Few are read, and validated together; a call of a known flow needs no search.
    _change(repo, range(5), "something else")
    calls = (
        "  - id: call\n    type: io.kestra.plugin.core.flow.Subflow\n"
        f"    namespace: {_space(repo, 9)}\n    flowId: "
    )
    repo.flow(_name(5), extra=f"{calls}{_name(9)}\n", ns=_space(repo, 5))
    seen = _planned(repo, proxy, 2)
    assert (seen.pop("POST flows/validate"), seen.pop("GET flow")) == (1, 6)
    assert seen == owned
    proxy.forget()
    assert repo.apply("--allow-large").code == 0
    seen = _requests(proxy)
    assert seen["PUT flow"] == 6
    assert seen["GET flow"] == 2 * 6  # for the plan, and right before the update is sent
    # At the end it must show what was written.
    assert seen["GET flows/export/by-query"] == 2
    repo.flow(_name(6), extra=f"{calls}nowhere\n", ns=_space(repo, 6))
    assert _planned(repo, proxy, 3)["GET flows/search"] == 1


_FAR = 0.15
"""Seconds that the proxy adds to each request."""


def _round_trips(seen: Iterable[Seen]) -> int:
    """The longest chain of requests that each began after the one before had been answered.

    An export, and what is asked for and answered while it is on its way, is not counted.
    """
    exports = [each for each in seen if "/export/" in each.path]
    rest = [
        each
        for each in seen
        if each not in exports
        and not any(it.began - _FAR / 2 <= each.began and each.ended <= it.ended for it in exports)
    ]
    count, end = 0, 0.0
    for each in sorted(rest, key=lambda it: it.ended):
        if each.began >= end:
            count, end = count + 1, each.ended
    return count


def test_round_trips__of_a_plan_and_of_a_small_apply(repo: Repo, proxy: FaultProxy) -> None:
    """Far from the server, the requests that wait for each other are what takes time."""
    repo.config()
    for number in range(12):
        repo.flow(_name(number))
    assert repo.apply().code == 0
    proxy.add(Rule(delay(_FAR), times=None))

    def apply() -> RunResult:
        for number in range(10):
            repo.flow(_name(number), f"something else {uuid4()}")
        return repo.apply("--allow-large")

    _is_quick(proxy, lambda: repo.plan("--detailed-exitcode"), most=3)
    _is_quick(proxy, apply, most=12)


def _is_quick(proxy: FaultProxy, run: Callable[[], RunResult], most: int) -> None:
    """One of many runs: on a busy machine, parallel requests may begin late."""
    trips: list[int] = []
    while len(trips) < 12 and (not trips or trips[-1] > most):
        proxy.forget()
        assert run().code == 0
        trips.append(_round_trips(proxy.requests))
    assert trips[-1] <= most, trips
