"""Windows, simulated: separators in paths, and line ends.

Code pages are in ``unit/cli/test_broken_streams.py``. CI runs the unit tests on Windows too.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kestra_sync.config.config import load_config
from kestra_sync.errors import UsageError
from kestra_sync.repo import load, walk


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory where ``flows\\sales`` is the name of a directory, as Windows has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sep", "\\")
    return tmp_path


def test_separators__paths_are_shown_with_slashes(windows: Path) -> None:
    folder = windows / "flows\\sales"
    folder.mkdir()
    (folder / "a.yaml").write_bytes(b"id: a\r\nnamespace: acme\r\ntasks: []\r\n")
    assert [each.path for each in walk(("flows\\sales",)).files] == ["flows/sales/a.yaml"]
    loaded = load(("flows\\sales",))
    assert [(str(each.flow_id), each.path) for each in loaded.flows] == [
        ("acme/a", "flows/sales/a.yaml")
    ]
    assert loaded.flows[0].document.data == b"id: a\r\nnamespace: acme\r\ntasks: []\r\n"


def test_separators__a_configuration_is_shown_with_slashes(windows: Path) -> None:
    (windows / "conf\\kestra-sync.yaml").write_bytes(b"version: 1\r\nnmae: acme\r\n")
    with pytest.raises(UsageError, match=r"conf/kestra-sync\.yaml:2:1"):
        load_config("conf\\kestra-sync.yaml")
