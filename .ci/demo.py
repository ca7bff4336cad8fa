"""Runs a demo: a real Kestra engine, the flows of this repository, and a cleanup afterwards.

Run it with ``make demo``, or ``make demo KESTRA=2.0`` for that version of Kestra. Every command is
printed before it runs, as one would type it.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent

#: A first start builds the engine, which downloads Kestra.
_START_SECONDS = 900.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Step:
    """One command of the demo.

    :param title: what it is for.
    :param args: what follows ``kestra-sync``.
    """

    title: str
    args: tuple[str, ...]


_CONFIG = ("--config", "flows/kestra-sync.yaml")
STEPS = (
    Step("Check every flow, with Kestra's own validation", ("validate", *_CONFIG)),
    Step("See what would change: flows, namespace files and keys", ("plan", *_CONFIG)),
    Step("Make it so", ("apply", "--yes", *_CONFIG)),
    Step("Run what was deployed", ("smoke", *_CONFIG)),
    Step("Nothing is left to do", ("plan", "--detailed-exitcode", *_CONFIG)),
    Step("See what is recorded", ("inventory", *_CONFIG)),
)


class DemoError(Exception):
    """The demo cannot continue; the message contains the reason."""


def main() -> int:
    """Run all steps against a new engine; return 0 only if all of them succeed."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="kestra-sync-demo-") as folder:
            env_file = Path(folder) / "engine.env"
            with engine(env_file):
                environment = _environment(env_file)
                print(f"Kestra runs at {environment['KESTRA_API_URL']}", flush=True)
                for step in STEPS:
                    _run(step, environment)
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    print("\nDone: the server has the flows in Git, and the engine was stopped.")
    return 0


@contextmanager
def engine(env_file: Path) -> Iterator[None]:
    """A Kestra engine that is always stopped afterwards."""
    version = os.environ.get("KESTRA") or "1.3"
    print(f"Starting a Kestra {version} engine on a free port ...", flush=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine", "--kestra", version, "--env-file", str(env_file)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not env_file.exists():
            if process.poll() is not None:
                raise DemoError(f"the engine did not start (exit code {process.returncode})")
            if time.monotonic() > deadline:
                raise DemoError(f"the engine did not start within {_START_SECONDS:.0f} s")
            time.sleep(0.1)
        yield
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # The engine ends with its standard input, so it does not outlive the process that we kill.
        process.kill()
        process.wait()


def _environment(env_file: Path) -> dict[str, str]:
    """The environment of this process, with the engine of the demo as the server."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("KESTRA_")
    }
    for line in env_file.read_text().splitlines():
        name, _, value = line.partition("=")
        environment[name] = value
    return environment


def _run(step: Step, environment: Mapping[str, str]) -> None:
    command = shlex.join(("kestra-sync", *step.args))
    print(f"\n# {step.title}\n$ {command}", flush=True)
    program = Path(sys.executable).with_name("kestra-sync")
    done = subprocess.run([str(program), *step.args], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise DemoError(f"'{command}' ended with exit code {done.returncode}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
