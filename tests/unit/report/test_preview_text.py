"""Reports of previews."""

from __future__ import annotations

import json

from kestra_sync.apply.run import ChangeStatus, Done, Outcome
from kestra_sync.commands.apply import ApplyResult
from kestra_sync.commands.plan import PlanResult
from kestra_sync.commands.preview import DownResult, Listed, Removal, UpResult
from kestra_sync.errors import ExitCode
from kestra_sync.inventory.read import InventoryLocation, Ownership
from kestra_sync.inventory.record import Inventory, Origin, PreviewRecord
from kestra_sync.model import Action, FlowId, Reason, Repository, Scope, Target
from kestra_sync.plan.refusals import Refusal
from kestra_sync.previews import Preview
from kestra_sync.report.collect import of_preview, of_removals
from kestra_sync.report.envelope import dump, envelope
from kestra_sync.report.html import HtmlReporter
from kestra_sync.report.json_report import JsonReporter
from kestra_sync.report.markdown import MarkdownReporter
from kestra_sync.report.preview_text import list_json, list_lines, removal_lines
from tests.support.plans import change, plan, source
from tests.support.schemas import check_result

_PREVIEW = Preview("pr-7", ("preview.pr-7.acme",), 3600, smoke=True)
_FLOW = FlowId("preview.pr-7.acme", "a")
_URL = "http://localhost:8080/ui/main/flows/edit/preview.pr-7.acme/a"
_PLACE = InventoryLocation("preview.pr-7.acme", "flows", "preview-pr-7")


def _up(*, refused: bool = False) -> UpResult:
    made = plan([change(Action.CREATE, Reason.NEW, "a", after=source("a"))])
    refusals = (Refusal("preview-not-ours", "why", "how"),) if refused else ()
    planned = PlanResult(Repository("flows", 1, (), (), ()), made, (), {}, refusals)
    links = () if refused else ((_FLOW, _URL),)
    return UpResult(_PREVIEW, ApplyResult(planned), links, "2026-12-03T02:00:00Z")


def _down(**more: object) -> DownResult:
    gone = change(Action.DELETE, Reason.REMOVED, "a", before=source("a"))
    foreign = change(Action.NONE, Reason.FOREIGN, "theirs", before=source("theirs"))
    removal = Removal(_PREVIEW, Ownership(_PLACE, None, Origin(), _PLACE), plan([gone, foreign]))
    done = Done((Outcome(gone, ChangeStatus.APPLIED),))
    return DownResult(removal, done=done, executions=2, **more)  # type: ignore[arg-type]


def test_up__every_format_has_the_links() -> None:
    report = of_preview(_up())
    text = "\n".join(each.text for part in report.sections() for each in part.lines)
    assert "Preview pr-7 in preview.pr-7.acme, expires 2026-12-03T02:00:00Z." in text
    shown = JsonReporter().render(report)
    check_result(json.loads(shown))
    for each in (text, shown, MarkdownReporter().render(report), HtmlReporter().render(report)):
        assert _URL in each


def test_up__what_is_refused_is_not_there() -> None:
    report = of_preview(_up(refused=True))
    assert report.exit_code is ExitCode.REFUSED
    shown = MarkdownReporter().render(report)
    assert "preview-not-ours" in shown
    assert "Flows of the preview" not in shown
    assert "expires" not in shown


def test_down__says_what_is_gone_and_what_is_left() -> None:
    whole, part = _down(removed=True), _down(problems=("execution 4fq could not be deleted",))
    assert (whole.exit_code, part.exit_code) == (ExitCode.OK, ExitCode.PARTIAL)
    report = of_removals("preview down", [whole], whole.exit_code, environment="preview-pr-7")
    for shown in (MarkdownReporter().render(report), HtmlReporter().render(report)):
        assert "1 flow, 2 executions and its record." in shown
        assert "theirs" in shown
    report = of_removals("preview clean", [part], part.exit_code)
    shown = MarkdownReporter().render(report)
    assert "run the same command again" in shown
    assert "execution 4fq could not be deleted" in shown
    check_result(json.loads(JsonReporter().render(report)))
    asked = "\n".join(each.text for each in removal_lines([whole.removal]))
    assert "- acme/a" in asked
    assert "theirs" not in asked


def test_list__says_how_each_is() -> None:
    record = Inventory(
        "flows",
        Target("http://localhost:8080", "main", "preview-pr-7"),
        "github.com/acme/flows",
        Scope(("preview.pr-7.acme",)),
        commit="0123456789abcdef",
        preview=PreviewRecord("2026-11-26T00:00:00Z", "2026-12-03T00:00:00Z", "smoke-failed"),
    )
    found = [
        Listed("pr-7", record, _PLACE, 90_000.0),
        Listed("pr-8", record, _PLACE, 30.0, expired=True),
    ]
    shown = [each.text for each in list_lines(found)]
    assert "1 d" in shown[1]
    assert "smoke-failed" in shown[1]
    assert "expired" in shown[2]
    document = json.loads(dump(envelope("preview list", ExitCode.OK, list_json(found))))
    check_result(document)
    assert [each.text for each in list_lines([])] == ["No previews."]
