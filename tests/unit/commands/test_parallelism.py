"""``--parallelism`` limits the requests that run at once, reads included."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.cli.main import run
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.at_once import AtOnce
from tests.support.sources import log_flow

_NAMES = "abcdef"


def _write(folder: Path, text: str) -> None:
    for name in _NAMES:
        (folder / f"{name}.yaml").write_text(log_flow("acme", name, text))


@pytest.mark.parametrize("parallelism", [1, 2, 4])
def test_plan__limits_concurrent_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parallelism: int
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
        counter = AtOnce(meet=4 if parallelism == 4 else None)
        server.mutate = counter
        assert run(["plan", "--parallelism", str(parallelism)]) == 0
    assert counter.all > 6
    assert counter.most <= parallelism
    assert parallelism != 4 or counter.most > 1
