"""Starts and stops the test engine: a separate process on 127.0.0.1 with basic auth."""

from __future__ import annotations

import base64
import contextlib
import queue
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.engine.builder import build
from tests.engine.toolchain import EngineError, find_java, java_command
from tests.engine.versions import DEFAULT, KestraVersion

__all__ = ["PASSWORD", "USERNAME", "Engine", "EngineError"]

USERNAME = "admin@kestra.io"
PASSWORD = "Engine-Pass1"

_START_SECONDS = 300.0
_STOP_SECONDS = 15.0
_LOG_TAIL_LINES = 40


class Engine:
    """One running engine.

    ``data`` is the folder of its database and storage: with it the engine can be killed and
    restarted without losing anything. Without it everything is in memory.

    >>> with Engine.start() as engine:  # doctest: +SKIP
    ...     print(engine.url, engine.username, engine.password)
    """

    def __init__(
        self,
        data: Path | None,
        port: int | None,
        options: tuple[str, ...] = (),
        kestra: KestraVersion = DEFAULT,
    ) -> None:
        self.kestra = kestra
        self.username = USERNAME
        self.password = PASSWORD
        self._data = data
        self._port = port
        self._options = options
        self._url = ""
        self._process: subprocess.Popen[bytes] | None = None
        with tempfile.NamedTemporaryFile(
            prefix="kestra-test-engine-", suffix=".log", delete=False
        ) as log:
            self._log = Path(log.name)

    @classmethod
    def start(
        cls,
        data: Path | str | None = None,
        port: int | None = None,
        options: tuple[str, ...] = (),
        kestra: KestraVersion = DEFAULT,
    ) -> Engine:
        """Build if necessary, start, and return when the engine responds.

        :param options: for the JVM, over those that make it small and quick to start.
        :param kestra: the version of Kestra.
        """
        engine = cls(Path(data) if data is not None else None, port, options, kestra)
        try:
            engine._launch()
        except BaseException:
            engine._log.unlink(missing_ok=True)
            raise
        return engine

    @property
    def url(self) -> str:
        """The URL, such as ``http://127.0.0.1:41234``; unchanged by a restart."""
        return self._url

    @property
    def pid(self) -> int:
        """The process id of the JVM."""
        if self._process is None:
            raise EngineError("the engine is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def log_tail(self) -> str:
        """The last lines of the engine's own log."""
        with contextlib.suppress(OSError):
            lines = self._log.read_text(errors="replace").splitlines()
            return "\n".join(lines[-_LOG_TAIL_LINES:])
        return ""

    def stop(self) -> None:
        """Stop it gracefully; has no effect if it has already ended."""
        process = self._process
        if process is None:
            return
        _close(process.stdin)  # the engine ends with its standard input, on every system
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        self._forget(process)

    def kill(self) -> None:
        """Kill it, as after a power failure."""
        process = self._process
        if process is not None:
            process.kill()
            self._forget(process)

    def restart(self) -> None:
        """Restart it at the same address."""
        self.stop()
        self._launch()

    def close(self) -> None:
        """Stop it and remove its log."""
        self.stop()
        self._log.unlink(missing_ok=True)

    def __enter__(self) -> Engine:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _launch(self) -> None:
        built = build(self.kestra)
        java = java_command(find_java(self.kestra.java, compiler=False))
        shared = [f"-XX:SharedArchiveFile={built.archive}"] if built.archive.exists() else []
        command = built.command(java, *shared, *self._options)
        command += ["--username", self.username, "--password", self.password]
        if self._data is not None:
            command += ["--data", str(self._data.resolve())]
        if self._port is not None:
            command += ["--port", str(self._port)]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=built.home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._process = process
        try:
            self._url = self._await_ready(process)
            self._await_answer()
        except BaseException:
            self.kill()
            raise
        self._port = int(self._url.rpartition(":")[2])

    def _await_ready(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        lines: queue.Queue[bytes] = queue.Queue()
        reader = threading.Thread(target=_drain, args=(process.stdout, lines), daemon=True)
        reader.start()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic())).decode()
            except queue.Empty:
                raise self._failed(f"was not ready after {_START_SECONDS:.0f} s") from None
            if line.startswith("READY "):
                return line.split()[1]
            if not line:
                raise self._failed(f"ended with status {process.wait()}")

    def _await_answer(self) -> None:
        credentials = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        request = urllib.request.Request(
            f"{self._url}/api/v1/main/flows/search?size=1",
            headers={"Authorization": f"Basic {credentials}"},
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                direct.open(request, timeout=30).close()
                return
            except urllib.error.HTTPError as error:
                raise self._failed(f"answers {error.code} {error.reason}") from error
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise self._failed(f"does not answer: {error}") from error
                time.sleep(0.1)

    def _failed(self, what: str) -> EngineError:
        return EngineError(f"the Kestra test engine {what}; its log:\n{self.log_tail()}")

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        _close(process.stdin)
        self._process = None


def _drain(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Read until the end, so that the engine never blocks on a full pipe."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()
