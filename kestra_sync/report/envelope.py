"""The envelope of every JSON result: complete on stdout, regardless of the exit code.

The schema is ``kestra_sync/schemas/*.json``; ``format_version`` follows semantic versioning:
additions raise the second number, anything else the first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kestra_sync.errors import ExitCode, KestraSyncError
from kestra_sync.version import __version__

FORMAT_VERSION = "1.0"


def envelope(
    command: str,
    exit_code: ExitCode,
    body: Mapping[str, Any] | None = None,
    *,
    error: BaseException | None = None,
) -> dict[str, Any]:
    """A JSON result: the frame, and the command's own members."""
    return {
        "format_version": FORMAT_VERSION,
        "tool": {"name": "kestra-sync", "version": __version__},
        "command": command,
        "exit_code": int(exit_code),
        "error": None if error is None else _error(error),
        **(body or {}),
    }


def _error(error: BaseException) -> dict[str, Any]:
    if isinstance(error, KestraSyncError):
        return {
            "kind": type(error).__name__,
            "message": error.message,
            "remedy": error.remedy,
        }
    return {"kind": type(error).__name__, "message": str(error), "remedy": None}


def dump(document: Mapping[str, Any]) -> str:
    """The text of a result, with a newline at its end.

    Plain ASCII: it survives any terminal and encoding, and holds no escape sequences, nor what
    GitHub's runner would take for a command (``##[…]`` can only occur in a string).
    """
    text = json.dumps(document, indent=2, ensure_ascii=True, default=str)
    return text.replace("##[", "#\\u0023[") + "\n"
