from __future__ import annotations

import logging
import threading
from email.message import Message
from email.parser import BytesParser

import pytest

from kestra_sync.client import errors
from kestra_sync.client.bulk import FlowSummary, scope_filters
from kestra_sync.client.client import KestraClient
from kestra_sync.client.validation import BATCH_BYTES, Validation, batches, split_constraints
from kestra_sync.model import FlowId, Live, Scope

from .conftest import ClientFactory, zipped
from .scripted import Reply, ScriptedServer, Seen, as_json

BASE = "/api/v1/main/flows"
FLOW = FlowId("a.b", "c")
EXPORT, SEARCH, VALIDATE = f"{BASE}/export/by-query", f"{BASE}/search", f"{BASE}/validate"
COLLISION = as_json({"message": "Internal server error: duplicate entry: a-b-c.yml"}, 500)


def flow(source: str | None = "x: ä", revision: object = 1, **more: object) -> dict[str, object]:
    return {"namespace": "a.b", "id": "c", "revision": revision, "source": source, **more}


def test_create(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("POST", BASE, as_json(flow()))
    assert client.flows.create("x: ä") == Live(FLOW, "x: ä".encode(), 1)
    seen = scripted.seen[0]
    assert seen.body == "x: ä".encode()
    assert seen.headers["Content-Type"] == "application/x-yaml"


@pytest.mark.parametrize(("status", "message"), [(422, "Flow id already exists"), (409, "")])
def test_create__existing_flow_has_the_status_of_the_version(
    scripted: ScriptedServer, client: KestraClient, status: int, message: str
) -> None:
    scripted.on("POST", BASE, as_json({"message": message}, status))
    with pytest.raises(errors.AlreadyExists) as caught:
        client.flows.create(b"x")
    assert caught.value.status == status
    assert not caught.value.may_have_written


def test_an_answer_that_is_not_a_flow(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("POST", BASE, as_json({"id": 1}))
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        client.flows.create(b"x")
    assert caught.value.may_have_written
    scripted.on("GET", f"{BASE}/a.b/c", as_json(flow(source=None)))
    with pytest.raises(errors.UnexpectedAnswer, match=r"no source for a\.b/c"):
        client.flows.get(FLOW)


@pytest.mark.parametrize("other", [{"namespace": "a.x"}, {"id": "d"}, {"namespace": "a\nb"}])
def test_response__of_another_flow_is_rejected(
    other: dict[str, str], scripted: ScriptedServer, client: KestraClient
) -> None:
    """It says nothing about the one that was asked for, least of all that it is gone."""
    scripted.on("GET", f"{BASE}/a.b/c", as_json({**flow(), **other}))
    with pytest.raises(errors.UnexpectedAnswer, match="another flow"):
        client.flows.get(FLOW)


def test_update(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", f"{BASE}/a.b/c", as_json(flow()))
    scripted.on("PUT", f"{BASE}/a.b/c", as_json(flow(source=None, revision=True)), Reply(404))
    assert client.flows.update(FLOW, b"x") == Live(FLOW, b"x", None)
    with pytest.raises(errors.NotFound):
        client.flows.update(FLOW, b"x")


def test_delete(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("DELETE", f"{BASE}/a.b/c", Reply(204), Reply(404))
    client.flows.delete(FLOW)
    with pytest.raises(errors.NotFound):
        client.flows.delete(FLOW)


def test_get(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", f"{BASE}/a.b/c", as_json(flow()))
    assert client.flows.get(FLOW).revision == 1
    client.flows.get(FLOW, revision=3, allow_deleted=True)
    assert scripted.seen[0].params == {"source": "true"}
    assert scripted.seen[1].params == {"source": "true", "revision": "3", "allowDeleted": "true"}


def test_path_and_tenant_are_encoded(scripted: ScriptedServer, make_client: ClientFactory) -> None:
    client = make_client(tenant="t/1")
    with pytest.raises(errors.NotFound):
        client.flows.get(FlowId("a b", "c/d"))
    assert scripted.seen[0].path == "/api/v1/t%2F1/flows/a%20b/c%2Fd"


def test_revisions(scripted: ScriptedServer, client: KestraClient) -> None:
    path = f"{BASE}/a.b/c/revisions"
    scripted.on("GET", path, as_json([flow(revision=3), flow(revision=1)]))
    assert [live.revision for live in client.flows.revisions(FLOW)] == [1, 3]


def test_namespaces_and_dependencies(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", f"{BASE}/distinct-namespaces", as_json(["b", "a", "b", None]))
    assert client.flows.namespaces() == ("a", "b")
    scripted.on("GET", f"{BASE}/a.b/c/dependencies", as_json({"nodes": []}))
    assert client.flows.dependencies(FLOW) == {"nodes": []}


# Search


def found(*names: str, total: int | None = None) -> Reply:
    results = [
        {"namespace": namespace, "id": name, "revision": 1}
        for namespace, _, name in (text.partition("/") for text in names)
    ]
    return as_json({"results": results, "total": total} if total else {"results": results})


def test_search__pages_and_filters_again(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", SEARCH, found("a/1", "a2/2", total=3), found("a.b/3", total=3))
    results = client.flows.search(Scope(("a",)), page_size=2)
    assert [str(item.flow_id) for item in results] == ["a/1", "a.b/3"]
    assert [seen.params["page"] for seen in scripted.seen] == ["1", "2"]
    assert scripted.seen[0].params["filters[namespace][PREFIX]"] == "a"
    assert scripted.seen[0].params["size"] == "2"


def test_search__without_total_ends_at_an_empty_page(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", SEARCH, found("a/1"), found("a/2"), found())
    assert len(client.flows.search(page_size=1)) == 2


def test_search_of_a_server_that_repeats_itself(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", SEARCH, found("a/1", total=5))
    with pytest.raises(errors.UnexpectedAnswer, match="page 2 identical"):
        client.flows.search(page_size=1)


def test_search_fields(scripted: ScriptedServer, client: KestraClient) -> None:
    item = flow(disabled=True, deleted=True, revision=None)
    scripted.on("GET", SEARCH, as_json({"results": [item], "total": 1}))
    assert client.flows.search() == (FlowSummary(FLOW, None, disabled=True, deleted=True),)


@pytest.mark.parametrize("data", [{}, {"results": [1]}, {"results": [{"id": "x"}]}])
def test_search__malformed_response_is_rejected(
    scripted: ScriptedServer, client: KestraClient, data: object
) -> None:
    scripted.on("GET", SEARCH, as_json(data))
    with pytest.raises(errors.UnexpectedAnswer):
        client.flows.search()


def test_an_empty_scope_asks_nothing(scripted: ScriptedServer, client: KestraClient) -> None:
    assert client.flows.search(Scope(())) == ()
    assert client.flows.export(Scope(())) == ()
    assert client.flows.export_by_ids([]) == ()
    assert client.flows.validate([]) == ()
    assert scripted.seen == []


# Export


def test_export(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", EXPORT, Reply(200, zipped(b"one", b"two")), Reply(200, zipped()))
    assert client.flows.export(Scope(("a", "b"))) == (b"one", b"two")
    assert scripted.seen[0].params == {"filters[namespace][REGEX]": r"^(a|b)($|\.)"}
    assert client.flows.export() == ()
    assert scripted.seen[1].query == ()
    scripted.on("GET", EXPORT, Reply(200))
    with pytest.raises(errors.UnexpectedAnswer, match="not a valid zip"):
        client.flows.export()


def test_export_that_is_html(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", EXPORT, Reply(200, b"<html><title>Log in</title>"))
    with pytest.raises(errors.UnexpectedAnswer, match="Log in"):
        client.flows.export()


def test_export_by_ids(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("POST", f"{BASE}/export/by-ids", Reply(503), Reply(200, zipped(b"one")))
    assert client.flows.export_by_ids([FLOW]) == (b"one",)
    assert scripted.seen[0].body == b'[{"id": "c", "namespace": "a.b"}]'


def test_other_failures_of_the_export_are_failures(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", EXPORT, as_json({"message": "out of memory"}, 500))
    with pytest.raises(errors.ServerFailure, match="out of memory"):
        client.flows.export()


def test_export__falls_back_to_namespaces_and_flows(
    scripted: ScriptedServer, client: KestraClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kestra_sync.client")

    def export(seen: Seen) -> Reply:
        namespace = seen.params.get("filters[namespace][EQUALS]")
        return Reply(200, zipped(b"one")) if namespace == "a" else COLLISION

    scripted.on("GET", EXPORT, export)
    scripted.on("GET", f"{BASE}/distinct-namespaces", as_json(["a", "a.b", "a2"]))
    scripted.on("GET", SEARCH, found("a.b/c", "a.b/gone", total=2))
    scripted.on("GET", f"{BASE}/a.b/c", as_json(flow("two")))
    assert client.flows.export(Scope(("a",))) == (b"one", b"two")
    assert "2 namespaces one by one" in caplog.text
    assert "the export of a.b failed as well" in caplog.text


def test_fallback__failed_request_is_not_retried(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    """Not the export of everything, which fails; those of the namespaces still are."""
    scripted.on("GET", EXPORT, COLLISION, Reply(200, zipped(b"one")))
    scripted.on("GET", f"{BASE}/distinct-namespaces", as_json(["a"]))
    for _ in range(2):
        assert client.flows.export(Scope(("a",))) == (b"one",)
    assert client.flows.export(Scope(("a",), exact=True)) == (b"one",)
    assert [seen.path for seen in scripted.seen].count(f"{BASE}/distinct-namespaces") == 2
    assert len(scripted.seen) == 1 + 2 * 2 + 1


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_an_export(
    scripted: ScriptedServer,
    client: KestraClient,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    """Nor with a list of namespaces: the search tells both."""
    caplog.set_level(logging.INFO, "kestra_sync.client")
    scripted.on("GET", EXPORT, Reply(status))
    scripted.on("GET", f"{BASE}/distinct-namespaces", Reply(status))
    scripted.on("GET", SEARCH, found("a.b/c", total=1))
    scripted.on("GET", f"{BASE}/a.b/c", as_json(flow("two")))
    assert client.flows.export(Scope(("a",))) == (b"two",)
    assert client.flows.export(Scope(("a",))) == (b"two",)
    assert [seen.path for seen in scripted.seen].count(EXPORT) == 1
    assert f"the server does not support it ({status})" in caplog.text
    assert "does not list namespaces" in caplog.text


def test_no_list_of_namespaces_for_another_reason(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", f"{BASE}/distinct-namespaces", Reply(403))
    with pytest.raises(errors.Forbidden):
        client.flows.namespaces()


@pytest.mark.parametrize("slow", [Reply(stall=True), Reply(504)], ids=["no answer", "gateway"])
def test_an_export_that_takes_too_long(
    scripted: ScriptedServer, make_client: ClientFactory, slow: Reply
) -> None:
    """It is requested once: after such a wait it is not tried again."""
    scripted.on("GET", EXPORT, slow, Reply(200, zipped(b"one")))
    scripted.on("GET", f"{BASE}/distinct-namespaces", as_json(["a"]))
    client = make_client(timeout=(10, 1))
    assert client.flows.export(Scope(("a",))) == (b"one",)
    assert [seen.path for seen in scripted.seen].count(EXPORT) == 2
    scripted.over.set()


def test_export__several_filters_are_requested_at_once(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    """In the order of the namespaces, whatever comes first."""
    scope = Scope(tuple(f"namespace_{'x' * 60}_{number}" for number in range(9)), exact=True)
    filters = scope_filters(scope)
    assert len(filters) > 1
    together = threading.Barrier(len(filters))

    def export(seen: Seen) -> Reply:
        together.wait(10)
        return Reply(200, zipped(str(filters.index(seen.query)).encode()))

    scripted.on("GET", EXPORT, export)
    assert client.flows.export(scope) == tuple(str(n).encode() for n in range(len(filters)))


def test_an_export_from_a_server_that_is_not_there(make_client: ClientFactory) -> None:
    client = make_client("http://127.0.0.1:1")
    with pytest.raises(errors.Unreachable):
        client.flows.export(Scope(("a",)))


def test_a_filter_that_the_server_does_not_know(
    scripted: ScriptedServer, client: KestraClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole tenant holds what we look for; we filter again in any case."""
    caplog.set_level(logging.INFO, "kestra_sync.client")

    def search(seen: Seen) -> Reply:
        if any(name.startswith("filters") for name in seen.params):
            return as_json({"message": "unknown filter"}, 400)
        answer = found("a.b/c", "z/c", total=2)
        return answer(seen) if callable(answer) else answer

    scripted.on("GET", SEARCH, search)
    for _ in range(2):
        assert [each.flow_id for each in client.flows.search(Scope(("a",)))] == [FLOW]
    assert len(scripted.seen) == 3
    assert "does not support the filter" in caplog.text


def test_other_refusals_are_refusals(scripted: ScriptedServer, client: KestraClient) -> None:
    """What is refused without a filter as well has another reason."""
    scripted.on("GET", SEARCH, as_json({"message": "Tenant must be 'main' for OSS version"}, 400))
    with pytest.raises(errors.ApiError, match="Tenant must be"):
        client.flows.search(Scope(("a",)))


def test_a_large_export_goes_to_a_file(
    scripted: ScriptedServer, client: KestraClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kestra_sync.client.response.SPOOL", 100)
    sources = tuple(bytes([number]) * 1000 for number in range(50))
    scripted.on("GET", EXPORT, Reply(200, zipped(*sources)), Reply(200, b"<html>" + bytes(200)))
    assert client.flows.export() == sources
    with pytest.raises(errors.UnexpectedAnswer, match="HTML"):
        client.flows.export()


# Validation


def parts(seen: Seen) -> list[tuple[str, bytes]]:
    """File name and content of the parts of a form."""
    head = f"Content-Type: {seen.headers['Content-Type']}\r\n\r\n".encode()
    payload = BytesParser().parsebytes(head + seen.body).get_payload()
    found = [part for part in payload if isinstance(part, Message)]
    return [(str(part.get_filename()), bytes(part.get_payload(decode=True))) for part in found]


def verdict(number: str, name: str | None) -> dict[str, object]:
    answer: dict[str, object] = {"index": 0, "namespace": "n", "flow": f"f{number}"}
    if int(number) % 2:
        answer["constraints"] = f"bad {number}\n"
    if name is not None:
        answer["filename"] = name
    return answer


def backwards(seen: Seen) -> Reply:
    """A server that answers in the opposite order."""
    return as_json([verdict(data.decode(), name) for name, data in reversed(parts(seen))])


def one(seen: Seen) -> Reply:
    """A server that takes one flow at a time."""
    if "multipart" in seen.headers["Content-Type"]:
        return Reply(415)
    return as_json([verdict(seen.body.decode(), None)])


@pytest.mark.parametrize("handler", [backwards, one])
def test_validations_are_in_order(
    scripted: ScriptedServer, client: KestraClient, handler: object
) -> None:
    scripted.on("POST", VALIDATE, handler)  # type: ignore[arg-type]
    results = client.flows.validate([str(number).encode() for number in range(250)])
    assert [result.index for result in results] == list(range(250))
    for number, result in enumerate(results):
        assert result.flow_id == FlowId("n", f"f{number}")
        assert result.valid is (number % 2 == 0)
    if handler is backwards:
        assert sorted(len(parts(seen)) for seen in scripted.seen) == [61, 63, 63, 63]


def test_batches_go_in_parallel(scripted: ScriptedServer, client: KestraClient) -> None:
    together = threading.Barrier(4, timeout=5)

    def handler(seen: Seen) -> Reply:
        together.wait()
        return backwards(seen)

    scripted.on("POST", VALIDATE, handler)
    assert len(client.flows.validate([b"2"] * 400)) == 400


def test_a_server_that_refuses_forms_is_remembered(
    scripted: ScriptedServer, client: KestraClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kestra_sync.client")
    scripted.on("POST", VALIDATE, one)
    client.flows.validate([b"1", b"2"])
    client.flows.validate([b"3"])
    assert len(scripted.seen) == 4
    assert "one by one" in caplog.text


def by_number(seen: Seen) -> Reply:
    names = parts(seen)
    return as_json([{"index": at, "flow": f"f{at}", "namespace": "n"} for at in range(len(names))])


def test_answers_without_file_names(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("POST", VALIDATE, by_number)
    results = client.flows.validate([b"a", b"b"])
    assert [str(result.flow_id) for result in results] == ["n/f0", "n/f1"]


@pytest.mark.parametrize(
    "answers",
    [
        [],
        ["?"],
        [{"index": 0}, {"index": 0}],
        [{"index": 0}, {"index": 7}],
        [{"index": 0}],
        [{"filename": "0.yaml"}, {"filename": "9.yaml"}],
    ],
)
def test_response__of_the_wrong_shape_is_rejected(
    scripted: ScriptedServer, client: KestraClient, answers: list[object]
) -> None:
    scripted.on("POST", VALIDATE, as_json(answers), as_json([{"flow": "x", "namespace": "n"}]))
    assert all(result.valid for result in client.flows.validate([b"a", b"b"]))
    assert len(scripted.asked("POST", VALIDATE)) == 3


def test_old_server__mistakes_the_form_for_a_flow(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", "/api/v1/configs", as_json({"version": "1.1.0"}))
    nonsense = as_json([{"index": 0, "constraints": "what is --kestra-sync?"}])
    scripted.on("POST", VALIDATE, nonsense, as_json([{"index": 0}]))
    assert client.flows.validate([b"a"])[0].valid


def test_an_old_server_that_fails(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", "/api/v1/configs", as_json({"version": "1.1.0"}))
    scripted.on("POST", VALIDATE, Reply(500), as_json([{"index": 0}]))
    client.flows.validate([b"a", b"b"])
    client.flows.validate([b"c"])
    assert len(scripted.asked("POST", VALIDATE)) == 4


def test_one_batch_that_fails_is_not_remembered(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("POST", VALIDATE, Reply(500), as_json([{"index": 0}]), backwards)
    client.flows.validate([b"a"])
    assert client.flows.validate([b"2"])[0].valid
    assert "multipart" in scripted.seen[-1].headers["Content-Type"]


def test_a_flow_that_is_too_large_is_named(scripted: ScriptedServer, client: KestraClient) -> None:
    def limited(seen: Seen) -> Reply:
        return Reply(413) if len(seen.body) > 100 else as_json([{"index": 0}])

    scripted.on("POST", VALIDATE, limited)
    fine, large, other = client.flows.validate([b"a" * 50, b"b" * 200, b"c" * 50])
    assert (fine.valid, other.valid) == (True, True)
    (message,) = large.constraints
    assert message.startswith("200 bytes are too large for the server: reduce the size")


@pytest.mark.parametrize("status", [401, 403, 503])
def test_failures_are_failures(scripted: ScriptedServer, client: KestraClient, status: int) -> None:
    scripted.on("POST", VALIDATE, Reply(status))
    with pytest.raises(errors.ApiError):
        client.flows.validate([b"a"])


def test_validate__one_request_per_flow_on_old_servers(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    empty = {"index": 1, "constraints": "No content to map due to end-of-input"}
    scripted.on("POST", VALIDATE, Reply(415), as_json([empty, {"constraints": "really"}]))
    assert client.flows.validate([b"a"])[0].constraints == ("really",)
    scripted.on("POST", VALIDATE, as_json([{"flow": "f", "namespace": "n"}, empty]))
    assert client.flows.validate([b"a"])[0].valid
    scripted.on("POST", VALIDATE, as_json([empty]))
    assert not client.flows.validate([b"a"])[0].valid
    scripted.on("POST", VALIDATE, as_json({"message": "no body"}, 422))
    assert client.flows.validate([b""])[0].constraints == ("no body",)
    scripted.on("POST", VALIDATE, as_json([]))
    with pytest.raises(errors.UnexpectedAnswer):
        client.flows.validate([b"a"])


def test_fields_of_a_validation(scripted: ScriptedServer, client: KestraClient) -> None:
    full = {
        "filename": "0.yaml",
        "outdated": True,
        "warnings": ["w"],
        "infos": ["i"],
        "deprecationPaths": ["d", 1],
        "constraints": "",
    }
    scripted.on("POST", VALIDATE, as_json([full]))
    (result,) = client.flows.validate([b"a"])
    assert (result.warnings, result.infos, result.deprecations) == (("w",), ("i",), ("d",))
    assert result.outdated
    assert not result.valid
    assert Validation(0).valid


def test_constraints_one_per_line() -> None:
    raw = "tasks: must not be empty\n\nid: bad\n at [Source: x]\n  more\n"
    assert split_constraints(raw) == (
        "tasks: must not be empty",
        "id: bad\n at [Source: x]\n  more",
    )
    assert split_constraints("") == ()
    assert split_constraints(" indented") == (" indented",)


def test_batches_by_size() -> None:
    big = bytes(BATCH_BYTES)
    cut = batches([(0, b"a"), (1, big), (2, big + big), (3, b"b")])
    assert [[index for index, _ in batch] for batch in cut] == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (10, [10]),
        (11, [1, 10]),
        (25, [5, 10, 10]),
        (100, [25] * 4),
        (400, [100] * 4),
        (450, [50, *[100] * 4]),
    ],
)
def test_validate__few_flows_are_spread_over_requests(
    scripted: ScriptedServer, client: KestraClient, count: int, sizes: list[int]
) -> None:
    scripted.on("POST", VALIDATE, backwards)
    client.flows.validate([b"2"] * count)
    assert sorted(len(parts(seen)) for seen in scripted.seen) == sizes


@pytest.mark.parametrize("data", [None, [], {"id": "c"}])
def test_what_is_not_a_flow(scripted: ScriptedServer, client: KestraClient, data: object) -> None:
    scripted.on("GET", f"{BASE}/a.b/c/revisions", as_json([data]))
    with pytest.raises(errors.UnexpectedAnswer, match="not a flow"):
        client.flows.revisions(FLOW)
