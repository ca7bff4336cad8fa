"""Shell completion, which click implements."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_COMMAND = Path(sys.executable).parent / "kestra-sync"


def _environ(**more: str) -> dict[str, str]:
    path = f"{_COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **more}


def _run(command: list[str], **more: str) -> str:
    done = subprocess.run(
        command, env=_environ(**more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion__each_shell_gets_its_script_and_its_answers(shell: str) -> None:
    """In the protocol of each; the words are what the shell gives. Bash itself is below."""
    script = _run([str(_COMMAND)], _KESTRA_SYNC_COMPLETE=f"{shell}_source")
    assert f"_KESTRA_SYNC_COMPLETE={shell}_complete" in script
    at = {"COMP_CWORD": "va"} if shell == "fish" else {"COMP_CWORD": "1"}
    answer = _run(
        [str(_COMMAND)],
        _KESTRA_SYNC_COMPLETE=f"{shell}_complete",
        COMP_WORDS="kestra-sync va",
        **at,
    )
    assert re.match(r"plain[,\n]validate", answer), answer


@pytest.mark.skipif(shutil.which("bash") is None, reason="Windows may have no bash")
def test_completion__bash_completes_commands_options_and_values() -> None:
    """With a real bash, and the line of the documentation."""
    page = Path(__file__).parents[3] / "docs" / "install.md"
    (line,) = re.findall(r"`(eval .*bash_source.*)`", page.read_text(encoding="utf-8"))
    script = f"""
    {line}
    complete_at_end() {{
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _kestra_sync_completion kestra-sync; printf '%s\\n' "${{COMPREPLY[@]}}"
    }}
    complete -p kestra-sync
    complete_at_end kestra-sync inven
    complete_at_end kestra-sync plan --on-dr
    complete_at_end kestra-sync plan --on-drift ov
    """
    words = _run(["bash", "--norc", "-c", script]).split("\n")
    assert "_kestra_sync_completion" in words[0]
    assert words[1:] == ["inventory", "--on-drift", "overwrite", ""]
