"""The ``console`` blocks of the documentation, run against an empty Kestra and ``flows/``.

The commands of one page run in order and share the server, so a page can tell a story. Between
kestra-sync commands there may be some that change the copy of the files (``sed -i``, ``rm``), and
``echo $?``; anything else (``git``, ``export``) is not run.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import DEFAULT, VERSIONS
from tests.support.cleanup import remove_namespaces
from tests.support.command import run_here
from tests.support.console import Command, blocks, matches, normalised
from tests.support.server import Http, Server

_ROOT = Path(__file__).parent.parent.parent
_FILES = {"sed", "rm", "mv", "cp", "cat", "mkdir", "echo", "printf"}

pytestmark = pytest.mark.embedded_only


def _commands(page: Path) -> list[Command]:
    return [command for block in blocks(page) if block.is_session for command in block.commands]


_PAGES = [
    page
    for page in [*_ROOT.glob("*.md"), *sorted((_ROOT / "docs").glob("**/*.md"))]
    if any(command.is_ours for command in _commands(page))
]


_TOURS = [
    (page, version)
    for page, version in [
        *((page, DEFAULT.name) for page in _PAGES),
        *((_ROOT / "README.md", name) for name in VERSIONS if name != DEFAULT.name),
    ]
    if os.environ.get("KESTRA") in (None, "", version)
]


@pytest.fixture
def environment(server: Server) -> Iterator[dict[str, str]]:
    """What points the examples at the engine, which is afterwards as it was."""
    left_out = ("KESTRA_", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    with Http(server) as http:
        before = _namespaces(http)
        yield {**kept, **server.env, "PATH": path, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
        new = _namespaces(http) - before
        # A record is in the namespace above those of the flows.
        roots = {namespace.split(".")[0] for namespace in before}
        for namespace in {each.split(".")[0] for each in new} - roots | new:
            remove_namespaces(http, namespace)


def _namespaces(http: Http) -> set[str]:
    """Those with flows, but for those of tests that run at the same time."""
    found = http.get("/flows/distinct-namespaces").json()
    return {each for each in found if each.split(".")[0] != "kstest"}


@pytest.mark.parametrize(
    ("page", "server"),
    _TOURS,
    ids=[f"{page.name}-{name}" for page, name in _TOURS],
    indirect=["server"],
    scope="session",
)
def test_console__examples_print_the_shown_output(
    page: Path, environment: dict[str, str], tmp_path: Path, server: Server
) -> None:
    """Every command, with its output below it."""
    shutil.copytree(_ROOT / "flows", tmp_path / "flows")
    for extra in _ROOT.glob("kestra-sync.y*ml"):
        shutil.copy(extra, tmp_path)
    code = 0
    for command in _commands(page):
        where = f"{page.name}:{command.line}: $ {command.text}"
        if command.text == "echo $?":
            assert command.output[:1] == (str(code),), where
            continue
        words = command.words
        if not command.is_ours and words[0] not in _FILES:
            continue
        # The installed command, by a shell, is run on one page; on the others it costs only time.
        if command.is_plain and (page.name, server.release) != ("README.md", (1, 3)):
            ended = run_here(*words[1:], cwd=tmp_path, env=environment, together=True)
            code, text = ended.code, ended.out
        else:
            done = subprocess.run(
                ["bash", "-c", command.text],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            code, text = done.returncode, done.stdout
        wanted, got = normalised(command.output), normalised(text.splitlines())
        assert matches(wanted, got), f"{where}\n" + "\n".join(got)
        assert code not in (64, 70, 127), where


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_the_picture_of_the_plan_is_current(environment: dict[str, str], tmp_path: Path) -> None:
    """The scene of ``.ci/pictures.py``, played again, shows the text that the picture shows."""
    spec = importlib.util.spec_from_file_location("pictures", _ROOT / ".ci" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    sys.modules["pictures"] = pictures  # where its dataclasses look for their module
    spec.loader.exec_module(pictures)
    scene = pictures.play(tmp_path / "scene", environment)
    now = pictures.text_of(pictures.svg_of(scene.terminal))
    kept = pictures.text_of((_ROOT / "docs/pictures/plan.svg").read_text(encoding="utf-8"))
    # A server that has had these flows before has higher revisions, in a wider column.
    shown, wanted = (
        re.sub(r"(?<=\S) {2,}", "  ", re.sub(r"rev \d+(?: → \d+)?", "rev N", "\n".join(text)))
        for text in map(normalised, (now, kept))
    )
    assert shown == wanted, "run 'python .ci/pictures.py'"
    assert scene.comment.startswith("<!-- kestra-sync")
    assert "refund_order" in scene.page
