"""Starts the execution of a smoke test, pinned to one revision of its flow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kestra_sync.kestra.errors import TooManyRequests, Unreachable
from kestra_sync.kestra.execution import Execution
from kestra_sync.model import FlowId
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_source
from kestra_sync.repo.references import ReferenceKind, references
from kestra_sync.smoke.follow import LOG, Clock
from kestra_sync.smoke.server import SmokeServer
from kestra_sync.smoke.settings import SmokeSettings
from kestra_sync.smoke.spec import SmokeSpec

RUN_LABEL = "kestra-sync.run"
COMMIT_LABEL = "kestra-sync.commit"
TEST_KIND = "TEST"
_START_WITHIN = 30.0
_LOOP = re.compile(rb"\bcore\.flow\.Loop\b")


@dataclass(frozen=True)
class Subject:
    """What has to be known of a flow before it is run.

    :param secrets: the values of its SECRET inputs.
    :param calls_others: whether it starts further executions: of other flows, or, since Kestra
        2.0, of each iteration of a loop.
    :param after_end: whether it has tasks that run after its end.
    """

    revision: int | None
    secrets: tuple[str, ...] = ()
    calls_others: bool = True
    after_end: bool = True


def look_at(
    server: SmokeServer, flow: FlowId, inputs: Mapping[str, Any], revision: int | None
) -> Subject:
    """Read the flow: its revision now, which of its inputs are secret, whether it calls others.

    :param inputs: what the flow will be given.

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
    kinds = {each.kind for each in references(parsed)}
    return Subject(
        revision or live.revision,
        tuple(secrets),
        calls_others=bool(kinds - {ReferenceKind.FLOW_TRIGGER})
        or _LOOP.search(live.source) is not None,
        after_end=bool(parsed.value.get("afterExecution")),
    )


def start(
    server: SmokeServer,
    spec: SmokeSpec,
    subject: Subject,
    settings: SmokeSettings,
    deadline: float,
    clock: Clock,
) -> Execution:
    """Start the execution, of kind TEST and with the labels of this run.

    Tried again only where it is certain that nothing was started.

    :raises KestraError: it was not started; or it is not known whether it was.
    :raises UsageError: an input file cannot be read.
    """
    labels = {**spec.labels, RUN_LABEL: settings.run_id}
    if settings.commit:
        labels[COMMIT_LABEL] = settings.commit
    give_up = min(deadline, clock.now() + _START_WITHIN)
    pause = 0.5
    while True:
        try:
            return server.executions.create(
                spec.flow,
                inputs=spec.inputs,
                labels=labels,
                revision=subject.revision,
                kind=TEST_KIND,
            )
        except (Unreachable, TooManyRequests) as error:
            if clock.now() + pause >= give_up:
                raise
            LOG.debug("starting %s: %s", spec.flow, error)
        clock.sleep(pause)
        pause = min(pause * 2, 5.0)


def _texts(values: Iterable[object]) -> list[str]:
    return [
        str(each) for each in values if isinstance(each, (str, int)) and not isinstance(each, bool)
    ]
