"""Findings do not depend on which validator is installed."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kestra_sync import schemas
from kestra_sync.checks.offline import check_schema
from kestra_sync.config.file import schema_findings
from kestra_sync.findings import Finding
from kestra_sync.repo import ParsedDocument, split
from kestra_sync.repo.parse import parse
from kestra_sync.schemas import findings
from tests.cases import NEGATIVE, POSITIVE
from tests.cases import config as config_cases
from tests.support.examples import examples

_SMOKE = sorted((Path(__file__).parent.parent / "smoke" / "problems").glob("*.yaml"))


def _values(paths: Any) -> list[Any]:
    found = []
    for case in paths:
        for document in split(case.name, case.read_bytes()):
            parsed = parse(document.data, lenient=True)
            if isinstance(parsed, ParsedDocument):
                found.append(parsed.value)
    return found


#: The findings for a value of each schema, and values for it.
FLOWS = _values((*POSITIVE, *NEGATIVE))
CONFIGS = _values((*config_cases.POSITIVE, *config_cases.NEGATIVE))
TESTS = [
    each
    for value in _values(_SMOKE)
    for each in (value if isinstance(value, list) else [value])
]  # fmt: skip
WORDS = ["", "a", "a b", "STRING", "INT", "true", "5", "30%", "PT1H", "{{ x }}", "a\n", "é\ud800"]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 300), st.floats(), st.sampled_from(WORDS)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=6,
)


def _said(value: Any, schema: str) -> list[Finding]:
    if schema == "flow":
        return list(check_schema(value))
    if schema == "config":
        return schema_findings(value)
    return findings("smoke#test", value, "smoke", "a test")


def _agree(value: Any, schema: str) -> list[Finding]:
    """The findings with both validators, which must be the same."""
    quick = _said(value, schema)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schemas, "_quick", lambda _name: None)
        assert _said(value, schema) == quick
    return quick


def test_both_validators_are_here() -> None:
    """The quick one is a default dependency on this platform, or the tests compare nothing."""
    assert schemas._quick("flow") is not None


@pytest.mark.parametrize("name", ["flow", "config", "smoke"])
def test_schemas__are_valid(name: str) -> None:
    Draft202012Validator.check_schema(dict(schemas.load(name)))


@pytest.mark.parametrize(
    ("schema", "values"), [("flow", FLOWS), ("config", CONFIGS), ("smoke", TESTS)]
)
def test_the_corpus_gives_the_same_findings(schema: str, values: list[Any]) -> None:
    found = [_agree(each, schema) for each in values]
    assert any(found)
    assert schema == "smoke" or not all(found)


@settings(max_examples=examples(100), deadline=None)
@given(
    st.sampled_from([("flow", FLOWS), ("config", CONFIGS), ("smoke", TESTS)]), VALUES, st.randoms()
)
def test_changed_values_give_the_same_findings(
    corpus: tuple[str, list[Any]], value: Any, chance: random.Random
) -> None:
    schema, values = corpus
    changed = copy.deepcopy(chance.choice(values))
    places = list(_places(changed))
    if places:
        node, key = chance.choice(places)
        node[key] = value
    _agree(changed, schema)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(node, (dict, list)):
        return
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        yield from _places(node[key])


def test_it_works_without_the_quick_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Platforms without wheels have only ``jsonschema``."""

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(schemas, "import_module", missing)
    assert schemas._quick.__wrapped__("flow") is None


def test_valid_files_do_not_import_the_slow_validator() -> None:
    """It takes longer to import than a plan without changes has to spare."""
    import subprocess
    import sys

    code = (
        "import sys; from kestra_sync.config.file import schema_findings;"
        "assert schema_findings({'version': 1}) == []; assert 'jsonschema' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
