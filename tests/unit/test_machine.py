"""``.ci/machine.py``: what ``make`` installs, with which commands, and when it does not."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the commands of this test are scripts")


@pytest.fixture
def machine() -> ModuleType:
    path = Path(__file__).parents[2] / ".ci" / "machine.py"
    spec = importlib.util.spec_from_file_location("machine", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["machine"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory of programs; each of them notes how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _program(folder: Path, name: str, *, body: str = "exit 0") -> None:
    log = folder.parent / "log"
    (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{log}"\n{body}\n')
    (folder / name).chmod(0o755)


def _calls(folder: Path) -> list[str]:
    log = folder.parent / "log"
    return log.read_text().splitlines() if log.exists() else []


def _as(user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)


def test_apt__as_root(machine: ModuleType, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the packages that this release of the system has."""
    _as(0, monkeypatch)
    _program(programs, "apt-get")
    _program(programs, "apt-cache", body='[ "$2" = temurin-25-jdk ]')
    machine.install(["java", "maven", "go"], 25)
    assert _calls(programs) == [
        "apt-get -qq update",
        "apt-cache show openjdk-25-jdk-headless",
        "apt-cache show temurin-25-jdk",
        "apt-get -qq install --yes --no-install-recommends maven golang-go temurin-25-jdk",
    ]


def test_dnf__by_sudo(machine: ModuleType, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _as(1000, monkeypatch)
    _program(programs, "sudo", body='shift; exec "$@"')
    _program(programs, "true")
    _program(programs, "dnf")
    machine.install(["java"], 21)
    assert _calls(programs)[-1] == "dnf -q -y install java-21-openjdk-devel"
    assert "sudo -n dnf -q -y install java-21-openjdk-devel" in _calls(programs)


@pytest.mark.parametrize(
    ("program", "user"), [("apt-get", 1000), ("dnf", 1000), ("brew", 0), ("pacman", 0)]
)
def test_machine__installs_nothing_without_permission(
    program: str, user: int, machine: ModuleType, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without sudo, with a sudo that asks for a password, Homebrew as root, unknown manager."""
    _as(user, monkeypatch)
    _program(programs, program)
    machine.install(["java"], 21)
    assert _calls(programs) == []
    _program(programs, "sudo", body="exit 1")
    machine.install(["java"], 21)
    assert [each for each in _calls(programs) if not each.startswith("sudo -n true")] == []


def test_only_what_is_missing(machine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise machine.EngineError("none")

    monkeypatch.setattr(machine, "find_maven", absent)
    monkeypatch.setattr(machine, "find_java", lambda release, *, compiler: Path("/jdk"))
    monkeypatch.setattr(machine, "find_go", lambda: Path("/go"))
    assert machine.missing(["java", "maven", "go"], 21) == ["maven"]
    assert (machine.release("1.3"), machine.release("2.0"), machine.release("all")) == (21, 25, 25)
