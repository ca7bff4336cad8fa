"""The lock, with a clock of its own."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kestra_sync.apply import lock as module
from kestra_sync.apply.lock import TTL, Lock, LockedError, read_holder, unlock, whoami
from kestra_sync.client.errors import Forbidden, KestraError
from kestra_sync.inventory.read import InventoryLocation
from tests.unit.apply.fakes import DOWN, LOST, KvStore

PLACE = InventoryLocation("acme", "flows")
KEY = "kestra-sync-lock.flows"
FORBIDDEN = Forbidden(403, "PUT", "/kv")
THEIRS = {"nonce": "theirs", "who": "job 7", "since": "then"}


class Clock:
    """Time that passes when a caller sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lock_of(kv: KvStore, clock: Clock, timeout: float = 10) -> Lock:
    return Lock(kv, PLACE, timeout=timeout, sleep=clock.sleep, clock=clock)


def test_lock__free_one_is_acquired_and_released(clock: Clock) -> None:
    kv = KvStore()
    lock = lock_of(kv, clock)
    lock.acquire()
    ((key, value, ttl),) = kv.puts
    assert (key, ttl) == (KEY, f"PT{TTL}S")
    assert value["who"] == whoami()
    assert lock.check()
    lock.release()
    assert kv.values == {}


def test_lock__waits_for_the_lock_of_another_run(clock: Clock) -> None:
    kv = KvStore()
    kv.values[KEY] = THEIRS

    def sleeping(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now > 104 and kv.values.get(KEY) is THEIRS:
            del kv.values[KEY]

    lock = Lock(kv, PLACE, timeout=10, sleep=sleeping, clock=clock)
    lock.acquire()
    assert 104 < clock.now < 110
    lock.release()


def test_lock__timeout_names_the_holder(clock: Clock) -> None:
    kv = KvStore()
    kv.values[KEY] = THEIRS
    with pytest.raises(LockedError, match="'flows' is running: job 7 since then") as refused:
        lock_of(kv, clock).acquire()
    assert clock.now >= 110
    assert f"'kestra-sync unlock'; it expires within {TTL} seconds" in str(refused.value.remedy)
    assert kv.values == {KEY: THEIRS}


def test_contract__last_write_wins(clock: Clock) -> None:
    """Both saw it free; only one nonce stays."""
    kv = KvStore()

    def overwritten(seconds: float) -> None:
        clock.now += seconds
        kv.values[KEY] = THEIRS

    lock = Lock(kv, PLACE, timeout=0, sleep=overwritten, clock=clock)
    with pytest.raises(LockedError, match="job 7"):
        lock.acquire()


def test_lock__that_expires_during_the_check_is_acquired(clock: Clock) -> None:
    kv = KvStore()

    def vanishing(seconds: float) -> None:
        clock.now += seconds
        kv.values.clear()

    with pytest.raises(LockedError, match="another run"):
        Lock(kv, PLACE, timeout=0, sleep=vanishing, clock=clock).acquire()


@pytest.mark.parametrize("arrived", [True, False])
def test_lost_response__is_read_back(clock: Clock, arrived: bool) -> None:
    kv = KvStore()
    (kv.lose_put if arrived else kv.fail_put).append(LOST)
    lock = lock_of(kv, clock)
    lock.acquire()
    assert len(kv.puts) == 1
    lock.release()


def test_lock__store_that_refuses_gives_no_lock(clock: Clock) -> None:
    kv = KvStore()
    kv.fail_put.append(FORBIDDEN)
    with pytest.raises(Forbidden):
        lock_of(kv, clock).acquire()


def test_lock__is_renewed_in_time(clock: Clock) -> None:
    kv = KvStore()
    lock = lock_of(kv, clock)
    lock.acquire()
    assert lock.check()
    assert len(kv.puts) == 1
    clock.sleep(TTL / 3)
    assert lock.check()
    assert len(kv.puts) == 2
    lock.release()


def test_lock__lost_one_is_left_to_its_new_holder(clock: Clock) -> None:
    kv = KvStore()
    lock = lock_of(kv, clock)
    lock.acquire()
    kv.values[KEY] = THEIRS
    assert not lock.check()
    lock.release()
    assert kv.values == {KEY: THEIRS}
    kv.values.clear()
    assert not lock.check()


def test_lock__is_not_lost_when_it_cannot_be_read(clock: Clock) -> None:
    kv = KvStore()
    lock = lock_of(kv, clock)
    lock.acquire()
    kv.fail_get.append(DOWN)
    assert lock.check()
    lock.release()


@pytest.mark.parametrize("errors", [[LOST], [LOST, LOST]])
def test_giving_it_back_never_fails(clock: Clock, errors: list[KestraError | None]) -> None:
    kv = KvStore()
    lock = lock_of(kv, clock)
    lock.acquire()
    kv.fail_delete = list(errors)
    lock.release()
    assert (KEY in kv.values) is (len(errors) == 2)  # else it expires


def test_lock__is_kept_in_the_background(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TTL", 0.04)
    renewed = threading.Event()

    class Counting(KvStore):
        def put(self, *args: object, **more: object) -> None:
            super().put(*args, **more)  # type: ignore[arg-type]
            if len(self.puts) >= 3:
                renewed.set()

    kv = Counting()
    lock = lock_of(kv, clock)
    lock.acquire()
    clock.now += 1
    for _ in range(600):
        clock.now += 1
        if renewed.wait(0.05):
            break
    assert renewed.is_set()
    kv.values[KEY] = THEIRS
    assert lock._heartbeat is not None
    lock._heartbeat.join(30)  # ends by itself once the lock is lost
    assert not lock._heartbeat.is_alive()
    lock.release()


def test_lock__shows_its_holder() -> None:
    kv = KvStore()
    assert read_holder(kv, PLACE) is None
    kv.values[KEY] = "no holder"
    assert read_holder(kv, PLACE) is None
    kv.values[KEY] = THEIRS
    holder = read_holder(kv, PLACE)
    assert holder is not None
    assert holder.who == "job 7"
    # A run that took it during the prompt is not the one that the prompt was about.
    kv.values[KEY] = {**THEIRS, "nonce": "another"}
    assert not unlock(kv, PLACE, holder)
    assert set(kv.values) == {KEY}
    kv.values[KEY] = THEIRS
    assert unlock(kv, PLACE, holder)
    assert unlock(kv, PLACE, holder)  # it is gone: that is what was wanted
    assert kv.values == {}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"GITHUB_RUN_ID": "7", "GITHUB_REPOSITORY": "acme/flows"}, "GitHub run 7 of acme/flows"),
        ({"CI_JOB_URL": "https://ci/7"}, "GitLab job https://ci/7"),
        ({"USER": "ann"}, "ann@"),
        ({"USERNAME": "bob"}, "bob@"),
        ({}, "unknown@"),
    ],
)
def test_lock__holder_in_ci_and_elsewhere(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name in ("GITHUB_RUN_ID", "CI_JOB_URL", "USER", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert whoami().startswith(words)


def test_lock__early_one_is_waited_for(clock: Clock) -> None:
    kv = KvStore()
    lock = lock_of(kv, clock)
    lock.begin()
    lock.acquire()
    assert lock.check()
    lock.release()
    assert kv.values == {}


def test_lock__early_one_is_released_if_not_needed() -> None:
    """Without waiting for its time to settle, or for another run to end."""
    claimed = threading.Event()

    class Claimed(KvStore):
        def put(self, *args: Any, **more: Any) -> None:
            super().put(*args, **more)
            claimed.set()

    kv = Claimed()
    lock = Lock(kv, PLACE, timeout=60)
    lock.begin()
    assert claimed.wait(20)
    lock.release()
    assert kv.values == {}
    kv.values[KEY] = THEIRS
    lock = Lock(kv, PLACE, timeout=600)
    lock.begin()
    lock.release()
    assert kv.values == {KEY: THEIRS}


def test_lock__background_error_is_reported_to_the_holder(clock: Clock) -> None:
    kv = KvStore()
    kv.fail_put = [DOWN]
    lock = lock_of(kv, clock)
    lock.begin()
    with pytest.raises(KestraError):
        lock.acquire()
    kv.fail_put = [DOWN]
    lock = lock_of(kv, clock)
    lock.begin()
    lock.release()
