"""The note on a merge request, against a small stand-in of GitLab's API."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kestra_sync.ci import gitlab
from kestra_sync.errors import ExitCode

TOKEN = "glpat-token"
ME = "project_42_bot_1"
BODY = "<!-- kestra-sync:prod -->\n\na plan\n"
_NOTES = "/api/v4/projects/42/merge_requests/7/notes"


class Gitlab:
    """One merge request."""

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []
        self.url = ""

    def add(self, body: str, author: str) -> dict[str, Any]:
        note = {"id": len(self.notes) + 1, "body": body, "author": {"username": author}}
        self.notes.append(note)
        return note

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
        parts = urlsplit(target)
        if parts.path == "/api/v4/user":
            return 200, {"username": ME}
        if parts.path == _NOTES and method == "GET":
            parameters = parse_qs(parts.query)
            first = (int(parameters["page"][0]) - 1) * 100
            assert parameters["sort"] == ["asc"]
            return 200, self.notes[first : first + 100]
        if parts.path == _NOTES:
            return 201, self.add(body["body"], ME)
        match = re.fullmatch(rf"{_NOTES}/(\d+)", parts.path)
        assert match is not None, parts.path
        (note,) = (each for each in self.notes if each["id"] == int(match[1]))
        if method == "DELETE":
            self.notes.remove(note)
            return 204, None
        assert method == "PUT"
        note["body"] = body["body"]
        return 200, note


@pytest.fixture
def server() -> Iterator[Gitlab]:
    state = Gitlab()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}")
            refused = self.headers["Authorization"] != f"Bearer {TOKEN}"
            status, document = (
                (401, {"message": "401 Unauthorized"})
                if refused
                else state.answer(self.command, self.path, body)
            )
            data = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.respond()

        def do_POST(self) -> None:
            self.respond()

        def do_PUT(self) -> None:
            self.respond()

        def do_DELETE(self) -> None:
            self.respond()

        def log_message(self, *args: Any, **named: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_address[1]}/api/v4"
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield state
        running.shutdown()
        thread.join()


@pytest.fixture
def environ(server: Gitlab) -> dict[str, str]:
    return {
        "CI_API_V4_URL": server.url,
        "CI_PROJECT_ID": "42",
        "CI_MERGE_REQUEST_IID": "7",
        "GITLAB_TOKEN": TOKEN,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.md"
    path.write_text(BODY)
    return path


def test_one_note_is_kept_up_to_date(
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


def test_of_two_one_is_left(server: Gitlab, environ: dict[str, str], file: Path) -> None:
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
def test_what_is_missing_is_said(
    environ: dict[str, str], file: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del environ[name]
    assert gitlab.main([str(file)], environ) == ExitCode.USAGE
    assert f"{name} is not set" in capsys.readouterr().err


def test_no_file(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert gitlab.main([], environ) == ExitCode.USAGE
    assert gitlab.main(["no-such-file"], environ) == ExitCode.USAGE
    assert "no-such-file cannot be read" in capsys.readouterr().err
