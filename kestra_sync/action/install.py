"""Creates the environment of the Action: pinned dependencies, verified by their hashes.

Run by its path and with any Python, before anything is installed, so it only uses the standard
library. The environment is stored in the tool cache of the runner, under a hash of everything that
it depends on: a persistent runner creates it once.

It runs in the checkout of a pull request, in a job with secrets. So nothing in the working
directory takes part: every Python is started isolated, elsewhere, and without the variables that
would load code or settings. An environment that another user of the machine may have planted or
changed is not used.

``install.py --locate`` only prints its location, for the steps in between.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
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
_FAILED = "the dependencies of the action cannot be installed; see the log"


#: Environment variables passed to pip: where to get wheels, and how. Not what to install, into
#: what, or by whose configuration; the content is pinned by hashes, whatever the index says.
_PIP = frozenset(
    {
        "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_CERT", "PIP_CLIENT_CERT",
        "PIP_PROXY", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_CACHE_DIR",
        "PIP_NO_CACHE_DIR", "PIP_CONFIG_FILE",
    }
)  # fmt: skip
#: Folders of pip's settings and caches; below the checkout they are its author's.
_HOMES = ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")


@dataclass(frozen=True)
class Installation:
    """The location of an environment.

    :param key: the hash of everything that it depends on.
    """

    key: str
    folder: Path

    @property
    def ready(self) -> bool:
        """Whether it exists, is complete, and was created by us."""
        return private(self.folder) and (self.folder / _DONE).exists() and self.python.exists()

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return _interpreter(self.folder)


def place(requirements: Path, environ: Mapping[str, str]) -> Installation:
    """Return the location of the environment for ``requirements`` and this Python."""
    made_of = [sys.version, sysconfig.get_platform(), sys.base_prefix]
    parts = [requirements.read_bytes(), *(each.encode() for each in made_of)]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]
    return Installation(key, _base(environ) / key)


def private(folder: Path) -> bool:
    """Whether ``folder`` is a folder of this user that other users cannot write to."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    if not hasattr(os, "geteuid"):  # Windows: the temporary folder is the user's own
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _base(environ: Mapping[str, str]) -> Path:
    """Return the folder of all environments: in the first suitable folder of the runner.

    Otherwise in the shared temporary folder, under another name if another user has taken ours.
    """
    for name in ("RUNNER_TOOL_CACHE", "RUNNER_TEMP"):
        given = environ.get(name)
        # A relative one would lie in the checkout.
        if (
            given
            and Path(given).is_absolute()
            and (ours := _our_own(Path(given), "kestra-sync")) is not None
        ):
            return ours
    user = f"-{os.geteuid()}" if hasattr(os, "geteuid") else ""
    ours = _our_own(Path(tempfile.gettempdir()), f"kestra-sync{user}")
    return ours or Path(tempfile.mkdtemp(prefix="kestra-sync-"))


def _our_own(parent: Path, name: str) -> Path | None:
    """Return a private folder below ``parent``, created if needed; ``None`` if impossible."""
    folder = parent / name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Who may write to the parent can put another folder in the place of ours, unless the
        # sticky bit keeps what others own.
        mode = parent.stat().st_mode
        if hasattr(os, "geteuid") and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return None
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return folder if private(folder) and os.access(folder, os.W_OK) else None


def wheels_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the wheels between download and installation."""
    temporary = Path(environ.get("RUNNER_TEMP") or "")
    folder = temporary / "kestra-sync-wheels"
    if temporary.is_absolute() and not folder.is_symlink():
        return folder
    return _base(environ) / "wheels"


def install(requirements: Path, where: Installation, wheels: Path) -> None:
    """Create the environment, unless it exists.

    It is created next to its final place and moved there when it is complete, so jobs that run at
    the same time never see half of one.

    :param wheels: a folder of wheels, which may come from a cache: a wheel whose hash is not the
        pinned one is not installed, wherever it is.
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
        if not where.ready:  # otherwise another job was faster
            raise
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def _make(requirements: Path, folder: Path, wheels: Path) -> None:
    # -I: nothing from the working directory, and no PYTHON… variables.
    _run(sys.executable, "-I", "-m", "venv", "--clear", str(folder))
    folder.chmod(0o700)
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
    # The output of pip goes to stderr: stdout belongs to the caller.
    environ = clean(os.environ, Path.cwd())
    with tempfile.TemporaryDirectory(prefix="kestra-sync-") as empty:
        subprocess.run(command, check=True, stdout=sys.stderr, cwd=empty, env=environ)


def clean(environ: Mapping[str, str], checkout: Path) -> dict[str, str]:
    """Return ``environ`` without anything by which ``checkout`` could influence Python or pip."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith(("PYTHON", "PIP_", "VIRTUAL_ENV", "__PYVENV"))
        or name.upper() in _PIP
    }
    checkouts = [checkout, *(Path(each) for each in [environ.get("GITHUB_WORKSPACE", "")] if each)]
    files = [kept.get("PIP_CONFIG_FILE", "")]
    for name in _HOMES:
        files += kept.get(name, "").split(os.pathsep)
    if any(_inside(each, checkouts) for each in files if each and each != os.devnull):
        kept["PIP_CONFIG_FILE"] = os.devnull  # pip then reads no configuration
    return kept


def _inside(path: str, folders: Sequence[Path]) -> bool:
    """Whether ``path`` is relative, or below one of ``folders``."""
    if not Path(path).is_absolute():
        return True
    real = Path(path).resolve()
    return any(real.is_relative_to(each.resolve()) for each in folders)


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


def _tell(where: Installation, environ: Mapping[str, str]) -> None:
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
