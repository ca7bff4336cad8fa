"""The steps between the intent and the record; any exception leaves the writes known."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kestra_sync.apply.journal import Journal
from kestra_sync.apply.lock import Lock
from kestra_sync.apply.outcome import Outcome, Status
from kestra_sync.apply.rollback import Restored, roll_back
from kestra_sync.apply.run import Tally
from kestra_sync.apply.verify import verify
from kestra_sync.client.errors import KestraError
from kestra_sync.model import Change
from kestra_sync.observer import Observer

LOG = logging.getLogger(__name__)

LOST_LOCK = "the lock was released during this run: another apply may have written as well"


class Client(Protocol):
    """The parts of :class:`kestra_sync.client.client.KestraClient` that an apply needs."""

    @property
    def flows(self) -> Any: ...

    @property
    def kv(self) -> Any: ...


class Proof(Protocol):
    """What the smoke tests say; see :class:`kestra_sync.smoke.result.SmokeResult`."""

    @property
    def red(self) -> bool: ...


#: Runs the flows that were written; told to end by the event.
Prove = Callable[[Sequence[Outcome], threading.Event], Proof | None]


class Pace(Protocol):
    """How many writes go at once, and how long to wait for others (seconds)."""

    @property
    def parallelism(self) -> int: ...

    @property
    def lock_timeout(self) -> float: ...


@dataclass(frozen=True)
class Done:
    """What an apply has done. The members are those of ``commands.apply.ApplyResult``."""

    outcomes: tuple[Outcome, ...] = ()
    restored: tuple[Restored, ...] = ()
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    incomplete: bool = False
    red: bool = False
    recorded: tuple[str, ...] = ()


class Steps:
    """The steps between the intent and the record, and their results so far.

    There is one way out: whatever a step throws, and whenever a signal comes, :attr:`done` holds
    what was written, for the record and the report. Only before the first write may anything pass.

    :param stop: set once the run should end.
    """

    def __init__(
        self,
        client: Client,
        pace: Pace,
        observer: Observer,
        stop: threading.Event,
        journal: Journal | None,
        lock: Lock | None,
    ) -> None:
        self.client = client
        self.pace = pace
        self.observer = observer
        self.stop = stop
        self.journal = journal
        self.lock = lock
        self.tally: Tally | None = None
        self.done = Done()
        self.begun = False
        """Whether the writes have begun."""
        self._cut_short = False

    @property
    def interrupted(self) -> bool:
        """Whether the run should end."""
        return self._cut_short or self.stop.is_set()

    @property
    def failed(self) -> bool:
        """Whether anything that was to be written was not."""
        return any(each.status is not Status.APPLIED for each in self.done.outcomes)

    def go(self, steps: Sequence[Callable[[], None]]) -> None:
        """Take the steps; what one of them throws is part of the result.

        :raises BaseException: whatever was thrown before the first write.
        """
        try:
            for step in steps:
                try:
                    step()
                except BaseException as error:
                    if not self.begun:
                        raise
                    self._broke(error)
        except KeyboardInterrupt as error:  # in between two steps
            if not self.begun:
                raise
            self._broke(error)

    def verify(self) -> None:
        """Look at everything that was written, in one read."""
        if self.interrupted:
            return
        self.observer.stage("verifying the result")
        try:
            outcomes = verify(self.client.flows, self.done.outcomes)
        except Exception as error:
            self.note(f"the written flows could not be verified: {words(error)}")
            self.done = replace(self.done, incomplete=True)
        else:
            self.done = replace(self.done, outcomes=outcomes)

    def prove(self, prove: Prove) -> None:
        """Run the smoke tests of the written flows, while the lock is renewed. Crashes count as
        failed."""
        if self.failed or self.interrupted or self.done.incomplete:
            return
        self.observer.end()
        red = True
        try:
            proof = prove(self.done.outcomes, self.stop)
            red = proof is not None and proof.red
        except Exception as error:
            self.note(f"the smoke tests crashed, which counts as failed: {words(error)}")
            LOG.debug("the smoke tests crashed", exc_info=error)
        self.done = replace(self.done, red=red)
        if not self.done.notes and self.lock is not None and not self.lock.check():
            self.note(LOST_LOCK)

    def roll_back(self) -> None:
        """Roll everything back if anything failed, unless the run should end."""
        if not (self.failed or self.done.red) or self.interrupted:
            return
        self.observer.stage("rolling back")
        tell = self.journal.change if self.journal is not None else _tell_nobody
        restored = roll_back(self.client.flows, self.done.outcomes, self.observer, journal=tell)
        self.done = replace(self.done, restored=restored)

    def note(self, text: str) -> None:
        """Something the report has to say."""
        self.done = replace(self.done, notes=(*self.done.notes, text))

    def _broke(self, error: BaseException) -> None:
        """A step raised an unexpected exception, or ``^C`` was pressed a second time."""
        if not self.done.outcomes and self.tally is not None:
            self.done = replace(self.done, outcomes=self.tally.outcomes())
        if isinstance(error, KeyboardInterrupt):
            self._cut_short = True
            return
        LOG.debug("the apply failed", exc_info=error)
        self.note(f"the apply failed after its writes: {words(error)}")
        self.done = replace(self.done, incomplete=True)


def words(error: BaseException) -> str:
    """What an error says; of one that is not ours also what it is."""
    return str(error) if isinstance(error, KestraError) else f"{type(error).__name__}: {error}"


def _tell_nobody(_change: Change, _event: str) -> None:
    """There is no journal."""
