"""Calls for ``doctor`` that require the permissions of an apply but change nothing.

Every call names a resource that does not exist (a name generated for the call), or sends a source
that every Kestra rejects: with the permission the response is 404 or 422, without it 403. Updates
are not probed: updating a flow that does not exist can hang the server (kestra-io/kestra issue
12984).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from kestra_sync.client.errors import Forbidden, InvalidContent, NotFound, Unauthorized
from kestra_sync.model import FlowId


class ProbedFlows(Protocol):
    """The calls of the client for flows."""

    def validate(self, sources: Sequence[bytes]) -> Sequence[object]:
        """Nothing is stored."""

    def create(self, source: bytes | str) -> object:
        """Refused if the source is not valid."""

    def delete(self, flow_id: FlowId) -> None:
        """``NotFound`` if there is no such flow."""


class ProbedExecutions(Protocol):
    """The calls of the client for executions."""

    def create(self, flow_id: FlowId) -> object:
        """``NotFound`` if there is no such flow."""

    def delete(self, execution_id: str) -> None:
        """``NotFound`` if there is no such execution."""


def forbidden_for_flows(flows: ProbedFlows, namespace: str) -> tuple[str, ...]:
    """Return the forbidden actions on flows of ``namespace``: validate, create, delete.

    :raises KestraError: a request failed for another reason.
    """
    made_up = FlowId(namespace, _name())
    # No Kestra stores a flow without tasks.
    empty = f"id: {made_up.id}\nnamespace: {namespace}\ntasks: []\n".encode()
    calls: dict[str, Callable[[], object]] = {
        "validate": lambda: flows.validate([empty]),
        "create": lambda: flows.create(empty),
        "delete": lambda: flows.delete(made_up),  # which would also undo the creation
    }
    return _forbidden(calls)


def forbidden_for_executions(executions: ProbedExecutions, namespace: str) -> tuple[str, ...]:
    """Return the forbidden actions on executions of ``namespace``: start, delete.

    :raises KestraError: a request failed for another reason.
    """
    calls: dict[str, Callable[[], object]] = {
        "start": lambda: executions.create(FlowId(namespace, _name())),
        "delete": lambda: executions.delete(_name()),
    }
    return _forbidden(calls)


def _name() -> str:
    return f"kestra-sync-probe-{uuid.uuid4().hex}"


def _forbidden(calls: dict[str, Callable[[], object]]) -> tuple[str, ...]:
    found = []
    for name, call in calls.items():
        try:
            call()
        except (NotFound, InvalidContent):
            pass  # as expected: the call was allowed
        except (Forbidden, Unauthorized):
            found.append(name)
    return tuple(found)
