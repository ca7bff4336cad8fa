"""Builds the Go programs that these tests use, at the versions that ``.ci/go-tools.txt`` pins.

The tests do so by themselves; ``python -m tests.action.go_tools [NAME...]`` does it beforehand,
where one can see how far it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LIST = _ROOT / ".ci" / "go-tools.txt"
_BIN = _ROOT / ".ci" / "bin"
_EXE = ".exe" if sys.platform == "win32" else ""

_INSTALL_GO = """\
The tests of the GitHub Action run actionlint and act, which are built with Go, and there is none.
Install it and run again:
  Debian, Ubuntu  sudo apt install golang-go
  Fedora          sudo dnf install golang
  macOS           brew install go
  Windows         winget install GoLang.Go
A Go elsewhere on the disk is found through GOROOT."""


class GoToolError(RuntimeError):
    """A tool cannot be built; the message says what to do."""


def go_tool(name: str) -> Path:
    """The program of that name, built once if necessary; act takes more than a minute."""
    module = _modules()[name]
    version = module.rpartition("@")[2]
    program = _BIN / f"{name}-{version}{_EXE}"
    if not program.exists():
        _build(module, name, program)
    return program


def _modules() -> dict[str, str]:
    """Name of the program → module and version."""
    lines = _LIST.read_text(encoding="utf-8").splitlines()
    modules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return {module.partition("@")[0].rpartition("/")[2]: module for module in modules}


def _build(module: str, name: str, program: Path) -> None:
    go = find_go()
    sys.stderr.write(f"building {module}, once; this may take minutes\n")
    started = time.monotonic()
    growing = _BIN / f".{name}-{os.getpid()}"
    environment = {**os.environ, "GOBIN": str(growing), "CGO_ENABLED": "0"}
    done = subprocess.run(
        [str(go), "install", "-trimpath", "-buildvcs=false", module],
        cwd=_ROOT / ".ci",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise GoToolError(f"{module} cannot be built with {go}:\n{done.stderr}")
    # In one step: tests that run at the same time see all of it or nothing.
    (growing / f"{name}{_EXE}").replace(program)
    shutil.rmtree(growing)
    sys.stderr.write(f"built {module} in {time.monotonic() - started:.0f} s\n")


def find_go() -> Path:
    """The ``go`` command.

    :raises GoToolError: there is none.
    """
    for candidate in _candidates():
        if candidate.exists():
            return candidate
    raise GoToolError(_INSTALL_GO)


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("go")
    if on_path:
        yield Path(on_path)
    homes = [os.environ.get("GOROOT", ""), "/usr/local/go", "/usr/lib/go", "/opt/homebrew"]
    homes += ["/usr/local", str(Path.home() / "go"), r"C:\Program Files\Go"]
    for home in filter(None, homes):
        yield Path(home) / "bin" / f"go{_EXE}"


def main(names: Sequence[str]) -> int:
    """Build those that are named, or all."""
    try:
        for name in names or _modules():
            go_tool(name)
    except GoToolError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
