"""Namespace files and keys on a real server: the behavior that plans rely on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.client.errors import AlreadyExists, NotFound
from kestra_sync.kinds.files.kind import FilesKind, FileStore
from kestra_sync.kinds.kv.kind import KvKind
from kestra_sync.model import Base, Kind, ResourceId
from tests.support.proxy import FaultProxy
from tests.support.server import Server

pytestmark = pytest.mark.versions


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[KestraClient]:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    with KestraClient(env_file=None) as client:
        yield client


def test_delete__file_is_deleted_once_and_its_neighbor_kept(
    client: KestraClient, namespace: str
) -> None:
    directory = namespace.replace(".", "-")
    kept, gone = (
        ResourceId(namespace, f"{directory}/{name}", Kind.FILE) for name in ("kept", "gone")
    )
    store = FileStore(client.files)
    store.create(kept, b"x")
    store.create(gone, b"x")
    with pytest.raises(AlreadyExists):
        store.create(kept, b"y")
    store.delete(gone)
    for _ in range(2):
        with pytest.raises(NotFound):
            store.delete(gone)
    assert client.files.names(namespace) == (kept.id,)
    assert store.get(kept).source == b"x"
    with pytest.raises(NotFound):
        store.get(gone)


def test_namespace_files__round_trip_byte_for_byte(client: KestraClient, namespace: str) -> None:
    contents = {
        "a.bin": bytes(range(256)),
        "empty": b"",
        "deep/er/some.zip": b"PK\x03\x04 not a zip",
        "ä/日本.txt": "ü\r\n".encode(),
        ".dot/A-b_c=d;e&f'g.txt": b"x",
    }
    store = FileStore(client.files)
    assert client.files.export(namespace) == {}
    assert client.files.names(namespace) == ()
    for path, data in contents.items():
        store.create(ResourceId(namespace, path, Kind.FILE), data)
    assert client.files.export(namespace) == contents
    assert client.files.names(namespace) == tuple(sorted(contents))


def test_the_server_tells_a_file_from_a_folder(
    client: KestraClient, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kestra 1.x answers 200 to a file over a folder, and then has neither."""
    from kestra_sync.configured import FilesFolder

    monkeypatch.chdir(tmp_path)
    client.files.put(namespace, "folder/a", b"x")
    client.files.put(namespace, "file", b"x")
    (tmp_path / "files/file").mkdir(parents=True)
    (tmp_path / "files/file/b").write_bytes(b"x")
    (tmp_path / "files/folder").write_bytes(b"x")
    kind = FilesKind((FilesFolder("files", namespace),))
    reading = kind.read(client, kind.load().desired, {})
    assert sorted(each.message for each in reading.diagnostics) == [
        f"file:{namespace}/file is a file on the server",
        f"file:{namespace}/folder is a folder on the server",
    ]


_KEYS = """\
  text: emea
  empty: ""
  date_text: "2026-01-01"
  number: 1.50
  whole: 1.0
  exponent: 1e3
  large: 123456789012345678901234567890
  flag: false
  map: {b: 1.0, a: [1, null, {x: null}], t: P1D}
  list: []
  day: {type: DATE, value: 2026-01-31}
  moment: {type: DATETIME, value: '2026-01-31T08:00:00+02:00'}
  span: {type: DURATION, value: P1DT2H}
  lower: pt5m
  negative: "-PT5M"
  unicode: "äö\\n😀"
  noted: {value: 1, ttl: PT90M, description: "why it is here"}
  secret: {env: KSTEST_SECRET}
"""


def test_kv__round_trip_of_every_type(
    client: KestraClient,
    server: Server,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All types, written, read back, and in sync with one request after that."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KSTEST_SECRET", "hunter2")
    (tmp_path / "kv.yaml").write_text(f"namespace: {namespace}\nvalues:\n{_KEYS}", "utf-8")
    kind = KvKind(("kv.yaml",), client.tenant)
    loaded = kind.load()
    assert loaded.diagnostics == ()
    store = kind.store(client)
    revisions = {}
    for resource, each in loaded.desired.items():
        written = store.create(resource, each.sent)
        assert written.source == each.sent, resource
        revisions[resource] = written.revision
    with pytest.raises(AlreadyExists):
        store.create(resource, each.sent)
    wanted = {resource: each.sent for resource, each in loaded.desired.items()}
    live = kind.read(client, loaded.desired, {}).live
    assert {resource: each.source for resource, each in live.items()} == wanted
    assert {resource: store.get(resource).source for resource in wanted} == wanted

    bases = {
        resource: Base(each.path, each.sent_sha256, frozenset({each.sent_sha256}), revision)
        for resource, each in loaded.desired.items()
        for revision in (revisions[resource],)
    }
    with FaultProxy(server.url) as proxy:
        monkeypatch.setenv("KESTRA_API_URL", proxy.url)
        with KestraClient(env_file=None) as counted:
            assert kind.read(counted, loaded.desired, bases).live.keys() == live.keys()
        assert len(proxy.requests) == 1


def test_key__expired_is_absent(
    client: KestraClient, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"namespace: {namespace}\nvalues:\n  key: {{value: 1, ttl: PT1S}}\n"
    (tmp_path / "kv.yaml").write_text(text)
    kind = KvKind(("kv.yaml",))
    ((resource, each),) = kind.load().desired.items()
    store = kind.store(client)
    store.create(resource, each.sent)
    time.sleep(1.5)
    with pytest.raises(NotFound):
        store.get(resource)
    assert kind.read(client, {resource: each}, {}).live == {}
    assert store.create(resource, each.sent).revision == 2
