"""A small stand-in for GitLab's API: the notes on one merge request."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "glpat-token"
ME = "project_42_bot_1"
_NOTES = "/api/v4/projects/42/merge_requests/7/notes"


class Gitlab:
    """Merge request 7 of project 42, as the token of the project sees it."""

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []
        self.url = ""

    @property
    def environ(self) -> dict[str, str]:
        """The variables of the merge request pipeline."""
        return {
            "CI_API_V4_URL": self.url,
            "CI_PROJECT_ID": "42",
            "CI_MERGE_REQUEST_IID": "7",
            "GITLAB_TOKEN": TOKEN,
        }

    def add(self, body: str, author: str) -> dict[str, Any]:
        """A user writes a note."""
        note = {"id": len(self.notes) + 1, "body": body, "author": {"username": author}}
        self.notes.append(note)
        return note

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and document."""
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


@contextmanager
def serving(state: Gitlab) -> Iterator[Gitlab]:
    """Serve it on this machine, for as long as the block lasts."""

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
        try:
            yield state
        finally:
            running.shutdown()
            thread.join()
