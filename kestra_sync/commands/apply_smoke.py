"""``apply --smoke``: which tests run after the writes, and on which revisions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kestra_sync.apply.run import ChangeStatus, Outcome
from kestra_sync.commands.files import is_selected
from kestra_sync.commands.plan import PlanResult
from kestra_sync.commands.smoke import load_specs, smoke_settings, unknown_input_errors
from kestra_sync.executions.subject import declared_inputs
from kestra_sync.model import Action, Desired, Diagnostic, Flow, FlowId, Kind, ResourceId
from kestra_sync.observer import Observer
from kestra_sync.settings import Settings
from kestra_sync.smoke.result import SmokeResult
from kestra_sync.smoke.runner import run_smoke
from kestra_sync.smoke.selection import Calls, calls_any, calls_from

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient


#: Seconds after an update for which a server may still call the previous revision of a flow. The
#: executor learns of new revisions through a queue that it reads once a second, or more often
#: (``kestra.jdbc.queues.max-poll-interval``). Right after an update, 1.3 and 2.0 call the previous
#: revision in 4 of 10 cases.
_PROPAGATION = 2.0


class SmokeAfter:
    """The smoke tests of one apply.

    :param observer: is notified of the tests; the observer of the writes is done by then.
    :raises UsageError: for a path that does not exist.
    """

    def __init__(self, client: KestraClient, settings: Settings, observer: Observer) -> None:
        self._client = client
        self._settings = settings
        self._observer = observer
        self._loaded = load_specs(settings)
        self.result: SmokeResult | None = None
        """What the tests say, once they have run."""

    def checked(self, planned: PlanResult) -> PlanResult:
        """Add the diagnostics of the tests to the plan: an error in them prevents all writes."""
        found = (*planned.diagnostics, *self._loaded.diagnostics, *self._inputs(planned.desired))
        ordered = tuple(sorted(found, key=lambda each: each.sort_key))
        return replace(planned, diagnostics=ordered)

    def _inputs(self, desired: Mapping[FlowId, Desired]) -> Iterator[Diagnostic]:
        """Report each input that the flow in Git does not have."""
        for spec in self._loaded.specs:
            known = desired.get(spec.flow) if spec.inputs else None
            if known is not None:
                yield from unknown_input_errors(spec, declared_inputs(known.sent))

    def prove(
        self, desired: Mapping[FlowId, Desired]
    ) -> Callable[[Sequence[Outcome], threading.Event], bool]:
        """Run the tests that are due after these writes."""

        def run(outcomes: Sequence[Outcome], stop: threading.Event) -> bool:
            """Run the tests; return whether any failed."""
            specs = [spec for spec in self._loaded.specs if is_selected(spec.flow, self._settings)]
            if not specs:
                self._observer.note("no smoke tests found; see docs/smoke.md")
                return False
            # In a preview all tests run, and people look at what ran; `down` deletes it.
            preview = self._settings.preview is not None
            flows = {flow_id: _as_sent(each) for flow_id, each in desired.items()}
            written = _written(outcomes)
            calls = with_reads(calls_from(specs, flows), desired, written)
            updated = _updated(outcomes)
            if any(calls_any(spec, updated, calls) for spec in specs):
                stop.wait(_PROPAGATION)  # otherwise, a test could pass with the old subflow
            self.result = run_smoke(
                self._client,
                specs,
                None if preview else written,
                calls,
                settings=smoke_settings(self._settings, keep="always" if preview else None),
                observer=self._observer,
                stop=stop,
            )
            return self.result.failed

        return run


def _as_sent(desired: Desired) -> Flow:
    """Return the flow as it is sent: it calls flows by their names on the server."""
    flow = desired.flow
    if not desired.steps:
        return flow
    return replace(flow, document=replace(flow.document, content=desired.content))


def with_reads(
    calls: Mapping[FlowId, tuple[FlowId, ...]],
    desired: Mapping[FlowId, Desired],
    written: Collection[ResourceId],
) -> Calls:
    """Add to ``calls`` the files and keys among ``written`` that each flow reads."""
    kinds = {each.kind for each in written} - {Kind.FLOW}
    if not kinds:
        return calls
    from kestra_sync.checks.reads import reads

    return {
        flow_id: (
            *targets,
            *(
                resource
                for each in reads([desired[flow_id]] if flow_id in desired else (), kinds)
                for resource in each.matches(written)
            ),
        )
        for flow_id, targets in calls.items()
    }


def _written(outcomes: Sequence[Outcome]) -> dict[FlowId, int | None]:
    return {
        each.change.flow_id: each.revision
        for each in outcomes
        if each.status is ChangeStatus.APPLIED and each.change.action is not Action.DELETE
    }


def _updated(outcomes: Sequence[Outcome]) -> set[FlowId]:
    """The flows whose revision was replaced."""
    return {
        each.change.flow_id
        for each in outcomes
        if each.status is ChangeStatus.APPLIED and each.change.action is Action.UPDATE
    }
