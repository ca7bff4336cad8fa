"""The compiled schema must never differ from ``jsonschema``, which has the say on reasons."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kestra_sync.checks.compile import compile_schema
from kestra_sync.checks.schema import is_valid, schema
from kestra_sync.repo import ParsedDocument, split
from kestra_sync.repo.parse import parse
from tests.cases import NEGATIVE, POSITIVE
from tests.support.examples import examples

VALIDATOR = Draft202012Validator(schema())


def _flows() -> list[Any]:
    found = []
    for case in (*POSITIVE, *NEGATIVE):
        for document in split(case.name, case.read_bytes()):
            parsed = parse(document.data, lenient=True)
            if isinstance(parsed, ParsedDocument):
                found.append(parsed.value)
    return found


FLOWS = _flows()
WORDS = ["", "a", "a b", "STRING", "INT", "true", "5", "PT1H", "constant", "{{ x }}", "a\n"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.floats(allow_nan=False),
    st.sampled_from(WORDS),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(node: Any) -> list[tuple[Any, Any]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    return [
        place
        for key in keys
        for place in [
            (node, key),
            *(_places(node[key]) if isinstance(node[key], (dict, list)) else ()),
        ]
    ]


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(dict(schema()))


@pytest.mark.parametrize("index", range(len(FLOWS)))
def test_cases_agree(index: int) -> None:
    assert is_valid()(FLOWS[index]) == VALIDATOR.is_valid(FLOWS[index])


@settings(max_examples=examples(400))
@given(st.integers(0, len(FLOWS) - 1), VALUES, st.randoms())
def test_changed_flows_agree(index: int, value: Any, chance: random.Random) -> None:
    flow = copy.deepcopy(FLOWS[index])
    places = _places(flow) if isinstance(flow, (dict, list)) else []
    if places:
        node, key = chance.choice(places)
        node[key] = value
    assert is_valid()(flow) == VALIDATOR.is_valid(flow)


@pytest.mark.parametrize(
    "rules",
    [
        {"type": ["integer", "null"]},
        {"type": ["number", "null"]},
        {"type": ["string", "boolean"]},
        {"type": "integer"},
        {"const": "a"},
        {"items": {"type": "string"}, "minItems": 1},
        {"additionalProperties": {"type": "integer"}, "required": ["a"]},
        {"allOf": [{"if": {"type": "object"}, "then": {"required": ["a"]}}, {"maxLength": 1}]},
        {"allOf": [{"type": "string"}]},
        {"anyOf": [{"type": "string"}, {"minimum": 2}]},
        {"if": {"type": "string"}, "then": False},
        {"if": {"type": "string"}},
        {"not": {"type": "string"}},
        {
            "allOf": [
                {
                    "if": {
                        "type": "object",
                        "properties": {"a": {"const": case}},
                        "required": ["a"],
                    },
                    "then": {"required": [case]},
                }
                for case in ("a", "5")
            ]
        },
    ],
)
@settings(max_examples=60, deadline=None)
@given(value=VALUES)
def test_keywords_agree(rules: dict[str, Any], value: Any) -> None:
    assert compile_schema(rules)(value) == Draft202012Validator(rules).is_valid(value)


def test_unknown_keyword_is_refused() -> None:
    with pytest.raises(ValueError, match="uniqueItems"):
        compile_schema({"uniqueItems": True})
