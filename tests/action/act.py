"""Runs workflows on this machine with ``act``: no container, no network but what they ask for.

The actions that a workflow uses are local copies: our own is this checkout, ``actions/checkout``
is what act itself makes of it, and the others are stubs that do nothing.
"""

from __future__ import annotations

import compileall
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.action.go_tools import go_tool

ROOT = Path(__file__).parents[2]
#: Kept between runs: the environment of the action, which pip would otherwise recreate each time.
_CACHE = ROOT / "build" / "act"
_USES = re.compile(r"uses: (?P<action>[\w.-]+/[\w.-]+(?:/[\w.-]+)*)@(?P<ref>\S+)")
_OURS = "kestra-sync/kestra-sync"
_STUB = """\
name: stub
description: Replaces an action that is not needed here.
runs:
  using: composite
  steps:
    - shell: bash
      run: echo "stub"
"""


@dataclass(frozen=True)
class Annotation:
    """A command in the log."""

    kind: str
    properties: Mapping[str, str]
    message: str


def parse_command(line: str) -> Annotation:
    """By the rules of GitHub's runner; act's own are lax, and take the last ``::`` for the end."""
    head, _, message = line.rstrip("\n").removeprefix("::").partition("::")
    kind, _, given = head.partition(" ")
    pairs = (each.partition("=") for each in given.split(",") if each)
    properties = {name: _decoded(value) for name, _, value in pairs}
    return Annotation(kind, properties, _decoded(message))


def _decoded(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")):
        text = text.replace(code, character)
    return text.replace("%25", "%")


@dataclass(frozen=True)
class Run:
    """The outcome of a workflow.

    :param entries: the log, an object a line.
    """

    code: int
    entries: tuple[dict[str, Any], ...]
    workspace: Path
    captured: Path

    @property
    def log(self) -> str:
        """The log as text."""
        return "\n".join(str(each.get("msg", "")).rstrip("\n") for each in self.entries)

    def outputs(self, name: str = "outputs") -> dict[str, str]:
        """What a step of the workflow has written to ``$CAPTURE/<name>.json``."""
        file = self.captured / f"{name}.json"
        assert file.exists(), self.log
        found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        return found

    @property
    def summary(self) -> str:
        """The summary of the last step that has one."""
        found = [each["content"] for each in self.entries if each.get("command") == "summary"]
        return str(found[-1]) if found else ""

    def annotations(self, kind: str) -> list[Annotation]:
        """The ``error``, ``warning`` or ``notice`` commands, as GitHub's runner takes them."""
        commands = [parse_command(str(each["raw"])) for each in self.entries if "raw" in each]
        return [each for each in commands if each.kind == kind]

    def results(self) -> dict[str, str]:
        """The result of each job."""
        return {
            str(each["jobID"]): str(each["jobResult"])
            for each in self.entries
            if each.get("jobResult")
        }


@dataclass
class Act:
    """A repository on this machine, and act to run its workflows in.

    :param action: the copy of the action.
    """

    folder: Path
    action: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Path:
        """The checkout."""
        return self.folder / "repository"

    def commit(self, files: Mapping[str, str]) -> str:
        """Write files and commit them; the commit's hash."""
        for name, text in files.items():
            path = self.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if not (self.workspace / ".git").exists():
            self._git("init", "--quiet", "--initial-branch=main")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message=a state of the repository")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *args: str) -> str:
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        return subprocess.run(
            ["git", *who, *args], cwd=self.workspace, check=True, capture_output=True, text=True
        ).stdout

    def run(
        self,
        workflow: str,
        *,
        event: str = "push",
        payload: Mapping[str, Any] | None = None,
        job: str | None = None,
        **environ: str,
    ) -> Run:
        """Run the text of a workflow on an event.

        :param environ: more variables of the environment.
        """
        file = self.folder / "workflow.yml"
        file.write_text(workflow, encoding="utf-8")
        captured = self.folder / "captured"
        shutil.rmtree(captured, ignore_errors=True)
        captured.mkdir()
        event_file = self.folder / "event.json"
        event_file.write_text(json.dumps(payload or {}), encoding="utf-8")
        command = [str(go_tool("act")), event, "--json", "--directory", str(self.workspace)]
        command += ["--workflows", str(file), "--eventpath", str(event_file)]
        command += ["--platform", "ubuntu-latest=-self-hosted", "--no-cache-server"]
        command += ["--action-cache-path", str(_CACHE), "--rm"]
        command += ["--env-file", os.devnull, "--secret-file", os.devnull, "--var-file", os.devnull]
        command += [f"--local-repository={each}" for each in self._local(workflow)]
        command += [f"--var={name}={value}" for name, value in self.variables.items()]
        command += [f"--secret={name}={value}" for name, value in self.secrets.items()]
        variables = {"CAPTURE": str(captured), "TERM": "dumb", "NO_COLOR": "1"}
        variables |= {**self.environ, **environ}
        command += [f"--env={name}={value}" for name, value in variables.items()]
        if job is not None:
            command += ["--job", job]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._clean(),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        entries = tuple(_entries(done.stdout + done.stderr))
        return Run(done.returncode, entries, self.workspace, captured)

    def _clean(self) -> dict[str, str]:
        """The environment without variables that the workflow does not set."""
        names = ("KESTRA_", "GITHUB_", "RUNNER_", "INPUT_", "COVERAGE_", "COV_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(names)}
        # The Python itself first: a shim of pyenv before it takes longer than our program.
        path = f"{Path(sys.base_prefix) / 'bin'}{os.pathsep}{kept['PATH']}"
        # No .actrc and no other setting of the user who runs the tests.
        return {**kept, "PATH": path, "XDG_CONFIG_HOME": str(self.folder), "ACT": "true"}

    def _local(self, workflow: str) -> Iterator[str]:
        stub = self.folder / "stub"
        stub.mkdir(exist_ok=True)
        (stub / "action.yml").write_text(_STUB, encoding="utf-8")
        texts = workflow + (self.action / "action.yml").read_text(encoding="utf-8")
        for match in sorted(set(_USES.findall(texts))):
            name, ref = match
            place = self.action if name == _OURS else stub
            if name != "actions/checkout":
                yield f"{name}@{ref}={place}"


def _entries(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            yield {"msg": line}


def copy_action(to: Path) -> Path:
    """The files of this repository that the Action needs, as GitHub's runner fetches them.

    Each step of each run gets a copy of it, so the package is a link to a copy that is made once.
    """
    fetched, action = to / "fetched", to / "action"
    for part in ["action.yml", ".github/requirements-action.txt", ".ci/python.sh"]:
        for place in (fetched, action):
            (place / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / part, place / part)
    package = fetched / "kestra_sync"
    shutil.copytree(ROOT / "kestra_sync", package, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(package, quiet=2)
    (action / "kestra_sync").symlink_to(package)
    return action
