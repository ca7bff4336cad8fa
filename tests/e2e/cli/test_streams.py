"""Exit codes and streams of the command, and JSON that is complete at each of them.

Usage errors, broken streams and unreachable servers are in ``tests/unit/cli``.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Shell


def test_from_the_first_plan_to_no_changes(shell: Shell) -> None:
    """Text and JSON, exit codes 0 and 2, what is where; options take precedence over variables."""
    given = {"KESTRA_SYNC_FORMAT": "json", "KESTRA_SYNC_DETAILED_EXITCODE": "1"}
    planned = shell.run("plan", "--format", "text", **given)
    assert (planned.code, planned.err) == (2, "")
    server = shell.server
    assert planned.out.splitlines()[0] == (
        f"kestra-sync plan · {server.url} (Kestra {server.version}, tenant {server.tenant})"
        " · 1 flow in flows/"
    )
    assert f"+ {shell.namespace}/hello" in planned.out
    assert planned.out.endswith("Plan: 1 to create, 0 unchanged.\n")
    assert "\x1b" not in planned.out

    applied = shell.run("apply", "--yes", **given)
    assert applied.code == 0
    assert applied.json["plan"]["summary"]["create"] == 1
    assert [each["status"] for each in applied.json["outcomes"]] == ["applied"]
    assert applied.err.startswith(f"ok   {shell.namespace}/hello ")

    # The login may come from a file, for what is not set.
    lines = "".join(f"{name}={value}\n" for name, value in server.env.items())
    shell.write("other.env", lines)
    bare = dict.fromkeys(server.env, "")
    assert shell.run("plan", **bare).code == 64
    again = shell.run("plan", "--env-file", "other.env", **given, **bare)
    assert again.code == 0
    assert again.json["plan"]["changes"] == []


def test_command__process_and_call_print_the_same(shell: Shell) -> None:
    """Otherwise, most other tests would not show what users see. Secrets are in neither."""
    for args in (("plan", "-v", "--color", "always"), ("apply",)):
        before = (dict(os.environ), Path.cwd(), sys.stdin, sys.stdout, sys.stderr)
        here = shell.run(*args)
        assert (dict(os.environ), Path.cwd(), sys.stdin, sys.stdout, sys.stderr) == before
        started = shell.start(*args)
        assert here.code == started.code
        assert [_timeless(here.out), _timeless(here.err)] == [
            _timeless(started.out),
            _timeless(started.err),
        ]
        assert ("/flows" in here.err) is ("-v" in args)
        words = (shell.server.password, shell.server.token, "Authorization", "Basic ")
        assert not [each for each in words if each and each in here.out + here.err]
    # Without a terminal, ``--yes`` is required; the plan is shown anyway.
    assert here.code == 64
    assert "Plan: 1 to create" in here.out
    assert "pass --yes" in here.err


def _timeless(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? m?s\b", "", text)


def test_a_repository_with_a_name(shell: Shell) -> None:
    """Its records: drift, history, inventory, unlock; each as its schema says."""
    shell.write("kestra-sync.yaml", "version: 1\nname: NS\nscope: [NS]\n")
    assert shell.run("inventory", "--format", "json").json["inventory"] is None
    assert shell.run("apply", "--yes").code == 0
    assert len(shell.run("history", "--format", "json").json["runs"]) == 1
    inventory = shell.run("inventory", "--format", "json").json["inventory"]
    assert [each["id"] for each in inventory["resources"]] == ["hello"]
    assert shell.run("unlock", "--format", "json").json["holder"] is None
    assert shell.run("drift", "--format", "json").json["drifted"] == []


def test_invalid_files(shell: Shell) -> None:
    """Exit 3, with line and column, each error once, even if only the parser detects it."""
    shell.write("flows/open.yaml", "id: open\nnamespace: NS\ntasks: [\n")
    ran = shell.run("apply", "--yes")
    assert ran.code == 3
    assert ran.err.count("flows/open.yaml:4:1: error[yaml-syntax]") == 1
    assert "\nNothing can be applied: 1 error in files.\n" in ran.err
    shell.write("flows/bad.yaml", "id: bad\nnamespace: NS\ntasks:\n  - id: x\n\ttype: y\n")
    ran = shell.run("plan")
    assert ran.code == 3
    assert len(re.findall(r"^flows/bad\.yaml:5:1: error\[", ran.err, re.MULTILINE)) == 1
    ran = shell.run("validate", "--format", "json")
    assert ran.code == 3
    found = [each for each in ran.json["diagnostics"] if each["severity"] == "error"]
    assert sorted((each["path"], each["line"], each["column"]) for each in found) == [
        ("flows/bad.yaml", 5, 1),
        ("flows/open.yaml", 4, 1),
    ]


def test_not_allowed(shell: Shell) -> None:
    """Exit code 77, without the password in any message, log or traceback."""
    if shell.server.token:
        wrong = {"KESTRA_TOKEN": "wrong-secret-1"}
    else:
        wrong = {"KESTRA_PASSWORD": "wrong-secret-1"}
    ran = shell.run("plan", "-v", "--format", "json", **wrong)
    assert ran.code == 77
    assert ran.json["error"]["kind"] == "Unauthorized"
    assert "KESTRA_PASSWORD" in ran.json["error"]["remedy"]
    assert "wrong-secret-1" not in ran.out + ran.err


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo terminal")
def test_confirm__asks_on_a_terminal(shell: Shell) -> None:
    """An empty answer and ^C decline: each time, the change is still to be made."""
    for answer, code in (("\n", 1), ("\x03", 130), ("y\n", 0)):
        text, ended = _on_a_terminal(shell, answer)
        assert ended == code
        assert f"Apply 1 change (1 to create) to {shell.server.url} (tenant " in text
        plan, _, rest = text.partition("[y/N]: ")
        assert "\x1b[32m+\x1b[0m" in plan
        if code == 0:
            assert "Applied: 1 created." in rest
        elif code == 1:
            assert "Nothing was applied." in rest
        else:
            assert rest.endswith("\r\nkestra-sync: error: interrupted\r\n")


def _on_a_terminal(shell: Shell, answer: str) -> tuple[str, int]:
    import pty

    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "kestra_sync", "apply"],
        cwd=shell.folder,
        env={**shell.environment, "TERM": "xterm", "COLUMNS": "80"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=_take_terminal,  # so that ^C reaches it
    ) as process:
        os.close(follower)
        try:
            text = _conversation(leader, answer)
            code = process.wait(60)
        finally:
            process.kill()
    os.close(leader)
    return text, code


def _conversation(leader: int, answer: str) -> str:
    """Everything that is shown, with the answer given where it is asked for."""
    text, answered = b"", False
    while True:
        ready, _, _ = select.select([leader], [], [], 60)
        assert ready, text
        try:
            some = os.read(leader, 4096)
        except OSError:  # the other end is closed
            some = b""
        if not some:
            return text.decode()
        text += some
        if not answered and b"[y/N]: " in text:
            # As a person does: a ^C between the question and the read that waits for the answer is
            # seen by Python only after that read.
            time.sleep(0.5)
            os.write(leader, answer.encode())
            answered = True


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # If the tests run in the background it is ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
