"""Makes the environment that the action runs in: pinned dependencies, checked by their hashes.

Run by its path and with any Python, before there is anything else, so it needs the standard
library only. The environment lies in the tool cache of the runner under a hash of all that it is
made of: a runner that keeps its disk makes it once.

``install.py --locate`` only says where it is or will be, for the steps in between.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = _ROOT / ".github" / "requirements-action.txt"
_DONE = ".complete"
_FAILED = "the dependencies of the action cannot be installed, see the log"


@dataclass(frozen=True)
class Place:
    """Where an environment is or will be.

    :param key: the hash of all that it is made of.
    """

    key: str
    folder: Path

    @property
    def ready(self) -> bool:
        """Whether it is there, and whole."""
        return (self.folder / _DONE).exists() and self.python.exists()

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return _interpreter(self.folder)


def place(requirements: Path, environ: Mapping[str, str]) -> Place:
    """Where the environment for ``requirements`` and this Python belongs."""
    made_of = [sys.version, sysconfig.get_platform(), sys.base_prefix]
    parts = [requirements.read_bytes(), *(each.encode() for each in made_of)]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]
    return Place(key, _base(environ) / "kestra-sync" / key)


def _base(environ: Mapping[str, str]) -> Path:
    """The first of the runner's folders that can be written."""
    for name in ("RUNNER_TOOL_CACHE", "RUNNER_TEMP"):
        given = environ.get(name)
        if not given:
            continue
        folder = Path(given)
        try:
            (folder / "kestra-sync").mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder / "kestra-sync", os.W_OK):
            return folder
    return Path(tempfile.gettempdir())


def wheels_folder(environ: Mapping[str, str]) -> Path:
    """Where the wheels lie between their download and their installation."""
    return Path(environ.get("RUNNER_TEMP") or tempfile.gettempdir()) / "kestra-sync-wheels"


def install(requirements: Path, where: Place, wheels: Path) -> None:
    """Make the environment, unless it is there.

    It grows beside its place and is moved there when it is whole, so jobs that run at the same
    time never see half of one.

    :param wheels: a folder of wheels, which may come from a cache: a wheel whose hash is not the
        pinned one is not installed, wherever it lies.
    """
    if where.ready:
        return
    where.folder.parent.mkdir(parents=True, exist_ok=True)
    growing = Path(tempfile.mkdtemp(prefix=f".{where.key}-", dir=where.folder.parent))
    try:
        _make(requirements, growing, wheels)
        (growing / _DONE).touch()
        if not where.ready:
            shutil.rmtree(where.folder, ignore_errors=True)
            growing.replace(where.folder)
    except OSError:
        if not where.ready:  # else another job was quicker
            raise
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def _make(requirements: Path, folder: Path, wheels: Path) -> None:
    # -I: nothing from the working directory, and no PYTHON… variables.
    _run(sys.executable, "-I", "-m", "venv", "--clear", str(folder))
    pip = [str(_interpreter(folder)), "-I", "-m", "pip", "--disable-pip-version-check"]
    # Wheels only: what builds an sdist is not pinned.
    pinned = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(requirements)]
    wheels.mkdir(parents=True, exist_ok=True)
    if not any(wheels.iterdir()):
        _run(*pip, "--quiet", "download", "--dest", str(wheels), *pinned)
    _run(*pip, "--quiet", "install", "--no-index", "--find-links", str(wheels), *pinned)


def _interpreter(folder: Path) -> Path:
    parts = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return folder.joinpath(*parts)


def _run(*command: str) -> None:
    # What pip says goes to stderr: stdout belongs to the caller.
    subprocess.run(command, check=True, stdout=sys.stderr)


def main(args: Sequence[str], environ: Mapping[str, str]) -> int:
    """Make the environment and print its interpreter; ``--locate``: only set the outputs."""
    where = place(REQUIREMENTS, environ)
    if "--locate" in args:
        _tell(where, environ)
        return 0
    try:
        install(REQUIREMENTS, where, wheels_folder(environ))
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"::error title=kestra-sync::{_FAILED}: {error}\n")
        return 1
    sys.stdout.write(f"{where.python}\n")
    return 0


def _tell(where: Place, environ: Mapping[str, str]) -> None:
    outputs = {
        # Not a shim, whose choice depends on files in the working directory.
        "python": sys.executable,
        "key": where.key,
        "ready": str(where.ready).lower(),
        "wheels": str(wheels_folder(environ)),
    }
    text = "".join(f"{name}={value}\n" for name, value in outputs.items())
    output = environ.get("GITHUB_OUTPUT")
    if output:
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
