"""Every file in ``tests/cases/config``, and our reading of the schema against ``jsonschema``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kestra_sync.config.schema import config_schema, faults, resolve
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.parse import parse
from tests.cases.config import NEGATIVE, POSITIVE, diagnostics, expected

_VALIDATOR = Draft202012Validator(config_schema())


def _name(case: Path) -> str:
    return case.stem


@pytest.mark.parametrize("case", POSITIVE, ids=_name)
def test_positive_case_has_no_error(case: Path) -> None:
    assert diagnostics(case) == []


@pytest.mark.parametrize("case", NEGATIVE, ids=_name)
def test_negative_case_says_what_is_expected(case: Path) -> None:
    assert expected(case)
    assert diagnostics(case) == expected(case)


@pytest.mark.parametrize("case", [*POSITIVE, *NEGATIVE], ids=_name)
def test_no_case_shows_a_secret(case: Path) -> None:
    assert "hunter2" not in "\n".join(diagnostics(case))


@pytest.mark.parametrize("case", [*POSITIVE, *NEGATIVE], ids=_name)
def test_we_read_the_schema_as_jsonschema_does(case: Path) -> None:
    document = parse(case.read_bytes())
    if isinstance(document, ParsedDocument):
        assert _faulty(document.value) == _faulty_to_jsonschema(document.value)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(config_schema())


def test_every_node_of_the_schema_says_what_it_expects() -> None:
    for path, schema in _nodes(config_schema(), ""):
        assert "x-expected" in resolve(schema), path


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 101),
    st.sampled_from(["30%", "company", "owned", "keep", "1m", "", "a b", "http://x"]),
)


@st.composite
def _configurations(draw: st.DrawFn) -> Any:
    """A configuration in which a key has a value that may be one for another key."""

    def value(schema: Any, depth: int) -> Any:
        schema = resolve(schema)
        kind = draw(st.sampled_from(["right", "right", "right", "scalar", "list", "object"]))
        if kind == "right":
            kind = next(
                iter([schema["type"]] if isinstance(schema["type"], str) else schema["type"])
            )
            kind = {"array": "list"}.get(kind, kind)
        if kind == "list":
            return [value(schema.get("items", {"type": "string"}), depth + 1)] * draw(
                st.integers(0, 2)
            )
        if kind == "object" and depth < 4:
            known = schema.get("properties", {"a": {"type": "string"}})
            keys = draw(st.lists(st.sampled_from(sorted(known)), max_size=4))
            return {key: value(known[key], depth + 1) for key in keys}
        return draw(st.sampled_from(schema["enum"]) if "enum" in schema else _SCALARS)

    return value(config_schema(), 0)


@given(_configurations())
def test_whatever_the_file_holds_we_read_the_schema_as_jsonschema_does(value: Any) -> None:
    assert _faulty(value) == _faulty_to_jsonschema(value)


def _faulty(value: Any) -> set[tuple[str | int, ...]]:
    """The nodes that hold something wrong; for keys, the mapping that they are in."""
    return {each.path[:-1] if each.at_key else each.path for each in faults(value)}


def _faulty_to_jsonschema(value: Any) -> set[tuple[str | int, ...]]:
    return {tuple(each.absolute_path) for each in _VALIDATOR.iter_errors(value)}


def _nodes(schema: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, schema
    schema = resolve(schema)
    for name, below in schema.get("properties", {}).items():
        yield from _nodes(below, f"{path}.{name}")
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(keyword), dict):
            yield from _nodes(schema[keyword], f"{path}/{keyword}")
