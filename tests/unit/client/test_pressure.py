"""How the client slows down for a server that groans, and finds its way back."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.client.pressure import Pressure

from .scripted import Reply, ScriptedServer, as_json


def _under_way(stack: ExitStack, pressure: Pressure, count: int) -> None:
    for _ in range(count):
        stack.enter_context(pressure.turn())


def _answers(pressure: Pressure, count: int, seconds: float = 0.05) -> None:
    for _ in range(count):
        pressure.answered("PUT", seconds)


def test_there_is_no_limit_without_a_reason() -> None:
    pressure = Pressure()
    with ExitStack() as stack:
        _under_way(stack, pressure, 64)
        _answers(pressure, 100)
    assert pressure.limit is None


def test_pressure__refusal_halves_concurrent_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kestra_sync.client")
    pressure = Pressure()
    with ExitStack() as stack:
        _under_way(stack, pressure, 8)
        pressure.refused(429)
        assert pressure.limit == 4
        assert "under pressure (it answers 429): 4 concurrent requests" in caplog.text
        for _ in range(7):  # those that were running as well
            pressure.refused(429)
        assert pressure.limit == 4
        for _ in range(100):
            pressure.refused(503)
        assert pressure.limit == 1


def test_good_answers_bring_it_back() -> None:
    pressure = Pressure()
    with ExitStack() as stack:
        _under_way(stack, pressure, 4)
        pressure.refused(429)
    assert pressure.limit == 2
    _answers(pressure, 16)
    assert pressure.limit == 3
    _answers(pressure, 16)
    assert pressure.limit is None


def test_slow_answers_take_a_quarter_and_leave_two() -> None:
    pressure = Pressure()
    with ExitStack() as stack:
        _under_way(stack, pressure, 8)
        _answers(pressure, 40)
        _answers(pressure, 5, seconds=2.0)
        assert pressure.limit == 6
        for _ in range(20):  # however slow it gets
            _answers(pressure, 20, seconds=60.0)
            pressure._times.clear()
            _answers(pressure, 40, seconds=1.0)
        assert pressure.limit is None or pressure.limit >= 2


def test_what_is_quick_is_not_slow() -> None:
    """Ten times the usual, and still nothing that anybody would notice."""
    pressure = Pressure()
    with ExitStack() as stack:
        _under_way(stack, pressure, 8)
        _answers(pressure, 40, seconds=0.005)
        _answers(pressure, 40, seconds=0.05)
    assert pressure.limit is None


def test_a_server_that_ages_is_not_slow() -> None:
    pressure = Pressure()
    with ExitStack() as stack:
        _under_way(stack, pressure, 8)
        for number in range(3000):
            pressure.answered("PUT", 0.1 + number / 1000)
    assert pressure.limit is None


def test_what_never_is_alike_tells_nothing() -> None:
    pressure = Pressure()
    with ExitStack() as stack:
        _under_way(stack, pressure, 8)
        for seconds in (0.01,) * 50 + (100.0,) * 50:
            pressure.answered(None, seconds)
    assert pressure.limit is None


def test_a_turn_is_waited_for() -> None:
    pressure = Pressure()
    with pressure.turn():
        pressure.refused(429)
        assert pressure.limit == 1
        got = threading.Event()

        def wait() -> None:
            with pressure.turn():
                got.set()

        thread = threading.Thread(target=wait)
        thread.start()
        assert not got.wait(0.05)
    assert got.wait(10)
    thread.join()


def test_the_client_slows_down(scripted: ScriptedServer, client: KestraClient) -> None:
    """And every write gets through."""
    refusal = Reply(429, headers={"Retry-After": "1"})
    live = as_json({"id": "a", "namespace": "x", "revision": 1, "source": "x"})
    scripted.on("GET", "/api/v1/main/flows/x/a", live)
    scripted.on("PUT", "/api/v1/main/flows/x/a", refusal, refusal, live)
    from kestra_sync.model import FlowId

    assert client.flows.update(FlowId("x", "a"), b"x").revision == 1
    assert client._transport._pressure.limit == 1
    for _ in range(20):
        client.flows.update(FlowId("x", "a"), b"x")
    assert client._transport._pressure.limit is None
