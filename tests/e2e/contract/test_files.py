"""The files of a namespace."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from tests.e2e.contract.calls import created, stored, unzipped
from tests.support.server import Http
from tests.support.sources import log_flow

pytestmark = pytest.mark.versions


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


def test_trap__a_file_below_flows_becomes_a_flow(http: Http, namespace: str) -> None:
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


def _delete(http: Http, namespace: str, path: str) -> int:
    answer = http.delete(f"/namespaces/{namespace}/files", params={"path": path})
    return int(answer.status_code)


def _all(http: Http, namespace: str) -> list[str]:
    """The paths of all files; an empty text finds none since 2.0."""
    answer = http.get(f"/namespaces/{namespace}/files/search", params={"q": "/"})
    assert answer.status_code == 200, answer.text
    return sorted(answer.json())


def test_trap__deleting_an_absent_file_deletes_its_only_neighbor(
    http: Http, namespace: str
) -> None:
    """It leaves two neighbors."""
    directory = namespace.replace(".", "-")  # of no other namespace: those count too
    two = [f"/{directory}/two/{name}" for name in ("a", "b")]
    for path in ("/kept.txt", f"/{directory}/sub/kept.txt", *two):
        _write(http, namespace, path, b"x")
    for folder in ("sub", "two"):
        assert _delete(http, namespace, f"/{directory}/{folder}/absent.txt") == 200
    assert _all(http, namespace) == ["/kept.txt", *two]


def test_trap__the_root_deletes_everything(http: Http, namespace: str) -> None:
    _write(http, namespace, "/a/b.txt", b"x")
    assert _delete(http, namespace, "/") == 200
    assert _all(http, namespace) == []


def test_trap__a_part_named_zip_is_unpacked_into_the_root(http: Http, namespace: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("inside/a.txt", "x")
    for name in ("some.zip", "content"):
        answer = http.post(
            f"/namespaces/{namespace}/files",
            params={"path": "/elsewhere/some.zip"},
            files={"fileContent": (name, content.getvalue())},
        )
        assert answer.status_code == 200
    assert _all(http, namespace) == ["/elsewhere/some.zip", "/inside/a.txt"]


def test_trap__a_space_is_a_plus_sign_before_2_0(http: Http, namespace: str) -> None:
    """Other names are kept."""
    names = ("ä.txt", "日本.txt", ".dot", "A-b_c=d;e&f'g.txt", "x+y")
    for name in (*names, "a b.txt"):
        _write(http, namespace, f"/{name}", b"x")
    stored_as = "a+b.txt" if http.server.release < (2, 0) else "a b.txt"
    assert _all(http, namespace) == sorted(f"/{name}" for name in (*names, stored_as))
    for name in names:
        answer = http.get(f"/namespaces/{namespace}/files", params={"path": f"/{name}"})
        assert answer.content == b"x"


def test_path__out_of_the_repository_is_refused(http: Http, namespace: str) -> None:
    """So is a part of another name, or without a file name."""
    url = f"/namespaces/{namespace}/files"
    for path in ("/../a", "/a/../../b"):
        answer = http.post(url, params={"path": path}, files={"fileContent": ("content", b"x")})
        assert answer.status_code == 422
    no_file: Any = {"fileContent": (None, b"x")}
    assert http.post(url, params={"path": "/a"}, files=no_file).status_code == 422
    other = {"other": ("content", b"x")}
    assert http.post(url, params={"path": "/a"}, files=other).status_code in {422, 500}


def test_each_write_is_a_revision(http: Http, namespace: str) -> None:
    for content in (b"one", b"two"):
        _write(http, namespace, "/a.txt", content)
    files = f"/namespaces/{namespace}/files"
    answer = http.get(f"{files}/revisions", params={"path": "/a.txt"})
    assert [it["revision"] for it in answer.json()] == [1, 2]
    first = http.get(files, params={"path": "/a.txt", "revision": "1"})
    assert (first.status_code, first.content) == (200, b"one")
    assert http.get(files, params={"path": "/a.txt", "revision": "9"}).status_code == 404
    assert http.get(f"{files}/revisions", params={"path": "/absent"}).status_code == 404


def test_an_unused_namespace_is_an_empty_list_and_an_absent_directory_404(
    http: Http, namespace: str
) -> None:
    assert _list(http, namespace, "/") == []
    directory = f"/namespaces/{namespace}/files/directory"
    assert http.get(directory, params={"path": "/absent"}).status_code == 404
