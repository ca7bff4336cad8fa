"""The schema of flows agrees with the schema that the server publishes.

Offline, a property or type that we do not know is a warning, so a list that falls behind the server
would warn of flows that are fine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from tests.support.server import Http

pytestmark = pytest.mark.versions

_OURS = json.loads(resources.files("kestra_sync").joinpath("schemas/flow.json").read_text("utf-8"))
_FLOW = "io.kestra.core.models.flows.Flow"
_INPUTS = "io.kestra.core.models.flows.input."


@pytest.fixture(scope="module")
def definitions(http: Http) -> dict[str, Any]:
    """What the server knows, by the name of the class."""
    answer = http.get("/api/v1/plugins/schemas/flow")
    assert answer.status_code == 200, answer.text
    assert "draft-07" in answer.json()["$schema"]
    found: dict[str, Any] = answer.json()["definitions"]
    return found


def test_every_property_of_a_flow_is_known(definitions: dict[str, Any]) -> None:
    """And the same ones are required."""
    theirs = set(definitions[_FLOW]["properties"])
    assert {"id", "namespace", "tasks", "triggers"} <= theirs
    assert theirs - set(_OURS["properties"]) == set()
    assert set(_OURS["required"]) == set(definitions[_FLOW]["required"])


def test_every_type_of_input_is_known(definitions: dict[str, Any]) -> None:
    theirs = {name for each in definitions.items() for name in _input_types(*each)}
    assert {"STRING", "INT", "FILE"} <= theirs
    assert theirs - set(_OURS["$defs"]["inputType"]["enum"]) == set()


def _input_types(name: str, definition: dict[str, Any]) -> Iterator[str]:
    if name.startswith(_INPUTS) and "properties" in definition:
        yield from definition["properties"].get("type", {}).get("enum", ())
