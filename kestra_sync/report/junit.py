"""JUnit XML, as Jenkins, GitLab and GitHub's test reporters read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from xml.etree import ElementTree as ET  # noqa: S405 - to write XML, not to read any

from kestra_sync.smoke.result import SmokeResult, SmokeRun, Verdict

# What XML 1.0 has no way to write, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Status(str, Enum):
    """How a case ended; the value is the element that says so."""

    PASSED = ""
    FAILED = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Case:
    """One test case.

    :param group: becomes ``classname``: readers show cases by it.
    :param message: one line on what is wrong; ``detail`` is the rest.
    :param output: what the test has printed.
    """

    name: str
    group: str
    status: Status = Status.PASSED
    seconds: float = 0.0
    message: str = ""
    detail: str = ""
    output: str = ""
    file: str | None = None
    line: int | None = None


def junit_xml(suite: str, cases: Sequence[Case], *, seconds: float | None = None) -> str:
    """The document for one suite, with a newline at its end. Pure ASCII."""
    counts = {
        "tests": len(cases),
        "failures": sum(case.status is Status.FAILED for case in cases),
        "errors": sum(case.status is Status.ERROR for case in cases),
        "skipped": sum(case.status is Status.SKIPPED for case in cases),
    }
    total = sum(case.seconds for case in cases) if seconds is None else seconds
    attributes = {**{name: str(number) for name, number in counts.items()}, "time": _time(total)}
    # Not every reader knows the attribute `skipped` of the root.
    of_root = {name: text for name, text in attributes.items() if name != "skipped"}
    root = ET.Element("testsuites", {"name": _legal(suite), **of_root})
    element = ET.SubElement(root, "testsuite", {"name": _legal(suite), **attributes})
    for case in cases:
        _add(element, case)
    ET.indent(root)
    text = ET.tostring(root, encoding="us-ascii", xml_declaration=True).decode("ascii")
    return text.replace("<?xml version='1.0' encoding='us-ascii'?>", _DECLARATION) + "\n"


_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def _add(suite: ET.Element, case: Case) -> None:
    attributes = {"name": case.name, "classname": case.group, "time": _time(case.seconds)}
    if case.file:
        attributes["file"] = case.file
    if case.line:
        attributes["line"] = str(case.line)
    element = ET.SubElement(
        suite, "testcase", {name: _legal(text) for name, text in attributes.items()}
    )
    if case.status is not Status.PASSED:
        said = {"message": _legal(case.message)} if case.message else {}
        ET.SubElement(element, case.status.value, said).text = _legal(case.detail) or None
    if case.output:
        ET.SubElement(element, "system-out").text = _legal(case.output)


def _legal(text: str) -> str:
    return _ILLEGAL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


_STATUS = {
    Verdict.PASSED: Status.PASSED,
    Verdict.FAILED: Status.FAILED,
    Verdict.TIMED_OUT: Status.FAILED,
    Verdict.ERROR: Status.ERROR,
    Verdict.INTERRUPTED: Status.ERROR,
    Verdict.SKIPPED: Status.SKIPPED,
}


def smoke_junit(result: SmokeResult) -> str:
    """The verdict of smoke tests."""
    cases = [_case(each) for each in result.runs]
    return junit_xml("kestra-sync smoke", cases, seconds=result.seconds)


def _case(run: SmokeRun) -> Case:
    messages = [each.message for each in run.failures]
    if run.verdict is Verdict.SKIPPED:
        messages = ["nothing it runs was written"]
    elif run.verdict is Verdict.INTERRUPTED and not messages:
        messages = ["interrupted"]
    return Case(
        name=run.spec.title,
        group=run.flow.namespace,
        status=_STATUS[run.verdict],
        seconds=run.seconds or 0.0,
        message=messages[0].splitlines()[0] if messages else "",
        detail="\n".join(_detail(run, messages)) if run.failures else "",
        output="\n".join(
            f"{each.time} {each.level} {each.task or '-'} {each.text}" if each.time else each.text
            for each in run.log
        ),
        file=run.spec.path or None,
        line=run.spec.position.line if run.spec.position else None,
    )


def _detail(run: SmokeRun, messages: Iterable[str]) -> Iterable[str]:
    yield from messages
    if run.culprit is not None:
        way = " › ".join(run.culprit.chain)
        error = f": {run.culprit.error}" if run.culprit.error else ""
        yield f"task {way} {run.culprit.state}{error}" if way else f"error{error}"
    if run.url and run.cleanup is not None and run.cleanup.kept:
        yield run.url
