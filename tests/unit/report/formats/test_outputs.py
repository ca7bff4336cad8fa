"""``--format`` and ``-o``: several reports of one run, regardless of its result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kestra_sync.cli import reports
from kestra_sync.cli.main import run
from kestra_sync.cli.output import Output
from kestra_sync.cli.reports import (
    ReportRequest,
    option_values,
    parse_outputs,
    placed,
    worse,
    write_output,
)
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.report.formats import FORMATS, STREAM_FORMATS
from kestra_sync.report.report import Report
from tests.support.sources import log_flow

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a good flow and a bad one, no server, no variables of ours."""
    for name in list(os.environ):
        if name.startswith(("KESTRA_", "GITHUB_")):
            monkeypatch.delenv(name)
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "good.yaml").write_text(log_flow("company", "good"))
    (flows / "bad.yaml").write_text(log_flow("company", "bad") + "retry: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_run_writes_them_all(repo: Path, capsys: Printed) -> None:
    """Folders are made; the text on stdout is as usual."""
    outputs = [word for name in FORMATS for word in ("-o", f"{name}=out/{name}/report")]
    assert run(["validate", *outputs]) == 3
    text = capsys.readouterr().out
    assert text == (repo / "out/text/report").read_text()
    for name in FORMATS:
        assert (repo / "out" / name / "report").read_text(), name
    assert json.loads((repo / "out/json/report").read_text())["exit_code"] == 3


@pytest.mark.parametrize("name", [each for each in STREAM_FORMATS if each != "text"])
def test_stdout_is_one_of_them(repo: Path, name: str, capsys: Printed) -> None:
    """Stdout only contains the complete document."""
    assert run(["validate", "--format", name, "-o", f"{name}=same"]) == 3
    printed = capsys.readouterr()
    assert printed.out == (repo / "same").read_text()
    assert printed.err == ""


def test_a_dash_is_stdout(capsys: Printed) -> None:
    """Annotations below the text that people read."""
    assert run(["validate", "-o", "github=-"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("flows/bad.yaml:")
    assert lines[-1].startswith("::error file=flows/bad.yaml,line=")


@pytest.mark.usefixtures("repo")  # where a failure leaves its report
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["-o", "pdf=x"], "-o pdf=x: expected FORMAT=PATH"),
        (["-o", "html"], "-o html: expected FORMAT=PATH"),
        (["-o", "html="], "expected FORMAT=PATH"),
        (["-o", "html=x", "-o", "json=x"], "x is already used by another report"),
        (["-o", "json=-", "--format", "sarif"], "stdout is taken by --format sarif"),
        (["-o", "html=flows"], "flows cannot be written: it is a directory"),
        (["-o", "html=flows/good.yaml/x"], "flows/good.yaml/x cannot be written: "),
    ],
)
def test_output__invalid_path_is_reported_before_the_run(
    given: list[str], words: str, capsys: Printed
) -> None:
    """An apply cannot be repeated to get its report."""
    assert run(["validate", *given]) == 64
    assert words in capsys.readouterr().err


def test_no_permission_is_reported_before_the_run(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the answer is staged."""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(UsageError, match="Permission denied"):
        parse_outputs(["html=report.html"], "text")


def test_finish__error_does_not_hide_the_result(
    repo: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stdout is complete, and the exit code shows the failure."""
    (repo / "flows/bad.yaml").unlink()
    monkeypatch.setattr(reports, "_prepare", lambda _path: None)
    assert run(["validate", "--format", "json", "-o", "html=flows"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["exit_code"] == 0
    assert printed.err == "kestra-sync: error: flows cannot be written: it is a directory\n"
    assert worse(ExitCode.CONFLICT, ["x"]) is ExitCode.CONFLICT
    assert write_output(ReportRequest("text", "flows"), "x") is not None


def test_a_run_that_fails_writes_its_reports(repo: Path, capsys: Printed) -> None:
    """A stale report next to a failed run would be misleading."""
    outputs = [word for name in FORMATS for word in ("-o", f"{name}=out/{name}")]
    command = ["plan", "--url", "http://127.0.0.1:9", "-e", "prod", "--format", "github"]
    assert run([*command, *outputs]) == 64
    printed = capsys.readouterr()
    assert printed.out.startswith("::error title=kestra-sync plan::")
    assert "kestra-sync: error: " in printed.err
    for name in FORMATS:
        assert "prod" in (repo / "out" / name).read_text(), name
    assert (repo / "out/comment").read_text().startswith("<!-- kestra-sync:prod -->")


def test_a_server_out_of_reach_is_in_the_reports(
    repo: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the code, the error and the remedy; options from the environment count."""
    monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
    command = ["plan", "--url", "http://127.0.0.1:9", "--timeout", "5", "--output=json=out.json"]
    assert run([*command, "-osarif=out.sarif"]) == 69
    document = json.loads((repo / "out.json").read_text())
    assert document["exit_code"] == 69
    assert document["command"] == "plan"
    assert document["error"]["kind"] == "Unreachable"
    assert '"executionSuccessful": false' in (repo / "out.sarif").read_text()
    assert capsys.readouterr().out == ""


def test_command_line__invalid_arguments_are_reported(repo: Path, capsys: Printed) -> None:
    """As far as it can be read; what is wrong with ``-o`` itself is left out."""
    assert run(["validate", "--nonsense", "-o", "junit=a.xml", "-o", "nonsense=b", "-o", "x"]) == 64
    assert "No such option" in (repo / "a.xml").read_text()
    assert not (repo / "b").exists()
    assert capsys.readouterr().out == ""


def test_variables_ask_as_options_do(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a failed run; options take precedence."""
    monkeypatch.setenv("KESTRA_SYNC_OUTPUT", "markdown=a.md json=b.json")
    monkeypatch.setenv("KESTRA_SYNC_FORMAT", "sarif")
    monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
    assert run(["validate"]) == 3
    assert run(["plan", "--url", "http://127.0.0.1:9", "--timeout", "5"]) == 69
    assert "exit code 69" in (repo / "a.md").read_text()
    assert option_values(["-o", "x=y"], "--output", "KESTRA_SYNC_OUTPUT", "-o") == ["x=y"]
    assert option_values(["--offline"], "--output", "KESTRA_SYNC_OUTPUT", "-o") == [
        "markdown=a.md",
        "json=b.json",
    ]


def test_files_are_named_from_the_checkout(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    """GitHub knows them from its root, wherever the run is."""
    (repo / "team").mkdir()
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repo))
    monkeypatch.chdir(repo / "team")
    assert run(["validate", "../flows", "--format", "github"]) == 3
    assert capsys.readouterr().out.startswith("::error file=flows/bad.yaml,")
    monkeypatch.chdir(repo)
    report = Report("plan", ExitCode.OK)
    assert placed(report).prefix == ""
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repo / "team"))
    assert placed(report).prefix == ""


def test_the_old_kind_of_output_knows_nothing_of_files() -> None:
    """Commands without reports go on as before."""
    output = Output.of("history", output_format="json", color="never", verbose=False)
    assert output.json
    assert not output.readable
    assert output.requests == ()


def test_help_imports_no_format() -> None:
    """``--help`` of all and of one command stays quick."""
    code = (
        "import sys; from kestra_sync.cli.main import run; run(sys.argv[1:]);"
        "bad = [each for each in sys.modules if each.startswith('kestra_sync.report.')"
        " and each.rpartition('.')[2] in"
        " ('html', 'sarif', 'markdown', 'comment', 'github', 'junit_report', 'collect')];"
        "assert not bad, bad; assert 'jinja2' not in sys.modules"
    )
    for args in (["--help"], ["plan", "--help"], ["graph", "--help"]):
        subprocess.run([sys.executable, "-c", code, *args], check=True, stdout=subprocess.DEVNULL)
