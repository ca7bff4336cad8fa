"""``--parallelism`` limits the requests that run at once, reads included."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from kestra_sync.cli.main import run
from tests.fuzz.small_kestra import Answer, SmallKestra, State
from tests.support.sources import log_flow

_NAMES = "abcdef"


class _Counter:
    """Counts the requests that the server works on at once, each of which takes a moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self.most = 0

    def __call__(self, _route: str, _number: int, answer: Answer) -> Answer:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        time.sleep(0.03)
        with self._lock:
            self._running -= 1
        return answer


def _write(folder: Path, text: str) -> None:
    for name in _NAMES:
        (folder / f"{name}.yaml").write_text(log_flow("acme", name, text))


@pytest.mark.parametrize(("parallelism", "most"), [(1, 1), (4, 4)])
def test_a_plan_has_no_more_requests_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parallelism: int, most: int
) -> None:
    """What is asked while the files are read, and the single reads of what changes, count too."""
    folder = tmp_path / "flows"
    folder.mkdir()
    config = "version: 1\nname: ours\nsource: flows\nscope: [acme]\n"
    (tmp_path / "kestra-sync.yaml").write_text(config)
    _write(folder, "before")
    monkeypatch.chdir(tmp_path)
    with SmallKestra() as server:
        monkeypatch.setenv("KESTRA_API_URL", server.url)
        monkeypatch.setenv("KESTRA_USERNAME", "admin")
        monkeypatch.setenv("KESTRA_PASSWORD", "secret")
        server.begin(State())
        assert run(["apply", "--yes"]) == 0
        _write(folder, "after")
        counter = _Counter()
        server.mutate = counter
        assert run(["plan", "--parallelism", str(parallelism)]) == 0
    assert 1 <= counter.most <= most
    assert parallelism == 1 or counter.most > 1
