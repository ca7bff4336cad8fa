"""Runs commands alternately, and records their time and memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run of a process.

    :param seconds: from its start to its end, or what it says itself.
    :param cpu: seconds of processor time, user and system.
    :param memory: bytes at its largest.
    """

    seconds: float
    cpu: float
    memory: int


@dataclass
class Series:
    """The runs of one measurement."""

    runs: list[Run] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def low(self) -> float:
        """The fastest run."""
        return min(run.seconds for run in self.runs)

    @property
    def high(self) -> float:
        """The slowest run."""
        return max(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """The median of the processor time."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def memory(self) -> int:
        """The maximum of all runs."""
        return max(run.memory for run in self.runs)


class Machine:
    """Runs kestra-sync and its counterparts against one server.

    :param environment: the variables that name the server.
    :param bytecode: a folder for compiled modules.
    :param server: the process id of the server, if it is one of ours.
    """

    def __init__(
        self, environment: Mapping[str, str], bytecode: Path, server: int | None = None
    ) -> None:
        self._server = server
        # As installed: with compiled modules, and without what the caller's shell may say.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KESTRA_", "PYTHON", "GITHUB_", "GITLAB_", "COVERAGE"))
        }
        root = str(Path(__file__).resolve().parent.parent)
        self._environment = {
            **kept,
            "PYTHONPYCACHEPREFIX": str(bytecode),
            "PYTHONPATH": root,
            **environment,
        }

    @property
    def url(self) -> str:
        """The address of the server."""
        return self._environment["KESTRA_API_URL"]

    def at(self, url: str) -> Machine:
        """The same server at another address."""
        other = Machine({}, Path(), self._server)
        other._environment = {**self._environment, "KESTRA_API_URL": url}
        return other

    def server_at_rest(self) -> None:
        """Give background work of the server the lowest priority (on Linux).

        For each flow that is written its scheduler reads all flows again, one after the other: for
        hours after some thousand of them were created. A server that has held its flows for a day
        is done with that.
        """
        for task in Path(f"/proc/{self._server}/task").glob("*"):
            if (task / "comm").read_text().startswith("jdbc-queue-Flow"):
                os.setpriority(os.PRIO_PROCESS, int(task.name), 19)

    def ours(self, folder: Path, *args: str, expected: Sequence[int] = (0,)) -> Run:
        """``kestra-sync`` in ``folder``, from the start of the process to its end."""
        run, _ = self._run([sys.executable, "-m", "kestra_sync", *args], folder, expected)
        return run

    def bare(self, what: str, folder: Path, root: str) -> Run:
        """A counterpart; its startup is not included in the seconds."""
        command = [sys.executable, "-m", "benchmarks.bare", what, str(folder), root]
        run, output = self._run(command, folder, (0,))
        return Run(json.loads(output)["seconds"], run.cpu, run.memory)

    def _run(self, command: list[str], folder: Path, expected: Sequence[int]) -> tuple[Run, bytes]:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=folder, env=self._environment, stdout=out, stderr=err
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            output, errors = out.read(), err.read()
        if process.returncode not in expected:
            raise RuntimeError(
                f"{' '.join(command[2:])} ended with {process.returncode}; all of its output:\n"
                f"{(output + errors).decode(errors='replace')}"
            )
        scale = 1 if sys.platform == "darwin" else 1024
        return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale), output


def interleaved(
    repetitions: int, works: Mapping[str, Callable[[], Run]], say: Callable[[str], None]
) -> dict[str, Series]:
    """Alternate the measurements, so that other load on the machine affects all of them."""
    found = {name: Series() for name in works}
    names = list(works)
    for repetition in range(repetitions):
        turn = repetition % len(names)
        for name in (*names[turn:], *names[:turn]):
            run = works[name]()
            found[name].runs.append(run)
            say(f"{name}: {run.seconds:.2f} s")
    return found
