"""One engine for all workers of a test run: to start and to warm up costs it more than to work.

The process that starts the workers starts it as well, once the first of them wants it; they meet in
a folder.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

from tests.engine import Engine, EngineError
from tests.support.server import Server, server_of

#: It lives long enough for the better compiler to be worth its while.
_OPTIONS = ("-XX:TieredStopAtLevel=4", "-Xmx1g")
_SECONDS = 300.0


class SharedEngine:
    """Waits for the first worker that wants an engine, and starts it."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="kestra-test-shared-"))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="shared engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop it, if it was started."""
        self._over.set()
        self._thread.join()
        shutil.rmtree(self.place, ignore_errors=True)

    def _serve(self) -> None:
        while not (self.place / "wanted").exists():
            if self._over.wait(0.1):
                return
        try:
            with Engine.start(options=_OPTIONS) as engine:
                _put(self.place / "ready", json.dumps(asdict(server_of(engine))))
                self._over.wait()
        except Exception as error:  # whatever it is, the workers have to hear of it
            _put(self.place / "failed", f"{type(error).__name__}: {error}")


def shared_server(place: Path) -> Server:
    """The engine of the folder ``place``, for a worker.

    :raises EngineError: it cannot be started.
    """
    (place / "wanted").touch()
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if (place / "ready").exists():
            return Server(**json.loads((place / "ready").read_text(encoding="utf-8")))
        if (place / "failed").exists():
            raise EngineError((place / "failed").read_text(encoding="utf-8"))
        time.sleep(0.1)
    raise EngineError(f"the engine that all workers share was not there after {_SECONDS:.0f} s")


def _put(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)  # whole, or not there at all
