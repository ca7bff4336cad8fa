"""Exit codes of the commands, and usage errors before any request."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.apply.run import ChangeStatus, Done, Outcome, Restored, RollbackStatus
from kestra_sync.commands import apply as apply_module
from kestra_sync.commands.apply import ApplyResult, ConfirmPlan, apply
from kestra_sync.commands.drift import DriftResult, drifted
from kestra_sync.commands.files import scope_of
from kestra_sync.commands.plan import PlanResult, save_plan
from kestra_sync.commands.records import place_in
from kestra_sync.commands.validate import ValidateResult, validate
from kestra_sync.errors import ConflictError, ExitCode, UsageError
from kestra_sync.inventory.read import InventoryLocation, Ownership, place_of
from kestra_sync.inventory.record import Origin
from kestra_sync.kinds.flows.check import without_errors
from kestra_sync.model import (
    Action,
    Base,
    Change,
    Diagnostic,
    FlowId,
    Plan,
    Position,
    Reason,
    Repository,
    Scope,
    Severity,
)
from kestra_sync.plan.refusals import Refusal
from kestra_sync.render import render
from kestra_sync.settings import ApplyOptions, Settings
from kestra_sync.smoke.result import SmokeResult, SmokeRun, SmokeVerdict
from kestra_sync.smoke.spec import SmokeSpec
from tests.support.plans import base, change, desired, plan, source

_ERROR = Diagnostic("flows/a.yaml", None, Severity.ERROR, "x", "what", flow=FlowId("acme", "a"))
_WARNING = Diagnostic("flows/a.yaml", None, Severity.WARNING, "x", "what")
_EMPTY = Repository("flows", 0, (), (), ())
_CREATE = change(Action.CREATE, Reason.NEW, "a", after=source("a"))


def _planned(
    made: Plan | None = None,
    diagnostics: tuple[Diagnostic, ...] = (),
    refusals: tuple[Refusal, ...] = (),
) -> PlanResult:
    return PlanResult(_EMPTY, made or plan([_CREATE]), diagnostics, {}, refusals)


_REFUSED = Refusal("too-many", "what", "how")
_CONFLICT = Refusal("conflict", "what", "how", ExitCode.CONFLICT)


@pytest.mark.parametrize(
    ("result", "code", "detailed"),
    [
        (_planned(), 0, 2),
        (_planned(plan()), 0, 0),
        (_planned(diagnostics=(_WARNING,)), 0, 2),
        (_planned(diagnostics=(_ERROR,), refusals=(_REFUSED,)), 3, 3),
        (_planned(refusals=(_REFUSED,)), 4, 4),
        (_planned(refusals=(_REFUSED, _CONFLICT)), 5, 5),
    ],
)
def test_the_code_of_a_plan(result: PlanResult, code: int, detailed: int) -> None:
    """2 only if it is asked for; errors before refusals, conflicts before other guards."""
    assert result.exit_code(detailed=False) == code
    assert result.exit_code(detailed=True) == detailed


def _outcome(status: ChangeStatus, *, unsure: bool = False) -> Outcome:
    return Outcome(_CREATE, status, unsure=unsure)


_DONE = {each.name for each in fields(Done)}
_GOOD, _BAD = _outcome(ChangeStatus.APPLIED), _outcome(ChangeStatus.FAILED)
_SPEC = SmokeSpec(FlowId("acme", "a"))
_RED = SmokeResult((SmokeRun(_SPEC, SmokeVerdict.FAILED),), "run", None, 1.0)
_GREEN = SmokeResult((SmokeRun(_SPEC, SmokeVerdict.PASSED),), "run", None, 1.0)
_BACK, _LEFT = (
    Restored(_CREATE, RollbackStatus.RESTORED),
    Restored(_CREATE, RollbackStatus.LEFT, message="x"),
)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, 0),
        ({"outcomes": (_GOOD,)}, 0),
        ({"outcomes": (_BAD,)}, 1),
        ({"outcomes": (_GOOD, _BAD)}, 6),
        ({"outcomes": (_outcome(ChangeStatus.FAILED, unsure=True),)}, 6),
        ({"outcomes": (_GOOD, _outcome(ChangeStatus.NOT_ATTEMPTED))}, 6),
        ({"outcomes": (_GOOD, _outcome(ChangeStatus.CONFLICT))}, 5),
        ({"declined": True}, 1),
        ({"interrupted": True, "declined": True}, 130),
        ({"outcomes": (_GOOD, _BAD), "restored": (_BACK,)}, 1),
        ({"outcomes": (_GOOD, _BAD), "restored": (_BACK, _LEFT)}, 6),
        ({"outcomes": (_GOOD,), "incomplete": True}, 6),
        ({"outcomes": (_BAD,), "incomplete": True}, 1),
        ({"outcomes": (_GOOD,), "smoke": _GREEN}, 0),
        ({"outcomes": (_GOOD,), "smoke": _RED}, 7),
        ({"outcomes": (_GOOD,), "smoke": _RED, "incomplete": True}, 6),
        ({"outcomes": (_GOOD,), "smoke": _RED, "restored": (_BACK,)}, 7),
        ({"outcomes": (_GOOD,), "smoke": _RED, "restored": (_LEFT,)}, 6),
        ({"planned": _planned(refusals=(_REFUSED,)), "declined": True}, 4),
        ({"planned": _planned(diagnostics=(_ERROR,))}, 3),
    ],
)
def test_the_code_of_an_apply(given: dict[str, Any], code: int) -> None:
    """As ``docs/exit-codes.md`` says."""
    given = dict(given)
    done = Done(**{key: given.pop(key) for key in list(given) if key in _DONE})
    assert ApplyResult(**{"planned": _planned(), "done": done, **given}).exit_code == code


def test_the_codes_of_validate_and_drift() -> None:
    """Warnings do not fail a run; what could not be read did not just not drift."""
    assert ValidateResult(_EMPTY, (_WARNING,), None).exit_code == 0
    assert ValidateResult(_EMPTY, (_WARNING, _ERROR), None).exit_code == 3
    unreadable = PlanResult(_EMPTY, None, (_ERROR,), {})
    assert DriftResult(unreadable, ()).exit_code == 3
    assert DriftResult(_planned(), (_CREATE,)).exit_code == 2
    assert DriftResult(_planned(), ()).exit_code == 0


def test_what_counts_as_drift() -> None:
    """Only what others did: not our own changes, and not what was only ever meant."""
    git, edited = source("x", "git"), source("x", "edited")

    def made(reason: Reason, name: str, before: bytes | None, after: bytes | None) -> Change:
        return change(Action.UPDATE, reason, name, before=before, after=after)

    changes = [
        made(Reason.DRIFT, "drift", edited, git),
        made(Reason.REFRESHED, "ours_by_now", git, git),
        made(Reason.REFRESHED, "edited_to_git", edited, edited),
        made(Reason.CHANGED, "changed", git, edited),
        made(Reason.RECREATED, "deleted", None, git),
        made(Reason.DROPPED, "gone", None, None),
        made(Reason.DRIFT, "no_record", edited, git),
        made(Reason.DRIFT, "only_meant", edited, git),
    ]
    bases: dict[FlowId, Base] = {
        each.flow_id: base(git) for each in changes if each.flow_id.id != "no_record"
    }
    bases[FlowId("acme", "only_meant")] = base(git, only_intended=True)
    found = [each.flow_id.id for each in drifted(changes, bases)]
    assert found == ["drift", "edited_to_git", "deleted", "gone"]


def test_saved_plan__only_applicable_changes_are_saved(tmp_path: Path) -> None:
    """And it is said what was, or why nothing was."""
    path = tmp_path / "plan.json"
    assert "this plan cannot be applied" in save_plan(_planned(refusals=(_REFUSED,)), str(path))[0]
    assert "cannot be applied" in save_plan(PlanResult(_EMPTY, None, (), {}), str(path))[0]
    assert not path.exists()
    words = save_plan(_planned(), str(path))
    assert words == (
        f"saved to {path} ({json.loads(path.read_text())['digest']})",
        f"apply exactly this plan: kestra-sync apply --plan {path}",
    )


def test_where_an_inventory_lives() -> None:
    """A name and a namespace are needed; the first of the scope, unless another is named."""
    scope = Scope(("acme", "other"))
    assert place_of(Settings(name="x"), scope) == InventoryLocation("acme", "x", None)
    named = Settings(name="x", inventory_namespace="kept", environment="prod")
    assert place_of(named, Scope(())) == place_in(named) == InventoryLocation("kept", "x", "prod")
    assert place_in(Settings(name="x", scope=scope)) == InventoryLocation("acme", "x", None)
    with pytest.raises(UsageError, match="`name` is not set"):
        place_of(Settings(), scope)
    with pytest.raises(UsageError, match="no namespace is set"):
        place_of(Settings(name="x"), Scope(()))
    with pytest.raises(UsageError, match="no namespace is set"):
        place_in(Settings(name="x"))


PLACE = InventoryLocation("acme", "x", None)


def test_inventory__without_one_nothing_is_owned() -> None:
    """Yet."""
    assert Ownership(PLACE, None, Origin("", None, None), PLACE).bases == {}


def test_the_scope_is_what_the_files_name() -> None:
    """Exactly, unless one is configured."""
    flows = tuple(
        desired(source("a"), FlowId(namespace, "a")).flow for namespace in ("b", "a", "b")
    )
    repository = Repository("flows", 1, flows, (), ())
    assert scope_of(render(repository.flows), None) == Scope(("a", "b"), exact=True)
    assert scope_of(render(repository.flows), Scope(("x",))) == Scope(("x",))


def test_flows_with_errors_are_not_asked_about() -> None:
    """Told by file and name: a file may hold more than one."""
    one, two = (desired(source(n), FlowId("acme", n), "flows/a.yaml") for n in ("a", "b"))
    assert without_errors([one, two], [_ERROR, _WARNING]) == (two,)


def test_validate__without_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says so, and names places in files."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "a.yaml").write_bytes(source("a"))
    (folder / "b.yaml").write_bytes(source("b").replace(b"id: send", b"id: 'a b'"))
    found = validate(Settings(), offline=True)
    assert (found.server, found.exit_code, len(found.repository.flows)) == (None, 3, 2)
    (error,) = found.diagnostics
    assert (error.path, error.position) == ("flows/b.yaml", Position(4, 9))


@pytest.fixture
def planning(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes planners for ``apply`` of a given plan; it has no client, and fails if it writes."""
    monkeypatch.setattr(apply_module, "connect", lambda *_args: nullcontext())

    def planner(planned: PlanResult) -> Callable[..., PlanResult]:
        return lambda *_args, **_options: planned

    return planner


def _answering(shown: list[PlanResult], answer: bool) -> ConfirmPlan:
    def confirm(planned: PlanResult) -> bool:
        shown.append(planned)
        return answer

    return confirm


def test_an_apply_that_is_refused_or_declined_writes_nothing(planning: Any) -> None:
    """The plan is shown first, in either case."""
    for planned, answer, code in (
        (_planned(refusals=(_REFUSED,)), True, 4),
        (_planned(), False, 1),
        (PlanResult(_EMPTY, None, (_ERROR,), {}), True, 3),
    ):
        shown: list[PlanResult] = []
        result = apply(Settings(), _answering(shown, answer), planner=planning(planned))
        assert (result.exit_code, result.done.outcomes) == (code, ())
        assert shown == ([] if planned.plan is None else [planned])
        assert result.declined is (code == 1)


def test_an_apply_of_another_plan_is_refused(planning: Any, tmp_path: Path) -> None:
    """With what moved since it was reviewed."""
    path = str(tmp_path / "plan.json")
    save_plan(_planned(), path)
    other = change(Action.CREATE, Reason.NEW, "b", after=source("b"))
    planner = planning(_planned(plan([_CREATE, other])))
    options = ApplyOptions(saved_plan=path)
    with pytest.raises(ConflictError, match="acme/b: was not in the plan, now create"):
        apply(Settings(), lambda _: True, options=options, planner=planner)
    options = ApplyOptions(expect_digest="sha256:0")
    with pytest.raises(ConflictError, match=r"expected digest sha256:0, but got sha256:\w+"):
        apply(Settings(), lambda _: True, options=options, planner=planner)


def test_settings_know_their_folder() -> None:
    """The one that patterns are relative to."""
    assert Settings().base_path is None
    assert Settings(base="x").base_path == Path("x")
