"""Full disks, closed pipes and terminals without Unicode do not affect the result of a run."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from kestra_sync.cli.output import Output
from kestra_sync.cli.streams import OutputError, OutputStream, for_stream, guarded
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import line

FLOW = "id: größe\nnamespace: acme\ntasks:\n  - id: t\n    type: io.kestra.plugin.core.log.Log\n"
posix = pytest.mark.skipif(os.name == "nt", reason="streams of POSIX")


class Broken(io.StringIO):
    """Fails with every write, or only when what is buffered is handed over."""

    def __init__(self, error: Exception, *, late: bool = False) -> None:
        super().__init__()
        self.error = error
        self.late = late
        self.tried = 0

    def write(self, text: str) -> int:
        if not self.late:
            self._fail()
        return len(text)

    def flush(self) -> None:
        self._fail()

    def _fail(self) -> None:
        self.tried += 1
        raise self.error


FULL = OSError(28, "No space left on device")
GONE = BrokenPipeError(32, "Broken pipe")
CLOSED = ValueError("I/O operation on closed file")


@pytest.mark.parametrize("late", [False, True], ids=["in write", "in flush"])
@pytest.mark.parametrize("error", [FULL, GONE, CLOSED], ids=["full", "gone", "closed"])
def test_a_stream_breaks_once_at_most(error: Exception, late: bool) -> None:
    inner = Broken(error, late=late)
    stream = OutputStream(inner, raises=False)
    for _ in range(3):
        stream.write("x")
        stream.writelines(["x", "y"])
        stream.flush()
    assert (stream.broken, inner.tried) == (True, 1)

    inner = Broken(error, late=late)
    stream = OutputStream(inner, raises=True)
    expected: type[Exception] = BrokenPipeError if error is GONE else OutputError
    with pytest.raises(expected, match=r"Broken pipe|cannot write to standard output: "):
        stream.flush() if late else stream.write("x")
    stream.write("x")
    stream.flush()
    assert inner.tried == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "cp437"])
def test_streams__unencodable_text_is_escaped(encoding: str) -> None:
    raw = io.BytesIO()
    stream = OutputStream(io.TextIOWrapper(raw, encoding=encoding), raises=True)
    text = 'é → │ 😀 \ud800 "x"'
    stream.write(text)
    stream.flush()
    shown = raw.getvalue().decode(encoding)
    assert shown == shown.encode(encoding, "strict").decode(encoding)
    assert '"x"' in shown
    assert "\\ud800" in shown
    # What is escaped is escaped as in JSON.
    assert json.loads(f'"{shown}"'.replace('"x"', "")) == text.replace('"x"', "")


@pytest.mark.parametrize(
    ("encoding", "output_format", "wanted"),
    [
        ("utf-8", "junit", "é→"),
        ("UTF8", "json", "é→"),
        ("cp1252", "junit", "&#233;&#8594;"),
        ("ascii", "html", "&#233;&#8594;"),
        ("cp1252", "sarif", "\\u00e9\\u2192"),
        ("latin-1", "markdown", "\\u00e9\\u2192"),
        (None, "json", "é→"),
        ("no such thing", "json", "\\u00e9\\u2192"),
    ],
)
def test_output__machine_formats_are_correct_in_every_encoding(
    encoding: str | None, output_format: str, wanted: str
) -> None:
    class Target(io.StringIO):
        pass

    Target.encoding = encoding  # type: ignore[assignment]
    assert for_stream("é→", Target(), output_format) == wanted


def test_exit_code__does_not_depend_on_the_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails() -> None:
        raise RecursionError("too deep")

    def interrupted() -> None:
        raise KeyboardInterrupt

    output = Output.of("apply", output_format="text", color="never", verbose=False)
    steps = (fails, interrupted, lambda: output.text([line("told")]))
    assert output.report_outcome(ExitCode.PARTIAL, *steps) is ExitCode.PARTIAL
    out, err = capsys.readouterr()
    assert out == "told\n"
    assert err.splitlines() == [
        "warning: the report is incomplete (RecursionError: too deep)",
        "warning: the report is incomplete (KeyboardInterrupt: interrupted)",
    ]


def test_missing_streams_are_replaced_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with guarded(raises=True):
        sys.stdout.write("x")
        sys.stderr.write("x")
        assert not sys.stdin.isatty()
        assert sys.stdin.read() == ""
    streams: list[Any] = [sys.stdin, sys.stdout, sys.stderr]
    assert streams == [None, None, None]


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """One invalid flow, whose diagnostics are not all ASCII."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "größe.yaml").write_text(FLOW, encoding="utf-8")
    return tmp_path


def shell(flows: Path, script: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of a shell, in which ``$K`` is the command."""
    left_out = ("KESTRA", "PYTHON", "COVERAGE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    environment |= {"K": f"{sys.executable} -m kestra_sync", **variables}
    return subprocess.run(
        ["bash", "-c", script], cwd=flows, env=environment, capture_output=True, check=False
    )


VALIDATE = "$K validate --offline flows"


@posix
def test_a_whole_command_in_another_encoding(flows: Path) -> None:
    ran = shell(flows, VALIDATE, PYTHONIOENCODING="cp1252", COLUMNS="20")
    assert ran.returncode == 3, ran.stderr
    both = (ran.stdout + ran.stderr).decode("cp1252")
    assert "flows/gr" in both
    assert "Traceback" not in both
    junit = shell(flows, f"{VALIDATE} --format junit", PYTHONIOENCODING="ascii")
    assert junit.returncode == 3
    from xml.etree import ElementTree as ET

    assert "größe" in "".join(each for each in ET.fromstring(junit.stdout).itertext()) or any(
        "größe" in value
        for each in ET.fromstring(junit.stdout).iter()
        for value in each.attrib.values()
    )


@posix
@pytest.mark.parametrize(
    ("script", "code"),
    [
        (f"{VALIDATE} <&- >&- 2>&-", 3),
        (f"{VALIDATE} -v 2>/dev/full", 3),
        ("$K --version >&-", 0),
        # Nothing but output, and that is lost: a failure, which is said.
        (f"{VALIDATE} --format json >/dev/full", 1),
        (f"set -o pipefail; {VALIDATE} --format json | true", 1),
    ],
)
def test_streams__closed_or_full_do_not_fail(flows: Path, script: str, code: int) -> None:
    if "/dev/full" in script and not Path("/dev/full").exists():
        pytest.skip("a device of Linux")
    ran = shell(flows, script)
    assert ran.returncode == code, ran.stderr
    assert b"Traceback" not in ran.stderr
    assert b"Exception ignored" not in ran.stderr
    if code == 1 and "2>" not in script and "|" not in script:
        assert b"cannot write to standard output: No space left on device" in ran.stderr


def test_colours_and_widths_are_those_of_the_stream() -> None:
    """Whatever a stream says of itself, the wrapped one says too."""

    class Terminal(io.StringIO):
        encoding = "ascii"

        def isatty(self) -> bool:
            return True

    stream = cast("Any", OutputStream(Terminal(), raises=False))
    assert stream.isatty()
    assert stream.encoding == "ascii"
