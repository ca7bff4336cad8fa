"""Prevents concurrent applies of the same name, on a best-effort basis.

Kestra's KV store has no compare-and-set, so this is best effort: write a nonce, wait, read it
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
#: default of ``--lock-timeout``, so a run that follows a killed one only has to wait.
TTL = 45
#: Seconds between writing the nonce and reading it back.
_SETTLE = 0.4
#: Seconds for which a check of the lock need not be repeated before it is released.
_STILL_CURRENT = 0.2
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
        self._released = threading.Event()
        self._sleep = sleep or self._released.wait
        self._clock = clock
        self._holder = Holder(uuid.uuid4().hex, whoami(), now())
        self._renewed = 0.0
        self._confirmed: float | None = None
        """When this run was last known to hold the lock; ``None`` if it does not."""
        self._checked: bool | None = None
        self._heartbeat: threading.Thread | None = None
        self._acquiring: Callable[[], None] | None = None
        self._meanwhile: Callable[[], object] | None = None
        self._found: tuple[float, object] | None = None

    def begin(self, meanwhile: Callable[[], object] | None = None) -> None:
        """Start acquiring the lock in the background; :meth:`acquire` waits for it.

        :param meanwhile: a read to make while the lock is read back; see :meth:`recent_read`.
        """
        self._meanwhile = meanwhile
        self._acquiring = in_background(self._acquire)

    def recent_read(self) -> tuple[object] | None:
        """The result of the read passed to :meth:`begin`, if it was just made under the lock."""
        if self._found is None or self._clock() - self._found[0] > _RECENT:
            return None
        return (self._found[1],)

    def acquire(self) -> None:
        """Acquire the lock, waiting if necessary; it is then renewed until it is released.

        :raises LockedError: another run held it until the timeout.
        :raises KestraError: the KV store cannot be read or written.
        """
        acquiring, self._acquiring = self._acquiring, None
        if acquiring is None:
            self._acquire()
        else:
            acquiring()

    def _acquire(self) -> None:
        deadline = self._clock() + self._timeout
        while not self._released.is_set():
            other = read_holder(self._kv, self._place, maybe_absent=True)
            if other is None:
                self._claim()
                self._sleep(_SETTLE)
                if self._released.is_set():
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
        found = None if self._meanwhile is None else in_background(self._meanwhile)
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
            self.release()  # the lock may have been written anyway
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def check(self) -> bool:
        """Return whether this run still holds the lock; renew it after a quarter of its TTL.

        A failed read does not count as a lost lock: each write checks its flow anyway.
        """
        checked, self._checked = self._checked, None
        if checked is not None:
            return checked
        try:
            if not self._holds_lock():
                return False
            if self._clock() - self._renewed > TTL / 4:
                self._put()
        except Exception as error:
            LOG.debug("reading the lock: %s", error)
        return True

    def check_ahead(self) -> None:
        """Check the lock concurrently with other work; the next :meth:`check` uses the result."""
        self._checked = self.check()

    def release(self) -> None:
        """Release the lock if this run still holds it. Never fails: the lock expires anyway.

        A second call does nothing.
        """
        if self._released.is_set():
            return
        self._released.set()
        if self._acquiring is not None:  # started by ``begin``, but never needed
            try:
                self.acquire()
            except Exception as error:
                LOG.debug("the lock was not taken: %s", error)
        if self._heartbeat is not None:
            self._heartbeat.join()
        held = self._confirmed is not None and self._clock() - self._confirmed < _STILL_CURRENT
        for _ in range(2):  # a lost response is requested again
            try:
                if held or self._holds_lock():
                    self._kv.delete(self._place.namespace, self._place.lock_key)
            except Exception as error:
                LOG.debug("releasing the lock: %s", error)
                held = False
                continue
            return

    def _holds_lock(self) -> bool:
        other = read_holder(self._kv, self._place)
        held = other is not None and other.nonce == self._holder.nonce
        self._confirmed = self._clock() if held else None
        return held

    def _keep(self) -> None:
        """Renew the lock in the background: a level of many writes may take longer than its TTL."""
        self._heartbeat = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._heartbeat.start()

    def _beat(self) -> None:
        while not self._released.wait(TTL / 3):
            if not self.check():
                return

    def _claim(self) -> None:
        try:
            self._put()
        except KestraError as error:
            if not error.may_have_written:
                raise  # if it was written, reading it back will show it

    def _put(self) -> None:
        self._kv.put(
            self._place.namespace, self._place.lock_key, vars(self._holder), ttl=f"PT{TTL}S"
        )
        self._renewed = self._clock()


def read_holder(kv: Kv, place: InventoryLocation, *, maybe_absent: bool = False) -> Holder | None:
    """The holder of the lock; ``None`` if it is free. See :meth:`Kv.get` for ``maybe_absent``."""
    try:
        value = kv.get(place.namespace, place.lock_key, maybe_absent=maybe_absent)
    except (NotFound, Gone):
        return None
    if not isinstance(value, dict):
        return None
    return Holder(
        str(value.get("nonce")), str(value.get("who", "unknown")), str(value.get("since", ""))
    )


def unlock(kv: Kv, place: InventoryLocation, holder: Holder) -> bool:
    """Release the lock of ``holder``; return false if another run holds it by now.

    :raises KestraError: it cannot be read or removed.
    """
    there = read_holder(kv, place)
    if there is not None and there.nonce != holder.nonce:
        return False
    if there is not None:
        kv.delete(place.namespace, place.lock_key)
    return True


def try_to_write(kv: Kv, place: InventoryLocation) -> None:
    """Make a call that requires permission to write a record but changes nothing.

    Deletes a key that does not exist, with a name generated for this call.

    :raises Forbidden: the permission is missing.
    :raises KestraError: the request failed.
    """
    kv.delete(place.namespace, f"kestra-sync-probe.{uuid.uuid4().hex}")


def whoami() -> str:
    """Return who runs this, for messages: the CI job, or user, host and process."""
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
