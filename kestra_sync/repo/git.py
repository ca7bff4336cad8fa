"""Runs ``git``, without letting the checkout execute anything or change the result.

A repository can name programs in its configuration (hooks, a file system monitor, filters, a
pager, transports), and the environment can point Git at another repository. None of that is used:
questions are read-only, never go to the network, and end within a time limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

#: Seconds that one question may take.
TIMEOUT = 20.0

#: Overrides for what a repository's own configuration could make Git execute.
_HARDENED = (
    "--no-pager",
    "-c", "safe.bareRepository=explicit",  # one that was committed as a directory of files
    "-c", "core.fsmonitor=false",
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "core.untrackedCache=keep",
    "-c", "core.alternateRefsCommand=",
    "-c", "protocol.allow=never",  # a partial clone would fetch what it lacks
    "-c", "credential.helper=",
)  # fmt: skip

#: What points Git at another repository, or alters how it reads one (``git rev-parse
#: --local-env-vars``). ``GIT_CONFIG_COUNT`` stays: with it CI systems set ``safe.directory``.
_MISLEADING = frozenset(
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

_OURS = {
    "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # the reasons of a refusal are recognised by their words
}


class GitError(Exception):
    """Git cannot be asked, or does not know.

    :param reason: in one line, why.
    :param remedy: what would let it answer, where that is known.
    """

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def git(directory: Path, *args: str, stdin: bytes = b"") -> bytes:
    """The answer of ``git -C directory args``.

    :raises GitError: there is no ``git``, it refuses, fails, or takes too long.
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


def ask(directory: Path, *args: str) -> str | None:
    """The same as text without the line break; ``None`` for no answer, whatever the cause."""
    try:
        return git(directory, *args).decode("utf-8", "replace").strip() or None
    except GitError:
        return None


def checkout_of(path: Path) -> Path | None:
    """The nearest directory at or above ``path`` that has a ``.git``; ``None`` without Git."""
    return next((each for each in (path, *path.parents) if os.path.lexists(each / ".git")), None)


@cache
def _find(path: str) -> str | None:
    names = ("git.exe",) if sys.platform == "win32" else ("git",)
    for entry in path.split(os.pathsep):
        # A relative entry would find a program in the checkout.
        if not Path(entry).is_absolute():
            continue
        for name in names:
            file = os.path.join(entry, name)  # noqa: PTH118 - as the system joins it
            if os.path.isfile(file) and os.access(file, os.X_OK):  # noqa: PTH113
                return file
    return None


def executable() -> str | None:
    """Where ``git`` is; the working directory is not searched."""
    return _find(os.environ.get("PATH", os.defpath))


def _environment() -> dict[str, str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in _MISLEADING and not name.startswith("GIT_TRACE")
    }
    return {**env, **_OURS}


def _refused(command: str, stderr: str) -> GitError:
    lines: Sequence[str] = [each.strip() for each in stderr.splitlines() if each.strip()]
    said = next((each for each in lines if each.startswith("fatal:")), lines[0] if lines else "")
    said = said.removeprefix("fatal:").strip()
    if "dubious ownership" in stderr or "unsafe repository" in stderr:
        directory = said.partition("'")[2].partition("'")[0]
        return GitError(
            f"git refuses to read the repository: {said}",
            "it belongs to another user, which is common in containers: run"
            f" 'git config --global --add safe.directory {directory or '<path>'}' first",
        )
    return GitError(f"git {command} failed: {said or 'no output'}")
