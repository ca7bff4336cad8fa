"""The command line in a checkout whose author plants links, FIFOs and impossible names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kestra_sync.cli.main import run

_SECRET = "hunter2-hunter2"
_TASK = "{id: t, type: io.kestra.plugin.core.log.Log, message: hi}"
_FLOW = f"id: a\nnamespace: acme\ntasks: [{_TASK}]\n"
_ODD = ["a\x00b", "x" * 300, "/".join(["x" * 200] * 30), "\udcff", "pipe", "missing/x"]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one flow; secrets of the machine are next to it and in it."""
    for name in [each for each in os.environ if each.startswith(("KESTRA_", "GITHUB_", "CI_"))]:
        monkeypatch.delenv(name)
    root = tmp_path / "checkout"
    (root / "flows").mkdir(parents=True)
    (root / ".git").mkdir()
    for secret in (tmp_path / "secret", root / ".git" / "config", root / ".env.local"):
        secret.write_text(f"token: {_SECRET}\nflow: {_SECRET}\n")
    (root / "flows" / "a.yaml").write_text(_FLOW)
    monkeypatch.chdir(root)
    # No server there: a run that gets this far has read its files.
    monkeypatch.setenv("KESTRA_API_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
    return root


Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs a command; its exit code, and everything it printed."""

    def ran(*args: str) -> tuple[int, str]:
        code = run(list(args))
        return code, "".join(capsys.readouterr())

    return ran


def _snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_fifo() else None
        for path in sorted(folder.rglob("*"))
    }


_TARGETS = ["../secret", "/proc/self/environ", ".git/config", ".env.local", "../nothing"]
_WRITES = [
    ("validate", "--offline", "-o", "json=planted"),
    ("validate", "--offline", "-o", "html=planted"),
    ("validate", "--offline", "-o", "junit=folder/planted"),
    ("graph", "--offline", "-o", "svg=planted"),
    ("plan", "--out", "planted"),
    ("apply", "--yes", "--journal", "planted"),
    ("smoke", "-o", "text=planted"),
]


@pytest.mark.parametrize("target", _TARGETS)
@pytest.mark.parametrize("command", _WRITES, ids=lambda command: " ".join(command))
def test_output__is_not_written_through_a_link(
    command: tuple[str, ...], target: str, tmp_path: Path, said: Said
) -> None:
    Path("planted").symlink_to(target)
    Path("folder").symlink_to("..")
    before = _snapshot(tmp_path)
    code, text = said(*command)
    assert code not in (0, 70), text
    assert _SECRET not in text
    assert _snapshot(tmp_path) == before


_READS = [
    ("validate", "--offline", "--config", "planted"),
    ("validate", "--offline", "planted"),
    ("validate", "--offline", "flows/planted.yaml"),
    ("validate", "--offline", "flows"),
    ("plan", "--env-file", "planted"),
    ("apply", "--yes", "--plan", "planted"),
    ("smoke", "flows/planted.smoke.yaml"),
    ("smoke", "flows/a.yaml"),
    ("smoke",),
    ("graph", "--offline", "planted"),
    ("init", "planted"),
]


@pytest.mark.parametrize("target", _TARGETS)
@pytest.mark.parametrize("command", _READS, ids=lambda command: " ".join(command))
def test_input__is_not_read_through_a_link(
    command: tuple[str, ...], target: str, said: Said
) -> None:
    for name in ("planted", "flows/planted.yaml", "flows/planted.smoke.yaml", "flows/a.smoke.yaml"):
        Path(name).symlink_to(Path(target) if target.startswith("/") else Path.cwd() / target)
    code, text = said(*command)
    assert code not in (0, 70), text
    assert _SECRET not in text


@pytest.mark.parametrize("name", _ODD, ids=["NUL", "long", "deep", "surrogate", "FIFO", "missing"])
@pytest.mark.parametrize(
    "command",
    [
        ("validate", "--offline", "{}"),
        ("validate", "--offline", "--config", "{}"),
        ("validate", "--offline", "-o", "json={}"),
        ("plan", "--out", "{}"),
        ("plan", "--env-file", "{}"),
        ("apply", "--yes", "--plan", "{}"),
        ("apply", "--yes", "--journal", "{}"),
        ("smoke", "{}"),
        ("run", "acme/a", "-i", "file=@{}"),
        ("graph", "--offline", "-o", "dot={}"),
        ("pull", "{}"),
        ("init", "{}"),
    ],
    ids=lambda command: " ".join(command),
)
def test_file_name__invalid_one_is_a_usage_error(
    command: tuple[str, ...], name: str, said: Said
) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe")
    if command[0] != "init":
        Path("kestra-sync.yaml").write_text("version: 1\nsource: flows\n")
    code, text = said(*(each.replace("{}", name) for each in command))
    assert code != 70, text


@pytest.mark.parametrize("name", ["a\x00b", "x" * 300, "../.git/config", "pipe", "../../secret"])
@pytest.mark.parametrize("value", ['"@{}"', "'@{}'"])
def test_no_input_of_a_smoke_test_is_a_bug(name: str, value: str, said: Said) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo("flows/pipe")
    shown = name.replace("\x00", "\\0") if value.startswith('"') else name
    text = f"flow: acme/a\ninputs:\n  file: {value.replace('{}', shown)}\n"
    Path("flows/a.smoke.yaml").write_text(text)
    code, text = said("smoke")
    assert code in (3, 64), text
    assert _SECRET not in text
