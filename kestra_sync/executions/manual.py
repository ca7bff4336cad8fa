"""Executions started or deleted by a user, outside of smoke tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kestra_sync.client.client import KestraClient
from kestra_sync.client.errors import Forbidden, KestraError, NotFound, Unauthorized
from kestra_sync.client.execution import Execution
from kestra_sync.errors import UsageError
from kestra_sync.executions.follow import CLOCK, StillRunning, follow_to_end
from kestra_sync.model import FlowId
from kestra_sync.safe.paths import is_file

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class ExecutionRequest:
    """The parameters of an execution.

    :param inputs: a ``Path`` is sent as a file.
    :param schedule_date: ISO 8601; when to start it.
    """

    flow: FlowId
    inputs: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    revision: int | None = None
    schedule_date: str | None = None
    breakpoints: tuple[str, ...] = ()
    kind: str | None = None


def start(client: KestraClient, order: ExecutionRequest) -> Execution:
    """Start an execution.

    :raises NotFound: there is no such flow.
    :raises ConflictingState: the flow is disabled.
    :raises InvalidContent: an input is missing or wrong.
    :raises UnknownOutcome: it may have been started or not.
    """
    return client.executions.create(
        order.flow,
        inputs=order.inputs,
        labels=order.labels,
        revision=order.revision,
        schedule_date=order.schedule_date,
        breakpoints=order.breakpoints,
        kind=order.kind,
    )


def wait(
    client: KestraClient,
    started: Execution,
    *,
    timeout: float | None,
    on_change: Callable[[Execution], None],
) -> Execution:
    """Wait for the end of an execution and return it with its outputs. After ``timeout`` seconds,
    return it as it is; it keeps running.

    :raises NotFound: it was deleted.
    :raises KestraError: these credentials may not read executions.
    """
    deadline = float("inf") if timeout is None else CLOCK.now() + timeout
    try:
        ended = follow_to_end(client.executions, started, deadline=deadline, on_change=on_change)
        return client.executions.with_outputs(ended)
    except StillRunning as going:
        return going.execution


def delete(
    client: KestraClient,
    execution_ids: Iterable[str],
    *,
    logs: bool,
    metrics: bool,
    storage: bool,
) -> dict[str, str | None]:
    """Delete executions, one after the other; a failure does not stop the others.

    :returns: for each id why it could not be deleted; ``None`` if it was deleted.
    :raises KestraError: these credentials may not delete executions.
    """
    results: dict[str, str | None] = {}
    for known in execution_ids:
        try:
            client.executions.delete(known, logs=logs, metrics=metrics, storage=storage)
            results[known] = None
        except NotFound:
            results[known] = "no such execution"
        except (Unauthorized, Forbidden):
            raise
        except KestraError as error:
            results[known] = str(error)
    return results


def parse_inputs(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse inputs: ``name=value``, ``name=@path`` for a file, ``@@`` for an ``@``.

    :raises UsageError: there is no ``=``, or no such file.
    """
    inputs: dict[str, Any] = {}
    for name, value in parse_pairs(pairs, "-i").items():
        if value.startswith("@@"):
            inputs[name] = value[1:]
        elif value.startswith("@"):
            path = Path(value[1:])
            if not is_file(path):
                raise UsageError(
                    f"input {name}: no such file: {value[1:]}",
                    remedy="a value that starts with @ is a file name; write @@ for a literal @",
                )
            inputs[name] = path
        else:
            inputs[name] = value
    return inputs


def parse_pairs(pairs: Iterable[str], option: str) -> dict[str, str]:
    """Parse ``name=value`` pairs; the last value of a repeated name is used.

    :raises UsageError: there is no ``=``, or nothing before it; or it is not text.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {pair}: expected NAME=VALUE")
        if not is_sendable(pair):
            raise UsageError(f"{option} {name}: bytes that are not UTF-8 cannot be sent")
        found[name] = value
    return found


def is_sendable(value: Any) -> bool:
    """Whether every text in a value can be written as UTF-8: no lone surrogates."""
    if isinstance(value, Mapping):
        return all(is_sendable(pair) for pair in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_sendable, value))
    return not isinstance(value, str) or value.isascii() or not _SURROGATE.search(value)
