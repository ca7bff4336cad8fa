from __future__ import annotations

import json
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

import kestra_sync
from kestra_sync.client import errors
from kestra_sync.client.client import SINCE, KestraClient, ServerInfo, parse_version
from kestra_sync.client.kv import KvEntry, KvKey
from kestra_sync.errors import UsageError

from .conftest import TOKEN, ClientFactory
from .scripted import Reply, ScriptedServer, as_json

KEY = "/api/v1/main/namespaces/a.b/kv/k"
FILES = "/api/v1/main/namespaces/a.b/files"


# Key-value store


def test_put(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("PUT", KEY, Reply(200))
    client.kv.put("a.b", "k", {"ä": "😀"}, ttl="PT1M", description="a lock")
    seen = scripted.seen[0]
    assert seen.body.isascii()
    assert json.loads(seen.body) == {"ä": "😀"}
    assert seen.headers["Content-Type"] == "text/plain"
    assert (seen.headers["ttl"], seen.headers["description"]) == ("PT1M", "a lock")


def test_put_of_what_cannot_be_sent(client: KestraClient) -> None:
    with pytest.raises(UsageError, match="description"):
        client.kv.put("a.b", "k", 1, description="a\r\nb: c")
    with pytest.raises(ValueError, match="JSON compliant"):
        client.kv.put("a.b", "k", float("nan"))


def test_kv__value_that_is_being_written(
    scripted: ScriptedServer, client: KestraClient, naps: list[float]
) -> None:
    """Its file is empty for a moment, which Kestra calls an internal error."""
    message = "Internal server error: No content to map due to end-of-input"
    scripted.on("GET", KEY, as_json({"message": message}, 500), as_json(5))
    assert client.kv.get("a.b", "k") == 5
    assert len(naps) == 1
    scripted.on("GET", KEY, as_json({"message": message}, 500))
    with pytest.raises(errors.ServerFailure, match="No content"):
        client.kv.get("a.b", "k")
    assert len(naps) == 1 + client.kv._transport.backoff.retries


LISTED = as_json({"results": [{"namespace": "a.b", "key": "k"}], "total": 1})
ABSENT = as_json({"results": [{"namespace": "a.b", "key": "other"}], "total": 1})


@pytest.mark.parametrize("maybe_absent", [False, True])
def test_kv__listed_key_that_is_not_found_is_being_written(
    scripted: ScriptedServer, client: KestraClient, naps: list[float], maybe_absent: bool
) -> None:
    """Kestra stores the metadata first, and answers 404 until the value is there."""
    scripted.on("GET", KEY, Reply(404), Reply(404), as_json(5))
    scripted.on("GET", "/api/v1/main/kv", LISTED)
    assert client.kv.get("a.b", "k", maybe_absent=maybe_absent) == 5
    assert len(naps) == 2
    scripted.on("GET", KEY, Reply(404))
    with pytest.raises(errors.NotFound):  # its value is lost
        client.kv.get("a.b", "k", maybe_absent=maybe_absent)
    assert sum(naps) < 3


@pytest.mark.parametrize("maybe_absent", [False, True])
def test_kv__key_that_is_not_listed_is_absent(
    scripted: ScriptedServer, client: KestraClient, naps: list[float], maybe_absent: bool
) -> None:
    scripted.on("GET", KEY, Reply(404))
    scripted.on("GET", "/api/v1/main/kv", ABSENT)
    with pytest.raises(errors.NotFound):
        client.kv.get("a.b", "k", maybe_absent=maybe_absent)
    assert naps == []


def test_kv__server_that_cannot_list_is_asked_twice(
    scripted: ScriptedServer, client: KestraClient, naps: list[float]
) -> None:
    scripted.on("GET", "/api/v1/main/kv", Reply(404))
    scripted.on("GET", KEY, Reply(404), as_json(5))
    assert client.kv.get("a.b", "k") == 5
    scripted.on("GET", KEY, Reply(404))
    with pytest.raises(errors.NotFound):
        client.kv.get("a.b", "k")


def test_kv__failing_list_does_not_make_a_key_absent(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", KEY, Reply(404))
    scripted.on("GET", "/api/v1/main/kv", as_json({"message": "no"}, 422))
    with pytest.raises(errors.ApiError, match="no"):
        client.kv.get("a.b", "k")


@pytest.mark.parametrize(
    ("answer", "entry"),
    [
        (
            {"type": "JSON", "value": {"a": 1}, "revision": 3, "updated": "2026"},
            KvEntry({"a": 1}, "JSON", 3, "2026"),
        ),
        ({"type": "STRING", "value": "x"}, KvEntry("x", "STRING")),
        ({"type": "mine", "value": "x"}, KvEntry({"type": "mine", "value": "x"})),
        ({"type": {}, "value": "x"}, KvEntry({"type": {}, "value": "x"})),
        ("scalar", KvEntry("scalar")),
        (5, KvEntry(5)),
    ],
)
def test_get(
    scripted: ScriptedServer, client: KestraClient, answer: object, entry: KvEntry
) -> None:
    scripted.on("GET", KEY, as_json(answer))
    assert client.kv.entry("a.b", "k") == entry
    assert client.kv.get("a.b", "k") == entry.value


@pytest.mark.parametrize(("status", "kind"), [(404, errors.NotFound), (410, errors.Gone)])
def test_get_of_what_is_not_there(
    scripted: ScriptedServer, client: KestraClient, status: int, kind: type[Exception]
) -> None:
    scripted.on("GET", KEY, Reply(status))
    with pytest.raises(kind):
        client.kv.get("a.b", "k")


def test_delete(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("DELETE", KEY, as_json(True), as_json(False), Reply(404), Reply(204))
    assert [client.kv.delete("a.b", "k") for _ in range(4)] == [True, False, False, True]


def test_search(scripted: ScriptedServer, client: KestraClient) -> None:
    page = [{"namespace": "b", "key": "k2"}, {"namespace": "a", "key": "k1"}]
    scripted.on("GET", "/api/v1/main/kv", as_json({"results": page, "total": 2}))
    assert client.kv.search("k") == (KvKey("a", "k1"), KvKey("b", "k2"))
    assert scripted.seen[0].params["filters[q][EQUALS]"] == "k"
    scripted.on("GET", "/api/v1/main/kv", as_json({"results": [{"key": 1}], "total": 1}))
    with pytest.raises(errors.UnexpectedAnswer, match="not a key"):
        client.kv.search("k")


# Files


def test_files(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("POST", FILES, Reply(200))
    client.files.put("a.b", "d/x.py", b"\0")
    assert scripted.seen[0].params == {"path": "/d/x.py"}
    # Kestra unpacks a part whose file name ends in ".zip" into the root.
    assert b'name="fileContent"; filename="content"' in scripted.seen[0].body
    scripted.on("GET", FILES, Reply(200, b"<html>", {"Content-Type": "text/html"}))
    assert client.files.get("a.b", "/x.html") == b"<html>"
    scripted.on("DELETE", FILES, Reply(200))
    client.files.delete("a.b", "/d")
    items = [
        {"fileName": "x.py", "type": "File"},
        {"fileName": "d", "type": "Directory"},
        {"fileName": None},
        "?",
    ]
    scripted.on("GET", f"{FILES}/directory", as_json(items), Reply(404))
    assert client.files.list("a.b") == ("d/", "x.py")
    assert client.files.list("a.b", "/none") == ()


@pytest.mark.parametrize("path", ["", "/", "_flows/x.yml", "/_flows/x.yml", "/a/../b"])
def test_paths_that_are_refused(client: KestraClient, path: str) -> None:
    with pytest.raises(UsageError):
        client.files.put("a.b", path, b"")


# Server and client


def test_server_info(scripted: ScriptedServer, client: KestraClient) -> None:
    config = {"version": "1.3.25", "edition": "EE", "systemNamespace": "sys"}
    scripted.on("GET", "/api/v1/configs", as_json(config))
    info = client.server_info()
    assert client.server_info() is info
    assert len(scripted.seen) == 1
    assert (info.version, info.version_tuple) == ("1.3.25", (1, 3, 25))
    assert (info.edition, info.system_namespace) == ("EE", "sys")
    assert info.can.multipart_validate
    assert not info.can.actions_paths


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.3.25", (1, 3, 25)), ("v2.0.0-SNAPSHOT", (2, 0, 0)), ("0.23", (0, 23)), ("develop", ())],
)
def test_version(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_version__without_a_number_is_a_new_one() -> None:
    assert all(asdict(ServerInfo("develop", (), "OSS", "system").can).values())


@pytest.mark.parametrize(
    ("version", "able"),
    [
        ("1.1.0", set()),
        ("1.2.9", set()),
        ("1.3.25", {"multipart_validate"}),
        ("2.0.0-SNAPSHOT", set(SINCE)),
    ],
)
def test_what_each_version_can_do(version: str, able: set[str]) -> None:
    info = ServerInfo(version, parse_version(version), "OSS", "system")
    assert {name for name, can in asdict(info.can).items() if can} == able


@pytest.mark.parametrize("version", ["0.22.7", "1.0.3"])
def test_a_version_that_is_too_old_is_refused(
    scripted: ScriptedServer, client: KestraClient, version: str
) -> None:
    scripted.on("GET", "/api/v1/configs", as_json({"version": version}))
    with pytest.raises(errors.UnsupportedServer, match=f"runs Kestra {version}.*needs Kestra 1.1"):
        client.server_info()


def test_server__not_a_kestra_server(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", "/api/v1/configs", Reply(404))
    with pytest.raises(errors.UnexpectedAnswer, match="does not look like a Kestra server"):
        client.server_info()
    scripted.on("GET", "/api/v1/configs", as_json({}))
    with pytest.raises(errors.UnexpectedAnswer, match="has no version"):
        client.server_info()


def test_the_client_shows_no_secrets(client: KestraClient, scripted: ScriptedServer) -> None:
    assert repr(client) == f"<KestraClient {scripted.url} tenant=main>"
    assert (client.url, client.tenant) == (scripted.url, "main")
    for part in (client, client.flows, client.executions, client.logs, client.kv, client.files):
        assert TOKEN not in repr(part) + str(part)


def test_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(KestraClient, "_shared", None)
    (tmp_path / ".env").write_text("KESTRA_API_URL=http://kestra:8080/ui\n")
    found: list[KestraClient] = []
    threads = [
        threading.Thread(target=lambda: found.append(KestraClient.shared())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in found}) == 1
    assert found[0].url == "http://kestra:8080"
    assert kestra_sync.KestraClient is KestraClient


def test_client__reopens_after_close(scripted: ScriptedServer, make_client: ClientFactory) -> None:
    with make_client(timeout=5.0) as client:
        client.server_info()
    scripted.on("GET", KEY, as_json(1))
    assert client.kv.get("a.b", "k") == 1
