"""Counts the modules that a ``plan`` and an ``apply`` with one change enter.

Entered means that a function of the module is called, not merely that it is imported. Run it to see
the list: ``.venv/bin/python -m tests.modules_entered``. A stranger who follows one change through
the code has to read about so many files; ``tests/test_modules_entered.py`` keeps them few.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import kestra_sync
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.sources import log_flow

_ROOT = Path(kestra_sync.__file__).parent
_PREFIX = f"{_ROOT}{os.sep}"
_CONFIG = "version: 1\nname: ours\nsource: flows\nscope: [acme]\n"


def entered() -> dict[str, list[str]]:
    """For ``plan`` and ``apply`` the modules that they enter, as paths inside of the package."""
    with tempfile.TemporaryDirectory() as folder, SmallKestra() as server:
        server.begin(State())
        root = Path(folder)
        (root / "flows").mkdir()
        (root / "kestra-sync.yaml").write_text(_CONFIG)
        for name in ("same", "changed"):
            (root / "flows" / f"{name}.yaml").write_text(log_flow("acme", name))
        _run(root, server.url, "apply", "--yes")
        (root / "flows" / "changed.yaml").write_text(log_flow("acme", "changed", "bye"))
        return {
            "plan": _run(root, server.url, "plan"),
            "apply": _run(root, server.url, "apply", "--yes"),
        }


def _run(root: Path, url: str, *args: str) -> list[str]:
    """Run a command in a process of its own: what is cached is not entered."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("KESTRA_", "GITHUB_"))}
    environ |= {"KESTRA_API_URL": url, "KESTRA_USERNAME": "admin", "KESTRA_PASSWORD": "secret"}
    environ["PYTHONPATH"] = str(_ROOT.parent)
    report = root / "entered.json"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.modules_entered", str(report), *args],
        cwd=root, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise RuntimeError(f"{args}: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    found: list[str] = json.loads(report.read_text())
    return found


class _Tracer:
    """A trace function that notes whose functions are called, and traces none of their lines."""

    def __init__(self) -> None:
        self.files: set[str] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and self._is_new(code) and not _importing(frame):
            self.files.add(code.co_filename)

    def _is_new(self, code: CodeType) -> bool:
        name = code.co_filename
        is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)  # not a module, nor a class body
        return is_function and name not in self.files and name.startswith(_PREFIX)


def _importing(frame: FrameType | None) -> bool:
    """Whether a module of the package is being imported: a decorator, a default."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(_PREFIX):
            return True
        frame = frame.f_back
    return False


def _trace(report: str, args: list[str]) -> int:
    from kestra_sync.cli.main import run

    tracer = _Tracer()
    threading.settrace(tracer)
    sys.settrace(tracer)
    try:
        code = run(args)
    finally:
        sys.settrace(None)
        threading.settrace(None)
    files = sorted(Path(each).relative_to(_ROOT).as_posix() for each in tracer.files)
    Path(report).write_text(json.dumps(files))
    return code


def _main() -> int:
    if sys.argv[1:]:
        return _trace(sys.argv[1], sys.argv[2:])
    for command, modules in entered().items():
        lines = {each: len((_ROOT / each).read_text().splitlines()) for each in modules}
        print(f"{command}: {len(modules)} modules, {sum(lines.values()):,} lines")
        for name, number in lines.items():
            print(f"  {number:4} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
