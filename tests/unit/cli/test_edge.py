"""Every way in which a run can end: messages and exit codes."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from kestra_sync.cli.main import main as group
from kestra_sync.cli.main import run, wants_json
from kestra_sync.client.errors import Unauthorized, Unreachable
from kestra_sync.client.places import known_secrets
from kestra_sync.errors import (
    ConflictError,
    ExitCode,
    KestraSyncError,
    RefusedError,
    UsageError,
)
from kestra_sync.safe.secrets import Masker
from kestra_sync.version import __version__
from tests.support.schemas import check_result

PASSWORD = "Very-Secret+1"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings of the machine's, and logs where they can be found."""
    for name in list(os.environ):
        if name.startswith("KESTRA_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the command line raise something."""

    def install(error: BaseException) -> None:
        def main(**_: Any) -> None:
            raise error

        monkeypatch.setattr(group, "main", main)

    return install


_ERRORS = [
    (KestraSyncError("what", remedy="how"), 1),
    (RefusedError("what"), 4),
    (ConflictError("what"), 5),
    (UsageError("what", remedy="how"), 64),
    (Unreachable("what"), 69),
    (Unauthorized(401, "GET", "/flows"), 77),
    (KeyboardInterrupt(), 130),
    (click.Abort(), 130),
    (click.UsageError("what"), 64),
    (click.FileError("plan.json"), 64),
    (ValueError("what"), 70),
    (RecursionError(), 70),
]


@pytest.mark.parametrize(("error", "code"), _ERRORS, ids=lambda each: type(each).__name__)
def test_each_exception_has_its_code(
    error: BaseException, code: int, raising: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message on stderr, and with JSON a whole document on stdout as well."""
    raising(error)
    assert run(["plan"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("kestra-sync: error: ")
    assert ("\n  how\n" in err) == (getattr(error, "remedy", None) == "how")
    assert "Traceback" not in err

    assert run(["plan", "--format", "json"]) == code
    out, err = capsys.readouterr()
    document = json.loads(out)
    check_result(document)
    assert document["command"] == "plan"
    assert document["exit_code"] == code
    assert document["error"]["kind"] == type(error).__name__
    assert document["error"]["message"]
    assert err.startswith("kestra-sync: error: ")


@pytest.mark.parametrize(
    ("code", "wanted"), [(ExitCode.CHANGES, 2), (ExitCode.OK, 0), (None, 0), (3, 3)]
)
def test_the_code_of_a_command_is_that_of_the_process(
    code: Any, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is a good end."""
    monkeypatch.setattr(group, "main", lambda **_: code)
    assert run([]) == wanted


def test_edge__click_exit_is_kept(raising: Any) -> None:
    """With a code of its own."""
    raising(click.exceptions.Exit(3))
    assert run([]) == 3


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Are results: on stdout, with 0."""
    assert run(["--version"]) == 0
    assert re.fullmatch(r"kestra-sync \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)
    for args in (["--help"], ["-h"], ["plan", "--help"], ["executions", "-h"]):
        assert run(args) == 0
        out, err = capsys.readouterr()
        assert out.startswith("Usage: kestra-sync ")
        assert err == ""


def test_help__names_are_not_broken_at_hyphens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``kestra-sync.yaml`` and ``--no-wait`` stay in one piece, in subcommands as well."""
    monkeypatch.setenv("COLUMNS", "80")
    for args in (["plan"], ["run"], ["preview"], ["preview", "clean"]):
        assert run([*args, "--help"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert any("kestra-sync.yaml" in each for each in lines) or args == ["preview"]
        assert not [each for each in lines if each.endswith("-")]
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("args", "command", "remedy"),
    [
        (["plan", "--nope"], "plan", "see 'kestra-sync plan --help'"),
        (["plan", "--context", "-1"], "plan", "see 'kestra-sync plan --help'"),
        (["nope"], "", "see 'kestra-sync --help'"),
        ([], "", None),
    ],
)
def test_usage_errors(
    args: list[str], command: str, remedy: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never 2, which says that there are changes."""
    assert run([*args, "--format=json"] if args else []) == 64
    out, err = capsys.readouterr()
    if args:
        document = json.loads(out)
        check_result(document)
        assert (document["command"], document["error"]["remedy"]) == (command, remedy)
        assert f"\n  {remedy}\n" in err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["no-slash"], "not a flow"),
        (["a/b", "-i", "novalue"], "expected NAME=VALUE"),
        (["a/b", "-i", "x=@/no/such/file"], "no such file"),
        (["a/b", "--timeout", "soon"], "not a duration"),
        (["a/b", "--no-wait", "--follow"], "--no-wait cannot be combined"),
    ],
)
def test_run_command__contradictory_options(
    args: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KESTRA_API_URL", "http://127.0.0.1:1")  # nothing is asked
    assert run(["run", *args]) == 64
    assert words in capsys.readouterr().err


_BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("environment", "args"),
    [
        ({"KESTRA_USERNAME": "me", "KESTRA_PASSWORD": PASSWORD}, []),
        ({"KESTRA_USERNAME": "me", "KESTRA_PASSWORD_FILE": "secret.txt"}, []),
        ({"KESTRA_API_URL": f"http://me:{PASSWORD}@localhost"}, []),
        ({"KESTRA_SYNC_ENV_FILE": "my.env"}, []),
        ({}, ["--env-file", "my.env"]),
        ({}, ["--env-file=my.env"]),
        ({"KESTRA_USERNAME": "me", "KESTRA_PASSWORD": PASSWORD}, ["--url=http://me@host"]),
    ],
)
def test_bug__log_contains_no_secrets(
    environment: dict[str, str],
    args: list[str],
    raising: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Wherever they come from, and in each form in which a request carries them."""
    (tmp_path / "secret.txt").write_text(f"{PASSWORD}\n")
    (tmp_path / "my.env").write_text(f"KESTRA_USERNAME=me\nKESTRA_PASSWORD='{PASSWORD}'\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forms = [PASSWORD, "Very-Secret%2B1", _BASIC, "hunter22"]
    raising(RuntimeError(f"failed at https://you:hunter22@host/ with {forms[:3]}"))
    assert run(["plan", "--format", "json", *args]) == 70
    out, err = capsys.readouterr()
    (log,) = tmp_path.glob("kestra-sync-*.log")
    assert f"please report it with the log in {log}" in err
    text = log.read_text()
    versions, platform, command, _, traceback = text.split("\n", 4)
    assert versions == f"kestra-sync {__version__}"
    masked = [each.replace("me@host", "***@host") for each in args]
    assert re.match(r"\w+ 3\.\d+\.\d+\S* on .", platform)
    assert command == shlex.join(["command:", "kestra-sync", "plan", "--format", "json", *masked])
    assert traceback.startswith("Traceback")
    assert "RuntimeError: failed at https://***@host/ with ['***', '***', '***']" in text
    for form in forms:
        assert form not in text + out + err


def test_a_secret_token_is_kept_out_of_messages(
    raising: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not only out of logs; and out of what is advised."""
    monkeypatch.setenv("KESTRA_TOKEN", "my-secret-token")
    raising(UsageError("no my-secret-token", remedy="try my-secret-token"))
    assert run(["plan"]) == 64
    assert capsys.readouterr().err == "kestra-sync: error: no ***\n  try ***\n"


def test_bug_log__that_cannot_be_written_is_not_a_second_bug(
    raising: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message is all there is then."""
    raising(RuntimeError("boom \udc80"))
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    assert run(["plan"]) == 70
    err = capsys.readouterr().err
    assert "RuntimeError: boom \\udc80" in err
    assert "no log could be written: No such file or directory" in err


def test_message__untrusted_text_is_neutralized(
    raising: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """No escape sequences, and no commands to CI; the lines stay lines."""
    raising(ConflictError("one\x1b[2K\n::set-output name=x::y\n  three", remedy="\x9bhow"))
    assert run(["plan"]) == 5
    assert capsys.readouterr().err == (
        "kestra-sync: error: one\\x1b[2K\n\\x3a:set-output name=x::y\n  three\n  \\x9bhow\n"
    )


def test_sigterm_is_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that CI cancels ends as with ^C."""

    def main(**_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    monkeypatch.setattr(group, "main", main)
    assert run(["apply", "--format", "json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "KeyboardInterrupt"


def test_signals__are_left_alone_outside_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python refuses to set them there."""

    def refuse(*_: Any) -> None:
        raise ValueError("signal only works in main thread")

    monkeypatch.setattr(signal, "signal", refuse)
    monkeypatch.setattr(group, "main", lambda **_: 0)
    assert run([]) == 0
    monkeypatch.undo()


@pytest.mark.parametrize("error", [BrokenPipeError(), SystemExit(1)])
def test_output__broken_pipe_is_silent(
    error: BaseException, raising: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader of our output has closed it."""
    raising(error)
    assert run(["plan", "--format", "json"]) == 1
    assert capsys.readouterr() == ("", "")


def test_output__pipe_breaks_while_an_error_is_printed(
    raising: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No exception leaves ``run``."""

    class Broken:
        def write(self, _text: str) -> int:
            raise BrokenPipeError

        def fileno(self) -> int:
            raise ValueError

    raising(UsageError("what"))
    monkeypatch.setattr(sys, "stderr", Broken())
    assert run(["plan"]) == 64


@pytest.mark.parametrize(
    ("args", "variable", "wanted"),
    [
        (["--format", "json"], "", True),
        (["--format=json"], "", True),
        (["--format", "json", "--format", "text"], "", False),
        (["--format"], "", False),
        (["json"], "", False),
        ([], "json", True),
        (["--format", "text"], "json", False),
    ],
)
def test_json__is_recognized_without_click(
    args: list[str], variable: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since it may be click that failed."""
    monkeypatch.setenv("KESTRA_SYNC_FORMAT", variable)
    assert wants_json(args) is wanted


#: A password in a URL as people write it, what must not be shown, and the URL itself.
_ODD_URLS = [
    ("pa/sswordXY", "http://admin:pa/sswordXY@host"),
    ("p@sswordXY", "http://admin:p@sswordXY@127.0.0.1:1"),
    ("pa?sswordXY", "http://admin:pa?sswordXY@host"),
    ("pa#sswordXY", "http://admin:pa#sswordXY@host"),
    ("80/sswordXY", "http://admin:80/sswordXY@host"),
    ("pa sswordXY", "http://admin:pa sswordXY@host"),
    ("pa\\sswordXY", "http://admin:pa\\sswordXY@host"),
    ("sswordXY", "admin:sswordXY@host:8080"),
    ("sswordXY", "//admin:sswordXY@host"),
    ("sswordXY", "http:/admin:sswordXY@host"),
    ("sswordXY", "http:admin:sswordXY@host"),
    ("sswordXY", "ftp://admin:sswordXY@host"),
    ("sswordXY", "http://:sswordXY@host:99999"),
    ("ssword%58Y", "http://admin:ssword%58Y@[::1"),
    ("sswordXY", "http://admin:sswordXY@"),
    ("pa/ss:w@rdXY", "https://admin:pa/ss:w@rdXY@host/ui/"),
]


@pytest.mark.parametrize(("secret", "url"), _ODD_URLS)
@pytest.mark.parametrize("way", ["environment", "option", ".env"])
def test_url__a_password_in_it_is_never_shown(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    secret: str,
    url: str,
    way: str,
) -> None:
    """Not in the error, not in the JSON, not in a report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KESTRA_API_URL", raising=False)
    monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
    options = []
    if way == "environment":
        monkeypatch.setenv("KESTRA_API_URL", url)
    elif way == "option":
        options = ["--url", url]
    else:
        (tmp_path / ".env").write_text(f"KESTRA_API_URL='{url}'\n")
    (tmp_path / "flows").mkdir()
    code = run(["doctor", "-v", "--format", "json", *options])
    out, err = capsys.readouterr()
    assert code != 0
    for part in (secret, "sswordXY", "w@rdXY"):
        assert part not in out + err, (out, err)


def test_secrets__are_masked_with_the_urls_that_hold_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing too short to be one."""

    def redact(text: str) -> str:
        return Masker(known_secrets()).mask(text)

    monkeypatch.setenv("KESTRA_PASSWORD", "abc")
    assert redact("abc http://user:pass@host/x?ab") == "abc http://***@host/x?ab"
    monkeypatch.setenv("KESTRA_PASSWORD", "abcd")
    assert redact("abcd abcde") == "*** ***e"
    assert redact("nothing") == "nothing"
