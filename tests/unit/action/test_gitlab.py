"""The note on a merge request, against a small stand-in of GitLab's API."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kestra_sync.action import gitlab
from kestra_sync.errors import ExitCode
from tests.action.gitlab import ME, Gitlab, serving

BODY = "<!-- kestra-sync:prod -->\n\na plan\n"


@pytest.fixture
def server() -> Iterator[Gitlab]:
    with serving(Gitlab()) as running:
        yield running


@pytest.fixture
def environ(server: Gitlab) -> dict[str, str]:
    return server.environ


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.md"
    path.write_text(BODY)
    return path


def test_gitlab_note__is_updated_in_place(
    server: Gitlab, environ: dict[str, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.add(BODY, "mallory")
    for _ in range(100):
        server.add("talk", "alice")
    said = []
    for text in (BODY, BODY, BODY.replace("a plan", "another")):
        file.write_text(text)
        assert gitlab.main([str(file)], environ) == ExitCode.OK
        said.append(capsys.readouterr().out.split()[-1])
    assert said == ["created", "kept", "updated"]
    ours = [each["body"] for each in server.notes if each["author"]["username"] == ME]
    assert ours == [BODY.replace("a plan", "another")]


def test_comment__duplicate_is_deleted(server: Gitlab, environ: dict[str, str], file: Path) -> None:
    server.add(BODY, ME)
    server.add(BODY, ME)
    gitlab.main([str(file)], environ)
    assert len(server.notes) == 1


def test_a_token_that_is_refused(
    environ: dict[str, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ["GITLAB_TOKEN"] = "other"
    assert gitlab.main([str(file)], environ) == ExitCode.NOT_ALLOWED
    err = capsys.readouterr().err
    assert err == "kestra-sync: error: GET /user: 401: 401 Unauthorized\n"


@pytest.mark.parametrize("name", ["CI_MERGE_REQUEST_IID", "GITLAB_TOKEN"])
def test_what_is_missing_is_reported(
    environ: dict[str, str], file: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del environ[name]
    assert gitlab.main([str(file)], environ) == ExitCode.USAGE
    assert f"{name} is not set" in capsys.readouterr().err


def test_no_file(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert gitlab.main([], environ) == ExitCode.USAGE
    assert gitlab.main(["no-such-file"], environ) == ExitCode.USAGE
    assert "no-such-file cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("case", ["link out", "link in", "tracked", "other", "fifo", "no marker"])
def test_gitlab_note__foreign_report_is_not_posted(
    case: str,
    server: Gitlab,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file of that name lies in the checkout, put there by the author of the merge request."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    subprocess.run(["git", "init", "--quiet", str(checkout)], check=True)
    monkeypatch.chdir(checkout)
    (tmp_path / "environ").write_text("KESTRA_TOKEN=hunter2")
    (checkout / ".env").write_text("KESTRA_TOKEN=hunter2")
    report = checkout / "plan.md"
    if case == "link out":
        report.symlink_to("../environ")
    elif case == "link in":
        report.symlink_to(".env")
    elif case == "fifo":
        os.mkfifo(report)
    elif case == "other":
        report.write_text("all is well\n")
    elif case == "no marker":
        report.write_text("<!-- kestra-sync:prod --> hunter2\nmore\n")
    else:
        report.write_text(f"{BODY}all is well\n")
        subprocess.run(["git", "add", "plan.md"], check=True)
    assert gitlab.main(["plan.md"], environ) == ExitCode.USAGE
    assert server.notes == []
    assert "hunter2" not in capsys.readouterr().err
