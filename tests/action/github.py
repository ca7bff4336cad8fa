"""A small stand-in for GitHub's API: comments, issues, pull requests of a commit, the login."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
TOKEN = "ghs_token-of-the-job"
LIMIT = 65_536
_MOST = 100


@dataclass
class Github:
    """One repository, and the login whose token is used.

    :param person: the token is a person's, who may ask for the own login.
    :param viewer: what the other API says about who looks; ``""`` if it refuses.
    :param read_only: every write is refused, as for a pull request from a fork.
    :param broken: every request fails.
    """

    repository: str = "acme/flows"
    login: str = BOT
    person: bool = False
    viewer: str = BOT
    read_only: bool = False
    broken: bool = False
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    pulls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    editors: dict[str, str] = field(default_factory=dict)
    url: str = ""
    _ids: int = 100

    def add_comment(self, number: int, body: str, author: str = BOT) -> dict[str, Any]:
        """A user comments."""
        self._ids += 1
        comment = {
            "id": self._ids,
            "user": {"login": author},
            "body": body,
            "html_url": f"{self.url}/{self.repository}/pull/{number}#issuecomment-{self._ids}",
            "node_id": f"IC_{self._ids}",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }
        self.comments.setdefault(number, []).append(comment)
        return comment

    def add_issue(self, title: str, body: str, author: str = BOT, **more: Any) -> dict[str, Any]:
        """A user opens an issue."""
        self._ids += 1
        issue = {
            "id": self._ids * 1000,
            "number": self._ids,
            "title": title,
            "user": {"login": author},
            "body": body,
            "state": "open",
            "html_url": f"{self.url}/{self.repository}/issues/{self._ids}",
            **more,
        }
        self.issues.append(issue)
        return issue

    def edit_comment(self, comment: dict[str, Any], body: str, by: str) -> None:
        """A user with write access edits a comment, regardless of its author."""
        comment["body"] = body
        comment["updated_at"] = f"2026-01-02T00:00:{len(self.editors):02}Z"
        self.editors[comment["node_id"]] = by

    def _last_edit(self, node: str) -> dict[str, Any] | None:
        if not any(each["node_id"] == node for one in self.comments.values() for each in one):
            return None
        by = self.editors.get(node)
        bot = by is not None and by.endswith("[bot]")
        editor = {"__typename": "Bot" if bot else "User", "login": (by or "").removesuffix("[bot]")}
        return {"lastEditedAt": None if by is None else "then", "editor": editor if by else None}

    def writes(self) -> list[str]:
        """The requests that change something."""
        return [each for each in self.requests if not each.startswith("GET")]

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and document."""
        parts = urlsplit(target)
        self.requests.append(f"{method} {parts.path}")
        if self.broken:
            return 500, {"message": "Server Error"}
        parameters = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/graphql":
            data: dict[str, Any] | None = (
                {"viewer": {"login": self.viewer}} if self.viewer else None
            )
            if "lastEditedAt" in body.get("query", ""):
                data = {"node": self._last_edit(body["variables"]["id"])}
            return 200, {"data": data}
        if parts.path == "/user":
            refused = (403, {"message": "Resource not accessible by integration"})
            return (200, {"login": self.login}) if self.person else refused
        base = f"/repos/{self.repository}"
        if not parts.path.startswith(base):
            return 404, {"message": "Not Found"}
        if method != "GET" and self.read_only:
            return 403, {"message": "Resource not accessible by integration"}
        if len(body.get("body") or "") > LIMIT:
            return 422, {"message": "Body is too long (maximum is 65536 characters)"}
        return self._answer(method, parts.path.removeprefix(base), parameters, body)

    def _answer(
        self, method: str, path: str, parameters: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, Any]:
        if match := re.fullmatch(r"/issues/(\d+)/comments", path):
            number = int(match[1])
            if method == "POST":
                return 201, self.add_comment(number, body["body"], self.login)
            return 200, _page(self.comments.get(number, []), parameters)
        if match := re.fullmatch(r"/issues/comments/(\d+)", path):
            return self._change_comment(method, int(match[1]), body)
        if match := re.fullmatch(r"/commits/(\w+)/pulls", path):
            return 200, _page(self.pulls.get(match[1], []), parameters)
        if path == "/issues":
            if method == "POST":
                return 201, self.add_issue(body["title"], body["body"], self.login)
            open_ones = [each for each in self.issues if each["state"] == parameters["state"]]
            return 200, _page(open_ones, parameters)
        if match := re.fullmatch(r"/issues/(\d+)", path):
            for issue in self.issues:
                if issue["number"] == int(match[1]):
                    issue.update(body)
                    return 200, issue
        return 404, {"message": "Not Found"}

    def _change_comment(self, method: str, id_: int, body: dict[str, Any]) -> tuple[int, Any]:
        for comments in self.comments.values():
            for comment in comments:
                if comment["id"] != id_:
                    continue
                if comment["user"]["login"] != self.login:
                    return 403, {"message": "not yours"}
                if method == "DELETE":
                    comments.remove(comment)
                    return 204, None
                self.edit_comment(comment, body["body"], self.login)
                return 200, comment
        return 404, {"message": "Not Found"}


def _page(items: list[dict[str, Any]], parameters: dict[str, str]) -> list[dict[str, Any]]:
    size = min(int(parameters.get("per_page", "30")), _MOST)
    first = (int(parameters.get("page", "1")) - 1) * size
    return items[first : first + size]


@contextmanager
def serving(github: Github) -> Iterator[Github]:
    """Serve it on this machine, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, document = 401, {"message": "Bad credentials"}
            else:
                status, document = github.answer(self.command, self.path, body)
            data = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.respond()

        def do_POST(self) -> None:
            self.respond()

        def do_PATCH(self) -> None:
            self.respond()

        def do_DELETE(self) -> None:
            self.respond()

        def log_message(self, *args: Any, **named: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        github.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield github
        finally:
            server.shutdown()
            thread.join()
