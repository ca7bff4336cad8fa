"""A repository as users have it: a directory, a server, and the command line."""

from __future__ import annotations

import json
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.cli.main import run
from kestra_sync.client.client import KestraClient
from kestra_sync.model import FlowId, Scope, sha256
from kestra_sync.repo.load import identify_source
from tests.support.schemas import check_result


@dataclass
class RunResult:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as JSON: what its schema promises."""
        document = json.loads(self.out)
        check_result(document)
        return document

    def reasons(self) -> dict[str, str]:
        """For each change of the plan, its ``action reason``."""
        return {
            each["flow"]["id"]: f"{each['action']} {each['reason']}"
            for each in self.json["plan"]["changes"]
        }

    def refused(self) -> list[str]:
        """The guards that refused the plan."""
        return [each["rule"] for each in self.json["refusals"]]

    def outcomes(self) -> dict[str, str]:
        """For each write, how it ended."""
        return {each["flow"]["id"]: each["status"] for each in self.json["outcomes"]}

    def restored(self) -> dict[str, str]:
        """The result of rolling back each write."""
        return {each["flow"]["id"]: each["result"] for each in self.json["restored"]}


class Repo:
    """A Git repository's worth of flows below the current directory, and a server's namespace."""

    def __init__(
        self,
        root: Path,
        namespace: str,
        client: KestraClient,
        capsys: pytest.CaptureFixture[str],
        label: str = "",
    ) -> None:
        self.root = root
        self.label = label
        self.namespace = namespace
        self.client = client
        self._capsys = capsys

    def source(self, name: str, message: str = "hello", *, extra: str = "", ns: str = "") -> bytes:
        """The bytes of a small flow."""
        text = f"""\
            id: {name}
            namespace: {ns or self.namespace}
            # a comment that must survive
            tasks:
              - id: log
                type: io.kestra.plugin.core.log.Log
                message: "{message}"
            """
        return (textwrap.dedent(text) + extra).encode()

    def flow(self, name: str, message: str = "hello", *, extra: str = "", ns: str = "") -> bytes:
        """Put a small flow into Git."""
        data = self.source(name, message, extra=extra, ns=ns)
        self.write(f"flows/{name}.yaml", data)
        return data

    def write(self, path: str, data: bytes | str) -> None:
        """Put any file into Git."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)

    def remove(self, name: str) -> None:
        """Take a flow out of Git."""
        (self.root / f"flows/{name}.yaml").unlink()

    def config(self, text: str = "") -> None:
        """A configuration that makes this repository own its namespace."""
        base = f"version: 1\nname: {self.name}\nsource: flows\nscope: [{self.namespace}]\n"
        self.write("kestra-sync.yaml", base + textwrap.dedent(text))

    def config_all(self, extra: str = "") -> None:
        """The same, with files in ``files/`` and keys in ``kv/``."""
        self.config(
            f"files: [{{path: files, namespace: {self.namespace}}}]\nkv: [kv/*.yaml]\n{extra}"
        )

    def keys(self, values: str) -> None:
        """Put keys into Git, in place of those that it has."""
        self.write("kv/sales.yaml", f"namespace: {self.namespace}\nvalues:\n{values}")

    @property
    def name(self) -> str:
        """The name of the inventory: one for each test."""
        return self.namespace.replace("kstest.", "kstest-") + self.label

    @property
    def release(self) -> tuple[int, ...]:
        """Major and minor version of the server."""
        return self.client.server_info().version_tuple[:2]

    @property
    def scope(self) -> Scope:
        """The namespace of this test, and below."""
        return Scope((self.namespace,))

    def id(self, name: str) -> FlowId:
        """The full name of a flow of this namespace."""
        return FlowId(self.namespace, name)

    def neighbor(self, label: str) -> Repo:
        """Another repository, with its own name, for the same namespace."""
        root = self.root.parent / label
        (root / "flows").mkdir(parents=True)
        return Repo(root, self.namespace, self.client, self._capsys, f"-{label}")

    def again(self, namespace: str) -> Repo:
        """An empty repository for another namespace."""
        root = self.root.parent / namespace
        (root / "flows").mkdir(parents=True)
        return Repo(root, namespace, self.client, self._capsys)

    def run(self, *args: str) -> RunResult:
        """Run a command in the repository, wherever its output goes."""
        os.chdir(self.root)
        self._capsys.readouterr()
        code = run(list(args))
        out, err = self._capsys.readouterr()
        return RunResult(code, out, err)

    def plan(self, *args: str) -> RunResult:
        """``plan --format json``."""
        return self.run("plan", "--format", "json", *args)

    def apply(self, *args: str) -> RunResult:
        """``apply --yes --format json``."""
        return self.run("apply", "--yes", "--format", "json", *args)

    def live(self, name: str) -> bytes:
        """The source on the server."""
        return self.client.flows.get(self.id(name)).source

    def edit(self, name: str, source: bytes) -> None:
        """Edit a flow on the server, as another user."""
        self.client.flows.update(self.id(name), source)

    def lives(self) -> dict[str, bytes]:
        """Every source below the namespace, by id (by full name if it is of another one)."""
        found = {}
        for source in self.client.flows.export(self.scope):
            flow_id = identify_source(source)
            assert flow_id is not None, source
            if self.scope.covers(flow_id.namespace):
                here = flow_id.namespace == self.namespace
                found[flow_id.id if here else str(flow_id)] = source
        return found

    def state(self) -> dict[str, object]:
        """Everything on the server below the namespace, by its name; without the record.

        Sources of flows and contents of files are bytes, keys have their value.
        """
        space = self.namespace
        keys = {name: self.client.kv.get(space, name) for name in self.live_keys()}
        return {**self.lives(), **self.client.files.export(space), **keys}

    def live_keys(self) -> dict[str, tuple[str | None, int | None]]:
        """Description and time to live in seconds of each key of the namespace."""
        return {
            each.key: (each.description, each.ttl)
            for each in self.client.kv.list(self.namespace)
            if not each.key.startswith("kestra-sync")
        }

    def revision(self, name: str) -> int | None:
        """The revision on the server."""
        return self.client.flows.get(self.id(name)).revision

    @property
    def key(self) -> str:
        """The key of the record."""
        return f"kestra-sync.{self.name}"

    def inventory(self) -> Any:
        """The record, as JSON."""
        return self.client.kv.get(self.namespace, self.key)

    def owned(self) -> dict[str, str]:
        """What the record says is ours: for each flow the hash of its source on the server."""
        return {
            each["id"]: each.get("sent_sha256") or each["file_sha256"]
            for each in self.inventory()["resources"]
        }

    def agrees(self) -> bool:
        """Whether the record claims what is on the server, and nothing else.

        What a run may or may not have written is in its intent, and may be there or not.
        """
        lives, record = self.lives(), self.inventory()
        meant = {each["id"]: each for each in record.get("intent", {}).get("writes", ())}

        def fits(name: str, recorded: str) -> bool:
            if name not in lives:
                return bool(meant.get(name, {}).get("delete"))
            here = sha256(lives[name])
            return here in (recorded, *_hashes(meant.get(name, {})))

        return all(fits(name, recorded) for name, recorded in self.owned().items())


def _hashes(entry: dict[str, Any]) -> list[str]:
    return [entry[name] for name in ("sent_sha256", "file_sha256") if name in entry][:1]


def assert_refused(repo: Repo, rules: str, *words: str, options: tuple[str, ...] = ()) -> RunResult:
    """An apply is refused by these guards, with these words; nothing is written."""
    before = repo.lives()
    ran = repo.apply(*options)
    assert (ran.code, ran.refused(), ran.json["outcomes"]) == (4, rules.split(), [])
    text = " ".join(f"{each['message']} {each['remedy']}" for each in ran.json["refusals"])
    for each in words:
        assert each in text
    assert repo.lives() == before
    return ran


def empty_repository(
    env: dict[str, str],
    namespace: str,
    parent: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Repo:
    """An empty repository, as the current directory, for the server that ``env`` names."""
    root = parent / "repo"
    (root / "flows").mkdir(parents=True)
    monkeypatch.chdir(root)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    # The wait is for concurrent runs; there are none here.
    monkeypatch.setattr("kestra_sync.apply.lock._SETTLE", 0.01)
    monkeypatch.setattr("kestra_sync.apply.lock._POLL", 0.05)
    # The requests of these tests do not come late: an answer that is lost can be asked for at once.
    monkeypatch.setattr("kestra_sync.apply.writer._SETTLE", 0.01)
    return Repo(root, namespace, KestraClient(env_file=None), capsys)
