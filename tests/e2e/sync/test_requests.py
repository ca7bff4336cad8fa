"""The number of requests of a run, which does not depend on the machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from uuid import uuid4

import pytest

from tests.e2e.sync.conftest import Repo, RunResult
from tests.support.proxy import FaultProxy, Rule, Seen, delay, replace_answer

_NAMESPACES = 120
_PLAN = 4
"""Version, inventory, export, and a search where something must be confirmed."""


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


def _many(repo: Repo, count: int, *, namespaces: int = 1) -> None:
    for number in range(count):
        namespace = repo.namespace
        if namespaces > 1:
            namespace = f"{repo.namespace}.n{number % namespaces:03d}"
        repo.flow(f"f{number:03d}", f"number {number}", ns=namespace)


def _deployed(repo: Repo, proxy: FaultProxy) -> None:
    ran = repo.apply()
    assert ran.code == 0, ran.err
    proxy.forget()


@pytest.mark.parametrize("count", [1, 120], ids=["one flow", "120 flows"])
def test_a_plan_without_changes(repo: Repo, proxy: FaultProxy, count: int) -> None:
    """Whatever the number of flows, and with no search as there is nothing to confirm."""
    repo.config()
    _many(repo, count)
    _deployed(repo, proxy)
    assert repo.plan("--detailed-exitcode").code == 0
    assert _requests(proxy) == {
        "GET configs": 1,
        "GET inventory": 1,
        "GET flows/export/by-query": 1,
    }


def test_without_a_configuration(repo: Repo, proxy: FaultProxy) -> None:
    _many(repo, 3)
    _deployed(repo, proxy)
    assert repo.plan("--detailed-exitcode").code == 0
    assert _requests(proxy) == {"GET configs": 1, "GET flows/export/by-query": 1}


def test_plan__of_many_namespaces(repo: Repo, proxy: FaultProxy) -> None:
    """Too many for a query string that proxies let pass; still one export."""
    _many(repo, _NAMESPACES, namespaces=_NAMESPACES)
    _deployed(repo, proxy)
    assert repo.plan("--detailed-exitcode").code == 0
    assert len(proxy.requests) <= _PLAN, _requests(proxy)
    assert max(len(each.query) for each in proxy.requests) <= 2000


def test_scope__with_many_entries(repo: Repo, proxy: FaultProxy) -> None:
    scope = [f"{repo.namespace}.n{number:03d}" for number in range(_NAMESPACES)]
    repo.write(
        "kestra-sync.yaml",
        f"version: 1\nname: {repo.name}\nsource: flows\nscope:\n"
        + "".join(f"  - {each}\n" for each in scope),
    )
    _many(repo, 5, namespaces=_NAMESPACES)
    _deployed(repo, proxy)
    assert repo.plan("--detailed-exitcode").code == 0
    assert len(proxy.requests) <= _PLAN, _requests(proxy)


def test_an_empty_server_is_confirmed(repo: Repo, proxy: FaultProxy) -> None:
    """An empty export and a missing record are confirmed with another request."""
    repo.config()
    _many(repo, 2)
    assert repo.plan("--detailed-exitcode").code == 2
    seen = _requests(proxy)
    assert seen == {
        "GET configs": 1,
        "GET inventory": 1,
        "GET kv": 1,
        "GET flows/export/by-query": 1,
        "GET flows/distinct-namespaces": 1,
        "POST flows/validate": 1,
    }


@pytest.mark.parametrize("changed", [1, 7], ids=["one change", "7 changes"])
def test_a_plan_with_changes(repo: Repo, proxy: FaultProxy, changed: int) -> None:
    """One read for the revision of each, and one validation for all of them."""
    repo.config()
    _many(repo, 20)
    _deployed(repo, proxy)
    for number in range(changed):
        repo.flow(f"f{number:03d}", "something else")
    assert repo.plan("--detailed-exitcode").code == 2
    seen = _requests(proxy)
    assert seen.pop("POST flows/validate") == 1
    assert seen.pop("GET flow") == changed
    assert seen == {"GET configs": 1, "GET inventory": 1, "GET flows/export/by-query": 1}


def test_a_plan_with_many_changes(repo: Repo, proxy: FaultProxy) -> None:
    """The record tells the revisions of many; validation goes in batches, four at once."""
    repo.config()
    seen = _many_changes(repo, proxy)
    assert seen.pop("POST flows/validate") == 4
    assert seen == {"GET configs": 1, "GET inventory": 1, "GET flows/export/by-query": 1}


def test_plan__many_changes_of_unowned_flows(repo: Repo, proxy: FaultProxy) -> None:
    """Without a record, pages of the search tell their revisions."""
    seen = _many_changes(repo, proxy)
    assert seen.pop("POST flows/validate") == 4
    assert seen == {"GET configs": 1, "GET flows/export/by-query": 1, "GET flows/search": 1}


def _many_changes(repo: Repo, proxy: FaultProxy) -> Counter[str]:
    """The requests of a plan that changes most of what is there."""
    _many(repo, 120)
    _deployed(repo, proxy)
    for number in range(110):
        repo.flow(f"f{number:03d}", "something else")
    assert repo.plan("--detailed-exitcode", "--allow-large").code == 2
    return _requests(proxy)


def test_calls_of_flows_that_are_known_need_no_search(repo: Repo, proxy: FaultProxy) -> None:
    repo.config()
    _many(repo, 2)
    _deployed(repo, proxy)
    for name, target in (("known", "f000"), ("unknown", "nowhere")):
        repo.flow(
            "f001",
            extra=f"  - id: call\n    type: io.kestra.plugin.core.flow.Subflow\n"
            f"    namespace: {repo.namespace}\n    flowId: {target}\n",
        )
        proxy.forget()
        repo.plan()
        assert proxy.count("GET", "/flows/search") == (name == "unknown")


def test_colliding_names_add_one_export_for_each_namespace(repo: Repo, proxy: FaultProxy) -> None:
    """The export of the whole scope fails then; that of a namespace cannot collide with another."""
    repo.config()
    _many(repo, 6, namespaces=3)
    _deployed(repo, proxy)
    body = '{"message": "Internal Server Error: duplicate entry: a-b-c.yml"}'
    headers = {"Content-Type": "application/json"}
    proxy.add(Rule(replace_answer(500, headers, body), path="/flows/export/by-query"))
    assert repo.plan("--detailed-exitcode").code == 0
    # The list of namespaces, one export for each, and the one that failed.
    assert _requests(proxy) == {
        "GET configs": 1,
        "GET inventory": 1,
        "GET flows/distinct-namespaces": 1,
        "GET flows/export/by-query": 1 + 3,
    }


def test_requests__apply_reads_and_writes_each_flow_once(repo: Repo, proxy: FaultProxy) -> None:
    """And the export at the end, which must show what was written."""
    repo.config()
    _many(repo, 20)
    _deployed(repo, proxy)
    for number in range(5):
        repo.flow(f"f{number:03d}", "something else")
    assert repo.apply().code == 0
    seen = _requests(proxy)
    assert seen["PUT flow"] == 5
    # For the plan, and right before the update is sent.
    assert seen["GET flow"] == 2 * 5
    assert seen["GET flows/export/by-query"] == 2


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
    _many(repo, 20)
    _deployed(repo, proxy)
    proxy.add(Rule(delay(_FAR), times=None))

    def apply() -> RunResult:
        for number in range(10):
            repo.flow(f"f{number:03d}", f"something else {uuid4()}")
        return repo.apply()

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
