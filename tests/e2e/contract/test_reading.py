"""Many flows at once: search, filters, export."""

from __future__ import annotations

import pytest

from tests.e2e.contract.calls import Statuses, created, export, found, unzipped
from tests.support.server import Http
from tests.support.sources import log_flow

pytestmark = pytest.mark.versions


def test_search__has_revisions_and_no_sources(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "a"))
    query = {"filters[namespace][PREFIX]": namespace, "size": "10", "page": "1"}
    answer = http.get("/flows/search", params=query).json()
    assert answer["total"] == 1
    (result,) = answer["results"]
    assert (result["id"], result["revision"]) == ("a", 1)
    assert not result.get("source")


def test_search__comes_in_pages(http: Http, namespace: str) -> None:
    for number in range(5):
        created(http, log_flow(namespace, f"f{number}"))
    query = {"filters[namespace][PREFIX]": namespace, "size": "2", "sort": "id:asc"}
    pages = [http.get("/flows/search", params={**query, "page": n}).json() for n in (1, 2, 3, 4)]
    ids = [[it["id"] for it in page["results"]] for page in pages]
    assert ids == [["f0", "f1"], ["f2", "f3"], ["f4"], []]
    # Past the end the total may be 0: only a page with results tells it.
    assert [page["total"] for page in pages[:3]] == [5, 5, 5]


def test_a_deleted_flow_is_not_found(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "gone"))
    http.delete(f"/flows/{namespace}/gone")
    assert found(http, PREFIX=namespace) == []
    assert export(http, PREFIX=namespace) == {}


@pytest.fixture
def family(http: Http, namespace: str) -> str:
    """Flows in ``team``, below it, and in namespaces whose names only begin the same."""
    for name in ("team", "team.child", "team2", "team-x"):
        created(http, log_flow(f"{namespace}.{name}", "f"))
    return f"{namespace}.team"


def test_prefix_knows_the_dots(http: Http, family: str) -> None:
    assert found(http, PREFIX=family) == [f"{family}.child/f", f"{family}/f"]


def test_trap__starts_with_is_a_prefix_of_the_text(http: Http, family: str) -> None:
    assert len(found(http, STARTS_WITH=family)) == 4


def test_equals_and_in_are_exact(http: Http, family: str) -> None:
    assert found(http, EQUALS=family) == [f"{family}/f"]
    assert found(http, IN=f"{family},{family}2") == [f"{family}/f", f"{family}2/f"]


def test_trap__two_prefixes_are_anded(http: Http, family: str) -> None:
    both = [f"{family}2", f"{family}-x"]
    assert found(http, PREFIX=both) == []
    assert export(http, PREFIX=both) == {}


@pytest.mark.parametrize(
    ("end", "status"),
    [(r"($|\.)", Statuses(200, 200)), (r"(\..*)?$", Statuses(200, 400))],
    ids=["of both versions", "of 1.x only"],
)
def test_one_regex_takes_several_namespaces(
    http: Http, family: str, end: str, status: Statuses
) -> None:
    escaped = family.replace(".", r"\.")
    pattern = rf"^({escaped}|{escaped}2){end}"
    answer = http.get("/flows/search", params={"filters[namespace][REGEX]": pattern})
    assert answer.status_code == status.of(http)
    if answer.ok:
        expected = [f"{family}.child/f", f"{family}/f", f"{family}2/f"]
        assert found(http, REGEX=pattern) == expected
        assert len(export(http, REGEX=pattern)) == 3


def test_trap__the_old_namespace_parameter_is_ignored_since_2_0(http: Http, family: str) -> None:
    answer = http.get("/flows/search", params={"namespace": f"{family}2", "size": "1000"})
    namespaces = {it["namespace"] for it in answer.json()["results"]}
    if http.server.release < (2, 0):
        assert namespaces == {f"{family}2"}
    else:
        assert namespaces > {f"{family}2"}


def test_an_unknown_filter_is_refused(http: Http) -> None:
    assert http.get("/flows/search", params={"filters[nope][EQUALS]": "x"}).status_code >= 400


def test_export__keeps_sources_byte_for_byte(http: Http, namespace: str) -> None:
    sources = {
        "a": log_flow(namespace, "a", "'äöü 😀'") + "\n\n# end",
        "b": log_flow(namespace, "b").replace("\n", "\r\n"),
    }
    for source in sources.values():
        created(http, source)
    assert export(http, PREFIX=namespace) == {
        f"{namespace}-{name}.yml": source.encode() for name, source in sources.items()
    }


def test_trap__export_fails_when_two_names_are_equal(http: Http, namespace: str) -> None:
    created(http, log_flow(f"{namespace}.team", "a-b"))
    created(http, log_flow(f"{namespace}.team-a", "b"))
    answer = http.get("/flows/export/by-query", params={"filters[namespace][PREFIX]": namespace})
    assert answer.status_code == 500
    if http.server.release < (2, 0):
        assert f"duplicate entry: {namespace}.team-a-b.yml" in answer.text
    # One namespace at a time still works, and so does the archive of a namespace's files.
    assert len(export(http, EQUALS=f"{namespace}.team")) == 1
    files = http.get(f"/namespaces/{namespace}.team/files/export")
    assert unzipped(files.content) == {
        "_flows/a-b.yml": log_flow(f"{namespace}.team", "a-b").encode()
    }


def test_export__by_ids_is_all_or_nothing(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "a")
    created(http, source)
    known = {"id": "a", "namespace": namespace}
    answer = http.post("/flows/export/by-ids", json=[known])
    assert unzipped(answer.content) == {f"{namespace}.a.yaml": source.encode()}
    absent = {"id": "absent", "namespace": namespace}
    assert http.post("/flows/export/by-ids", json=[known, absent]).status_code == 404


def test_namespaces_with_flows_are_listed(http: Http, namespace: str) -> None:
    created(http, log_flow(f"{namespace}.listed", "a"))
    answer = http.get("/flows/distinct-namespaces")
    assert f"{namespace}.listed" in answer.json()


def test_the_flow_schema_is_draft_7_with_definitions(http: Http) -> None:
    answer = http.get("/api/v1/plugins/schemas/flow")
    assert answer.status_code == 200
    schema = answer.json()
    assert "draft-07" in schema["$schema"]
    assert "io.kestra.plugin.core.log.Log" in schema["definitions"]
