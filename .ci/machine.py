"""Installs the JDK, Maven or Go that ``make`` needs and the machine lacks.

``python .ci/machine.py java maven go`` uses the package manager of the system (apt, dnf, Homebrew),
if this user may: as root, or by ``sudo`` without a password. It always succeeds: what is still
missing after it is reported by what needs it, with all ways to install it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.action.go_tools import GoToolError, find_go
from tests.engine import VERSIONS
from tests.engine.toolchain import EngineError, find_java, find_maven


@dataclass(frozen=True)
class Manager:
    """A package manager.

    :param refresh: what updates its lists; empty if it does so by itself.
    :param known: what succeeds if it has the package that is put at its end.
    :param install: what installs the packages that are put at its end.
    :param as_root: it only works for root.
    :param java: the names of a JDK of release ``{}``, the best first.
    """

    program: str
    refresh: tuple[str, ...]
    known: tuple[str, ...]
    install: tuple[str, ...]
    as_root: bool
    java: tuple[str, ...]
    maven: str
    go: str


_MANAGERS = (
    Manager(
        "apt-get",
        ("apt-get", "-qq", "update"),
        ("apt-cache", "show"),
        ("apt-get", "-qq", "install", "--yes", "--no-install-recommends"),
        as_root=True,
        java=("openjdk-{}-jdk-headless", "temurin-{}-jdk"),
        maven="maven",
        go="golang-go",
    ),
    Manager(
        "dnf",
        (),
        ("dnf", "-q", "info"),
        ("dnf", "-q", "-y", "install"),
        as_root=True,
        java=("java-{}-openjdk-devel", "java-latest-openjdk-devel"),
        maven="maven",
        go="golang",
    ),
    Manager(
        "brew",
        (),
        ("brew", "info"),
        ("brew", "install", "--quiet"),
        as_root=False,
        java=("openjdk@{}", "openjdk"),
        maven="maven",
        go="go",
    ),
)


def release(kestra: str) -> int:
    """The oldest JDK that runs this version of Kestra, or all of them."""
    return VERSIONS[kestra].java if kestra in VERSIONS else max(v.java for v in VERSIONS.values())


def missing(wanted: list[str], java: int) -> list[str]:
    """The required tools (``java``, ``maven``, ``go``) that are missing."""
    finders: dict[str, Callable[[], object]] = {
        "java": lambda: find_java(java, compiler=True),
        "maven": find_maven,
        "go": find_go,
    }
    found = []
    for name in wanted:
        try:
            finders[name]()
        except (EngineError, GoToolError):
            found.append(name)
    return found


def privileges(manager: Manager) -> tuple[str, ...] | None:
    """The prefix for a command of the package manager; ``None`` without permission."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not manager.as_root:
        return None if root else ()  # Homebrew refuses root
    if root:
        return ()
    sudo = shutil.which("sudo")
    if sudo and _succeeds(sudo, "-n", "true"):
        return ("sudo", "-n")
    return None


def install(names: list[str], java: int) -> None:
    """Install what is missing, as far as the machine allows it."""
    manager = next((each for each in _MANAGERS if shutil.which(each.program)), None)
    before = None if manager is None else privileges(manager)
    if manager is None or before is None:
        return
    print(f"installing {', '.join(names)} with {manager.program}", file=sys.stderr)
    if manager.refresh and not _succeeds(*before, *manager.refresh):
        return
    packages = [manager.maven] * ("maven" in names) + [manager.go] * ("go" in names)
    if "java" in names:
        offered = [each.format(java) for each in manager.java]
        packages += [each for each in offered if _succeeds(*manager.known, each)][:1]
    if packages:
        _succeeds(*before, *manager.install, *packages)


def _succeeds(*command: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def main(wanted: list[str]) -> int:
    """Install those of ``wanted`` that are missing."""
    java = release(os.environ.get("KESTRA", ""))
    names = missing(wanted, java)
    if names:
        install(names, java)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
