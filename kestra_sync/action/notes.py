"""A note that is kept up to date, identified by the marker in its first line.

Anyone who can comment can write the marker, so only notes by our own login are trusted.
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
    :param url: its page; ``""`` if unknown.
    :param node: its id in the GraphQL API; ``""`` if unknown.
    :param touched: it was edited after it was created, by us or by others.
    """

    id: int
    author: str
    body: str
    url: str = ""
    node: str = ""
    touched: bool = False


class Notes(Protocol):
    """A list of notes on a forge."""

    def login(self) -> str:
        """Return our login."""
        ...

    def list(self) -> Iterable[Note]:
        """Return all notes, the oldest first."""
        ...

    def create(self, body: str) -> Note:
        """Create a note."""
        ...

    def update(self, note: Note, body: str) -> Note:
        """Replace the text of a note."""
        ...

    def delete(self, note: Note) -> None:
        """Delete a note."""
        ...


class PostAction(Enum):
    """What happened to a note."""

    CREATED = "created"
    UPDATED = "updated"
    KEPT = "kept"


@dataclass(frozen=True)
class PostResult:
    """The result of creating or updating a note."""

    action: PostAction
    note: Note


def own(notes: Notes, marker: str) -> list[Note]:
    """Return our own notes that begin with ``marker``."""
    login = notes.login().lower()
    return [
        each for each in notes.list() if each.author.lower() == login and marked(each.body, marker)
    ]


def marked(body: str, marker: str) -> bool:
    """Whether a note begins with ``marker``."""
    return first_line(body) == marker


def first_line(body: str) -> str:
    """Return the first line, which is the marker of our notes."""
    return body.partition("\n")[0].strip()


def upsert(notes: Notes, body: str) -> PostResult:
    """Create the note ``body``, or update the note with the same marker in its first line.

    Concurrent runs may both have created one; duplicates are removed.
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
    # The forges normalize line endings and trailing whitespace.
    return there.split() == ours.split()
