"""Smoke tests with faults of the network and the server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.smoke.result import SmokeVerdict
from kestra_sync.smoke.spec import Expectation, SmokeSpec
from tests.support.proxy import FaultProxy, Rule, buffer_events, cut_events, drop_answer
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


@pytest.mark.once
def test_smoke__buffered_stream_does_not_delay_result_or_timeout(
    bench: Bench, proxy: FaultProxy
) -> None:
    proxy.add(Rule(buffer_events, method="GET", path=FOLLOW, times=None))
    waits = bench.flow("waits", f"tasks:\n  - {{id: wait, type: {PAUSE}}}\n")
    result = bench.run(
        SmokeSpec(bench.flow("busy", BUSY), expect=Expectation(tasks={"two": ("SUCCESS",)})),
        SmokeSpec(waits, timeout=1.5),
    )
    assert [run.verdict for run in result.runs] == [SmokeVerdict.PASSED, SmokeVerdict.TIMED_OUT]
    assert result.seconds < 30


@pytest.mark.once
def test_smoke__lost_response_to_the_start_fails_with_a_remedy(
    bench: Bench, proxy: FaultProxy
) -> None:
    """That to a deletion counts as done."""
    lost, quick = bench.flow("lost", BUSY), bench.flow("quick", BUSY)
    proxy.add(Rule(drop_answer, method="POST", path=r"/lost$"))
    proxy.add(Rule(drop_answer, method="DELETE", path=r"/executions/", nth=1))
    unknown, deleted = bench.run(SmokeSpec(lost), SmokeSpec(quick)).runs
    assert unknown.verdict is SmokeVerdict.ERROR
    assert f"kestra-sync.run: {bench.settings.run_id}" in unknown.failures[0].message
    assert proxy.count("POST", r"/lost$") == 1
    assert deleted.cleanup is not None
    assert (deleted.cleanup.deleted, deleted.cleanup.problems) == (1, ())
    assert "quick" not in bench.left()
