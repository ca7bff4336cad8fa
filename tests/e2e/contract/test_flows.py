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


def test_create__answers_revision_1_and_the_source(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "new")
    answer = created(http, source)
    assert answer["revision"] == 1
    assert answer["source"] == source


@pytest.mark.parametrize(
    "shape",
    ["{}\n\n", "# first\n{}# last", "\ufeff{}", "---\n{}", "{}...\n"],
    ids=["blank lines", "comments", "BOM", "document start", "document end"],
)
def test_the_source_is_kept_byte_for_byte(http: Http, namespace: str, shape: str) -> None:
    source = shape.format(log_flow(namespace, "bytes", "'äöü 😀'")).encode()
    created(http, source)
    assert stored(http, namespace, "bytes")["source"].encode() == source


def test_crlf_is_kept(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "crlf").replace("\n", "\r\n")
    created(http, source)
    assert stored(http, namespace, "crlf")["source"] == source


def test_create_of_an_existing_flow_is_refused(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "twice"))
    answer = create(http, log_flow(namespace, "twice", "other"))
    assert answer.status_code == Statuses(422, 409).of(http)
    assert "already exists" in answer.text
    assert stored(http, namespace, "twice")["revision"] == 1


def test_update__answers_the_next_revision(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "edited"))
    source = log_flow(namespace, "edited", "changed")
    answer = updated(http, namespace, "edited", source)
    assert (answer["revision"], answer["source"]) == (2, source)


def test_update_with_the_same_source_makes_no_revision(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "same")
    created(http, source)
    assert updated(http, namespace, "same", source)["revision"] == 1
    assert stored(http, namespace, "same")["revision"] == 1


def test_trap__one_more_newline_makes_a_revision(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "newline")
    created(http, source)
    assert updated(http, namespace, "newline", source + "\n")["revision"] == 2


def test_update_of_an_absent_flow_is_404(http: Http, namespace: str) -> None:
    assert update(http, namespace, "absent", log_flow(namespace, "absent")).status_code == 404


def test_update__cannot_change_id_or_namespace(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "fixed"))
    assert update(http, namespace, "fixed", log_flow(namespace, "moved")).status_code == 422
    assert update(http, namespace, "fixed", log_flow(f"{namespace}.x", "fixed")).status_code == 422


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


@pytest.mark.parametrize(
    "tasks",
    ["  []\n", task("io.kestra.plugin.core.log.Nope"), task(LOG, task_id="not an id", message="x")],
    ids=["no tasks", "unknown type", "bad task id"],
)
def test_update__invalid_flow_is_422(http: Http, namespace: str, tasks: str) -> None:
    created(http, log_flow(namespace, "checked"))
    assert update(http, namespace, "checked", flow(namespace, "checked", tasks)).status_code == 422


def test_trap__create_with_two_documents_runs_the_first_and_stores_both(
    http: Http, namespace: str
) -> None:
    source = log_flow(namespace, "one") + "---\n" + log_flow(namespace, "two")
    answer = created(http, source)
    assert answer["id"] == "one"
    assert stored(http, namespace, "one")["source"] == source
    assert http.get(f"/flows/{namespace}/two").status_code == 404


def test_the_source_comes_only_when_asked_for(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "plain"))
    answer = http.get(f"/flows/{namespace}/plain").json()
    assert answer["revision"] == 1
    assert not answer.get("source")


def test_an_absent_flow_is_404(http: Http, namespace: str) -> None:
    assert http.get(f"/flows/{namespace}/absent").status_code == 404
    assert http.delete(f"/flows/{namespace}/absent").status_code == 404


def test_each_revision_can_be_read(http: Http, namespace: str) -> None:
    sources = [log_flow(namespace, "past", f"number {n}") for n in (1, 2, 3)]
    created(http, sources[0])
    for source in sources[1:]:
        updated(http, namespace, "past", source)
    assert stored(http, namespace, "past", revision=2)["source"] == sources[1]
    revisions = http.get(f"/flows/{namespace}/past/revisions").json()
    assert sorted((it["revision"], it["source"]) for it in revisions) == list(
        enumerate(sources, start=1)
    )
    assert http.get(f"/flows/{namespace}/past", params={"revision": 9}).status_code == 404


def test_delete__is_soft_and_revisions_continue(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "back")
    created(http, source)
    deleted = http.delete(f"/flows/{namespace}/back")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert http.get(f"/flows/{namespace}/back").status_code == 404
    ghost = stored(http, namespace, "back", allowDeleted="true")
    assert (ghost["deleted"], ghost["source"]) == (True, source)
    assert created(http, source)["revision"] == 3
    revisions = http.get(f"/flows/{namespace}/back/revisions").json()
    assert sorted(it["revision"] for it in revisions) == [1, 3]


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


def test_dependencies_name_the_called_flow(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "called"))
    created(http, subflow(namespace, "caller", "called"))
    answer = http.get(f"/flows/{namespace}/caller/dependencies")
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)


def test_switching_off_appends_a_line_without_a_newline(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "switch")
    created(http, source)
    ids = [{"id": "switch", "namespace": namespace}]
    assert http.post("/flows/disable/by-ids", json=ids).status_code == 200
    off = stored(http, namespace, "switch")
    assert off["disabled"] is True
    assert off["source"] == source + "\ndisabled: true"
    assert off["revision"] == 2


def test_trap__switching_on_again_leaves_a_line_behind(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "switch")
    created(http, source)
    ids = [{"id": "switch", "namespace": namespace}]
    http.post("/flows/disable/by-ids", json=ids)
    http.post("/flows/enable/by-ids", json=ids)
    on = stored(http, namespace, "switch")
    assert on["disabled"] is False
    assert on["source"] != source
    assert "disabled: false" in on["source"]


def test_trap__switching_off_rewrites_an_existing_line_and_eats_blanks(
    http: Http, namespace: str
) -> None:
    created(http, log_flow(namespace, "line", extra="disabled: false\n\n\n"))
    http.post("/flows/disable/by-ids", json=[{"id": "line", "namespace": namespace}])
    expected = log_flow(namespace, "line", extra="disabled: true\n")
    assert stored(http, namespace, "line")["source"] == expected


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


def test_ids_may_hold_dots_and_upper_case(http: Http, namespace: str) -> None:
    created(http, log_flow(f"{namespace}.a", "b.C_d-e"))
    assert stored(http, f"{namespace}.a", "b.C_d-e")["id"] == "b.C_d-e"


@pytest.mark.parametrize(
    ("flow_id", "status"),
    [
        ("a" * 100, Statuses(200, 200)),
        ("a" * 101, Statuses(422, 422)),
        ("-a", Statuses(422, 422)),
        ("a/b", Statuses(422, 422)),
        ("search", Statuses(422, 200)),
    ],
)
def test_id__limits_of_the_server(
    http: Http, namespace: str, flow_id: str, status: Statuses
) -> None:
    assert create(http, log_flow(namespace, flow_id)).status_code == status.of(http)


def test_limits_of_namespaces(http: Http, namespace: str) -> None:
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
