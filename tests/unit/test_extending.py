"""Follows each recipe of CONTRIBUTING in a copy of the code.

A line or a module is added at the extension point, and nothing else is edited: help, schema, docs,
``explain`` and output must follow.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.sources import log_flow

_ROOT = Path(__file__).resolve().parents[2]
_SHARED = ("kestra_sync", "docs", ".ci", "action.yml")

#: An option with a key in the configuration, an environment variable, and an input of the Action.
_OPTION = """\
    patience: bool = setting(
        False,
        "Apply at full moon.",
        flag="--patience",
        key="patience",
        commands=_WRITING,
    )
"""
_GUARD = """

@guard("full-moon")
def _full_moon(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    if plan.writes and given.settings.only == ("acme/moon",) and not given.settings.patience:
        yield Objection("the moon is full", "wait, or pass --patience")
"""
_RULE = '''\
"""``policy-haiku``: descriptions of three lines."""

from kestra_sync.checks.policy_rules.base import PolicyRule
from kestra_sync.findings import Finding


def _check(given, _value):
    if str(given.value.get("description", "")).count("\\n") != 2:
        yield Finding(RULE.id, ("id",), "the description is not a haiku", "write three lines")


RULE = PolicyRule(
    "policy-haiku",
    "The description is not a haiku",
    "haiku",
    {"description": "Every description is a haiku.", "type": "boolean", "x-expected": "a boolean"},
    _check,
    bool,
)
'''
_FORMAT = '''\
"""One word per run."""


class LunarReporter:
    """``--format lunar``."""

    name = "lunar"

    def render(self, report):
        """The exit code as a phase of the moon."""
        return f"{report.command}: {'full' if report.exit_code else 'new'} moon\\n"
'''
_EXPLAINED = """
### full-moon

The moon is full.

Wait.

### policy-haiku

The description is not a haiku.

Write three lines.
"""
#: Notes: text files below ``notes``, stored as keys of their own.
_KIND = '''\
"""The kind ``note``."""

from dataclasses import dataclass
from pathlib import Path

from kestra_sync.client.errors import AlreadyExists, NotFound
from kestra_sync.kinds.base import Loaded, Reading, ResourceKind
from kestra_sync.model import Desired, Document, Flow, Kind, Live, ResourceId
from kestra_sync.plan.diff import unified


def diff(before, after, *, context=2):
    return unified(before, after, context=context)


def make(context):
    return NotesKind(context.settings.notes)


@dataclass(frozen=True)
class NotesKind(ResourceKind):
    folders: tuple[str, ...]

    def load(self, excluded=()):
        desired = {}
        for path in sorted(each for folder in self.folders for each in Path(folder).glob("*.txt")):
            known = ResourceId("acme", path.stem, Kind.NOTE)
            document = Document(path.as_posix(), 0, 1, path.read_bytes())
            desired[known] = Desired(Flow(known, document), document.data)
        return Loaded(desired, len(desired))

    def paths(self):
        return frozenset(Path(each).resolve() for each in self.folders)

    def names(self, client, namespace):
        return ()

    def read(self, client, desired, bases):
        live = {}
        for known in {*desired, *bases}:
            try:
                live[known] = self.store(client).get(known)
            except NotFound:
                pass
        return Reading(live, bases)

    def store(self, client):
        return Notes(client.kv)


class Notes:
    delete_twice = True

    def __init__(self, kv):
        self.kv = kv

    def get(self, resource, *, revision=None):
        return Live(resource, self.kv.get(resource.namespace, f"note-{resource.id}").encode())

    def create(self, resource, source):
        try:
            self.get(resource)
        except NotFound:
            return self.update(resource, source)
        raise AlreadyExists(409, "PUT", str(resource), "the note exists")

    def update(self, resource, source):
        self.kv.put(resource.namespace, f"note-{resource.id}", source.decode())
        return Live(resource, source)

    def delete(self, resource):
        if not self.kv.delete(resource.namespace, f"note-{resource.id}"):
            raise NotFound(404, "DELETE", str(resource))
'''
_NOTES = '    notes: tuple[str, ...] = setting((), "Notes.", key="notes", from_file=tuple)\n'
#: Runs a command of the copy for each line of its input: to start a process takes longer.
_SERVE = """\
import contextlib, io, json, sys

from kestra_sync.cli.main import run

for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(json.loads(line))
    print(json.dumps([code, out.getvalue() + err.getvalue()]), flush=True)
"""


class Copy:
    """The code, with additions, and a repository to run it on."""

    def __init__(self, root: Path) -> None:
        self.root = root / "code"
        self.work = root / "work"
        self.url = ""
        self._serving: subprocess.Popen[str] | None = None
        for each in _SHARED:
            source = _ROOT / each
            ignored = shutil.ignore_patterns("__pycache__", "*.png")
            if source.is_dir():
                shutil.copytree(source, self.root / each, ignore=ignored)
            else:
                shutil.copy(source, self.root / each)

    def write(self, path: str, text: str) -> None:
        """A new module."""
        target = self.root / path
        target.parent.mkdir(exist_ok=True)
        assert not target.exists()
        target.write_text(text, encoding="utf-8")

    def insert(self, path: str, before: str, text: str) -> None:
        """Lines in front of the one that begins with ``before``; ``""`` is the end."""
        target = self.root / path
        there = target.read_text(encoding="utf-8")
        at = there.index(f"\n{before}") + 1 if before else len(there)
        target.write_text(there[:at] + text + there[at:], encoding="utf-8")

    def run(self, *args: str, code: int = 0) -> str:
        """A program of the copy, with both streams."""
        done = subprocess.run(
            [sys.executable, *args], cwd=self.work, env=self._environ(), capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def sync(self, *args: str, code: int = 0) -> str:
        """kestra-sync of the copy."""
        if self._serving is None:
            self._serving = subprocess.Popen(
                [sys.executable, "-c", _SERVE], cwd=self.work, env=self._environ(), text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        assert self._serving.stdin is not None
        assert self._serving.stdout is not None
        self._serving.stdin.write(f"{json.dumps(args)}\n")
        self._serving.stdin.flush()
        ended, said = json.loads(self._serving.stdout.readline())
        assert ended == code, said
        return str(said)

    def close(self) -> None:
        """End the process of the commands."""
        if self._serving is not None:
            self._serving.communicate(timeout=60)

    def _environ(self) -> dict[str, str]:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("KESTRA_", "GITHUB_"))}
        return environ | {
            "PYTHONPATH": str(self.root), "KESTRA_API_URL": self.url, "COLUMNS": "100",
            "KESTRA_USERNAME": "admin", "KESTRA_PASSWORD": "secret",
        }  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """All recipes in one copy; ``make docs`` is the last step of each."""
    made = Copy(tmp_path_factory.mktemp("extended"))
    made.insert("kestra_sync/settings.py", "    display_only: bool", _OPTION + _NOTES)
    made.insert("kestra_sync/plan/guards.py", "", _GUARD)
    rules = "kestra_sync/checks/policy_rules"
    made.write(f"{rules}/haiku.py", _RULE)
    made.insert(f"{rules}/__init__.py", "    id_pattern,", "    haiku,\n")
    made.insert(f"{rules}/__init__.py", "    id_pattern.RULE,", "    haiku.RULE,\n")
    made.write("kestra_sync/report/lunar.py", _FORMAT)
    row = '    "lunar": Format("lunar:LunarReporter"),\n'
    made.insert("kestra_sync/report/formats.py", '    "html": Format', row)
    made.write("kestra_sync/kinds/notes/__init__.py", '"""Notes."""\n')
    made.write("kestra_sync/kinds/notes/kind.py", _KIND)
    row = '    NOTE = "note", KindTraits("note", "notes", ("notes",))\n'
    made.insert("kestra_sync/resources.py", "    # The traits have a default", row)
    made.insert("docs/rules.md", "## Warnings about a run", _EXPLAINED.lstrip("\n") + "\n")
    made.work.mkdir()
    made.run(str(made.root / ".ci" / "docs.py"), "--write")
    made.run(str(made.root / ".ci" / "docs.py"))
    for folder in ("flows", "notes"):
        (made.work / folder).mkdir()
    (made.work / "flows" / "moon.yaml").write_text(log_flow("acme", "moon"))
    (made.work / "kestra-sync.yaml").write_text(
        "version: 1\nname: ours\nscope: [acme]\nnotes: [notes]\n"
    )
    with SmallKestra() as server:
        server.begin(State())
        made.url = server.url
        yield made
        made.close()


def test_an_option__is_a_declaration_and_its_consumer(copy: Copy) -> None:
    """Option, variable, key, schema, input of the Action, and the three pages."""
    assert "--patience" in copy.sync("plan", "--help")
    assert "--patience" not in copy.sync("drift", "--help")
    schema = json.loads((copy.root / "kestra_sync/schemas/config.json").read_text())
    for part in (schema, schema["$defs"]["environment"]):
        assert part["properties"]["patience"] == {"$ref": "#/$defs/patience"}
    assert schema["$defs"]["patience"]["type"] == "boolean"
    action = (copy.root / "action.yml").read_text()
    assert 'patience:\n    description: "true: apply at full moon."\n' in action
    assert "INPUT_PATIENCE: ${{ inputs.patience }}\n" in action
    docs = {each.name: each.read_text() for each in (copy.root / "docs").glob("*.md")}
    assert "| `--patience` | `KESTRA_SYNC_PATIENCE` |  | Apply at full moon. |" in docs["cli.md"]
    assert "| `patience` | `false` | Apply at full moon. |" in docs["configuration.md"]
    assert "| `patience` |  | true: apply at full moon. |" in docs["github-action.md"]


def test_a_guard__is_a_declaration(copy: Copy) -> None:
    """It refuses, in text and JSON; its option lifts it, from the configuration too."""
    moon = ("plan", "--only", "acme/moon")
    assert "refused[full-moon] the moon is full\n" in copy.sync(*moon, code=4)
    document = json.loads(copy.sync(*moon, "--format", "json", code=4))
    assert [each["rule"] for each in document["refusals"]] == ["full-moon"]
    copy.sync(*moon, "--patience")
    config = copy.work / "patient.yaml"
    config.write_text("version: 1\nname: ours\nscope: [acme]\npatience: true\n")
    copy.sync(*moon, "--config", "patient.yaml")
    assert copy.sync("explain", "refused[full-moon]").startswith("full-moon  (Guards)\n")


def test_a_policy_rule__is_a_module_and_its_line(copy: Copy) -> None:
    """Its option is in the schema, so that the configuration is checked."""
    config = copy.work / "poetic.yaml"
    config.write_text("version: 1\npolicy: {haiku: true}\n")
    said = copy.sync("validate", "--offline", "--config", "poetic.yaml", code=3)
    assert "flows/moon.yaml:1:5: error[policy-haiku] the description is not a haiku\n" in said
    config.write_text("version: 1\npolicy: {haiku: maybe}\n")
    said = copy.sync("validate", "--offline", "--config", "poetic.yaml", code=64)
    assert "must be a boolean" in said
    assert "Write three lines." in copy.sync("explain", "policy-haiku")


def test_a_format__is_a_module_and_its_row(copy: Copy) -> None:
    """On stdout and in a file; help and the Action know it."""
    assert copy.sync("validate", "--offline", "--format", "lunar") == "validate: new moon\n"
    copy.sync("validate", "--offline", "-o", "lunar=report.txt")
    assert (copy.work / "report.txt").read_text() == "validate: new moon\n"
    assert "lunar" in copy.sync("apply", "--help")
    reads = "from kestra_sync.action.inputs import read; print(read({'report': 'lunar'}).report)"
    assert copy.run("-c", reads) == "lunar\n"


def test_a_kind__is_a_package_and_its_row(copy: Copy) -> None:
    """Planned, applied, recorded, updated, filtered and deleted, without a line elsewhere."""
    note = copy.work / "notes" / "hello.txt"
    note.write_text("hello\n")
    assert "  + note:acme/hello   notes/hello.txt\n" in copy.sync("plan")
    copy.sync("apply", "--yes")
    assert "1 flow and 1 note are up to date." in copy.sync("plan")
    note.write_text("hello world\n")
    said = copy.sync("plan", "--only", "note:acme/*")
    assert "  ~ note:acme/hello   notes/hello.txt\n" in said
    assert "+ hello world\n" in said
    copy.sync("apply", "--yes", "-o", "json=applied.json")
    document = json.loads((copy.work / "applied.json").read_text())
    (outcome,) = document["outcomes"]
    assert outcome["flow"] == {"namespace": "acme", "id": "hello", "kind": "note"}
    assert "note:acme/hello" in copy.sync("inventory", "-v")
    note.unlink()
    assert "  - note:acme/hello" in copy.sync("apply", "--yes", "--allow-large")
    assert "1 flow is up to date." in copy.sync("plan")
