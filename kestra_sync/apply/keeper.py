"""Stores the record in its namespace, without overwriting that of another run.

Kestra's KV store has no compare-and-set. So the record is read before each write and must be the
one that we saw last, and read again after it and must be ours. What a run is about to write is
also kept under a key of its own: should another run overwrite the record anyway, the flows
of this one are found there.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from kestra_sync.apply.record import RunRecord
from kestra_sync.apply.run import Outcome, Restored
from kestra_sync.client.errors import KestraError
from kestra_sync.client.kv import Kv
from kestra_sync.client.parallel import in_background
from kestra_sync.errors import ConflictError
from kestra_sync.inventory.codec import to_json
from kestra_sync.inventory.read import InventoryLocation, read_inventory, read_version
from kestra_sync.inventory.record import Inventory, now

#: Of every inventory in the KV store.
DESCRIPTION = "Inventory of kestra-sync. Deleting it loses ownership, not flows."
_RUN_DESCRIPTION = "Flows that a run of kestra-sync is about to write."
#: Seconds for which a look at the record need not be repeated before it is written.
_RECENT = 2.0
#: How long what a run meant to write is kept if the run is killed.
_RUN_TTL = "P7D"


class OvertakenError(ConflictError):
    """A record is not the one that this run has seen or stored last (exit 5)."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"another run wrote {what} in the meantime", remedy="run the command again"
        )


def check_unchanged(kv: Kv, place: InventoryLocation, seen: Inventory | None) -> None:
    """Make sure that the record at ``place`` is the one that was seen last.

    :raises OvertakenError: it is another one.
    :raises KestraError: it cannot be read.
    """
    if read_version(kv, place) != (seen and seen.version):
        raise OvertakenError(f"the inventory {place.full_name!r}")


def put_whole(
    kv: Kv,
    namespace: str,
    key: str,
    value: Mapping[str, object],
    description: str = DESCRIPTION,
    ttl: str | None = None,
) -> None:
    """Store a record, with a second attempt if the response to the first was lost.

    The value is complete, and written under the lock: storing it twice is storing it once.

    :raises KestraError: it could not be stored.
    """
    try:
        kv.put(namespace, key, value, ttl=ttl, description=description)
    except KestraError as error:
        if not error.may_have_written:
            raise
        kv.put(namespace, key, value, ttl=ttl, description=description)


def remove_whole(kv: Kv, place: InventoryLocation) -> None:
    """Delete the record at ``place``. If the response was lost, a read shows whether it is gone.

    :raises KestraError: it could not be deleted.
    """
    try:
        kv.delete(place.namespace, place.key)
    except KestraError as error:
        if not error.may_have_written or read_inventory(kv, place) is not None:
            raise


class RecordKeeper:
    """The record of one run in the KV store.

    :param wanted: where the record belongs.
    :param at: where it is; it moves with the first write.
    :param seen: the record as it was read; ``None`` if there was none.
    """

    def __init__(
        self,
        kv: Kv,
        wanted: InventoryLocation,
        at: InventoryLocation,
        seen: Inventory | None,
        clock: Callable[[], str] = now,
    ) -> None:
        self._kv = kv
        self._wanted = wanted
        self._at = at
        self._seen = seen
        self._clock = clock
        self._nonce = uuid.uuid4().hex
        self._has_run = False
        self._announcing: Callable[[], None] | None = None
        self._looked: tuple[float, Callable[[], None]] | None = None

    def check(self) -> None:
        """Make sure that the record is the one that we saw last.

        :raises OvertakenError: it is another one.
        :raises KestraError: it cannot be read.
        """
        check_unchanged(self._kv, self._at, self._seen)

    def look(self) -> None:
        """Begin to :meth:`check`, for the next :meth:`store`, while something else goes on."""
        self._looked = time.monotonic(), in_background(self.check)

    def _just_looked(self) -> bool:
        looked, self._looked = self._looked, None
        if looked is None:
            return False
        started, wait = looked
        try:
            wait()
        except Exception:  # it is looked at once more
            return False
        return time.monotonic() - started < _RECENT

    def intend(
        self, inventory: Inventory, meanwhile: Callable[[], object] | None, *, checked: bool
    ) -> Inventory:
        """:meth:`announce` and :meth:`store` what this run is about to write.

        :param checked: the record was seen to be unchanged just now, under the lock.
        :param meanwhile: as for :meth:`store`.
        :raises OvertakenError: it was written by another run.
        :raises KestraError: it could not be stored.

        Whatever is raised, nothing is announced any more.
        """
        if not checked:
            self.check()
        self._announcing = in_background(lambda: self.announce(inventory))
        try:
            if not checked:
                self._announced()
            stored = self.store(inventory, checked=True, meanwhile=meanwhile)
            self._announced()
        except Exception:
            self.done()
            raise
        return stored

    def _announced(self) -> None:
        """Wait for what is being announced; once.

        :raises KestraError: it could not be stored.
        """
        announcing, self._announcing = self._announcing, None
        if announcing is not None:
            announcing()

    def store(
        self,
        inventory: Inventory,
        *,
        checked: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> Inventory:
        """Write the record and read it back; move it first if it is not where it belongs.

        :param checked: :meth:`check` was called just before.
        :param meanwhile: called while the record is read back; never raises.
        :returns: the record as it is stored.
        :raises OvertakenError: it was written by another run since it was last read.
        :raises KestraError: it could not be stored.
        """
        if not (checked or self._just_looked()):
            self.check()
        moving = self._at != self._wanted
        old = self._at
        if moving and read_inventory(self._kv, self._wanted) is not None:
            wanted = self._wanted
            raise OvertakenError(f"an inventory {wanted.full_name!r} to {wanted.namespace}")
        moved_from = old.namespace if moving else None
        stored = self._put(inventory, moved_from=moved_from, meanwhile=meanwhile)
        if moving and self._drop(old):
            # Said once more without the mark: from now on there is only this one.
            stored = self._put(stored, moved_from=None)
        return stored

    def _put(
        self,
        inventory: Inventory,
        *,
        moved_from: str | None,
        meanwhile: Callable[[], object] | None = None,
    ) -> Inventory:
        left = self._seen.moved_from if self._seen is not None else None
        if moved_from is None and left is not None and left != self._wanted.namespace:
            # A move that was killed before it took the old copy away.
            there = InventoryLocation(left, self._wanted.name, self._wanted.environment)
            moved_from = None if self._drop(there) else left
        stored = replace(
            inventory,
            generation=inventory.generation + 1,
            time=self._clock(),
            nonce=uuid.uuid4().hex,
            moved_from=moved_from,
        )
        put_whole(self._kv, self._wanted.namespace, self._wanted.key, to_json(stored))
        self._at, self._seen = self._wanted, stored
        beside = None if meanwhile is None else in_background(meanwhile)
        self.check()
        if beside is not None:
            beside()
        return stored

    def _drop(self, place: InventoryLocation) -> bool:
        """Take the old copy away; whether it is gone. The next write tries again."""
        try:
            self._kv.delete(place.namespace, place.key)
            return read_inventory(self._kv, place) is None
        except KestraError:
            return False

    def announce(self, inventory: Inventory) -> None:
        """Store what this run is about to write, under a key that no other run touches.

        :raises KestraError: it could not be stored.
        """
        value = to_json(replace(inventory, resources={}, unknown=(), history=(), neighbours=()))
        key = self._wanted.run_key(self._nonce)
        try:
            put_whole(self._kv, self._wanted.namespace, key, value, _RUN_DESCRIPTION, _RUN_TTL)
        except KestraError as error:
            self._has_run = error.may_have_written
            raise
        self._has_run = True

    def done(self) -> None:
        """Drop what :meth:`announce` stored: the record has it all. Never fails, it expires."""
        with suppress(Exception):  # what is not stored yet cannot be dropped
            self._announced()
        if self._has_run:
            with suppress(Exception):
                self._kv.delete(self._wanted.namespace, self._wanted.run_key(self._nonce))


class Recorder:
    """Stores what the record of one run says.

    :param record: what it says, and where it belongs and is.
    """

    def __init__(self, kv: Kv, record: RunRecord) -> None:
        self.record = record
        self._keeper = RecordKeeper(kv, record.place, record.at, record.before, record.clock)
        self._recorded = False

    def check(self) -> None:
        """Make sure that the record is still the one that was planned with.

        :raises OvertakenError: another run has written it.
        :raises KestraError: it cannot be read.
        """
        self._keeper.check()

    def look(self) -> None:
        """Begin to look whether the record is still ours, for :meth:`finish`."""
        self._keeper.look()

    def intend(
        self,
        meanwhile: Callable[[], object] | None = None,
        seen: tuple[object] | None = None,
    ) -> None:
        """Store what the plan is about to write.

        :param seen: the version of the record as it was read just now under the lock, if it was.
        :param meanwhile: called while the record is read back; never raises.
        :raises OvertakenError: another run has written the record; then nothing may be written.
        :raises KestraError: it could not be stored; then nothing may be written.
        """
        before = self.record.before
        planned = None if before is None else before.version
        intent = self.record.intent()
        self.record.stored(self._keeper.intend(intent, meanwhile, checked=seen == (planned,)))

    def finish(
        self,
        outcomes: Iterable[Outcome],
        result: str,
        restored: Iterable[Restored] = (),
        meanwhile: Callable[[], object] | None = None,
        *,
        red: bool = False,
    ) -> None:
        """Store the result, unless nothing changed; see :meth:`.RunRecord.result`.

        :param meanwhile: called while the record is read back; never raises.
        :raises OvertakenError: another run has written the record. What this one meant to write
            stays under its own key, where the next run finds it.
        :raises KestraError: it could not be stored; the intent is there still.
        """
        said = self.record.result(outcomes, result, restored, red=red)
        if said is not None:
            self.record.stored(self._keeper.store(said, meanwhile=meanwhile))
            self._recorded = True

    def close(self) -> None:
        """Remove what :meth:`intend` stored beside the record, if the record has it all."""
        if self._recorded:
            self._keeper.done()
