"""The command, as a shell would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Ended, run_here
from tests.support.schemas import check_result
from tests.support.server import Server


@dataclass(frozen=True)
class RunResult(Ended):
    """The result of a command."""

    @property
    def json(self) -> Any:
        """Stdout as JSON: one whole document, and what its schema promises."""
        document = json.loads(self.out)
        check_result(document)
        assert document["exit_code"] == self.code
        return document


class Shell:
    """A folder with flows, a namespace of a server, and the command."""

    def __init__(self, folder: Path, namespace: str, server: Server) -> None:
        self.folder = folder
        self.namespace = namespace
        self.server = server
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KESTRA_", "COVERAGE_"))
            and name not in ("NO_COLOR", "GITHUB_ACTIONS")
        }
        self.environment = {**kept, **server.env, "HOME": str(folder)}

    def write(self, path: str, text: str) -> None:
        """A file; ``NS`` is replaced by the namespace."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("NS", self.namespace), encoding="utf-8")

    def run(self, *args: str, stdin: str = "", **environment: str) -> RunResult:
        """Run ``kestra-sync`` in this process."""
        environ = {**self.environment, **environment}
        ended = run_here(*args, cwd=self.folder, env=environ, stdin=stdin)
        return RunResult(ended.code, ended.out, ended.err)

    def start(self, *args: str, stdin: str = "", **environment: str) -> RunResult:
        """Run ``kestra-sync`` in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "kestra_sync", *args],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return RunResult(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def shell(tmp_path: Path, namespace: str, server: Server) -> Shell:
    """One good flow in ``flows/``, nothing on the server."""
    found = Shell(tmp_path, namespace, server)
    found.write("flows/hello.yaml", HELLO)
    return found


HELLO = """\
id: hello
namespace: NS
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hello
"""
