"""No write of a run reaches the server in several pieces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.segments import CERTIFICATE, SegmentRecorder
from tests.support.server import Server
from tests.support.smoke import FAIL, LOG

#: More than one packet; tasks would have to be run.
_LONG = "".join(f"# a longer comment, with the number {number}\n" for number in range(100))


@pytest.fixture(params=["plain", "TLS through a proxy"])
def recorder(
    request: pytest.FixtureRequest, server: Server, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SegmentRecorder]:
    """A proxy between the commands and the server."""
    secure = request.param != "plain"
    with (
        SegmentRecorder(server.url, tls=secure) as recorder,
        SegmentRecorder(recorder.url, proxy=True) as proxy,
    ):
        monkeypatch.setenv("KESTRA_API_URL", recorder.url)
        if secure:
            monkeypatch.setenv("NO_PROXY", "")
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
        yield recorder


def test_writes__each_of_a_run_leaves_in_one_piece(repo: Repo, recorder: SegmentRecorder) -> None:
    """Of an apply with creations, updates, deletions, smoke tests, rollback, record and lock."""
    repo.config(f"smoke:\n  - {{flow: {repo.namespace}/work, keep: never}}\n")
    repo.write("flows/work.yaml", repo.source("work", extra=_LONG))
    repo.flow("gone")
    assert repo.apply("--smoke").code == 0
    before = repo.lives()
    repo.write(
        "flows/work.yaml",
        repo.source("work", extra=_LONG)
        .replace(LOG.encode(), FAIL.encode(), 1)
        .replace(b'message: "hello"', b"errorMessage: no"),
    )
    repo.flow("fresh")
    repo.remove("gone")
    # One after the other, so that what comes right before an update can be told.
    ran = repo.apply("--smoke", "--rollback", "--allow-large", "--parallelism", "1")
    assert (ran.code, repo.lives()) == (7, before)
    segments = recorder.segments
    assert all(each.whole for each in segments), [each.data for each in segments if not each.whole]
    writes = [each for each in segments if each.method != "GET"]
    assert {each.method for each in writes} == {"POST", "PUT", "DELETE"}
    assert {"flows", "kv", "executions"} <= {
        each.path.split("/")[-1 - at] for each in writes for at in range(3)
    }
    flows = [each for each in writes if each.method == "PUT" and "/flows/" in each.path]
    assert len(flows) == 2, "the update, and the way back"
    assert all(each.header("Content-Encoding") == "gzip" for each in flows)
    assert all(len(each.data) < 2048 < len(each.body) for each in flows)
    for each in flows:
        last = segments[segments.index(each) - 1]
        assert (last.method, last.path) == ("GET", each.path)
