"""Removes all executions of deleted flows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from kestra_sync.client.client import KestraClient
from kestra_sync.client.execution import Execution
from kestra_sync.client.executions import LOOP
from kestra_sync.executions.cleanup import Cleanup, remove
from kestra_sync.executions.follow import CLOCK, Clock
from kestra_sync.model import FlowId, Scope
from kestra_sync.safe.secrets import Masker

#: Without a kind, the search only returns normal executions.
_KINDS = (None, "TEST", "PLAYGROUND")
_KILL_SECONDS = 20.0
#: A server that writes in the background may show an execution late, or again.
_ROUNDS = 6
_PAUSE = 0.4
_MOST = 10_000


@dataclass(frozen=True)
class Swept:
    """The result of removing executions.

    :param problems: what could not be deleted, and why.
    """

    deleted: int = 0
    problems: tuple[str, ...] = ()


def sweep(
    client: KestraClient, scope: Scope, flows: Collection[FlowId], *, clock: Clock = CLOCK
) -> Swept:
    """Kill and delete every execution of ``flows``, with logs, metrics and files.

    :param scope: namespaces that contain all of ``flows``.
    :raises KestraError: the executions cannot be listed.
    """
    if not flows:
        return Swept()
    deleted: set[str] = set()
    problems: tuple[str, ...] = ()
    for _ in range(_ROUNDS):
        found = _executions(client, scope, flows)
        if not found:
            break
        results = client.map(partial(_remove, client, clock), found)
        problems = tuple(words for each in results for words in each.problems)
        failed = {each.id for each, done in zip(found, results, strict=True) if done.kept}
        deleted |= {each.id for each in found} - failed
        clock.sleep(_PAUSE)
    else:
        left = _executions(client, scope, flows)
        if left and not problems:
            problems = (f"{len(left):,} executions are still there after they were deleted",)
    return Swept(len(deleted), problems)


def _executions(client: KestraClient, scope: Scope, flows: Collection[FlowId]) -> list[Execution]:
    kinds = (*_KINDS, LOOP) if client.server_info().can.loop_executions else _KINDS
    found = {
        each.id: each
        for kind in kinds
        for each in client.executions.search(scope, kind=kind, limit=_MOST)
        if each.flow_id in flows
    }
    return list(found.values())


def _remove(client: KestraClient, clock: Clock, execution: Execution) -> Cleanup:
    return remove(
        client,
        execution,
        Masker(),
        subflows=False,
        restless=not execution.is_final,
        kill_seconds=_KILL_SECONDS,
        clock=clock,
    )
