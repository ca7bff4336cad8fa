"""One note that is kept up to date: found again by the marker in its first line.

Anyone who can comment can write the marker. So only what our own login wrote is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True)
class Note:
    """A comment on a pull request, a note on a merge request, or an issue.

    :param author: the login of its author.
    :param url: its page; ``""`` if that is not known.
    :param node: its name in the other API; ``""`` if that is not known.
    :param touched: it was edited since it was written, by us or by others.
    """

    id: int
    author: str
    body: str
    url: str = ""
    node: str = ""
    touched: bool = False


class Notes(Protocol):
    """A place where notes are."""

    def login(self) -> str:
        """Who we are there."""
        ...

    def list(self) -> Iterable[Note]:
        """All notes, the oldest first."""
        ...

    def create(self, body: str) -> Note:
        """Write a new one."""
        ...

    def update(self, note: Note, body: str) -> Note:
        """Replace the text of one."""
        ...

    def delete(self, note: Note) -> None:
        """Remove one."""
        ...


class PostAction(Enum):
    """What happened to a note."""

    CREATED = "created"
    UPDATED = "updated"
    KEPT = "kept"


@dataclass(frozen=True)
class PostResult:
    """A note that is up to date."""

    action: PostAction
    note: Note


def own(notes: Notes, marker: str) -> list[Note]:
    """Those that we wrote and that begin with ``marker``."""
    login = notes.login().lower()
    return [
        each for each in notes.list() if each.author.lower() == login and marked(each.body, marker)
    ]


def marked(body: str, marker: str) -> bool:
    """Whether a note is the one with ``marker``."""
    return first_line(body) == marker


def first_line(body: str) -> str:
    """The marker, if ``body`` is ours."""
    return body.partition("\n")[0].strip()


def upsert(notes: Notes, body: str) -> PostResult:
    """Write ``body``, whose first line is its marker, over the note of the same marker.

    Two runs at once may both have written one; what is too much is removed.
    """
    found = own(notes, first_line(body))
    if not found:
        return PostResult(PostAction.CREATED, notes.create(body))
    first, *others = found
    for each in others:
        notes.delete(each)
    if _same(first.body, body):
        return PostResult(PostAction.KEPT, first)
    return PostResult(PostAction.UPDATED, notes.update(first, body))


def _same(there: str, ours: str) -> bool:
    # The forges store line ends and blanks at the end as they like.
    return there.split() == ours.split()
