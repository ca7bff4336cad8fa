"""Exit codes and streams of the command, and JSON that is complete at each of them."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kestra_sync.cli.main import main as group
from tests.e2e.cli.conftest import HELLO, Shell
from tests.support.server import Server


def test_from_the_first_plan_to_no_changes(shell: Shell) -> None:
    """Text and JSON, exit codes 0 and 2, and what is where."""
    planned = shell.run("plan", "--detailed-exitcode")
    assert (planned.code, planned.err) == (2, "")
    assert f"+ {shell.namespace}/hello" in planned.out
    assert planned.out.endswith("Plan: 1 to create, 0 unchanged.\n")
    assert "\x1b" not in planned.out

    planned = shell.run("plan", "--format", "json", "--detailed-exitcode")
    assert (planned.code, planned.err) == (2, "")
    assert planned.json["plan"]["summary"]["create"] == 1

    applied = shell.run("apply", "--yes", "--format", "json")
    assert applied.code == 0
    assert [each["status"] for each in applied.json["outcomes"]] == ["applied"]
    assert applied.err.startswith(f"ok   {shell.namespace}/hello ")

    again = shell.run("plan", "--detailed-exitcode", "--format", "json")
    assert again.code == 0
    assert again.json["plan"]["changes"] == []
    coloured = shell.run("plan", "--color", "always", NO_COLOR="1", TERM="dumb")
    assert coloured.out.startswith("\x1b[1mkestra-sync plan\x1b[0m · ")


@pytest.mark.parametrize(
    "args",
    [
        ("plan", "-v", "--color", "always"),
        ("plan", "--format", "json"),
        ("apply",),
        ("validate", "no/such/folder"),
    ],
    ids=" ".join,
)
def test_command__process_and_call_print_the_same(args: tuple[str, ...], shell: Shell) -> None:
    """Otherwise, most other tests would not show what users see."""
    before = (dict(os.environ), Path.cwd(), sys.stdin, sys.stdout, sys.stderr)
    here = shell.run(*args)
    assert (dict(os.environ), Path.cwd(), sys.stdin, sys.stdout, sys.stderr) == before
    started = shell.start(*args)
    assert here.code == started.code
    assert [_timeless(here.out), _timeless(here.err)] == [
        _timeless(started.out),
        _timeless(started.err),
    ]


def _timeless(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? m?s\b", "", text)


def test_a_repository_with_a_name(shell: Shell) -> None:
    """Its records: drift, history, inventory, unlock; each as its schema says."""
    shell.write("kestra-sync.yaml", "version: 1\nname: NS\nscope: [NS]\n")
    assert shell.run("history", "--format", "json").json["runs"] == []
    assert shell.run("inventory", "--format", "json").json["inventory"] is None
    assert shell.run("apply", "--yes").code == 0
    assert len(shell.run("history", "--format", "json").json["runs"]) == 1
    inventory = shell.run("inventory", "--format", "json").json["inventory"]
    assert [each["id"] for each in inventory["resources"]] == ["hello"]
    assert shell.run("unlock", "--format", "json").json["holder"] is None
    assert shell.run("drift", "--format", "json").json["drifted"] == []
    # A file that no longer contains its flow is not a reason to delete it.
    shell.write("flows/hello.yaml", "id: hello\n")
    refused = shell.run("apply", "--yes", "--format", "json")
    assert refused.code == 4
    assert "skipped-file" in [each["rule"] for each in refused.json["refusals"]]
    assert refused.json["outcomes"] == []


def test_invalid_files(shell: Shell) -> None:
    """Exit 3, with line and column; nothing is written."""
    shell.write("flows/bad.yaml", "id: bad\nnamespace: NS\ntasks:\n  - id: x\n\ttype: y\n")
    for args in (("plan",), ("validate", "--offline")):
        ran = shell.run(*args)
        assert ran.code == 3
        assert re.search(r"^flows/bad\.yaml:5:1: error\[", ran.out + ran.err, re.MULTILINE), args
    for args in (("apply", "--yes"), ("validate",)):
        ran = shell.run(*args, "--format", "json")
        assert ran.code == 3
        (found,) = (each for each in ran.json["diagnostics"] if each["severity"] == "error")
        assert (found["path"], found["line"], found["column"]) == ("flows/bad.yaml", 5, 1)


def test_yaml__error_that_only_the_parser_detects(shell: Shell) -> None:
    """An unparsable flow is identified without a parser, and its error is reported once."""
    shell.write("flows/bad.yaml", "id: bad\nnamespace: NS\ntasks: [\n")
    ran = shell.run("apply", "--yes")
    assert ran.code == 3
    assert ran.err.count("flows/bad.yaml:4:1: error[yaml-syntax]") == 1
    assert "\nNothing can be applied: 1 error in files.\n" in ran.err


def test_confirm__without_a_terminal(shell: Shell) -> None:
    """Without a terminal, ``--yes`` is required; the plan is shown anyway."""
    ran = shell.run("apply", stdin="y\n")
    assert ran.code == 64
    assert "Plan: 1 to create" in ran.out
    assert "pass --yes" in ran.err
    ran = shell.run("apply", "--format", "json")
    assert (ran.code, ran.json["error"]["kind"]) == (64, "UsageError")


def test_usage(shell: Shell) -> None:
    """Exit code 64, never 2, before any request."""
    for args in (("plan", "--nope"), ("nope",), ("plan", "no/such/folder")):
        ran = shell.run(*args, "--format", "json", KESTRA_API_URL="http://127.0.0.1:1")
        assert ran.code == 64
        assert ran.err.startswith("kestra-sync: error: ")
        assert ran.json["error"]["message"] in ran.err
    ran = shell.run("nope")
    assert (ran.code, ran.out) == (64, "")
    ran = shell.run("plan", "--format", "json", KESTRA_API_URL="")
    assert (ran.code, ran.json["error"]["kind"]) == (64, "UsageError")


def test_unreachable__no_server_at_the_url(shell: Shell) -> None:
    """Exit code 69, after a few attempts."""
    ran = shell.run("plan", "--format", "json", KESTRA_API_URL="http://127.0.0.1:1")
    assert ran.code == 69
    assert ran.json["error"]["kind"] == "Unreachable"
    assert "127.0.0.1:1" in ran.err


def test_not_allowed(shell: Shell) -> None:
    """Exit code 77, without the password in any message, log or traceback."""
    if shell.server.token:
        wrong = {"KESTRA_TOKEN": "wrong-secret-1"}
    else:
        wrong = {"KESTRA_PASSWORD": "wrong-secret-1"}
    for command in (["plan"], ["validate"]):
        ran = shell.run(*command, "-v", "--format", "json", **wrong)
        assert ran.code == 77
        assert ran.json["error"]["kind"] == "Unauthorized"
        assert "KESTRA_PASSWORD" in ran.json["error"]["remedy"]
        assert "wrong-secret-1" not in ran.out + ran.err


def test_secrets__are_never_shown(shell: Shell) -> None:
    """Not with ``-v``, which logs every request."""
    ran = shell.run("apply", "--yes", "-v")
    assert ran.code == 0
    assert "/flows" in ran.err
    for secret in (shell.server.password, shell.server.token):
        assert not secret or secret not in ran.out + ran.err
    assert "Authorization" not in ran.err
    assert "Basic " not in ran.err


def test_report__reader_closes_the_stream_early(shell: Shell) -> None:
    """``kestra-sync plan | head`` is silent."""
    for number in range(100):
        shell.write(f"flows/f{number}.yaml", HELLO.replace("hello", f"hello_{number}"))
    for args in (
        ["plan"],
        ["validate", "--offline", "--format", "json", "--strict"],
        ["plan", "-x"],
    ):
        with subprocess.Popen(
            [sys.executable, "-m", "kestra_sync", *args],
            cwd=shell.folder,
            env=shell.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            err = process.stderr.read()
            assert process.wait(60) in (0, 1, 64)
        assert "Traceback" not in err
        assert "BrokenPipe" not in err
        assert "Exception ignored" not in err


_MODULES = "click rich requests jsonschema ruamel.yaml deepdiff dotenv pathspec"


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["plan", "--help"], ["apply", "-h"]])
def test_help_imports_next_to_nothing(args: list[str], shell: Shell) -> None:
    """It responds at once, as does shell completion."""
    script = (
        "import sys; from kestra_sync.cli.main import run; code = run(sys.argv[1:]);"
        f"print([each for each in '{_MODULES}'.split() if each in sys.modules], file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *args],
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "['click']\n")


def _options(command: click.Command, name: str) -> Iterator[tuple[str, click.Option]]:
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            child = command.get_command(click.Context(command), each)
            assert child is not None
            yield from _options(child, f"{name} {each}".strip())
        return
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield name, parameter


def test_every_option_has_a_variable() -> None:
    """Named after it; and no option takes a secret, since every user sees what is typed."""
    found = list(_options(group, ""))
    assert len(found) > 200
    for command, option in found:
        long = next(each for each in option.opts if each.startswith("--"))
        variable = option.envvar if isinstance(option.envvar, str) else (option.envvar or [""])[0]
        assert variable.startswith("KESTRA_SYNC_"), (command, long)
        assert variable.endswith(long.removeprefix("--").replace("-", "_").upper()), (command, long)
        assert option.help, (command, long)
        assert not {"password", "token"} & set(long.strip("-").split("-")), (command, long)


def test_variables_work(shell: Shell) -> None:
    """Options on the command line take precedence."""
    given = {"KESTRA_SYNC_FORMAT": "json", "KESTRA_SYNC_DETAILED_EXITCODE": "1"}
    ran = shell.run("plan", **given)
    assert (ran.code, ran.json["plan"]["summary"]["create"]) == (2, 1)
    assert shell.run("plan", "--format", "text", **given).out.startswith("kestra-sync plan")


def test_the_env_file(shell: Shell) -> None:
    """``.env`` in the current folder, or the one that is named; only for what is not set."""
    lines = "".join(f"{name}={value}\n" for name, value in shell.server.env.items())
    shell.write(".env", lines)
    bare = dict.fromkeys(shell.server.env, "")
    assert shell.run("plan", **bare).code == 0
    (shell.folder / ".env").rename(shell.folder / "other.env")
    assert shell.run("plan", **bare).code == 64
    assert shell.run("plan", "--env-file", "other.env", **bare).code == 0


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo terminal")
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x03", 130)])
def test_confirm__asks_on_a_terminal(answer: str, code: int, shell: Shell) -> None:
    """No, an empty answer and ^C all decline."""
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
    assert ("No changes." in shell.run("plan").out) is (code == 0)


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


def test_the_server_is_named(shell: Shell, server: Server) -> None:
    """The header shows version and tenant."""
    first = shell.run("plan").out.splitlines()[0]
    assert first == (
        f"kestra-sync plan · {server.url} (Kestra {server.version}, tenant {server.tenant})"
        " · 1 flow in flows/"
    )
