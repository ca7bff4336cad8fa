"""The tool as its users run it: a repository in a folder, a server, the command line."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.cli.edge import run
from kestra_sync.kestra.client import KestraClient
from kestra_sync.model import FlowId, Scope
from tests.support.server import Server


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as JSON."""
        return json.loads(self.out)

    def reasons(self) -> dict[str, str]:
        """For each change of the plan, its ``action reason``."""
        return {
            each["flow"]["id"]: f"{each['action']} {each['reason']}"
            for each in self.json["plan"]["changes"]
        }


class Repo:
    """A Git repository's worth of flows below the current directory, and a server's namespace."""

    def __init__(
        self,
        root: Path,
        namespace: str,
        client: KestraClient,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.root = root
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

    @property
    def name(self) -> str:
        """The name of the inventory: one for each test."""
        return self.namespace.replace("kstest.", "kstest-")

    @property
    def scope(self) -> Scope:
        """The namespace of this test, and below."""
        return Scope((self.namespace,))

    def id(self, name: str) -> FlowId:
        """The full name of a flow of this namespace."""
        return FlowId(self.namespace, name)

    def run(self, *args: str) -> Ran:
        """Run a command, wherever its output goes."""
        self._capsys.readouterr()
        code = run(list(args))
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)

    def plan(self, *args: str) -> Ran:
        """``plan --format json``."""
        return self.run("plan", "--format", "json", *args)

    def apply(self, *args: str) -> Ran:
        """``apply --yes --format json``."""
        return self.run("apply", "--yes", "--format", "json", *args)

    def live(self, name: str) -> bytes:
        """The source on the server."""
        return self.client.flows.get(self.id(name)).source

    def edit(self, name: str, source: bytes) -> None:
        """Somebody edits a flow on the server."""
        self.client.flows.update(self.id(name), source)

    def inventory(self) -> Any:
        """The record, as JSON."""
        return self.client.kv.get(self.namespace, f"kestra-sync.{self.name}")


@pytest.fixture
def repo(
    server: Server,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Repo:
    """An empty repository for an empty namespace of the server."""
    root = tmp_path / "repo"
    (root / "flows").mkdir(parents=True)
    monkeypatch.chdir(root)
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    # The wait is there for others who lock at the same moment; here is nobody else.
    monkeypatch.setattr("kestra_sync.apply.lock._SETTLE", 0.01)
    client = KestraClient(env_file=None)
    return Repo(root, namespace, client, capsys)
