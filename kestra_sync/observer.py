"""How the stages report progress, independent of terminals."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec

from kestra_sync.model import FlowId

LOG = logging.getLogger(__name__)

P = ParamSpec("P")


class Observer:
    """Is notified of progress. This one does nothing; the command line prints it.

    Methods are called from several threads.
    """

    def stage(self, name: str) -> None:
        """A stage begins, such as ``reading the server``."""

    def begin(self, total: int) -> None:
        """Writes begin; there will be ``total`` of them."""

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        """A flow was processed: ``created, revision 1``, or the failure."""

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes (if known) of a large file were sent or received."""

    def end(self) -> None:
        """Writes have ended."""

    def note(self, message: str) -> None:
        """A message that is not a result."""


SILENT = Observer()


def unfailing(notify: Callable[P, None], *args: P.args, **members: P.kwargs) -> None:
    """Call an observer; exceptions that it raises are only logged."""
    try:
        notify(*args, **members)
    except Exception as error:
        LOG.debug("the progress could not be shown: %s", error)


class SafeObserver(Observer):
    """Delegates to another observer, and logs the exceptions that it raises.

    A failing progress display must not end the writes.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def stage(self, name: str) -> None:
        """Delegate."""
        unfailing(self._observer.stage, name)

    def begin(self, total: int) -> None:
        """Delegate."""
        unfailing(self._observer.begin, total)

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        """Delegate."""
        unfailing(self._observer.done, flow_id, words, ok=ok)

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """Delegate."""
        unfailing(self._observer.transfer, name, done, total)

    def end(self) -> None:
        """Delegate."""
        unfailing(self._observer.end)

    def note(self, message: str) -> None:
        """Delegate."""
        unfailing(self._observer.note, message)
