"""Many flows at once: search, filters, export."""

from __future__ import annotations

import pytest

from tests.e2e.contract.calls import Statuses, created, export, found, unzipped
from tests.support.server import Http
from tests.support.sources import log_flow

pytestmark = pytest.mark.versions


def test_search__comes_in_pages(http: Http, namespace: str) -> None:
    """With revisions and without sources; deleted flows are in neither list nor export."""
    for number in range(6):
        created(http, log_flow(namespace, f"f{number}"))
    http.delete(f"/flows/{namespace}/f5")
    query = {"filters[namespace][PREFIX]": namespace, "size": "2", "sort": "id:asc"}
    pages = [http.get("/flows/search", params={**query, "page": n}).json() for n in (1, 2, 3, 4)]
    ids = [[it["id"] for it in page["results"]] for page in pages]
    assert ids == [["f0", "f1"], ["f2", "f3"], ["f4"], []]
    # Past the end the total may be 0: only a page with results tells it.
    assert [page["total"] for page in pages[:3]] == [5, 5, 5]
    results = [it for page in pages for it in page["results"]]
    assert [(it["revision"], it.get("source") or None) for it in results] == [(1, None)] * 5
    assert len(export(http, PREFIX=namespace)) == 5


def test_filters_of_namespaces(http: Http, namespace: str) -> None:
    """Flows in ``team``, below it, and in namespaces whose names only begin the same."""
    family = f"{namespace}.team"
    for name in ("", ".child", "2", "-x"):
        created(http, log_flow(f"{family}{name}", "f"))
    assert found(http, PREFIX=family) == [f"{family}.child/f", f"{family}/f"]
    # Trap: this is a prefix of the text.
    assert len(found(http, STARTS_WITH=family)) == 4
    assert found(http, EQUALS=family) == [f"{family}/f"]
    assert found(http, IN=f"{family},{family}2") == [f"{family}/f", f"{family}2/f"]
    # Trap: two prefixes are ANDed.
    both = [f"{family}2", f"{family}-x"]
    assert found(http, PREFIX=both) == []
    assert export(http, PREFIX=both) == {}
    # One regular expression takes several; the second one only on 1.x.
    escaped = family.replace(".", r"\.")
    for end, status in ((r"($|\.)", Statuses(200, 200)), (r"(\..*)?$", Statuses(200, 400))):
        pattern = rf"^({escaped}|{escaped}2){end}"
        answer = http.get("/flows/search", params={"filters[namespace][REGEX]": pattern})
        assert answer.status_code == status.of(http)
        if answer.ok:
            expected = [f"{family}.child/f", f"{family}/f", f"{family}2/f"]
            assert found(http, REGEX=pattern) == expected
            assert len(export(http, REGEX=pattern)) == 3
    # Trap: 2.0 ignores the old parameter.
    answer = http.get("/flows/search", params={"namespace": f"{family}2", "size": "1000"})
    namespaces = {it["namespace"] for it in answer.json()["results"]}
    if http.server.release < (2, 0):
        assert namespaces == {f"{family}2"}
    else:
        assert namespaces > {f"{family}2"}


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
