"""Runs ``git`` without letting the checkout execute anything or change the result.

A repository can set programs in its configuration (hooks, a file system monitor, filters, a pager,
transports), and the environment can point Git to another repository. None of that is used:
commands are read-only, do not use the network, and have a time limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

#: Time limit of one command in seconds.
TIMEOUT = 20.0

#: Overrides of configuration with which a repository could make Git execute programs.
_HARDENED = (
    "--no-pager",
    "-c", "safe.bareRepository=explicit",  # a bare repository committed as files
    "-c", "core.fsmonitor=false",
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "core.untrackedCache=keep",
    "-c", "core.alternateRefsCommand=",
    "-c", "protocol.allow=never",  # a partial clone would fetch missing objects
    "-c", "credential.helper=",
)  # fmt: skip

#: Variables that point Git to another repository, or change how it reads one (``git rev-parse
#: --local-env-vars``). ``GIT_CONFIG_COUNT`` is kept: CI systems use it for ``safe.directory``.
_REDIRECTING = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CEILING_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DIR",
        "GIT_GLOB_PATHSPECS",
        "GIT_GRAFT_FILE",
        "GIT_ICASE_PATHSPECS",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INDEX_VERSION",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_LITERAL_PATHSPECS",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)

_FIXED_ENV = {
    "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # errors are recognized by their text
}


class GitError(Exception):
    """Git cannot be run, or failed.

    :param reason: the cause, on one line.
    :param remedy: what to do about it, if known.
    """

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def git(directory: Path, *args: str, stdin: bytes = b"") -> bytes:
    """Return the output of ``git -C directory args``.

    :raises GitError: ``git`` is not installed, fails, or takes too long.
    """
    program = executable()
    if program is None:
        raise GitError("git is not on the PATH", "install git")
    try:
        done = subprocess.run(
            [program, *_HARDENED, "-C", str(directory), *args],
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            env=_environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {args[0]} timed out after {TIMEOUT:g} s") from error
    except (OSError, ValueError) as error:
        raise GitError(f"git cannot be started: {error}") from error
    if done.returncode != 0:
        raise _refused(args[0], done.stderr.decode("utf-8", "replace"))
    return done.stdout


def git_text(directory: Path, *args: str) -> str | None:
    """Return the output as text without the final newline; ``None`` after any failure."""
    try:
        return git(directory, *args).decode("utf-8", "replace").strip() or None
    except GitError:
        return None


def checkout_of(path: Path) -> Path | None:
    """Return the nearest directory at or above ``path`` with a ``.git``; ``None`` without Git."""
    return next((each for each in (path, *path.parents) if os.path.lexists(each / ".git")), None)


@cache
def _find(path: str) -> str | None:
    names = ("git.exe",) if sys.platform == "win32" else ("git",)
    for entry in path.split(os.pathsep):
        # A relative entry could find a program in the checkout.
        if not Path(entry).is_absolute():
            continue
        for name in names:
            file = os.path.join(entry, name)  # noqa: PTH118 - as the system joins it
            if os.path.isfile(file) and os.access(file, os.X_OK):  # noqa: PTH113
                return file
    return None


def executable() -> str | None:
    """Return the path of ``git``; the working directory is not searched."""
    return _find(os.environ.get("PATH", os.defpath))


def _environment() -> dict[str, str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in _REDIRECTING and not name.startswith("GIT_TRACE")
    }
    return {**env, **_FIXED_ENV}


def _refused(command: str, stderr: str) -> GitError:
    lines: Sequence[str] = [each.strip() for each in stderr.splitlines() if each.strip()]
    output = next((each for each in lines if each.startswith("fatal:")), lines[0] if lines else "")
    output = output.removeprefix("fatal:").strip()
    if "dubious ownership" in stderr or "unsafe repository" in stderr:
        directory = output.partition("'")[2].partition("'")[0]
        return GitError(
            f"git refuses to read the repository: {output}",
            "it belongs to another user, which is common in containers: run"
            f" 'git config --global --add safe.directory {directory or '<path>'}' first",
        )
    return GitError(f"git {command} failed: {output or 'no output'}")
