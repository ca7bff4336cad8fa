"""The files of a namespace."""

from __future__ import annotations

from typing import Any

from tests.e2e.contract.calls import created, stored, unzipped
from tests.support.server import Http
from tests.support.sources import log_flow


def _write(http: Http, namespace: str, path: str, content: bytes) -> None:
    answer = http.post(
        f"/namespaces/{namespace}/files",
        params={"path": path},
        files={"fileContent": (path.rpartition("/")[2], content)},
    )
    assert answer.status_code == 200, answer.text


def _list(http: Http, namespace: str, path: str) -> list[dict[str, Any]]:
    answer = http.get(f"/namespaces/{namespace}/files/directory", params={"path": path})
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()
    return entries


def test_write_read_list_delete(http: Http, namespace: str) -> None:
    files = f"/namespaces/{namespace}/files"
    content = bytes(range(256))
    _write(http, namespace, "/dir/a.bin", content)
    assert http.get(files, params={"path": "/dir/a.bin"}).content == content
    (directory,) = _list(http, namespace, "/")
    assert (directory["fileName"], directory["type"]) == ("dir", "Directory")
    (file,) = _list(http, namespace, "/dir")
    assert (file["fileName"], file["type"], file["size"]) == ("a.bin", "File", 256)
    assert http.delete(files, params={"path": "/dir/a.bin"}).status_code == 200
    assert http.get(files, params={"path": "/dir/a.bin"}).status_code == 404


def test_deleting_an_absent_file_is_200(http: Http, namespace: str) -> None:
    answer = http.delete(f"/namespaces/{namespace}/files", params={"path": "/absent"})
    assert answer.status_code == 200


def test_trap_a_file_below_flows_becomes_a_flow(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "smuggled")
    _write(http, namespace, "/_flows/smuggled.yml", source.encode())
    assert stored(http, namespace, "smuggled")["source"] == source


def test_the_export_has_files_and_flows(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "f")
    created(http, source)
    created(http, log_flow(f"{namespace}.child", "not.here"))
    _write(http, namespace, "/dir/a.txt", b"a")
    answer = http.get(f"/namespaces/{namespace}/files/export")
    assert answer.status_code == 200
    files = unzipped(answer.content)
    assert files["dir/a.txt"] == b"a"
    assert files["_flows/f.yml"] == source.encode()
    assert [name for name in files if name.startswith("_flows/") and name != "_flows/"] == [
        "_flows/f.yml"
    ]
