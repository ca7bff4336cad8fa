"""Java and Maven are found in the usual places, or the message says what to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine import VERSIONS, toolchain, version_named
from tests.engine.toolchain import EngineError, find_java, find_maven


def _java(home: Path, version: str, *, compiler: bool = True) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    for name in ("java", "javac") if compiler else ("java",):
        program = home / "bin" / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return home


@pytest.fixture
def homes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The Java homes of a machine, in the order in which they are looked at."""
    found: list[Path] = []
    monkeypatch.setattr(toolchain, "_candidates", lambda: iter(found))
    return found


@pytest.mark.parametrize("version", ["21", "21.0.5", "25.0.1"])
def test_toolchain__newer_java_is_used(homes: list[Path], tmp_path: Path, version: str) -> None:
    homes += [_java(tmp_path / "old", "17.0.15"), _java(tmp_path / "new", version)]
    assert find_java(21, compiler=True) == tmp_path / "new"


def test_a_runtime_will_do_to_run_but_not_to_build(homes: list[Path], tmp_path: Path) -> None:
    homes += [_java(tmp_path / "jre", "25", compiler=False), _java(tmp_path / "jdk", "21")]
    assert find_java(21, compiler=False) == tmp_path / "jre"
    assert find_java(21, compiler=True) == tmp_path / "jdk"


def test_toolchain__missing_java_has_a_remedy(homes: list[Path], tmp_path: Path) -> None:
    homes += [_java(tmp_path / "a", "1.8.0_402"), _java(tmp_path / "b", "17")]
    with pytest.raises(EngineError) as caught:
        find_java(21, compiler=True)
    message = str(caught.value)
    assert "needs a JDK 21 or newer (found only 17, 8)" in message
    for remedy in ("apt install openjdk-21", "brew install", "winget install", "KESTRA_TEST_URL"):
        assert remedy in message


def test_each_kestra_has_its_own_oldest_java(homes: list[Path], tmp_path: Path) -> None:
    homes += [_java(tmp_path / "a", "21"), _java(tmp_path / "b", "25.0.1")]
    found = {name: find_java(it.java, compiler=True).name for name, it in VERSIONS.items()}
    assert found == {"1.3": "a", "2.0": "b"}
    homes.pop()
    with pytest.raises(EngineError, match="needs a JDK 25 or newer") as caught:
        find_java(VERSIONS["2.0"].java, compiler=True)
    assert "apt install openjdk-25" in str(caught.value)


@pytest.mark.parametrize("name", ["2", "2.0", "2.0.3"])
def test_a_version_may_be_written_short_or_long(name: str) -> None:
    assert version_named(name) is VERSIONS["2.0"]


@pytest.mark.parametrize("name", ["1", "1.2", "2.1", "", "x"])
def test_a_version_without_an_engine_is_reported(name: str) -> None:
    with pytest.raises(ValueError, match=r"there are: 1\.3, 2\.0"):
        version_named(name)


def test_java_home_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_java(tmp_path / "mine", "22.0.1")))
    assert find_java(21, compiler=True) == tmp_path / "mine"


def test_maven_is_found_through_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(toolchain, "_WINDOWS", False)
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.touch()
    monkeypatch.setenv("MAVEN_HOME", str(tmp_path))
    assert find_maven() == program


def test_toolchain__missing_maven_has_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("MAVEN_HOME", raising=False)
    monkeypatch.delenv("M2_HOME", raising=False)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(EngineError, match="apt install maven"):
        find_maven()
