"""The documentation agrees with the code. Output of its examples: ``e2e/test_console.py``."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from kestra_sync.cli.main import main as group
from kestra_sync.errors import ExitCode
from kestra_sync.model import Reason
from tests.support.code import nodes, paths
from tests.support.console import Block, blocks, matches, normalised

_ROOT = Path(__file__).parent.parent
_PAGES = sorted(
    path
    for path in [*_ROOT.glob("*.md"), *(_ROOT / "docs").glob("**/*.md"), _ROOT / "flows/README.md"]
    if path.exists() and path.name != "CHANGELOG.md"
)

#: ``kestra-sync`` where it is a command: at the start, after a shell operator, in a YAML ``run:``.
_COMMAND = re.compile(r"(?:^|[;&|(]|\brun: |\$ )\s*kestra-sync (?P<rest>[^;&|)#\n]+)", re.MULTILINE)


def test_exit_codes_page__lists_all_codes() -> None:
    """The table has a row for every code, in order, by the name that the code gives it."""
    text = (_ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    assert [(int(number), name) for number, name in rows] == [(c.value, c.name) for c in ExitCode]


def test_architecture_page__lists_every_part_and_reason() -> None:
    """A package, or a reason for a change, that appears in the code is explained on the page."""
    text = (_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    package = _ROOT / "kestra_sync"
    modules = (path.relative_to(package).parts[0] for path in package.rglob("*.py"))
    real = {name.removesuffix(".py") for name in modules if not name.startswith("_")}
    assert real <= parts
    assert {reason.value for reason in Reason} <= set(re.findall(r"`([a-z-]+)`", text))


def test_cli_page__is_up_to_date() -> None:
    """``make docs`` writes it."""
    script = _ROOT / ".ci" / "docs.py"
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_troubleshooting_page__messages_exist() -> None:
    """Each is part of a text in the code: of one literal, as it is printed."""
    page = (_ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `(.+?)` \| ", page, re.MULTILINE)
    assert len(messages) > 20
    texts = "\n".join(_literals())
    assert [each for each in messages if each not in texts] == []


def _literals() -> Iterator[str]:
    for path in paths():
        for node in nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_links__lead_to_existing_files_and_headings(page: Path) -> None:
    """Relative links name files that exist, and headings that the file has."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name) if name else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(target)
    assert broken == []


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def _examples() -> list[tuple[Block, str]]:
    """Every kestra-sync command in any fenced block of the documentation."""
    found = []
    for page in _PAGES:
        for block in blocks(page):
            if block.language in ("text", "json"):
                continue
            text = re.sub(r"\\\n\s*", " ", "\n".join(block.lines))
            found += [(block, match["rest"].strip()) for match in _COMMAND.finditer(text)]
    return found


@pytest.mark.parametrize(
    ("block", "rest"),
    [
        pytest.param(block, rest, id=f"{block.path.name}:{block.line}:{rest}")
        for block, rest in _examples()
    ],
)
def test_examples__use_existing_options(block: Block, rest: str) -> None:
    """Also where an example cannot be run."""
    words = rest.split()
    command: click.Command = group
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        child = command.get_command(click.Context(command), words.pop(0))
        assert child is not None, f"{block.path.name}:{block.line}: no such command: {rest}"
        command = child
    options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert options <= _options(command), f"{block.path.name}:{block.line}"


@cache
def _options(command: click.Command) -> frozenset[str]:
    context = click.Context(command, help_option_names=["-h", "--help"])
    return frozenset(
        name
        for option in command.get_params(context)
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    )


def test_console__outputs_are_normalized_and_compared() -> None:
    """Three dots match any lines; addresses, versions and times may differ, the rest may not."""
    assert matches(["a", "...", "d"], ["a", "b", "c", "d"])
    assert matches(["...", "d"], ["d"])
    assert not matches(["a", "..."], ["b"])
    assert not matches(["a"], ["a", "b"])
    old = ["plan · http://localhost:8080 (Kestra 1.3.25, tenant main)", "took 1.5 s", ""]
    new = ["plan · http://127.0.0.1:41000 (Kestra 1.3.0, tenant main)", "took 320 ms"]
    assert normalised(old) == normalised(new)
    assert normalised(["rev 7 → 8"]) != normalised(["rev 7 → 9"])


def test_console__session_is_distinguished_from_a_list_of_commands(tmp_path: Path) -> None:
    """Only what shows its output can be checked."""
    page = tmp_path / "page.md"
    parts = [
        "```console\n$ kestra-sync plan\n$ kestra-sync apply  # at last\n```",
        "```console\n$ kestra-sync plan\nNo changes.\n$ echo $?\n0\n```",
        "<!-- not run -->\n```console\n$ kestra-sync plan\nNo changes.\n```",
        "```console\n$ rm flows/a.yaml\n```",
        "```bash\nkestra-sync plan\n```",
    ]
    page.write_text("\n\n".join(parts))
    assert [block.is_session for block in blocks(page)] == [False, True, False, True, False]
    plan, echo = list(blocks(page))[1].commands
    assert (plan.text, plan.output, plan.is_ours) == ("kestra-sync plan", ("No changes.",), True)
    assert (echo.text, echo.output, echo.is_ours) == ("echo $?", ("0",), False)
