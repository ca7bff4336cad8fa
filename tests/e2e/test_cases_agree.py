"""The offline verdict against the server's: Kestra is the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kestra_sync.repo import split
from tests.cases import NEGATIVE, POSITIVE, accepted_by_kestra
from tests.support.server import Http


def _name(case: Path) -> str:
    return f"{case.parent.name}-{case.stem}"


def _refusals(http: Http, case: Path) -> list[Any]:
    """What the server says against the documents of a case."""
    data = case.read_bytes()
    sources = [document.data for document in split(case.name, data)] or [data]
    answers = http.post("/flows/validate", files=[_part(source) for source in sources]).json()
    assert len(answers) == len(sources)
    return [answer["constraints"] for answer in answers if answer.get("constraints")]


def _part(source: bytes) -> tuple[str, tuple[str, bytes, str]]:
    return ("flows", ("flow.yaml", source, "application/x-yaml"))


@pytest.mark.parametrize("case", [*POSITIVE, *NEGATIVE], ids=_name)
def test_kestra_judges_each_case_as_it_says(http: Http, case: Path) -> None:
    refusals = _refusals(http, case)
    if accepted_by_kestra(case, http.server.release):
        assert refusals == []
    else:
        assert refusals
