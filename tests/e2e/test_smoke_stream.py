"""Smoke tests with faults of the network and the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.smoke.result import SmokeVerdict
from kestra_sync.smoke.spec import Expectation, SmokeSpec
from tests.support.proxy import (
    FaultProxy,
    Rule,
    buffer_events,
    cut_events,
    drop_answer,
    reply,
)
from tests.support.server import Http, Server
from tests.support.smoke import LOG, PAUSE, SLEEP, Bench

BUSY = f"""\
tasks:
  - {{id: one, type: {LOG}, message: one}}
  - {{id: nap, type: {SLEEP}, duration: PT0.3S}}
  - {{id: two, type: {LOG}, message: two}}
"""
FOLLOW = r"/executions/[^/]+/follow$"


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(server.url) as running:
        yield running


@pytest.fixture
def bench(
    server: Server,
    http: Http,
    namespace: str,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    """Its client talks to the proxy."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    with KestraClient(proxy.url, env_file=None) as client:
        yield Bench(client, namespace, http)


def test_a_stream_that_is_cut_at_any_event(bench: Bench, proxy: FaultProxy) -> None:
    """After none, one, two, …: once for each test of a run."""
    flow = bench.flow("busy", BUSY)
    for after in range(6):
        proxy.add(Rule(cut_events(after), method="GET", path=FOLLOW, nth=after + 1))
    result = bench.run(*(SmokeSpec(flow, name=str(number)) for number in range(6)))
    assert not result.failed
    assert proxy.count("GET", FOLLOW) > 6
    assert bench.left() == []


def test_a_proxy_that_always_cuts_after_the_first_event(bench: Bench, proxy: FaultProxy) -> None:
    proxy.add(Rule(cut_events(1), method="GET", path=FOLLOW, times=None))
    assert bench.one(bench.flow("busy", BUSY)).verdict is SmokeVerdict.PASSED


def test_a_proxy_that_buffers_the_stream(bench: Bench, proxy: FaultProxy) -> None:
    proxy.add(Rule(buffer_events, method="GET", path=FOLLOW, times=None))
    run = bench.one(bench.flow("busy", BUSY), expect=Expectation(tasks={"two": ("SUCCESS",)}))
    assert run.verdict is SmokeVerdict.PASSED


def test_smoke__buffered_stream_does_not_delay_the_timeout(bench: Bench, proxy: FaultProxy) -> None:
    proxy.add(Rule(buffer_events, method="GET", path=FOLLOW, times=None))
    result = bench.run(
        SmokeSpec(bench.flow("waits", f"tasks:\n  - {{id: wait, type: {PAUSE}}}\n"), timeout=1.5)
    )
    assert result.runs[0].verdict is SmokeVerdict.TIMED_OUT
    assert result.seconds < 30


def test_a_server_without_streams_is_asked_instead(bench: Bench, proxy: FaultProxy) -> None:
    proxy.add(Rule(reply(404), method="GET", path=FOLLOW, times=None))
    assert bench.one(bench.flow("busy", BUSY)).verdict is SmokeVerdict.PASSED


def test_smoke__lost_response_to_the_start_fails_with_a_remedy(
    bench: Bench, proxy: FaultProxy
) -> None:
    flow = bench.flow("lost", BUSY)
    proxy.add(Rule(drop_answer, method="POST", path=r"/lost$"))
    run = bench.one(flow)
    assert run.verdict is SmokeVerdict.ERROR
    assert f"kestra-sync.run: {bench.settings.run_id}" in run.failures[0].message
    assert proxy.count("POST", r"/lost$") == 1


def test_delete__lost_response_counts_as_done(bench: Bench, proxy: FaultProxy) -> None:
    flow = bench.flow("quick", BUSY)
    proxy.add(Rule(drop_answer, method="DELETE", path=r"/executions/", nth=1))
    run = bench.one(flow)
    assert run.cleanup is not None
    assert (run.cleanup.deleted, run.cleanup.problems) == (1, ())
    assert bench.left() == []


def test_cleanup__failed_deletion_is_reported(bench: Bench, proxy: FaultProxy) -> None:
    flow = bench.flow("sticky", BUSY)
    proxy.add(Rule(reply(500), method="DELETE", path=r"/executions/", times=None))
    run = bench.one(flow)
    assert run.verdict is SmokeVerdict.PASSED
    assert run.cleanup is not None
    assert run.cleanup.kept
    assert "could not be deleted" in run.cleanup.problems[0]


def test_ignored_kind__is_not_a_smoke_test(bench: Bench, proxy: FaultProxy) -> None:
    """Servers that do not know the kind start a normal execution and say nothing."""

    def forget_the_kind(exchange: Any) -> None:
        from tests.support.proxy import relay

        exchange.query = exchange.query.replace("kind=TEST", "kind=OTHER")
        relay(exchange)

    proxy.add(Rule(forget_the_kind, method="POST", path=r"/normal$"))
    run = bench.one(bench.flow("normal", BUSY))
    assert run.verdict is SmokeVerdict.ERROR
    assert "should have kind TEST" in run.failures[0].message
