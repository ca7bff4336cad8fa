"""``init``: a configuration to begin with. Writes one file, and never over another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kestra_sync.config.file import NAMES
from kestra_sync.errors import KestraSyncError, UsageError
from kestra_sync.inventory.origin import origin
from kestra_sync.repo.load import load
from kestra_sync.safe.paths import is_there, write

_FILE = "kestra-sync.yaml"


def init(paths: Sequence[str], *, name: str | None, namespaces: Sequence[str]) -> str:
    """Write ``kestra-sync.yaml`` for the flows in ``paths``; returns its text.

    :param name: the name of the inventory; by default that of the repository or directory.
    :param namespaces: the scope; by default the namespace that all flows share, or else
        the outermost ones.
    :raises UsageError: there is a configuration already, or nothing tells the scope.
    :raises KestraSyncError: the file cannot be written.
    """
    there = next((each for each in NAMES if is_there(each)), None)
    if there is not None:
        raise UsageError(f"{there} already exists", remedy="edit it, or remove it first")
    scope = list(namespaces) or _outermost(
        sorted({flow.flow_id.namespace for flow in load(paths).flows})
    )
    if not scope:
        raise UsageError(
            f"no flows in {', '.join(paths)} to derive the scope from",
            remedy="pass --namespace",
        )
    text = _TEXT.format(
        name=name or _default_name(),
        source=paths[0] if len(paths) == 1 else f"[{', '.join(paths)}]",
        scope=", ".join(scope),
    )
    try:
        write(_FILE, text)
    except OSError as error:
        raise KestraSyncError(f"cannot write {_FILE}: {error.strerror}") from error
    return text


_TEXT = """\
# Configuration of kestra-sync. All keys: docs/configuration.md
version: 1

# Name of the inventory, the record of applied flows on the server.
name: {name}
source: {source}

# Namespaces that this repository manages, including their children.
scope: [{scope}]

# Delete deployed flows that were removed from Git. Other values: none, scope.
prune: owned
"""


def _outermost(namespaces: Sequence[str]) -> list[str]:
    """The namespace that all of them lie in, or else those that lie in no other."""
    parts = [each.split(".") for each in namespaces]
    shared = [names[0] for names in zip(*parts, strict=False) if len(set(names)) == 1]
    if shared and all(each[: len(shared)] == shared for each in parts):
        return [".".join(shared)]
    return [
        each for each in namespaces if not any(each.startswith(f"{other}.") for other in namespaces)
    ]


def _default_name() -> str:
    repository = origin().repository.rpartition("/")[2]
    name = re.sub(r"[^a-zA-Z0-9._-]+", "-", repository or Path.cwd().name).strip("._-")
    return name[:60] or "flows"
