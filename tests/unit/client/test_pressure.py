"""The client slows down for an overloaded server, and recovers."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.client.parallel import Pressure

from .scripted import Reply, ScriptedServer, as_json


def _in_progress(stack: ExitStack, pressure: Pressure, count: int) -> None:
    for _ in range(count):
        stack.enter_context(pressure.turn())


def _answers(pressure: Pressure, count: int) -> None:
    for _ in range(count):
        pressure.answered()


def test_pressure__no_limit_without_a_refusal() -> None:
    pressure = Pressure()
    with ExitStack() as stack:
        _in_progress(stack, pressure, 64)
        _answers(pressure, 100)
    assert pressure.limit is None


def test_pressure__refusal_halves_concurrent_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kestra_sync.client")
    pressure = Pressure()
    with ExitStack() as stack:
        _in_progress(stack, pressure, 8)
        pressure.refused(429)
        assert pressure.limit == 4
        assert "the server is overloaded (429): reducing to 4 concurrent requests" in caplog.text
        for _ in range(7):  # those that were running as well
            pressure.refused(429)
        assert pressure.limit == 4
        for _ in range(100):
            pressure.refused(503)
        assert pressure.limit == 1


def test_pressure__successful_responses_restore_the_limit() -> None:
    pressure = Pressure()
    with ExitStack() as stack:
        _in_progress(stack, pressure, 4)
        pressure.refused(429)
    assert pressure.limit == 2
    _answers(pressure, 16)
    assert pressure.limit == 3
    _answers(pressure, 16)
    assert pressure.limit is None


def test_pressure__request_waits_for_its_turn() -> None:
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


def test_pressure__client_slows_down(scripted: ScriptedServer, client: KestraClient) -> None:
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
