"""Stores the record of a run in its namespace without overwriting the record of another run.

Kestra's KV store has no compare-and-set. So the record is read before each write, and must be
unchanged since the last read, and read again after the write, and must be the one just written.
A run also stores the flows it is about to write under a separate key (the run key): if another run
overwrites the record anyway, the next run finds those flows there.
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
from kestra_sync.inventory.read import InventoryLocation, Ownership, read_inventory, read_version
from kestra_sync.inventory.record import Inventory, now
from kestra_sync.model import Plan

#: The description of every inventory in the KV store.
DESCRIPTION = "Inventory of kestra-sync. Deleting it loses ownership, not flows."
_RUN_DESCRIPTION = "Flows that a run of kestra-sync is about to write."
#: Seconds for which a check of the record need not be repeated before it is written.
_RECENT = 2.0
#: How long the server keeps the run key of a run that was killed (ISO 8601).
_RUN_TTL = "P7D"


class StaleRecordError(ConflictError):
    """The record has changed since this run last read or stored it (exit 5)."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"another run wrote {what} in the meantime", remedy="run the command again"
        )


def check_unchanged(kv: Kv, place: InventoryLocation, expected: Inventory | None) -> None:
    """Make sure that the record at ``place`` is still the ``expected`` one.

    :raises StaleRecordError: it is a different one.
    :raises KestraError: it cannot be read.
    """
    if read_version(kv, place) != (expected and expected.version):
        raise StaleRecordError(f"the inventory {place.full_name!r}")


def put_record(
    kv: Kv,
    namespace: str,
    key: str,
    value: Mapping[str, object],
    description: str = DESCRIPTION,
    ttl: str | None = None,
) -> None:
    """Store a record, with a second attempt if the response to the first was lost.

    The value is complete, and written under the lock: so repeating the request is harmless.

    :raises KestraError: it could not be stored.
    """
    try:
        kv.put(namespace, key, value, ttl=ttl, description=description)
    except KestraError as error:
        if not error.may_have_written:
            raise
        kv.put(namespace, key, value, ttl=ttl, description=description)


def delete_record(kv: Kv, place: InventoryLocation) -> None:
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

    :param destination: where the record belongs.
    :param at: where the record is now; the first write moves it to ``destination``.
    :param expected: the record as it was last read; ``None`` if there was none.
    """

    def __init__(
        self,
        kv: Kv,
        destination: InventoryLocation,
        at: InventoryLocation,
        expected: Inventory | None,
        clock: Callable[[], str] = now,
    ) -> None:
        self._kv = kv
        self._destination = destination
        self._at = at
        self._expected = expected
        self._clock = clock
        self._nonce = uuid.uuid4().hex
        self._has_run = False
        self._storing_run_key: Callable[[], None] | None = None
        self._check_ahead: tuple[float, Callable[[], None]] | None = None

    def check(self) -> None:
        """Make sure that the record has not changed since this run last read or stored it.

        :raises StaleRecordError: it is a different one.
        :raises KestraError: it cannot be read.
        """
        check_unchanged(self._kv, self._at, self._expected)

    def check_ahead(self) -> None:
        """Start :meth:`check` in the background; the next :meth:`store` uses its result."""
        self._check_ahead = time.monotonic(), in_background(self.check)

    def _recently_checked(self) -> bool:
        ahead, self._check_ahead = self._check_ahead, None
        if ahead is None:
            return False
        started, wait = ahead
        try:
            wait()
        except Exception:  # it is checked again
            return False
        return time.monotonic() - started < _RECENT

    def store_intent(
        self, inventory: Inventory, meanwhile: Callable[[], object] | None, *, checked: bool
    ) -> Inventory:
        """Store what this run is about to write: under the run key and in the record.

        If anything is raised, the run key is removed again.

        :param checked: the record was just found unchanged, under the lock.
        :param meanwhile: as for :meth:`store`.
        :raises StaleRecordError: it was written by another run.
        :raises KestraError: it could not be stored.
        """
        if not checked:
            self.check()
        self._storing_run_key = in_background(lambda: self.store_run_key(inventory))
        try:
            if not checked:
                self._wait_for_run_key()
            stored = self.store(inventory, checked=True, meanwhile=meanwhile)
            self._wait_for_run_key()
        except Exception:
            self.remove_run_key()
            raise
        return stored

    def _wait_for_run_key(self) -> None:
        """Wait until the run key is stored, if that was started and not yet waited for.

        :raises KestraError: it could not be stored.
        """
        pending, self._storing_run_key = self._storing_run_key, None
        if pending is not None:
            pending()

    def store(
        self,
        inventory: Inventory,
        *,
        checked: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> Inventory:
        """Write the record and read it back; move it to its destination if it is elsewhere.

        :param checked: :meth:`check` was just called.
        :param meanwhile: called while the record is read back; must not raise.
        :returns: the record as stored.
        :raises StaleRecordError: it was written by another run since it was last read.
        :raises KestraError: it could not be stored.
        """
        if not (checked or self._recently_checked()):
            self.check()
        moving = self._at != self._destination
        old = self._at
        if moving and read_inventory(self._kv, self._destination) is not None:
            destination = self._destination
            raise StaleRecordError(
                f"an inventory {destination.full_name!r} to {destination.namespace}"
            )
        moved_from = old.namespace if moving else None
        stored = self._put(inventory, moved_from=moved_from, meanwhile=meanwhile)
        if moving and self._drop(old):
            # Written again without ``moved_from``: the old copy no longer exists.
            stored = self._put(stored, moved_from=None)
        return stored

    def _put(
        self,
        inventory: Inventory,
        *,
        moved_from: str | None,
        meanwhile: Callable[[], object] | None = None,
    ) -> Inventory:
        leftover = self._expected.moved_from if self._expected is not None else None
        if moved_from is None and leftover is not None and leftover != self._destination.namespace:
            # A move was killed before it removed the old copy.
            old_copy = InventoryLocation(
                leftover, self._destination.name, self._destination.environment
            )
            moved_from = None if self._drop(old_copy) else leftover
        stored = replace(
            inventory,
            generation=inventory.generation + 1,
            time=self._clock(),
            nonce=uuid.uuid4().hex,
            moved_from=moved_from,
        )
        put_record(self._kv, self._destination.namespace, self._destination.key, to_json(stored))
        self._at, self._expected = self._destination, stored
        parallel = None if meanwhile is None else in_background(meanwhile)
        self.check()
        if parallel is not None:
            parallel()
        return stored

    def _drop(self, place: InventoryLocation) -> bool:
        """Delete the old copy and return whether it is gone; if not, the next write tries again."""
        try:
            self._kv.delete(place.namespace, place.key)
            return read_inventory(self._kv, place) is None
        except KestraError:
            return False

    def store_run_key(self, inventory: Inventory) -> None:
        """Store what this run is about to write under a key that no other run touches.

        :raises KestraError: it could not be stored.
        """
        value = to_json(replace(inventory, resources={}, unknown=(), history=(), neighbours=()))
        key = self._destination.run_key(self._nonce)
        try:
            namespace = self._destination.namespace
            put_record(self._kv, namespace, key, value, _RUN_DESCRIPTION, _RUN_TTL)
        except KestraError as error:
            self._has_run = error.may_have_written
            raise
        self._has_run = True

    def remove_run_key(self) -> None:
        """Delete the run key once the record is complete. Never fails: the key expires anyway."""
        with suppress(Exception):  # it cannot be deleted before it is stored
            self._wait_for_run_key()
        if self._has_run:
            with suppress(Exception):
                self._kv.delete(self._destination.namespace, self._destination.run_key(self._nonce))


class Recorder:
    """Stores the record of one run.

    :param record: its content, where it belongs and where it is now.
    """

    def __init__(self, kv: Kv, record: RunRecord) -> None:
        self.record = record
        self._keeper = RecordKeeper(kv, record.place, record.at, record.before, record.clock)
        self._recorded = False

    @classmethod
    def of(cls, kv: Kv, owned: Ownership, plan: Plan) -> Recorder:
        """Return the recorder of a run that applies ``plan``."""
        record = RunRecord(
            owned.place, owned.inventory, plan, owned.origin, at=owned.at, preview=owned.preview
        )
        return cls(kv, record)

    def check(self) -> None:
        """Make sure that the record is still the one that the plan is based on.

        :raises StaleRecordError: another run has written it.
        :raises KestraError: it cannot be read.
        """
        self._keeper.check()

    def check_ahead(self) -> None:
        """Start :meth:`check` in the background; :meth:`finish` uses its result."""
        self._keeper.check_ahead()

    def store_intent(
        self,
        meanwhile: Callable[[], object] | None = None,
        recent: tuple[object] | None = None,
    ) -> None:
        """Store what the plan is about to write.

        :param recent: the version of the record, if it was just read under the lock.
        :param meanwhile: called while the record is read back; must not raise.
        :raises StaleRecordError: another run has written the record; then nothing may be written.
        :raises KestraError: it could not be stored; then nothing may be written.
        """
        before = self.record.before
        planned = None if before is None else before.version
        intent = self.record.intent()
        self.record.stored(
            self._keeper.store_intent(intent, meanwhile, checked=recent == (planned,))
        )

    def finish(
        self,
        outcomes: Iterable[Outcome],
        result: str,
        restored: Iterable[Restored] = (),
        meanwhile: Callable[[], object] | None = None,
        *,
        tests_failed: bool = False,
    ) -> None:
        """Store the result, unless nothing changed; see :meth:`.RunRecord.result`.

        :param meanwhile: called while the record is read back; must not raise.
        :raises StaleRecordError: another run has written the record. The run key is kept, so the
            next run finds the writes of this one.
        :raises KestraError: it could not be stored; the stored intent remains.
        """
        result_record = self.record.result(outcomes, result, restored, tests_failed=tests_failed)
        if result_record is not None:
            self.record.stored(self._keeper.store(result_record, meanwhile=meanwhile))
            self._recorded = True

    def close(self) -> None:
        """Remove the run key if the result was recorded."""
        if self._recorded:
            self._keeper.remove_run_key()
