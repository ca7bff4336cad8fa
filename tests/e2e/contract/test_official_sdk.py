"""Kestra's own Python SDK against the server: an independent check of the API."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest

from tests.e2e.contract.calls import ended, logs
from tests.support.server import Http, Server
from tests.support.sources import SLEEP, flow, log_flow, task

pytestmark = pytest.mark.versions


@pytest.fixture(scope="session")
def client(server: Server) -> Any:
    with warnings.catch_warnings():
        # Its models shadow names of pydantic's, and say so on every import.
        warnings.simplefilter("ignore")
        sdk: Any = importlib.import_module("kestrapy")
    credentials = (
        {"token": server.token}
        if server.token
        else {"username": server.username, "password": server.password}
    )
    return sdk.KestraClient(host=server.url, timeout=60, **credentials)


def test_life_of_a_flow(client: Any, server: Server, namespace: str) -> None:
    source = log_flow(namespace, "sdk")
    flow_created = client.flows.create_flow(server.tenant, source)
    assert (flow_created.id, flow_created.revision) == ("sdk", 1)
    assert flow_created.source == source

    changed = log_flow(namespace, "sdk", "changed")
    flow_updated = client.flows.update_flow(namespace, "sdk", server.tenant, changed)
    assert (flow_updated.revision, flow_updated.source) == (2, changed)

    stored = client.flows.flow(namespace, "sdk", server.tenant, source=True)
    assert (stored.revision, stored.source) == (2, changed)
    revisions = client.flows.list_flow_revisions(namespace, "sdk", server.tenant)
    assert sorted(it.revision for it in revisions) == [1, 2]

    client.flows.delete_flow(namespace, "sdk", server.tenant)
    with pytest.raises(Exception, match="404"):
        client.flows.flow(namespace, "sdk", server.tenant)


def test_validation(client: Any, server: Server, namespace: str) -> None:
    body = log_flow(namespace, "good") + "---\n" + log_flow(namespace, "not an id")
    good, bad = client.flows.validate_flows(server.tenant, body)
    assert not good.constraints
    assert "id: must match" in bad.constraints


def test_life_of_an_execution(client: Any, server: Server, http: Http, namespace: str) -> None:
    tasks = task(SLEEP, task_id="wait", duration="PT0.5S") + task(
        "io.kestra.plugin.core.log.Log", message='"hello {{ inputs.name }}"'
    )
    inputs = "inputs:\n  - {id: name, type: STRING}\n"
    client.flows.create_flow(server.tenant, flow(namespace, "sdk", tasks, extra=inputs))
    started = client.executions.create_execution(
        server.tenant, namespace, "sdk", labels=["by:sdk"], inputs={"name": "world"}
    )
    assert started.id
    *_, last = client.executions.follow_execution(started.id, server.tenant)
    assert last.id == started.id
    assert ended(http, started.id)["state"]["current"] == "SUCCESS"
    execution = client.executions.execution(started.id, server.tenant)
    assert execution.flow_id == "sdk"
    logs(http, started.id, "hello world")
    entries = client.logs.list_logs_from_execution(started.id, server.tenant)
    assert "hello world" in [it.message for it in entries]
    client.executions.delete_execution(started.id, server.tenant, delete_logs=True)
    assert http.get(f"/executions/{started.id}").status_code == 404


def test_key_values(client: Any, server: Server, namespace: str) -> None:
    client.kv.set_key_value(namespace, "key", server.tenant, '{"a": 1}')
    assert client.kv.key_value(namespace, "key", server.tenant).value == {"a": 1}
    client.kv.delete_key_value(namespace, "key", server.tenant)
    with pytest.raises(Exception, match="404"):
        client.kv.key_value(namespace, "key", server.tenant)
