"""Previews: what they are called, and what the configuration says of one.

A preview is an environment ``preview-NAME`` that the configuration describes once for all names.
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

#: A part of a namespace, without dots: no preview is then below another one.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 40
_HASH = 5


@dataclass(frozen=True)
class Preview:
    """One preview, as the configuration describes it.

    :param namespaces: the namespaces on the server that are its own, with all below them.
    :param ttl: seconds after the last ``up`` until it expires; ``None`` if it does not.
    :param smoke: run the smoke tests in it.
    """

    name: str
    namespaces: tuple[str, ...] = ()
    ttl: int | None = None
    smoke: bool = False

    @property
    def environment(self) -> str:
        """Its environment."""
        return environment_of(self.name)


def environment_of(name: str) -> str:
    """The environment of the preview with that name."""
    return f"{PREFIX}{name}"


def name_of(environment: str | None) -> str | None:
    """The name of the preview whose environment this is; ``None`` for any other environment."""
    if environment is None or not environment.startswith(PREFIX):
        return None
    name = environment.removeprefix(PREFIX)
    return name if is_name(name) else None


def is_name(text: str) -> bool:
    """Whether ``text`` is a name as it is, without :func:`preview_name`."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def preview_name(given: str) -> str:
    """The name for what was given: a number, a name, or that of a branch.

    What namespaces do not allow becomes ``-``. Where that, or the length, loses anything but
    capitals, a short hash is added: ``feature/a`` and ``feature-a`` are two previews.

    :raises UsageError: nothing is left of it.
    """
    wanted = given.strip().lower()
    if is_name(wanted):
        return wanted
    slug = _OTHER.sub("-", wanted).strip("-")
    if not slug:
        raise UsageError(
            f"{given!r} is not a valid name for a preview",
            remedy="use the number of the pull request or the name of the branch: letters and"
            " digits, with '-' between them",
        )
    unique = hashlib.sha256(given.strip().encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{slug[: _LONGEST - _HASH - 1].rstrip('-')}-{unique}"


def rendered(template: str, name: str) -> str:
    """``template`` with the name in it. Expressions of Kestra, in double braces, stay."""
    return re.sub(r"(?<!\{)\{name\}(?!\})", name, template)
