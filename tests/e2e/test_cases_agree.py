"""The offline checks agree with Kestra's validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kestra_sync.repo import load, split
from tests.cases import (
    NEGATIVE,
    POSITIVE,
    YAML_ACCEPTED,
    YAML_REFUSED,
    YAML_STRICTER,
    accepted_by_kestra,
)
from tests.support.server import YAML, Http


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
def test_cases__server_agrees_with_each_expected_result(http: Http, case: Path) -> None:
    refusals = _refusals(http, case)
    if accepted_by_kestra(case, http.server.release):
        assert refusals == []
    else:
        assert refusals


def test_cases__server_parses_yaml_the_same_way(http: Http, namespace: str) -> None:
    """All files of the corpus, in few requests.

    Kestra validates a text without the blanks and control characters at its ends, but creates a
    flow from the text as it is: so creating is the judge of what we refuse.
    """
    files = [*YAML_ACCEPTED, *YAML_REFUSED, *YAML_STRICTER]
    sources = [(file, source) for file in files for source in _sources(file)]
    refused: set[Path] = set()
    for start in range(0, len(sources), 100):
        batch = sources[start : start + 100]
        parts = [
            ("flows", (f"{number}.yaml", source, "application/x-yaml"))
            for number, (_, source) in enumerate(batch)
        ]
        answers = http.post("/flows/validate", files=parts).json()
        assert len(answers) == len(batch)
        refused |= {
            batch[int(answer["filename"].removesuffix(".yaml"))][0]
            for answer in answers
            if answer.get("constraints")
        }
    assert {file.name for file in (*YAML_ACCEPTED, *YAML_STRICTER) if file in refused} == set()
    trimmed = [file for file in YAML_REFUSED if file not in refused]
    created = set()
    for file in trimmed:
        source = file.read_bytes().replace(b"namespace: x.y", f"namespace: {namespace}".encode())
        assert namespace.encode() in source
        if http.post("/flows", data=source, headers=YAML).status_code != 422:
            created.add(file.name)
    assert created == set()


def _sources(file: Path) -> list[bytes]:
    """What would be sent of a file; for files that are not flows to us, their documents."""
    flows = [flow.document.data for flow in load([str(file)]).flows]
    return flows or [document.data for document in split(file.name, file.read_bytes())]
