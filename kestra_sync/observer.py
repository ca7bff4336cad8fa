"""How the stages tell of their progress without knowing of terminals."""

from __future__ import annotations

from kestra_sync.model import FlowId


class Observer:
    """Hears of progress. This one keeps it to itself; the command line has a talkative one.

    Methods are called from several threads.
    """

    def stage(self, name: str) -> None:
        """A stage begins, such as ``reading the server``."""

    def begin(self, total: int) -> None:
        """Writes begin; there will be ``total`` of them."""

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        """One flow is done with: ``created, revision 1`` or what went wrong."""

    def end(self) -> None:
        """Writes have ended."""

    def note(self, message: str) -> None:
        """Something worth saying that is no result."""


SILENT = Observer()
