"""Namespace files that are not held in memory, on a server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kestra_sync.client import errors
from kestra_sync.client.client import KestraClient
from kestra_sync.resources import LARGE, LargeContent, chunks_of, hashed, sha256
from tests.e2e.sync.conftest import Repo
from tests.support.measured import python_apart
from tests.support.proxy import FaultProxy, Rule, call_first, reply

pytestmark = pytest.mark.versions

_CONFIG = "files: [{{path: files, namespace: {}}}]\n"
_PEAK = """
import sys
from kestra_sync.cli.main import run
code = run(sys.argv[1:])
print(peak(), file=sys.stderr)
sys.exit(code)
"""


def _sparse(path: Path, size: int, end: bytes) -> LargeContent:
    """A file of zeros with something at its end, which takes no space on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size - len(end))
        file.seek(0, os.SEEK_END)
        file.write(end)
    return hashed(lambda: path.open("rb"))


def _peak(root: Path, *args: str) -> float:
    """Runs a command in a process of its own; the most memory that it took, in MiB."""
    ran = python_apart(_PEAK, *args, cwd=root)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return float(ran.stderr.split()[-1])


def _held(client: KestraClient, namespace: str, name: str) -> str:
    return sha256(client.files.read(namespace, name))


@pytest.mark.once
def test_large_file__from_apply_to_pull(
    repo: Repo, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written, in sync, drifted, pulled, changed and restored, without being in memory."""
    repo.config(_CONFIG.format(repo.namespace))
    repo.flow("f")
    repo.write("files/small.txt", b"small\n")
    monkeypatch.setenv("KESTRA_API_URL", repo.client.url)
    base = _peak(repo.root, "apply", "--yes")
    ours = _sparse(repo.root / "files/d/big.bin", 24_000_000, b"ours")
    grown = {"apply": _peak(repo.root, "apply", "--yes") - base}
    assert _held(repo.client, repo.namespace, "d/big.bin") == ours.sha256
    monkeypatch.setenv("KESTRA_API_URL", proxy.url)
    grown["plan"] = _peak(repo.root, "plan", "--detailed-exitcode") - base
    assert max(grown.values()) < 18, grown
    assert [each.method for each in proxy.requests if "/files" in each.path] == ["GET"]

    monkeypatch.setenv("KESTRA_API_URL", repo.client.url)
    theirs = _sparse(repo.root.parent / "theirs.bin", 12_000_000, b"theirs")
    repo.client.files.put(repo.namespace, "d/big.bin", theirs)
    ran = repo.run("drift")
    assert ran.code == 2, ran.err
    assert f"24,000,000 bytes, SHA-256 {ours.sha256[:12]}" in ran.out
    assert f"12,000,000 bytes, SHA-256 {theirs.sha256[:12]}" in ran.out
    ran = repo.run("pull")
    assert ran.code == 0, ran.err
    assert hashed(lambda: (repo.root / "files/d/big.bin").open("rb")) == theirs
    assert repo.apply().code == 0  # records it

    monkeypatch.setenv("KESTRA_API_URL", proxy.url)
    _sparse(repo.root / "files/d/big.bin", 6_000_000, b"next")
    repo.flow("f", "changed")
    refused = reply(422, {"Content-Type": "application/json"}, '{"message": "no"}')
    proxy.add(Rule(refused, "PUT", "/flows/[^/]+/f$", times=None))
    ran = repo.apply("--rollback")
    assert ran.code == 1, ran.out
    assert ran.restored() == {"d/big.bin": "restored"}
    assert _held(repo.client, repo.namespace, "d/big.bin") == theirs.sha256


def test_large_file__that_changes_while_it_is_sent(repo: Repo, proxy: FaultProxy) -> None:
    """The server keeps what it had, and a new file does not come into being."""
    files, space = repo.client.files, repo.namespace
    before = _sparse(repo.root / "big.bin", 5_000_000, b"before")
    files.put(space, "big.bin", before)
    planned = _sparse(repo.root / "big.bin", 6_000_000, b"planned")
    _sparse(repo.root / "big.bin", 6_000_000, b"changed")
    for name in ("big.bin", "new.bin"):
        with pytest.raises(errors.SourceChanged, match="has changed since it was compared"):
            files.put(space, name, planned)
    (repo.root / "big.bin").unlink()
    with pytest.raises(errors.SourceChanged, match="it cannot be read"):
        files.put(space, "new.bin", planned)
    assert files.names(space) == ("big.bin",)
    assert _held(repo.client, space, "big.bin") == before.sha256

    # The same in an apply: the flow that would follow is not written either.
    repo.config(_CONFIG.format(space))
    repo.flow("f")
    _sparse(repo.root / "files/new.bin", 3_000_000, b"planned")

    def change() -> None:
        _sparse(repo.root / "files/new.bin", 3_000_000, b"changed")

    proxy.add(Rule(call_first(change), "PUT", "/kv/kestra-sync"))
    ran = repo.apply()
    assert ran.code == 5, ran.err + ran.out
    assert ran.outcomes() == {"new.bin": "failed", "f": "not-attempted"}
    assert files.names(space) == ("big.bin",)
    assert repo.lives() == {}
    assert repo.apply().code == 0
    assert files.names(space) == ("big.bin", "new.bin")


@pytest.mark.once
def test_large_file__saved_plan_has_its_hash_and_checks_it(repo: Repo) -> None:
    repo.config(_CONFIG.format(repo.namespace))
    repo.flow("f")
    ours = _sparse(repo.root / "files/big.bin", 3_000_000, b"ours")
    assert repo.run("plan", "--out", "p.json").code == 0
    saved = (repo.root / "p.json").read_text()
    assert len(saved) < 10_000
    (change,) = (each for each in json.loads(saved)["plan"]["changes"] if "big" in each["flow"])
    assert change["after_sha256"] == ours.sha256
    _sparse(repo.root / "files/big.bin", 3_000_000, b"else")
    ran = repo.run("apply", "--plan", "p.json", "--yes")
    assert ran.code == 5, ran.err + ran.out
    assert "the file files/big.bin changed" in ran.err + ran.out
    (repo.root / "files/big.bin").unlink()
    ran = repo.run("apply", "--plan", "p.json", "--yes")
    assert ran.code == 5, ran.err + ran.out
    assert "/big.bin: was create (new), now in sync or deleted" in ran.err
    assert repo.client.files.names(repo.namespace) == ()
    _sparse(repo.root / "files/big.bin", 3_000_000, b"ours")
    assert repo.run("apply", "--plan", "p.json", "--yes").code == 0


@pytest.mark.parametrize("size", [0, LARGE, LARGE + 1])
def test_large_file__limits_of_the_size(repo: Repo, size: int) -> None:
    """Empty, the largest in memory, the smallest that is not; and what is then one of the other."""
    files, space = repo.client.files, repo.namespace
    content = _sparse(repo.root / "a.bin", size, b"")
    files.put(space, "a.bin", content)
    exported = files.export(space)["a.bin"]
    assert isinstance(exported, bytes) is (size <= LARGE)
    assert b"".join(chunks_of(exported)) == bytes(size)
    assert sha256(files.read(space, "a.bin")) == content.sha256


@pytest.mark.once
def test_large_files__more_than_one_export_should_have(
    repo: Repo, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are listed, and read one by one where Git or the inventory has them."""
    monkeypatch.setattr("kestra_sync.kinds.files.kind.MAX_EXPORT", 9)
    repo.config(_CONFIG.format(repo.namespace))
    repo.flow("f")
    repo.write("files/a.txt", b"0123456789")
    repo.write("files/d/b.txt", b"b")
    repo.client.files.put(repo.namespace, "theirs.txt", b"not ours")
    ran = repo.apply()
    assert ran.code == 0, ran.err + ran.out
    before = len(proxy.requests)
    ran = repo.plan("--detailed-exitcode")
    assert ran.code == 0, ran.err + ran.out
    asked = [
        each.path.rpartition("/")[2] for each in proxy.requests[before:] if "/files" in each.path
    ]
    assert sorted(asked) == ["files", "files", "search"]
    (found,) = ran.json["diagnostics"]
    assert found["rule"] == "namespace-files-many"
    assert "cannot be read in one export (Git has more than 0 MiB of them)" in found["message"]
    (repo.root / "files/d/b.txt").unlink()
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"d/b.txt": "delete removed"})
    assert repo.client.files.names(repo.namespace) == ("a.txt", "theirs.txt")

    # A server that cannot export them is asked in the same way.
    proxy.add(Rule(reply(500, {}, ""), "GET", "/files/export$", times=None))
    _sparse(repo.root.parent / "new.bin", LARGE + 1, b"")
    content = hashed(lambda: (repo.root.parent / "new.bin").open("rb"))
    repo.client.files.put(repo.namespace, "new.bin", content)
    ran = repo.run("pull", "--new")
    assert ran.code == 0, ran.err + ran.out
    assert (repo.root / "files/theirs.txt").read_bytes() == b"not ours"
    assert (repo.root / "files/new.bin").read_bytes() == bytes(LARGE + 1)
