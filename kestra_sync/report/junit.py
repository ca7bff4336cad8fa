"""JUnit XML, as Jenkins, GitLab and GitHub's test reporters read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from xml.etree import ElementTree as ET

# Characters that XML 1.0 cannot represent, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_WRITTEN = "<?xml version='1.0' encoding='us-ascii'?>\n"


class CaseStatus(str, Enum):
    """The result of a case; the value is the name of its element."""

    PASSED = ""
    FAILED = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Case:
    """One test case.

    :param group: becomes ``classname``, by which readers group cases.
    :param message: the problem in one line; ``detail`` is the rest.
    :param output: the output of the test.
    """

    name: str
    group: str
    status: CaseStatus = CaseStatus.PASSED
    seconds: float = 0.0
    message: str = ""
    detail: str = ""
    output: str = ""
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Suite:
    """Test cases under one name.

    :param seconds: the total time; ``None`` adds up the cases.
    """

    name: str
    cases: Sequence[Case]
    seconds: float | None = None


def junit_suites(name: str, suites: Sequence[Suite]) -> str:
    """Return the document for several suites, with a newline at its end. Pure ASCII."""
    of_root = _counts(
        [case for suite in suites for case in suite.cases], sum(map(_seconds, suites))
    )
    of_root.pop("skipped")  # not every reader supports this attribute of the root
    root = ET.Element("testsuites", {"name": _legal(name), **of_root})
    for suite in suites:
        attributes = {"name": _legal(suite.name), **_counts(suite.cases, _seconds(suite))}
        element = ET.SubElement(root, "testsuite", attributes)
        for case in suite.cases:
            _add(element, case)
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="us-ascii")
    return f"{_DECLARATION}\n{body.decode('ascii').removeprefix(_WRITTEN)}\n"


def _seconds(suite: Suite) -> float:
    return sum(case.seconds for case in suite.cases) if suite.seconds is None else suite.seconds


def _counts(cases: Sequence[Case], seconds: float) -> dict[str, str]:
    counts = {
        "tests": len(cases),
        "failures": sum(case.status is CaseStatus.FAILED for case in cases),
        "errors": sum(case.status is CaseStatus.ERROR for case in cases),
        "skipped": sum(case.status is CaseStatus.SKIPPED for case in cases),
    }
    return {**{name: str(number) for name, number in counts.items()}, "time": _time(seconds)}


def _add(suite: ET.Element, case: Case) -> None:
    attributes = {"name": case.name, "classname": case.group, "time": _time(case.seconds)}
    if case.file:
        attributes["file"] = case.file
    if case.line:
        attributes["line"] = str(case.line)
    element = ET.SubElement(
        suite, "testcase", {name: _legal(text) for name, text in attributes.items()}
    )
    if case.status is not CaseStatus.PASSED:
        attributes = {"message": _legal(case.message)} if case.message else {}
        ET.SubElement(element, case.status.value, attributes).text = _legal(case.detail) or None
    if case.output:
        ET.SubElement(element, "system-out").text = _legal(case.output)


def _legal(text: str) -> str:
    return _ILLEGAL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"
