"""The properties of a flow that are needed before it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kestra_sync.executions.server import ExecutionServer
from kestra_sync.model import FlowId
from kestra_sync.repo.document import ParsedDocument, ReferenceKind
from kestra_sync.repo.load import parse_source
from kestra_sync.suggest import did_you_mean

_LOOP = re.compile(rb"\bcore\.flow\.Loop\b")


@dataclass(frozen=True)
class Subject:
    """The properties of a flow that are needed before it runs.

    :param secrets: the values of its SECRET inputs.
    :param calls_others: whether it starts further executions: of other flows, or, since Kestra
        2.0, of each iteration of a loop.
    :param after_end: whether it has tasks that run after its end.
    :param inputs: the ids of its inputs; ``None`` if its source could not be understood.
    :param off: why Kestra does not run the flow; ``""`` if it does.
    """

    revision: int | None
    secrets: tuple[str, ...] = ()
    calls_others: bool = True
    after_end: bool = True
    inputs: frozenset[str] | None = None
    off: str = ""


def look_at(
    server: ExecutionServer, flow: FlowId, inputs: Mapping[str, Any], revision: int | None
) -> Subject:
    """Read the flow: its current revision, its secret inputs, whether it calls others.

    :param inputs: the inputs for the flow.

    :raises NotFound: there is no such flow, or no such revision.
    :raises KestraError: it cannot be read.
    """
    live = server.flows.get(flow, revision=revision)
    parsed = parse_source(live.source)
    if not isinstance(parsed, ParsedDocument) or not isinstance(parsed.value, dict):
        return Subject(revision or live.revision)
    declared = parsed.value.get("inputs")
    secrets: list[str] = []
    for each in declared if isinstance(declared, list) else ():
        if isinstance(each, dict) and each.get("type") == "SECRET":
            secrets += _texts((inputs.get(str(each.get("id"))), each.get("defaults")))
    kinds = {each.kind for each in parsed.references}
    return Subject(
        revision or live.revision,
        tuple(secrets),
        calls_others=bool(kinds - {ReferenceKind.FLOW_TRIGGER})
        or _LOOP.search(live.source) is not None,
        after_end=bool(parsed.value.get("afterExecution")),
        inputs=input_ids(parsed.value),
        off=why_off(parsed.value),
    )


def why_off(flow: Mapping[str, Any]) -> str:
    """Return why Kestra does not run a flow; ``""`` if it does.

    Kestra answers 409 to a run of a disabled flow. Of a draft (2.0) it runs the revision before,
    which is not the one to be tested (``docs/kestra-api.md``).
    """
    if flow.get("disabled") is True:
        return "the flow is disabled (disabled: true)"
    return "the flow is a draft" if flow.get("draft") is True else ""


def declared_inputs(source: bytes) -> frozenset[str] | None:
    """Return the ids of the inputs of a flow; ``None`` if its source cannot be parsed."""
    parsed = parse_source(source)
    if not isinstance(parsed, ParsedDocument) or not isinstance(parsed.value, dict):
        return None
    return input_ids(parsed.value)


def input_ids(flow: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of inputs; inputs in a form are prefixed with its id."""
    return frozenset(_ids(flow.get("inputs"), ""))


def _ids(declared: object, prefix: str) -> Iterable[str]:
    for each in declared if isinstance(declared, list) else ():
        if isinstance(each, dict) and isinstance(each.get("id"), str):
            yield prefix + each["id"]
            yield from _ids(each.get("inputs"), f"{prefix}{each['id']}.")


def unknown_inputs(given: Iterable[str], known: frozenset[str] | None) -> list[tuple[str, str]]:
    """Return the inputs that the flow does not have, each with a message.

    Kestra ignores unknown inputs silently: a test with a misspelled input would prove nothing.

    :param known: see :func:`input_ids`; ``None`` accepts everything.
    """
    found = []
    for name in given if known is not None else ():
        assert known is not None
        if name not in known:
            has = f"its inputs are {', '.join(sorted(known))}" if known else "it has none"
            words = did_you_mean(name, sorted(known)) or has
            found.append((name, f"the flow has no input '{name}': {words}"))
    return found


def _texts(values: Iterable[object]) -> list[str]:
    return [
        str(each) for each in values if isinstance(each, (str, int)) and not isinstance(each, bool)
    ]
