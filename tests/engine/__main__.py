"""Runs the test engine in the foreground: ``python -m tests.engine``."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from tests.engine.builder import build
from tests.engine.launcher import Engine
from tests.engine.toolchain import EngineError
from tests.engine.versions import DEFAULT, VERSIONS, KestraVersion, version_named


def main() -> int:
    """Parse the command line and run until ^C or SIGTERM."""
    options = _options()
    # A plain "kill" must run the clean-up as ^C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.build_only:
            for version in options.kestra:
                build(version)
            return 0
        return _run(options)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.engine",
        description="Run the Kestra engine of the tests in the foreground, until ^C.",
    )
    parser.add_argument("--port", type=int, help="listen on this port (default: any free one)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data in this folder")
    parser.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="write KESTRA_API_URL, KESTRA_USERNAME and KESTRA_PASSWORD there once it answers",
    )
    parser.add_argument(
        "--kestra",
        type=_versions,
        default=os.environ.get("KESTRA") or DEFAULT.name,
        metavar="VERSION",
        help="1.3 or 2.0, with --build-only also 'all' (default: the variable KESTRA, or 1.3)",
    )
    parser.add_argument("--build-only", action="store_true", help="build it, do not start it")
    options = parser.parse_args()
    if len(options.kestra) > 1 and not options.build_only:
        parser.error("--kestra all needs --build-only")
    return options


def _versions(name: str) -> tuple[KestraVersion, ...]:
    if name == "all":
        return tuple(VERSIONS.values())
    try:
        return (version_named(name),)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _run(options: argparse.Namespace) -> int:
    with Engine.start(data=options.data, port=options.port, kestra=options.kestra[0]) as engine:
        print(f"url       {engine.url}")
        print(f"username  {engine.username}")
        print(f"password  {engine.password}", flush=True)
        if options.env_file is not None:
            _write_env_file(options.env_file, engine)
        try:
            while engine.running:
                time.sleep(0.2)
        except KeyboardInterrupt:
            return 130
        finally:
            if options.env_file is not None:
                options.env_file.unlink(missing_ok=True)
        print(f"the engine ended by itself; its log:\n{engine.log_tail()}", file=sys.stderr)
        return 1


def _write_env_file(path: Path, engine: Engine) -> None:
    """Write it whole or not at all: a process that waits for the file reads it at once."""
    part = path.with_name(path.name + ".part")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(
            f"KESTRA_API_URL={engine.url}\n"
            f"KESTRA_USERNAME={engine.username}\n"
            f"KESTRA_PASSWORD={engine.password}\n"
        )
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
