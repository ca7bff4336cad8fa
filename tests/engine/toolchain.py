"""Finds the Java and the Maven that build and run the test engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_WINDOWS = sys.platform == "win32"

_INSTALL_JDK = """\
The tests run the real Kestra engine, which needs a JDK {release} or newer{found}.
Install one and run again:
  Debian, Ubuntu  sudo apt install openjdk-{release}-jdk-headless (or Temurin's, from adoptium.net)
  Fedora          sudo dnf install java-{release}-openjdk-devel
  macOS           brew install openjdk@{release}
  Windows         winget install EclipseAdoptium.Temurin.{release}.JDK
A JDK elsewhere on the disk is found through JAVA_HOME. To test against a server that already runs,
set KESTRA_TEST_URL, KESTRA_TEST_USERNAME and KESTRA_TEST_PASSWORD."""

_INSTALL_MAVEN = """\
The tests build the Kestra engine with Maven, and there is none.
Install it and run again:
  Debian, Ubuntu  sudo apt install maven
  Fedora          sudo dnf install maven
  macOS           brew install maven
  Windows         winget install Apache.Maven (or choco install maven)
A Maven elsewhere on the disk is found through MAVEN_HOME."""


class EngineError(RuntimeError):
    """The engine cannot be built, started or reached; the message says what to do."""


def find_java(release: int, *, compiler: bool) -> Path:
    """The home of the first Java of a release or newer.

    With ``compiler`` it must be a JDK, otherwise a runtime is enough.

    :raises EngineError: there is none; the message says what to install.
    """
    found: list[str] = []
    for home in _java_homes():
        if compiler and not _program(home, "javac").exists():
            continue
        version = _java_version(home)
        if version is None:
            continue
        if version >= release:
            return home
        found.append(str(version))
    only = f" (found only {', '.join(sorted(set(found)))})" if found else ""
    raise EngineError(_INSTALL_JDK.format(release=release, found=only))


def find_maven() -> Path:
    """The Maven command."""
    name = "mvn.cmd" if _WINDOWS else "mvn"
    on_path = shutil.which("mvn")
    candidates = [Path(on_path)] if on_path else []
    homes = [os.environ.get(variable) for variable in ("MAVEN_HOME", "M2_HOME")]
    candidates += [Path(home) / "bin" / name for home in homes if home]
    candidates += sorted(Path("/opt").glob(f"*maven*/bin/{name}"))
    candidates += sorted((Path.home() / ".sdkman/candidates/maven").glob(f"*/bin/{name}"))
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise EngineError(_INSTALL_MAVEN)


def java_command(home: Path) -> Path:
    """The ``java`` program of a Java home."""
    return _program(home, "java")


def _program(home: Path, name: str) -> Path:
    return home / "bin" / (f"{name}.exe" if _WINDOWS else name)


def _java_homes() -> Iterator[Path]:
    """Possible Java homes: the user's choice first, then the usual places."""
    seen: set[Path] = set()
    for home in _candidates():
        real = home.resolve()
        if real not in seen and _program(real, "java").exists():
            seen.add(real)
            yield real


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("JAVA_HOME"):
        yield Path(chosen)
    if on_path := shutil.which("java"):
        # A plain link leads to the real home; a shim of a version manager has to be asked.
        linked = Path(on_path).resolve().parent.parent
        yield linked if (linked / "release").exists() else _asked_home(on_path)
    yield from sorted(Path("/usr/lib/jvm").glob("*"))
    for bundle in sorted(Path("/Library/Java/JavaVirtualMachines").glob("*")):
        yield bundle / "Contents" / "Home"
    for folder in (Path.home() / ".sdkman/candidates/java", Path("/opt")):
        yield from sorted(folder.glob("*"))
    for prefix in ("/opt/homebrew/opt", "/usr/local/opt"):
        yield from sorted(Path(prefix).glob("openjdk*"))
    if programs := os.environ.get("PROGRAMFILES"):
        for vendor in ("Java", "Eclipse Adoptium", "Microsoft"):
            yield from sorted(Path(programs).glob(f"{vendor}/*"))


def _asked_home(java: str) -> Path:
    answer = _run(java, "-XshowSettings:properties", "-version")
    home = re.search(r"java\.home = (.+)", answer)
    return Path(home.group(1).strip()) if home else Path(java).parent.parent


def _java_version(home: Path) -> int | None:
    release = home / "release"
    text = release.read_text(errors="replace") if release.exists() else ""
    version = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', text)
    if version is None:
        answer = _run(str(_program(home, "java")), "-version")
        version = re.search(r'version "(?:1\.)?(\d+)', answer)
    return int(version.group(1)) if version else None


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
