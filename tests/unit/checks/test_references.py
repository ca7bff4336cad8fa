"""References between flows, including cycles."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.commands.validate import validate
from kestra_sync.edits import Edit
from kestra_sync.errors import ExitCode
from kestra_sync.kinds.flows.check import check_cycles, dangling, report_dangling
from kestra_sync.model import Desired, Document, Flow, FlowId, Position, Scope, Severity
from kestra_sync.settings import Settings

_CALL = "io.kestra.plugin.core.flow.Subflow"


def _source(name: str, *targets: str, kind: str = _CALL) -> bytes:
    tasks = "".join(
        f"  - id: to_{target}\n    type: {kind}\n    namespace: acme\n    flowId: {target}\n"
        for target in targets
    )
    return f"id: {name}\nnamespace: acme\ntasks:\n{tasks or '  []'}".encode()


def _flow(name: str, *targets: str, kind: str = _CALL) -> Desired:
    data = _source(name, *targets, kind=kind)
    return Desired(Flow(FlowId("acme", name), Document(f"{name}.yaml", 0, 1, data)), data)


def test_flows_that_call_each_other_are_reported_once_at_the_call() -> None:
    flows = [_flow("ping", "leaf", "pong"), _flow("pong", "ping"), _flow("leaf")]
    (found,) = check_cycles(flows)
    assert (found.severity, found.rule) == (Severity.WARNING, "reference-cycle")
    assert (found.path, found.position) == ("ping.yaml", Position(11, 13))
    assert found.message.endswith("acme/ping -> acme/pong -> acme/ping")


def test_longer_circles_and_several_of_them() -> None:
    flows = [_flow(*each) for each in ("ab", "bc", "ca", "xy", "yx", "ia")]
    assert [each.message.partition(": ")[2] for each in check_cycles(flows)] == [
        "acme/a -> acme/b -> acme/c -> acme/a",
        "acme/x -> acme/y -> acme/x",
    ]
    entangled = [_flow("a", "b", "c"), _flow("b", "a"), _flow("c", "a")]
    assert len(check_cycles(entangled)) == 1


def test_a_flow_that_calls_itself() -> None:
    (found,) = check_cycles([_flow("a", "b", "a"), _flow("b")])
    assert found.message.endswith("acme/a -> acme/a")
    assert (found.path, found.position) == ("a.yaml", Position(11, 13))
    # Once, if it is in another circle as well.
    assert len(check_cycles([_flow("a", "a", "b"), _flow("b", "a")])) == 1


def test_cycles__no_cycle() -> None:
    chain = [_flow("a", "b", "c"), _flow("b", "c"), _flow("c")]
    assert check_cycles(chain) == ()
    waiting = "io.kestra.plugin.core.condition.ExecutionFlow"
    assert check_cycles([_flow("a", "b", kind=waiting), _flow("b", "a")]) == ()
    assert check_cycles([_flow("a", "{{ inputs.b }}"), _flow("b", "a")]) == ()


def test_places_of_sent_bytes_are_those_of_the_file() -> None:
    ping, pong = _flow("ping", "pong"), _flow("pong", "ping")
    added = Edit(0, 0, b"# added\n")
    sent = Desired(ping.flow, b"# added\n" + ping.sent, steps=((added,),))
    assert check_cycles([sent, pong]) == check_cycles([ping, pong])


def test_validate_offline_warns_and_passes(tmp_path: Path) -> None:
    for name, target in (("ping", "pong"), ("pong", "ping")):
        (tmp_path / f"{name}.yaml").write_bytes(_source(name, target))
    result = validate(Settings(paths=(str(tmp_path),)), offline=True)
    assert [each.rule for each in result.diagnostics] == ["reference-cycle"]
    assert result.exit_code is ExitCode.OK


@pytest.mark.parametrize(
    ("there", "remedy"),
    [
        (FlowId("acme", "clean_up"), "did you mean `clean_up`?"),
        (FlowId("acne", "cleanup"), "did you mean `acne`?"),
        (FlowId("acme", "report"), "add the flow, or correct namespace and flowId"),
        (FlowId("other", "clean_up"), "add the flow, or correct namespace and flowId"),
    ],
)
def test_reference__missing_flow_has_a_suggestion(there: FlowId, remedy: str) -> None:
    missing = dangling([_flow("a", "cleanup")], {FlowId("acme", "a")})
    for known, elsewhere in (({there}, ()), ((), {there})):
        (found,) = report_dangling(missing, elsewhere, Scope(("acme",)), known)
        assert found.remedy == remedy
