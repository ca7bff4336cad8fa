"""Which files a smoke test in a pull request may send to the server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kestra_sync.smoke.input_files import InputFiles
from kestra_sync.smoke.spec_file import load_spec_files

_SPEC = "flows/team/a.smoke.yaml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of Git, with data and with secrets."""
    root = tmp_path / "repo"
    (root / "flows" / "team" / "deep").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    (tmp_path / "outside").write_text("secret")
    for name in (
        ".env", "other.csv", "flows/shared.csv", "flows/team/x.csv", "flows/team/deep/y.csv",
        "flows/team/.hidden", "flows/team/state.tfvars", "flows/team/dropped.csv",
        "flows/team/.dir/z.csv", "flows/gone/w.csv",
    ):  # fmt: skip
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("data")
    (root / ".gitignore").write_text("*.tfvars\n")
    (root / "flows" / ".kestraignore").write_text("dropped.csv\n")
    monkeypatch.chdir(root)
    return root


def _problem(given: str, **more: tuple[str, ...]) -> str:
    return InputFiles(("flows",), **more).problem(_SPEC, given) or ""  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["x.csv", "./x.csv", "deep/y.csv", "../shared.csv"])
def test_input_file__next_to_the_test_or_below_the_flows(given: str) -> None:
    assert _problem(given) == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("../../.git/config", "outside"),
        ("../../.env", "outside"),
        ("../../../outside", "outside"),
        ("/proc/self/environ", "outside"),
        ("/etc/passwd", "outside"),
        ("../../other.csv", "outside"),
        (".hidden", "hidden"),
        (".dir/z.csv", "hidden"),
        ("state.tfvars", "ignored"),
        ("dropped.csv", "ignored"),
        ("../gone/w.csv", "ignored"),
        ("nothing.csv", "no such file"),
        ("deep", "no such file"),
        ("", "no such file"),
        ("a\x00b", "not a path"),
        ("x" * 300, "must not be sent"),
        ("/".join(["x" * 200] * 30), "must not be sent"),
    ],
)
def test_input_file__other_files_are_not_sent(given: str, why: str) -> None:
    problem = _problem(given, ignore=("gone/",))
    assert why in problem or ("x" * 9 in given and "no such file" in problem)


@pytest.mark.parametrize("target", ["../../../outside", "../../.env", "../../.git/HEAD", ".hidden"])
def test_input_file__link_does_not_change_the_rules(target: str) -> None:
    Path("flows/team/link.csv").symlink_to(target)
    assert _problem("link.csv") != ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no FIFOs in folders")
def test_a_fifo_is_not_a_file() -> None:
    os.mkfifo("flows/team/pipe")
    assert "no such file" in _problem("pipe")


def test_what_the_user_allows(tmp_path: Path) -> None:
    """A file, or all below a directory; a name that is allowed is not another one."""
    outside = str(tmp_path / "outside")
    for allowed in (outside, str(tmp_path)):
        assert _problem("../../../outside", allowed=(allowed,)) == ""
    assert _problem(".hidden", allowed=("flows/team/.hidden",)) == ""
    assert _problem("state.tfvars", allowed=("flows/team",)) == ""
    assert "outside" in _problem("../../other.csv", allowed=("flows/team", "../nowhere"))
    assert "no such file" in _problem("no.csv", allowed=("flows",))


def test_the_place_is_named_with_what_helps() -> None:
    Path(_SPEC).write_text("flow: a/b\ninputs:\n  file: '@../../.env'\n")
    (problem,) = load_spec_files([_SPEC], InputFiles(("flows",))).diagnostics
    assert (problem.rule, problem.position and problem.position.line) == ("smoke-file", 3)
    assert problem.remedy == "if this is intended, pass --allow-file .env"
    assert load_spec_files([_SPEC], InputFiles(("flows",), allowed=(".env",))).diagnostics == ()
