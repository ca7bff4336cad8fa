"""A distant server: relays bytes, each direction delayed by half of a round trip.

Run as ``python -m benchmarks.far HOST PORT SECONDS``; prints the port that it listens on.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

ROUND_TRIP = 0.05
"""Seconds that a request and its response take longer."""


@contextmanager
def far_from(url: str) -> Iterator[str]:
    """The URL of a distant relay for the server at ``url``."""
    parts = urlsplit(url)
    command = [sys.executable, "-m", "benchmarks.far", parts.hostname or "", str(parts.port or 80)]
    root = str(Path(__file__).resolve().parent.parent)
    with subprocess.Popen(
        [*command, str(ROUND_TRIP)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}{parts.path}"
        finally:
            process.terminate()


async def serve(host: str, port: int, round_trip: float) -> None:
    """Relay every connection until the process ends."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection is there after a round trip, too.
        await asyncio.sleep(round_trip)
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(
            _late(reader, back, round_trip / 2), _late(there, writer, round_trip / 2)
        )

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, by: float) -> None:
    """What is read is written ``by`` seconds later, however much comes at once."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while data := await reader.read(1 << 20):
            loop.call_later(by, writer.write, data)
    loop.call_later(by, writer.close)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
