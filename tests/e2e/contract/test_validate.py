"""Validation of sources, before anything is written."""

from __future__ import annotations

import pytest

from tests.e2e.contract.calls import created, found, validate
from tests.support.server import YAML, Http
from tests.support.sources import LOG, flow, log_flow, subflow, task

pytestmark = pytest.mark.versions


def test_an_invalid_flow_is_200_with_constraints(http: Http, namespace: str) -> None:
    """A valid one has none, an unparsable one neither namespace nor id; nothing is written."""
    good, typo, no_id, broken = validate(
        http,
        log_flow(namespace, "good"),
        flow(namespace, "typo", task(LOG, mesage="x")),
        log_flow(namespace, "not an id"),
        f"id: broken\nnamespace: {namespace}\ntasks: [",
    )
    assert "constraints" not in good
    assert (good["index"], good["filename"]) == (0, "0.yaml")
    assert (good["namespace"], good["flow"]) == (namespace, "good")
    assert "mesage" in typo["constraints"]
    assert no_id["constraints"].rstrip().endswith('id: must match "^[a-zA-Z0-9][a-zA-Z0-9._-]*"')
    assert no_id["flow"] == "not an id"
    assert broken["constraints"]
    assert not {"flow", "namespace"} & set(broken)
    assert found(http, EQUALS=namespace) == []


def test_trap__only_the_first_document_of_a_part_is_looked_at(http: Http, namespace: str) -> None:
    results = validate(http, log_flow(namespace, "first") + "---\nbroken: [\n")
    assert len(results) == 1
    assert "constraints" not in results[0]


def test_one_yaml_body_is_split_at_document_markers(http: Http, namespace: str) -> None:
    body = log_flow(namespace, "first") + "---\n" + log_flow(namespace, "not an id")
    results = http.post("/flows/validate", data=body.encode(), headers=YAML).json()
    assert [it["index"] for it in results] == [0, 1]
    assert ["constraints" in it for it in results] == [False, True]
    assert not any(it.get("filename") for it in results)


def test_trap__one_yaml_body_is_split_at_rulers_too(http: Http, namespace: str) -> None:
    ruler = 'description: "a\n\n--- b\n\n c"\n'
    body = log_flow(namespace, "ruler", extra=ruler)
    assert len(http.post("/flows/validate", data=body.encode(), headers=YAML).json()) == 2
    assert len(validate(http, body)) == 1


def test_trap__more_than_128_parts_are_500(http: Http, namespace: str) -> None:
    files = [("flows", (f"{n}.yaml", log_flow(namespace, f"f{n}").encode())) for n in range(129)]
    answer = http.post("/flows/validate", files=files)
    assert answer.status_code >= 400
    if http.server.release < (2, 0):
        assert answer.status_code == 500
        assert "Number of form fields exceeds configured limit of [128]" in answer.text


def test_outdated_needs_a_revision_line(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "old"))
    plain, numbered = validate(
        http,
        log_flow(namespace, "old", "changed"),
        log_flow(namespace, "old", "changed", extra="revision: 99\n"),
    )
    assert plain["outdated"] is False
    assert numbered["outdated"] is True


def test_trap__a_subflow_of_the_same_batch_is_missing_too(http: Http, namespace: str) -> None:
    """Which is a warning."""
    created(http, log_flow(namespace, "there"))
    missing, there, _ = validate(
        http,
        subflow(namespace, "a", "callee"),
        subflow(namespace, "b", "there"),
        log_flow(namespace, "callee"),
    )
    assert "constraints" not in missing
    assert any("callee" in warning for warning in missing["warnings"])
    assert not there.get("warnings")


def test_trap__a_nested_missing_subflow_goes_unseen(http: Http, namespace: str) -> None:
    nested = "".join(
        f"    {line}\n"
        for line in subflow(namespace, "x", "nowhere").split("tasks:\n")[1].splitlines()
    )
    source = flow(
        namespace,
        "outer",
        f"  - id: both\n    type: io.kestra.plugin.core.flow.Sequential\n    tasks:\n{nested}",
    )
    (result,) = validate(http, source)
    assert "constraints" not in result
    assert not result.get("warnings")


def test_trap__validate_accepts_duplicate_keys_that_create_refuses(
    http: Http, namespace: str
) -> None:
    for again in ("description: a\ndescription: b\n", "variables:\n  a: 1\n  a: 2\n"):
        source = log_flow(namespace, "double", extra=again)
        (result,) = validate(http, source)
        answer = http.post("/flows", data=source.encode(), headers=YAML)
        if http.server.release == (1, 3):
            assert "constraints" not in result
        assert answer.status_code == 422
        assert "Duplicate field" in answer.text
