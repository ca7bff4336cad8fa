"""The offline checks agree with Kestra's validation."""

from __future__ import annotations

from pathlib import Path

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

_BATCH = 100


def _refused(http: Http, sources: list[tuple[Path, bytes]]) -> set[Path]:
    """The files of which the server refuses a document."""
    refused: set[Path] = set()
    for start in range(0, len(sources), _BATCH):
        batch = sources[start : start + _BATCH]
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
    return refused


def test_cases__server_agrees_with_each_expected_result(http: Http) -> None:
    """All cases, in a few requests; those with another result are shown by name."""
    cases = [*POSITIVE, *NEGATIVE]
    sources = [(case, source) for case in cases for source in _documents(case)]
    meant = {case for case in cases if not accepted_by_kestra(case, http.server.release)}
    assert meant
    assert _refused(http, sources) == meant


def test_cases__server_parses_yaml_the_same_way(http: Http, namespace: str) -> None:
    """All files of the corpus, in few requests.

    Kestra validates a text without the blanks and control characters at its ends, but creates a
    flow from the text as it is: so creating is the judge of what we refuse.
    """
    files = [*YAML_ACCEPTED, *YAML_REFUSED, *YAML_STRICTER]
    sources = [(file, source) for file in files for source in _sources(file)]
    refused = _refused(http, sources)
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
    return flows or _documents(file)


def _documents(file: Path) -> list[bytes]:
    """Its documents, or all of it if it has none."""
    data = file.read_bytes()
    return [document.data for document in split(file.name, data)] or [data]
