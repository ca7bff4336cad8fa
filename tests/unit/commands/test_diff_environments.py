"""``diff --from --to`` loads the files once and reads both servers at the same time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.commands.diff_environments import diff_environments
from kestra_sync.configured import Connection, Rendering
from kestra_sync.model import FlowId, Repository, Scope
from kestra_sync.repo.load import load
from kestra_sync.settings import Settings
from tests.fuzz.small_kestra import Answer, SmallKestra
from tests.support.sources import log_flow


def test_diff__reads_the_servers_together_and_the_files_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(log_flow("acme", "a"))
    (tmp_path / "b.yaml").write_text(log_flow("acme", "b"))
    both = threading.Barrier(2, timeout=30)  # broken if one export ends before the other begins

    def together(route: str, _number: int, answer: Answer) -> Answer:
        if route == "export":
            both.wait()
        return answer

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KESTRA_USERNAME", "a")
    monkeypatch.setenv("KESTRA_PASSWORD", "b")
    loads = []

    def counted(paths: Sequence[str], **options: Any) -> Repository:
        loads.append(paths)
        return load(paths, **options)

    monkeypatch.setattr(sys.modules[load.__module__], "load", counted)
    with SmallKestra() as dev, SmallKestra() as prod:
        for server, namespace, words in ((dev, "acme", "dev"), (prod, "prod.acme", "prod")):
            for name in ("a", "b"):
                source = log_flow(namespace, name, words if name == "b" else "hello")
                server.state.flows[(namespace, name)] = [source.encode()]
            server.mutate = together
        sides = [
            Settings(
                connection=Connection(url=server.url),
                paths=(str(tmp_path),),
                scope=Scope((namespace,)),
                rendering=Rendering(namespaces=names),
            )
            for server, namespace, names in (
                (dev, "acme", ()),
                (prod, "prod.acme", (("acme", "prod.acme"),)),
            )
        ]
        result = diff_environments(*sides)
    assert result.changed == (FlowId("acme", "b"),)
    assert (result.only_before, result.only_after) == ((), ())
    assert len(loads) == 1
