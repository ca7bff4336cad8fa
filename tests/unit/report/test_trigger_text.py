"""Triggers of a plan, in every format."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from kestra_sync.commands.apply import ApplyResult
from kestra_sync.commands.plan import PlanResult
from kestra_sync.errors import ExitCode
from kestra_sync.kinds.registry import diff_whole
from kestra_sync.model import Action, Change, FlowId, Plan, Reason, Repository
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source
from kestra_sync.report.collect import of_apply, of_plan, plan_document
from kestra_sync.report.envelope import dump, envelope
from kestra_sync.report.html import HtmlReporter
from kestra_sync.report.markdown import MarkdownReporter
from kestra_sync.report.plan_text import plan_lines
from kestra_sync.resources import Content, is_in_memory
from kestra_sync.triggers.changes import (
    TriggerBehaviour,
    TriggerChange,
    TriggerCheck,
    TriggerStatus,
    trigger_changes,
)
from tests.support.golden import check_golden
from tests.support.plans import change, plan, source
from tests.unit.report.test_golden import text

_NOW = datetime(2026, 11, 25, 22, 30, tzinfo=timezone.utc)
_CORE = "io.kestra.plugin.core.trigger"

_BEFORE = f"""\
triggers:
  - id: nightly
    type: {_CORE}.Schedule
    cron: "0 3 * * *"
    timezone: Europe/Berlin
  - id: hourly
    type: {_CORE}.Schedule
    cron: "@hourly"
  - id: poll
    type: io.kestra.plugin.core.http.Trigger
    uri: https://example.com
    interval: PT1M
  - id: events
    type: io.kestra.plugin.kafka.RealtimeTrigger
    topic: orders
  - id: gone
    type: {_CORE}.Flow
  - id: reports
    type: {_CORE}.Schedule
    cron: "0 8 * * MON"
"""
_AFTER = f"""\
triggers:
  - id: nightly
    type: {_CORE}.Schedule
    cron: "30 4 * * MON-FRI"
    timezone: Europe/Berlin
    description: moved out of the backup's way
    conditions:
      - type: io.kestra.plugin.core.condition.PublicHoliday
  - id: each-hour
    type: {_CORE}.Schedule
    cron: "@hourly"
  - id: poll
    type: io.kestra.plugin.core.http.Trigger
    uri: https://example.org
    interval: PT5M
  - id: events
    type: io.kestra.plugin.kafka.RealtimeTrigger
    topic: orders
  - id: hook
    type: {_CORE}.Webhook
    key: "s3cr3t-of-the-hook"
  - id: reports
    type: {_CORE}.Schedule
    cron: "0 8 * * MON"
    disabled: true
"""
_NEW = f"""\
triggers:
  - id: often
    type: {_CORE}.Schedule
    withSeconds: true
    cron: "*/20 * * * * *"
  - id: later
    type: {_CORE}.Schedule
    cron: "0 3 * * *"
    disabled: true
  - id: after
    type: {_CORE}.Flow
  - id: stream
    type: io.kestra.plugin.kafka.RealtimeTrigger
  - id: files
    type: io.kestra.plugin.fs.sftp.Trigger
"""


def _changes() -> list[Change]:
    both = source("orders", extra=_BEFORE), source("orders", extra=_AFTER)
    new, old = source("new", extra=_NEW), source("old", extra=_BEFORE)
    return [
        change(Action.UPDATE, Reason.CHANGED, "orders", before=both[0], after=both[1], revision=3),
        change(Action.CREATE, Reason.NEW, "new", after=new),
        change(Action.DELETE, Reason.REMOVED, "old", before=old, revision=2),
    ]


def _triggers(
    changes: list[Change], *, new: bool, off: list[str] | None
) -> dict[FlowId, tuple[TriggerChange, ...]]:
    def value(data: Content | None) -> object:
        if not is_in_memory(data):
            return None
        parsed = parse_source(data)
        assert isinstance(parsed, ParsedDocument)
        return parsed.value

    return {
        each.flow_id: trigger_changes(
            each.flow_id,
            value(each.before),
            value(each.after),
            now=_NOW,
            behaviour=TriggerBehaviour(new, new),
            off=off,
        )
        for each in changes
    }


def _result(*, version: str = "1.3.25", off: list[str] | None = None) -> PlanResult:
    changes = _changes()
    made = plan(changes, server_version=version)
    triggers = _triggers(changes, new=version.startswith("2"), off=off)
    return PlanResult(Repository("flows", 2, (), (), ()), made, (), {}, triggers=triggers)


def _plan(result: PlanResult) -> Plan:
    assert result.plan is not None
    return result.plan


@pytest.mark.parametrize(
    ("name", "version", "off"),
    [
        ("1.3", "1.3.25", ["nightly", "hourly"]),
        ("1.3_unknown", "1.3.25", None),
        ("2.0", "2.0.1", ["nightly", "poll"]),
        ("2.0_unknown", "2.0.1", None),
    ],
)
def test_the_text_of_each_version(name: str, version: str, off: list[str] | None) -> None:
    check_golden(f"plan_triggers_{name}.txt", _shown(_result(version=version, off=off)))


def test_colours() -> None:
    shown = _shown(_result(off=["nightly", "hourly"]), colour=True)
    check_golden("plan_triggers_1.3.ansi.txt", shown)


def _shown(result: PlanResult, *, colour: bool = False) -> str:
    return text(plan_lines(_plan(result), {}, triggers=result.triggers), colour=colour)


def test_the_json() -> None:
    result = _result(off=["nightly"])
    document = envelope("plan", ExitCode.OK, plan_document(result))
    check_golden("plan_triggers.json", dump({"triggers": document["triggers"]}))


def test_markdown_and_html_say_the_same() -> None:
    report = of_plan(_result(off=["nightly"]), ExitCode.OK)
    for shown in (MarkdownReporter().render(report), HtmlReporter().render(report)):
        assert "30 4 * * MON-FRI" in shown
        assert "stays disabled after this change" in shown
        assert "2026-11-26 04:30" in shown


def test_markdown_and_html_say_how_triggers_were_found() -> None:
    made = _result()
    checks = (
        TriggerCheck(FlowId("acme", "orders"), "nightly", TriggerStatus.REGISTERED, _NOW),
        TriggerCheck(FlowId("acme", "new"), "often", TriggerStatus.DISABLED),
    )
    report = of_apply(ApplyResult(made, triggers=checks))
    markdown = MarkdownReporter().render(report)
    assert "Triggers: 1 of 2 active on the server." in markdown
    for shown in (markdown, HtmlReporter().render(report)):
        assert "after the apply: next 20" in shown


def test_equal_changes_with_other_triggers_have_their_own_lines() -> None:
    """The diff is shown once; what Kestra does with each trigger need not be the same."""
    changes = [
        change(Action.UPDATE, Reason.CHANGED, name, before=source(name, extra=_BEFORE),
               after=source(name, extra=_AFTER), revision=3)
        for name in ("one", "two", "three")
    ]  # fmt: skip
    triggers = _triggers(changes, new=False, off=[])
    triggers[changes[1].flow_id] = _triggers(changes[1:2], new=False, off=["nightly"])[
        changes[1].flow_id
    ]
    diffs = {
        each.flow_id: diff_whole(each.flow_id.kind, each.before, each.after) for each in changes
    }
    shown = text(plan_lines(plan(changes), diffs, triggers=triggers))
    assert "the same change in 2 more flows" in shown
    assert shown.count("trigger nightly: cron") == 2
    assert shown.count("disabled on the server, and stays disabled") == 1
    assert shown.count("trigger poll:") == 1


def test_webhook__key_is_masked_in_every_format() -> None:
    result = _result()
    assert "webhook/acme/orders/***" in dump(plan_document(result)["triggers"])
    assert "s3cr3t" not in dump(plan_document(result)["triggers"])
    lines = plan_lines(_plan(result), {}, triggers=result.triggers)
    assert not [each for each in lines if "s3cr3t" in each.text]


def test_triggers_without_a_plan_are_left_out() -> None:
    assert plan_document(replace(_result(), plan=None))["triggers"] == []
