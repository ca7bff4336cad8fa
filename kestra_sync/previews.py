"""Previews: their names and their configuration.

A preview is an environment ``preview-NAME``; one section of the configuration defines all of them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from kestra_sync.errors import UsageError

PREFIX = "preview-"
"""What the environment of a preview begins with."""
PLACEHOLDER = "{name}"
"""Where a template has the name of the preview."""

#: A part of a namespace without dots, so that previews cannot be nested.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 40
_HASH = 5


@dataclass(frozen=True)
class Preview:
    """One preview, as configured.

    :param namespaces: its namespaces on the server, including their children.
    :param ttl: seconds after the last ``up`` until it expires; ``None`` if it does not.
    :param smoke: run the smoke tests in it.
    """

    name: str
    namespaces: tuple[str, ...] = ()
    ttl: int | None = None
    smoke: bool = False

    @property
    def environment(self) -> str:
        """The name of its environment."""
        return environment_of(self.name)


def environment_of(name: str) -> str:
    """Return the environment of a preview."""
    return f"{PREFIX}{name}"


def name_of(environment: str | None) -> str | None:
    """Return the preview of an environment; ``None`` if it is not that of a preview."""
    if environment is None or not environment.startswith(PREFIX):
        return None
    name = environment.removeprefix(PREFIX)
    return name if is_name(name) else None


def is_name(text: str) -> bool:
    """Whether ``text`` is a valid name without conversion by :func:`preview_name`."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def preview_name(given: str) -> str:
    """Convert a number, a name or the name of a branch to the name of a preview.

    Characters that namespaces do not allow become ``-``. If the name is changed by more than case,
    or shortened, a short hash is added: ``feature/a`` and ``feature-a`` are two previews.

    :raises UsageError: no valid characters are left.
    """
    lowered = given.strip().lower()
    if is_name(lowered):
        return lowered
    slug = _OTHER.sub("-", lowered).strip("-")
    if not slug:
        raise UsageError(
            f"{given!r} is not a valid name for a preview",
            remedy="use the number of the pull request or the name of the branch: letters and"
            " digits, with '-' between them",
        )
    unique = hashlib.sha256(given.strip().encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{slug[: _LONGEST - _HASH - 1].rstrip('-')}-{unique}"


def rendered(template: str, name: str) -> str:
    """Insert the name into ``template``. Kestra's expressions in double braces are kept."""
    return re.sub(r"(?<!\{)\{name\}(?!\})", name, template)
