"""Every file in ``tests/cases/config``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kestra_sync.schemas import load, resolve
from tests.cases.config import NEGATIVE, POSITIVE, diagnostics, expected


def _name(case: Path) -> str:
    return case.stem


@pytest.mark.parametrize("case", POSITIVE, ids=_name)
def test_positive_case_has_no_error(case: Path) -> None:
    assert diagnostics(case) == []


@pytest.mark.parametrize("case", NEGATIVE, ids=_name)
def test_negative_case__has_the_expected_diagnostics(case: Path) -> None:
    assert expected(case)
    assert diagnostics(case) == expected(case)


@pytest.mark.parametrize("case", [*POSITIVE, *NEGATIVE], ids=_name)
def test_no_case_shows_a_secret(case: Path) -> None:
    assert "hunter2" not in "\n".join(diagnostics(case))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(load("config"))


def test_config_schema__every_node_has_an_expected_value() -> None:
    for path, schema in _nodes(load("config"), ""):
        assert "x-expected" in resolve(schema, load("config")), path


def _nodes(schema: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, schema
    schema = resolve(schema, load("config"))
    for name, below in schema.get("properties", {}).items():
        yield from _nodes(below, f"{path}.{name}")
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(keyword), dict):
            yield from _nodes(schema[keyword], f"{path}/{keyword}")
