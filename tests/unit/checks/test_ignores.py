"""Which diagnostics an ignore comment suppresses, and which comments are reported."""

from __future__ import annotations

from dataclasses import replace

from kestra_sync.checks.ignores import apply_ignores, drop_ignored
from kestra_sync.checks.rules import with_policy_severity
from kestra_sync.configured import Policy
from kestra_sync.edits import Edit, edited
from kestra_sync.model import (
    Desired,
    Diagnostic,
    Document,
    Flow,
    FlowId,
    Position,
    Severity,
)

LABELS = Policy({"require_labels": ["team"]})


def desired(source: str, *, path: str = "a.yaml", first_line: int = 1) -> Desired:
    """The flow ``company/report`` with these bytes."""
    data = source.encode()
    return Desired(Flow(FlowId("company", "report"), Document(path, 0, first_line, data)), data)


def warning(
    rule: str, line: int | None = 1, severity: Severity = Severity.WARNING, path: str = "a.yaml"
) -> Diagnostic:
    """Something that a check said of that flow."""
    position = None if line is None else Position(line, 1)
    return Diagnostic(path, position, severity, rule, "it is so", flow=FlowId("company", "report"))


def test_without_ignores_nothing_changes() -> None:
    said = [warning("deprecated")]
    assert apply_ignores([desired("id: a\n")], said) == tuple(said)
    assert drop_ignored([desired("id: a\n")], said) == tuple(said)
    assert drop_ignored([desired("id: a\n")], []) == ()


def test_ignore__line_comment_applies_to_its_line_only() -> None:
    each = desired("id: a # kestra-sync: ignore[deprecated]\nb: 1\n")
    said = [warning("deprecated", 1), warning("deprecated", 2), warning("deprecated", None)]
    assert apply_ignores([each], said) == tuple(said[1:])


def test_lines_count_in_the_file() -> None:
    each = desired("id: a # kestra-sync: ignore[deprecated]\nb: 1\n", first_line=11)
    said = [warning("deprecated", 11), warning("deprecated", 12)]
    assert apply_ignores([each], said) == (said[1],)


def test_lines_are_mapped_back_from_what_is_sent() -> None:
    each = desired("id: a # kestra-sync: ignore[deprecated]\n")
    edit = Edit(0, 0, b"# new\n")
    each = replace(each, content=edited(each.sent, [edit]), steps=((edit,),))
    assert apply_ignores([each], [warning("deprecated", 1)]) == ()


def test_ignore__applies_to_its_own_document_only() -> None:
    first = desired("# kestra-sync: ignore[deprecated]\nid: a\n")
    second = desired("id: a\n", first_line=4)
    third = desired("id: a\n", path="b.yaml")
    said = [warning("deprecated", 2), warning("deprecated", 4), warning("deprecated", 1, path="b")]
    assert apply_ignores([first, second, third], said) == tuple(said[1:])


def test_ignore__error_of_the_server_is_kept() -> None:
    each = desired("# kestra-sync: ignore[kestra-invalid, reference-missing]\nid: a\n")
    said = [
        warning("kestra-invalid", severity=Severity.ERROR),
        warning("reference-missing", severity=Severity.ERROR),
    ]
    assert drop_ignored([each], said) == tuple(said)
    (found,) = apply_ignores([each], [])
    assert found.message == "kestra-invalid cannot be ignored"


def test_ignore__warning_of_the_server() -> None:
    each = desired("# kestra-sync: ignore[kestra-warning, reference-missing]\nid: a\n")
    assert drop_ignored([each], [warning("kestra-warning"), warning("reference-missing")]) == ()
    # Whether the server will say so cannot be known offline.
    assert apply_ignores([each], []) == ()


def test_the_warning_about_ignores_cannot_be_ignored() -> None:
    each = desired("# kestra-sync: ignore[unused-ignore]\nid: a\n")
    (found,) = apply_ignores([each], [])
    assert found.message == "unused-ignore cannot be ignored"
    assert found.position == Position(1, 1)


def test_an_error_by_configuration_can_be_ignored() -> None:
    each = desired("# kestra-sync: ignore[deprecated]\nid: a\n")
    assert apply_ignores([each], [warning("deprecated", severity=Severity.ERROR)]) == ()


def test_one_of_two_rules_may_be_unused() -> None:
    each = desired("# kestra-sync: ignore[deprecated, policy-required-label]\nid: a\n")
    (found,) = apply_ignores([each], [warning("deprecated")], LABELS)
    assert found.message == "nothing to ignore: no policy-required-label here"
    assert apply_ignores([each], [warning("deprecated")]) == ()


def test_comments_that_are_not_directives() -> None:
    each = desired("# kestra-sync: keep\n# kestra-sync: 'x'\n# kestra-sync: see the docs\nid: a\n")
    assert apply_ignores([each], []) == ()


def test_severity__configured_one_replaces_the_default() -> None:
    policy = Policy(
        severity={"deprecated": Severity.ERROR, "yaml-alias": None, "server-property": None}
    )
    said = [warning("deprecated"), warning("yaml-alias"), warning("not-a-task")]
    assert with_policy_severity(said, policy) == [
        warning("deprecated", severity=Severity.ERROR),
        warning("not-a-task"),
    ]
