"""Large namespace files are sent, read and compared without being held in memory."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Mapping
from email.parser import BytesParser
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest

from kestra_sync.client import errors
from kestra_sync.client.client import KestraClient
from kestra_sync.client.response import Storage
from kestra_sync.errors import ExitCode
from kestra_sync.resources import LARGE, LargeContent, chunks_of, hashed, sha256
from tests.support.measured import python_apart

from .conftest import ClientFactory
from .scripted import Reply, ScriptedServer, Seen, as_json

FILES = "/api/v1/main/namespaces/a.b/files"
EXPORT = f"{FILES}/export"
DATA = bytes(range(256)) * (2 * LARGE // 256) + b"the rest"


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def large(path: Path, data: bytes = DATA) -> LargeContent:
    path.write_bytes(data)
    return hashed(lambda: path.open("rb"))


def content_of(seen: Seen) -> tuple[str | None, bytes]:
    """File name and content of the only part of a form."""
    head = f"Content-Type: {seen.headers['Content-Type']}\r\n\r\n".encode()
    _, part = BytesParser().parsebytes(head + seen.body).walk()
    assert part.get_param("name", header="content-disposition") == "fileContent"
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return part.get_filename(), data


# Writing


def test_put__streams_a_large_file_with_its_length(
    scripted: ScriptedServer, client: KestraClient, tmp_path: Path
) -> None:
    scripted.on("POST", FILES, Reply())
    told: list[tuple[int, int | None]] = []
    client.files.put(
        "a.b", "d/x.bin", large(tmp_path / "x"), progress=lambda *each: told.append(each)
    )
    (seen,) = scripted.asked("POST", FILES)
    assert seen.params == {"path": "/d/x.bin"}
    assert content_of(seen) == ("content", DATA)
    assert int(seen.headers["Content-Length"]) == len(seen.body)
    assert "Transfer-Encoding" not in seen.headers
    assert told[-1] == (len(DATA), len(DATA))
    assert told == sorted(told)


def test_put__sends_a_large_file_again_from_its_beginning(
    scripted: ScriptedServer, client: KestraClient, tmp_path: Path
) -> None:
    """What a server turned away with a time to come back was not written."""
    scripted.on("POST", FILES, Reply(429, headers={"Retry-After": "1"}), Reply())
    client.files.put("a.b", "x.bin", large(tmp_path / "x"))
    assert [content_of(each)[1] == DATA for each in scripted.asked("POST", FILES)] == [True, True]


def test_put__does_not_repeat_a_large_file_whose_answer_is_lost(
    scripted: ScriptedServer, client: KestraClient, tmp_path: Path
) -> None:
    scripted.on("POST", FILES, Reply(hang_up=True))
    with pytest.raises(errors.UnknownOutcome) as caught:
        client.files.put("a.b", "x.bin", large(tmp_path / "x"))
    assert caught.value.may_have_written
    assert len(scripted.asked("POST", FILES)) == 1


def test_put__of_a_file_that_changed_sends_no_whole_request(
    scripted: ScriptedServer, client: KestraClient, tmp_path: Path
) -> None:
    """A server that waits for the rest gets a closed connection."""
    scripted.on("POST", FILES, Reply())
    content = large(tmp_path / "x")
    sent: list[tuple[int, int | None]] = []
    for now in (DATA[:-1] + b"x", DATA[:-1], DATA + b"x"):
        (tmp_path / "x").write_bytes(now)
        sent.clear()
        with pytest.raises(errors.SourceChanged, match=r"x\.bin: it.* was not written") as caught:
            client.files.put("a.b", "x.bin", content, progress=lambda *each: sent.append(each))
        assert 0 < sent[-1][0] < len(DATA)
        assert not caught.value.may_have_written
        assert caught.value.exit_code is ExitCode.CONFLICT
    (tmp_path / "x").unlink()
    with pytest.raises(errors.SourceChanged, match=r"it cannot be read: No such file"):
        client.files.put("a.b", "x.bin", content)
    (tmp_path / "x").write_bytes(DATA)
    client.files.put("a.b", "x.bin", content)
    # The scripted server notes what arrived of the others, too, unless it was reset.
    (whole,) = (
        each
        for each in scripted.asked("POST", FILES)
        if len(each.body) == int(each.headers["Content-Length"])
    )
    assert content_of(whole)[1] == DATA


def test_put__of_what_is_on_the_server_fetches_it_first(
    scripted: ScriptedServer, make_client: ClientFactory
) -> None:
    """A request in the body of another would wait forever for the only turn."""
    client = make_client(parallelism=1)
    kept = {None: DATA, "2": DATA[:-1], "1": DATA}

    def read(seen: Seen) -> Reply:
        return Reply(200, kept[seen.params.get("revision")])

    scripted.on("GET", FILES, read)
    scripted.on("GET", f"{FILES}/revisions", as_json([{"revision": 1}, {"revision": 2}]))
    scripted.on("POST", FILES, Reply(429, headers={"Retry-After": "0"}), Reply())
    content = client.files.read("a.b", "x.bin")
    client.files.put("a.b", "y.bin", content)
    assert [content_of(each)[1] == DATA for each in scripted.asked("POST", FILES)] == [True, True]
    assert len(scripted.asked("GET", FILES)) == 2  # not again for the second attempt

    kept[None] = b"new"  # as after an apply: a rollback finds what was there among the revisions
    client.files.put("a.b", "x.bin", content)
    assert content_of(scripted.asked("POST", FILES)[-1])[1] == DATA
    assert b"".join(chunks_of(content)) == DATA

    kept["1"] = b"other"
    with pytest.raises(errors.SourceChanged, match=r"x\.bin: its content has changed"):
        client.files.put("a.b", "x.bin", content)
    scripted.on("GET", FILES, Reply(404))
    with pytest.raises(errors.SourceChanged, match=r"x\.bin: it is no longer on the server"):
        client.files.put("a.b", "x.bin", content)
    assert len(scripted.asked("POST", FILES)) == 3


@pytest.mark.parametrize(
    ("status", "kind", "unsure"),
    [(413, errors.RequestTooLarge, False), (500, errors.ServerFailure, True)],
)
def test_put__of_a_large_file_that_the_server_refuses(
    scripted: ScriptedServer,
    client: KestraClient,
    tmp_path: Path,
    status: int,
    kind: type[errors.ApiError],
    unsure: bool,
) -> None:
    """The limit behind a 500 is that of other bodies: forms have another."""
    scripted.on("POST", FILES, as_json({"message": "no"}, status))
    with pytest.raises(errors.ApiError, match="no") as caught:
        client.files.put("a.b", "x.bin", large(tmp_path / "x", DATA * 6))
    assert type(caught.value) is kind
    assert caught.value.may_have_written is unsure
    assert ("12.6 MB are too large" in str(caught.value)) is (status == 413)
    assert ("client_max_body_size" in (caught.value.remedy or "")) is (status == 413)


# Reading


def test_read__of_a_large_file_is_its_size_and_hash(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", FILES, Reply(200, DATA))
    for place in (Storage.HASH, Storage.FILE):
        content = client.files.read("a.b", "x.bin", storage=place)
        assert content == LargeContent(len(DATA), sha256(DATA), io.BytesIO)
        assert b"".join(chunks_of(content)) == DATA
    assert len(scripted.asked("GET", FILES)) == 3  # of a hash, once more to read it


@pytest.mark.parametrize("size", [0, 1, LARGE, LARGE + 1])
def test_read__is_in_memory_up_to_the_limit(
    scripted: ScriptedServer, client: KestraClient, size: int
) -> None:
    data = bytes(size)
    scripted.on("GET", FILES, Reply(200, data))
    content = client.files.read("a.b", "x.bin")
    assert isinstance(content, bytes) is (size <= LARGE)
    assert b"".join(chunks_of(content)) == data


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_export__keeps_large_files_in_the_zip(
    scripted: ScriptedServer, client: KestraClient, method: int
) -> None:
    files = {
        "big.bin": DATA,
        "small.txt": b"x",
        "_flows/f.yml": b"id: f",
        "zeros.bin": bytes(LARGE + 1),
    }
    scripted.on("GET", EXPORT, Reply(200, zipped(files, method)))
    found = client.files.export("a.b")
    assert {name: b"".join(chunks_of(each)) for name, each in found.items()} == {
        name: data for name, data in files.items() if not name.startswith("_flows")
    }
    assert [isinstance(each, bytes) for each in found.values()] == [False, True, False]
    # Two readers do not disturb each other.
    first, second = (chunks_of(found["big.bin"]) for _ in range(2))
    pairs = list(zip(first, second, strict=True))
    assert b"".join(one for one, _ in pairs) == b"".join(other for _, other in pairs) == DATA


def test_export__with_a_damaged_large_file(scripted: ScriptedServer, client: KestraClient) -> None:
    whole = bytearray(zipped({"big.bin": DATA}, zipfile.ZIP_STORED))
    whole[len(DATA) // 2] ^= 1
    scripted.on("GET", EXPORT, Reply(200, bytes(whole)))
    with pytest.raises(errors.UnexpectedAnswer, match="not a valid zip file: Bad CRC-32"):
        client.files.export("a.b")


def test_read__that_ends_early_leaves_no_temporary_file(
    scripted: ScriptedServer, client: KestraClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[IO[bytes]] = []

    def new() -> IO[bytes]:
        files.append(TemporaryFile())  # noqa: SIM115 - it is to be closed by the client
        return files[-1]

    monkeypatch.setattr("kestra_sync.client.response._new_file", new)
    scripted.on("GET", FILES, Reply(200, DATA, cut=True))
    with pytest.raises(errors.UnexpectedAnswer, match="truncated"):
        client.files.read("a.b", "x.bin", storage=Storage.FILE)
    assert files
    assert all(each.closed for each in files)


def test_export__without_space_for_a_temporary_file(
    scripted: ScriptedServer, client: KestraClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kestra_sync.client.response._new_file", full)
    scripted.on("GET", EXPORT, Reply(200, zipped({"big.bin": DATA}, zipfile.ZIP_STORED)))
    with pytest.raises(errors.KestraError, match="No space left on device") as caught:
        client.files.export("a.b")
    assert "TMPDIR" in str(caught.value.remedy)


# Memory

#: MiB; about 1 MiB is used, and how much a Python takes from the system at once differs.
_MOST_MEMORY = 8

_MEASURE = """
import json, sys
from kestra_sync.client.client import KestraClient
from kestra_sync.configured import FilesFolder
from kestra_sync.resources import chunks_of
from kestra_sync.kinds.files.load import load

client = KestraClient(sys.argv[1], token="t")
client.files.put("a.b", "small", b"x")
base, grown = peak(), {}
(ours,) = load([FilesFolder("files", "a.b")]).desired.values()
grown["hash"] = peak() - base
client.files.put("a.b", "big.bin", ours.content)
grown["put"] = peak() - base
assert client.files.read("a.b", "big.bin") == ours.content
grown["read"] = peak() - base
theirs = client.files.export("a.b")["big.bin"]
assert theirs == ours.content
grown["export"] = peak() - base
assert sum(map(len, chunks_of(theirs))) == ours.content.size
grown["restore"] = peak() - base
print(json.dumps(grown))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getrusage")
def test_memory__does_not_grow_with_the_size_of_a_file(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    """100 MB are hashed, sent, read, exported, and read from the export, as the page says."""
    size, end = 100_000_000, b"the end"
    (tmp_path / "files").mkdir()
    with (tmp_path / "files/big.bin").open("wb") as file:
        file.truncate(size - len(end))
        file.seek(0, os.SEEK_END)
        file.write(end)
    data = bytes(size - len(end)) + end
    received: list[int] = []

    def store(seen: Seen) -> Reply:
        received.append(len(seen.body))
        scripted.seen.clear()
        return Reply()

    scripted.on("POST", FILES, store)
    scripted.on("GET", FILES, Reply(200, data))
    scripted.on("GET", EXPORT, Reply(200, zipped({"big.bin": data}, zipfile.ZIP_STORED)))
    ran = python_apart(_MEASURE, scripted.url, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert received[-1] > size
    grown = json.loads(ran.stdout)
    assert max(grown.values()) < _MOST_MEMORY, grown
    page = Path(__file__).parents[3] / "docs" / "files-and-keys.md"
    assert f"needs less than {_MOST_MEMORY} MiB" in " ".join(page.read_text("utf-8").split())
