"""One flow: create, read, update, delete, disable."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.contract.calls import (
    PATIENCE_SECONDS,
    Statuses,
    create,
    created,
    stored,
    update,
    updated,
)
from tests.support.server import YAML, Http
from tests.support.sources import LOG, flow, log_flow, subflow, task

pytestmark = pytest.mark.versions


@pytest.mark.parametrize("where", ["task", "flow"])
def test_trap__update_may_store_an_unknown_property(http: Http, namespace: str, where: str) -> None:
    if where == "task":
        source = flow(namespace, "typo", task(LOG, mesage="hello", message="hello"))
    else:
        source = log_flow(namespace, "typo", extra="unknownTop: 1\n")
    refused = create(http, source)
    assert refused.status_code == 422
    assert "Unrecognized field" in refused.text
    first = log_flow(namespace, "typo")
    created(http, first)
    answer = update(http, namespace, "typo", source)
    assert answer.status_code == Statuses(200, 422).of(http)
    now = stored(http, namespace, "typo")
    assert (now["revision"], now["source"]) == ((2, source) if answer.ok else (1, first))
    assert answer.ok or "Unrecognized field" in answer.text


def test_update__invalid_flow_is_422(http: Http, namespace: str) -> None:
    """So is another id or namespace."""
    created(http, log_flow(namespace, "fixed"))
    for source in (
        log_flow(namespace, "moved"),
        log_flow(f"{namespace}.x", "fixed"),
        flow(namespace, "fixed", "  []\n"),
        flow(namespace, "fixed", task("io.kestra.plugin.core.log.Nope")),
        flow(namespace, "fixed", task(LOG, task_id="not an id", message="x")),
    ):
        assert update(http, namespace, "fixed", source).status_code == 422, source


def test_trap__create_with_two_documents_runs_the_first_and_stores_both(
    http: Http, namespace: str
) -> None:
    source = log_flow(namespace, "one") + "---\n" + log_flow(namespace, "two")
    answer = created(http, source)
    assert answer["id"] == "one"
    assert stored(http, namespace, "one")["source"] == source
    assert http.get(f"/flows/{namespace}/two").status_code == 404


def test_an_absent_flow_is_404(http: Http, namespace: str) -> None:
    assert http.get(f"/flows/{namespace}/absent").status_code == 404
    assert http.delete(f"/flows/{namespace}/absent").status_code == 404
    assert update(http, namespace, "absent", log_flow(namespace, "absent")).status_code == 404


def test_each_revision_can_be_read(http: Http, namespace: str) -> None:
    """A source comes only when asked for; a deletion is a revision without one."""
    sources = [log_flow(namespace, "past", f"number {n}") for n in (1, 2, 3)]
    created(http, sources[0])
    for source in sources[1:]:
        updated(http, namespace, "past", source)
    plain = http.get(f"/flows/{namespace}/past").json()
    assert (plain["revision"], plain.get("source") or None) == (3, None)
    assert stored(http, namespace, "past", revision=2)["source"] == sources[1]
    assert http.get(f"/flows/{namespace}/past", params={"revision": 9}).status_code == 404
    deleted = http.delete(f"/flows/{namespace}/past")
    assert (deleted.status_code, deleted.content) == (204, b"")
    ghost = stored(http, namespace, "past", allowDeleted="true")
    assert (ghost["deleted"], ghost["source"]) == (True, sources[2])
    created(http, sources[0])
    revisions = http.get(f"/flows/{namespace}/past/revisions").json()
    assert sorted((it["revision"], it["source"]) for it in revisions) == [
        *enumerate(sources, start=1),
        (5, sources[0]),
    ]


def test_a_flow_that_calls_itself_is_refused(http: Http, namespace: str) -> None:
    answer = create(http, subflow(namespace, "loop", "loop"))
    assert answer.status_code == 422
    assert "Recursive call" in answer.text


def test_reference_cycle__is_stored_or_refused(http: Http, namespace: str) -> None:
    """2.0 knows the calls of a flow a moment after it has stored it."""
    expected = Statuses(200, 422).of(http)
    created(http, subflow(namespace, "ping", "pong"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = create(http, subflow(namespace, "pong", "ping"))
        if answer.status_code == expected or time.monotonic() > deadline:
            break
        assert http.delete(f"/flows/{namespace}/pong").ok
        time.sleep(0.2)
    assert answer.status_code == expected
    assert answer.ok or "Cyclic flow dependency detected" in answer.text


def test_trap__switching_off_and_on_changes_the_source(http: Http, namespace: str) -> None:
    """A line is appended without a newline, and stays; an existing one loses blanks after it."""
    source = log_flow(namespace, "switch")
    created(http, source)
    created(http, log_flow(namespace, "line", extra="disabled: false\n\n\n"))
    ids = [{"id": name, "namespace": namespace} for name in ("switch", "line")]
    assert http.post("/flows/disable/by-ids", json=ids).status_code == 200
    off = stored(http, namespace, "switch")
    assert off["source"] == source + "\ndisabled: true"
    assert (off["disabled"], off["revision"]) == (True, 2)
    expected = log_flow(namespace, "line", extra="disabled: true\n")
    assert stored(http, namespace, "line")["source"] == expected
    http.post("/flows/enable/by-ids", json=ids)
    on = stored(http, namespace, "switch")
    assert on["disabled"] is False
    assert "disabled: false" in on["source"]


def test_trap__parallel_updates_are_not_serialised(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "race"))

    def put(number: int) -> int:
        with Http(http.server) as session:
            source = log_flow(namespace, "race", f"writer {number}").encode()
            return int(
                session.put(f"/flows/{namespace}/race", data=source, headers=YAML).status_code
            )

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(put, range(8)))
    # Some may be 500, several may have got the same revision, without any error.
    assert set(statuses) <= {200, 409, 500}
    assert 200 in statuses
    assert stored(http, namespace, "race")["revision"] <= 9


def test_id__limits_of_the_server(http: Http, namespace: str) -> None:
    statuses = {
        "b.C_d-e": Statuses(200, 200),
        "a" * 100: Statuses(200, 200),
        "a" * 101: Statuses(422, 422),
        "-a": Statuses(422, 422),
        "a/b": Statuses(422, 422),
        "search": Statuses(422, 200),
    }
    for flow_id, status in statuses.items():
        answer = create(http, log_flow(namespace, flow_id))
        assert answer.status_code == status.of(http), flow_id
    assert stored(http, namespace, "b.C_d-e")["id"] == "b.C_d-e"
    assert create(http, log_flow((f"{namespace}." + "a" * 150)[:150], "ok")).status_code == 200
    assert create(http, log_flow((f"{namespace}." + "a" * 150)[:151], "no")).status_code == 422
    assert create(http, log_flow("Kstest.upper", "no")).status_code == 422


def test_flow__revision_property_is_only_stored(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "line", extra="revision: 7\n")
    assert created(http, source)["revision"] == 1
    assert stored(http, namespace, "line")["source"] == source


def test_read_only_is_a_system_label_that_flows_may_set(http: Http, namespace: str) -> None:
    label = 'labels:\n  system.readOnly: "true"\n'
    created(http, log_flow(namespace, "ours", extra=label))
    other = 'labels:\n  system.other: "true"\n'
    assert create(http, log_flow(namespace, "theirs", extra=other)).status_code == 422
