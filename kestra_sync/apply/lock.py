"""Prevents concurrent applies of the same name, on a best-effort basis.

Kestra's KV store has no compare-and-set, so this is best effort: write our nonce, wait, read it
back. For stronger guarantees, use the concurrency groups of the CI system, which ``docs/safety.md``
recommends.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from kestra_sync.client.errors import Gone, KestraError, NotFound
from kestra_sync.client.kv import Kv
from kestra_sync.client.parallel import in_background
from kestra_sync.errors import ConflictError
from kestra_sync.inventory.read import InventoryLocation
from kestra_sync.inventory.record import now

LOG = logging.getLogger(__name__)

#: Seconds after which a lock expires unless it is renewed; the server keeps the time. Less than the
#: default of ``--lock-timeout``, so that the run after one that was killed need only wait.
TTL = 45
#: Seconds between writing the nonce and reading it back.
_SETTLE = 0.4
#: Seconds for which a look at the lock need not be repeated before it is given back.
_JUST_NOW = 0.2
#: Seconds for which a read of the record need not be repeated before the record is written.
_RECENT = 2.0
#: Seconds between two checks of a lock held by another run.
_POLL = 1.0


class LockedError(ConflictError):
    """Another run holds the lock (exit code 5)."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    :param who: a person or a job, for messages.
    :param since: ISO 8601, UTC.
    """

    nonce: str
    who: str
    since: str


class Lock:
    """One attempt to be the only apply of a name.

    :param timeout: seconds to wait for another run to finish.
    :param sleep: by default a wait that :meth:`release` ends.
    """

    def __init__(
        self,
        kv: Kv,
        place: InventoryLocation,
        *,
        timeout: float,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kv = kv
        self._place = place
        self._timeout = timeout
        self._over = threading.Event()
        self._sleep = sleep or self._over.wait
        self._clock = clock
        self._holder = Holder(uuid.uuid4().hex, whoami(), now())
        self._renewed = 0.0
        self._seen: float | None = None
        """When the lock was last seen to be ours; ``None`` if it was not."""
        self._looked: bool | None = None
        self._heartbeat: threading.Thread | None = None
        self._acquiring: Callable[[], None] | None = None
        self._beside: Callable[[], object] | None = None
        self._found: tuple[float, object] | None = None

    def begin(self, beside: Callable[[], object] | None = None) -> None:
        """Begin to take the lock in the background; :meth:`acquire` waits for it.

        :param beside: a read that is made while the lock is read back; see :meth:`read_beside`.
        """
        self._beside = beside
        self._acquiring = in_background(self._acquire)

    def read_beside(self) -> tuple[object] | None:
        """What the read of :meth:`begin` has found, if that was under the lock and just now."""
        if self._found is None or self._clock() - self._found[0] > _RECENT:
            return None
        return (self._found[1],)

    def acquire(self) -> None:
        """Take the lock, or wait for it; it is renewed from now on until it is released.

        :raises LockedError: another run holds it all that time.
        :raises KestraError: the KV store cannot be read or written.
        """
        acquiring, self._acquiring = self._acquiring, None
        if acquiring is None:
            self._acquire()
        else:
            acquiring()

    def _acquire(self) -> None:
        deadline = self._clock() + self._timeout
        while not self._over.is_set():
            other = read_holder(self._kv, self._place)
            if other is None:
                self._claim()
                self._sleep(_SETTLE)
                if self._over.is_set():
                    return
                other = self._read_back()
                if other is not None and other.nonce == self._holder.nonce:
                    self._keep()
                    return
            if self._clock() >= deadline:
                raise _locked(other, self._place)
            self._sleep(_POLL)

    def _read_back(self) -> Holder | None:
        started = self._clock()
        found = None if self._beside is None else in_background(self._beside)
        other = read_holder(self._kv, self._place)
        if found is not None:
            try:
                self._found = started, found()
            except Exception as error:  # it is read again where it is needed
                LOG.debug("reading while taking the lock failed: %s", error)
        return other

    def __enter__(self) -> Lock:  # noqa: PYI034 - Self is of Python 3.11
        try:
            self.acquire()
        except BaseException:
            self.release()  # it may have been written all the same
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def check(self) -> bool:
        """Whether the lock is ours still; renews it when a quarter of its time is over.

        A failure to read is not taken for a loss: the writes look at each flow anyway.
        """
        looked, self._looked = self._looked, None
        if looked is not None:
            return looked
        try:
            if not self._is_ours():
                return False
            if self._clock() - self._renewed > TTL / 4:
                self._put()
        except Exception as error:
            LOG.debug("reading the lock: %s", error)
        return True

    def look(self) -> None:
        """Check it now, while something else goes on: the next :meth:`check` takes the answer."""
        self._looked = self.check()

    def release(self) -> None:
        """Give the lock back, if it is ours still. Never fails: it expires by itself.

        A second call does nothing.
        """
        if self._over.is_set():
            return
        self._over.set()
        if self._acquiring is not None:  # it was begun, and not needed
            try:
                self.acquire()
            except Exception as error:
                LOG.debug("the lock was not taken: %s", error)
        if self._heartbeat is not None:
            self._heartbeat.join()
        ours = self._seen is not None and self._clock() - self._seen < _JUST_NOW
        for _ in range(2):  # a lost answer is asked for again
            try:
                if ours or self._is_ours():
                    self._kv.delete(self._place.namespace, self._place.lock_key)
            except Exception as error:
                LOG.debug("releasing the lock: %s", error)
                ours = False
                continue
            return

    def _is_ours(self) -> bool:
        other = read_holder(self._kv, self._place)
        ours = other is not None and other.nonce == self._holder.nonce
        self._seen = self._clock() if ours else None
        return ours

    def _keep(self) -> None:
        """Renew it in the background: a level of many writes may take longer than it lives."""
        self._heartbeat = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._heartbeat.start()

    def _beat(self) -> None:
        while not self._over.wait(TTL / 3):
            if not self.check():
                return

    def _claim(self) -> None:
        try:
            self._put()
        except KestraError as error:
            if not error.may_have_written:
                raise  # otherwise reading it back shows it

    def _put(self) -> None:
        self._kv.put(
            self._place.namespace, self._place.lock_key, vars(self._holder), ttl=f"PT{TTL}S"
        )
        self._renewed = self._clock()


def read_holder(kv: Kv, place: InventoryLocation) -> Holder | None:
    """The holder of the lock; ``None`` if it is free."""
    try:
        value = kv.get(place.namespace, place.lock_key)
    except (NotFound, Gone):
        return None
    if not isinstance(value, dict):
        return None
    return Holder(
        str(value.get("nonce")), str(value.get("who", "unknown")), str(value.get("since", ""))
    )


def unlock(kv: Kv, place: InventoryLocation, holder: Holder) -> bool:
    """Release the lock of ``holder``; false if another run holds it by now.

    :raises KestraError: it cannot be read or removed.
    """
    there = read_holder(kv, place)
    if there is not None and there.nonce != holder.nonce:
        return False
    if there is not None:
        kv.delete(place.namespace, place.lock_key)
    return True


def try_to_write(kv: Kv, place: InventoryLocation) -> None:
    """Make a call that needs the permission to write a record and changes nothing.

    Deletes a key that does not exist: its name is made up for this one call.

    :raises Forbidden: it may not be written.
    :raises KestraError: the server could not be asked.
    """
    kv.delete(place.namespace, f"kestra-sync-probe.{uuid.uuid4().hex}")


def whoami() -> str:
    """A name for messages: the CI job, or user, host and process."""
    if os.environ.get("GITHUB_RUN_ID"):
        repository = os.environ.get("GITHUB_REPOSITORY", "")
        return f"GitHub run {os.environ['GITHUB_RUN_ID']} of {repository}"
    if os.environ.get("CI_JOB_URL"):
        return f"GitLab job {os.environ['CI_JOB_URL']}"
    user = os.environ.get("USER") or os.environ.get("USERNAME") or "unknown"
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"


def _locked(other: Holder | None, place: InventoryLocation) -> LockedError:
    who = f"{other.who} since {other.since}" if other is not None else "another run"
    return LockedError(
        f"another apply of {place.name!r} is running: {who}",
        remedy="wait for it, raise --lock-timeout, or, if that run crashed, release the lock with "
        f"'kestra-sync unlock'; it expires within {TTL} seconds",
    )
