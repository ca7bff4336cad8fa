"""Reads smoke tests from YAML, and reports every problem with its line."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from kestra_sync.configured import ConfigSection
from kestra_sync.errors import UsageError
from kestra_sync.model import FlowId, Position
from kestra_sync.smoke.find import find_spec_files
from kestra_sync.smoke.spec import Expectation, Keep, SmokeSpec, When
from kestra_sync.smoke.spec_file import LoadedSpecs, load_spec_files, specs_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(here: Path, text: str, name: str = "a.smoke.yaml") -> LoadedSpecs:
    (here / name).write_text(text)
    return load_spec_files([name])


def problems(loaded: LoadedSpecs) -> list[str]:
    return [
        f"{each.position.line if each.position else '-'}:"
        f"{each.position.column if each.position else '-'} {each.rule}: {each.message}"
        + (f" ({each.remedy})" if each.remedy else "")
        for each in loaded.diagnostics
    ]


def test_a_test_with_everything(here: Path) -> None:
    (here / "orders.csv").write_text("a;b")
    loaded = load(
        here,
        """\
# comment
- flow: company.team/work
  name: all of it
  inputs:
    day: 2025-01-31
    limit: 4
    file: "@orders.csv"
    at: "@@home"
  labels: {suite: deploy}
  timeout: 1m30s
  expect:
    state: [SUCCESS, WARNING]
    outputs: {kept: 3}
    tasks: {a: SUCCESS, b: [SKIPPED, NOT_RUN]}
    logs: {match: done, no_match: [error, "fatal.*"]}
  when: always
  keep: never
- flow: company.team/other
""",
    )
    assert problems(loaded) == []
    first, second = loaded.specs
    assert first == SmokeSpec(
        FlowId("company.team", "work"),
        "all of it",
        {"day": "2025-01-31", "limit": 4, "file": Path("orders.csv"), "at": "@home"},
        {"suite": "deploy"},
        90,
        Expectation(
            ("SUCCESS", "WARNING"),
            {"kept": 3},
            {"a": ("SUCCESS",), "b": ("SKIPPED", "NOT_RUN")},
            ("done",),
            ("error", "fatal.*"),
        ),
        When.ALWAYS,
        Keep.NEVER,
        "a.smoke.yaml",
        Position(2, 3),
    )
    assert second == SmokeSpec(
        FlowId("company.team", "other"), path="a.smoke.yaml", position=Position(18, 3)
    )
    assert (first.title, second.title) == ("company.team/work (all of it)", "company.team/other")


def test_one_test_without_a_list_and_none_at_all(here: Path) -> None:
    assert [spec.flow.id for spec in load(here, "flow: a/b\n").specs] == ["b"]
    assert load(here, "# nothing yet\n") == LoadedSpecs()
    assert load(here, "[]\n") == LoadedSpecs()


CASES = sorted((Path(__file__).parent / "problems").glob("*.smoke.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
def test_spec_file__problem_has_its_position(here: Path, case: Path) -> None:
    """Drop a file into ``problems``: its last line says what is expected of the others."""
    text = case.read_text()
    loaded = load(here, text)
    assert problems(loaded) == [text.rpartition("# expect: ")[2].strip()]
    assert loaded.specs == ()


def test_one_bad_test_or_file_hides_no_other(here: Path) -> None:
    (here / "bad.smoke.yaml").write_text("flow: [\n")
    (here / "good.smoke.yaml").write_text("- flow: a/b\n- {}\n- flow: a/c\n")
    loaded = load_spec_files(["bad.smoke.yaml", "good.smoke.yaml", "gone.smoke.yaml"])
    assert [spec.flow.id for spec in loaded.specs] == ["b", "c"]
    assert [each.path for each in loaded.diagnostics] == [
        "bad.smoke.yaml",
        "good.smoke.yaml",
        "gone.smoke.yaml",
    ]


def test_the_list_of_the_configuration(here: Path) -> None:
    places = {
        (): Position(9, 1),
        (0,): Position(10, 5),
        (0, "flow"): Position(10, 11),
        (1,): Position(12, 5),
    }
    value = [{"flow": "a/b", "whne": "always"}, {"flow": "a/c"}]
    loaded = specs_of(ConfigSection("kestra-sync.yaml", value, places))
    assert problems(loaded) == ["10:5 smoke-unknown-key: unknown key 'whne' (did you mean `when`?)"]
    assert [(spec.flow.id, spec.path, spec.position) for spec in loaded.specs] == [
        ("c", "kestra-sync.yaml", Position(12, 5))
    ]


def test_the_schema_is_one_and_describes_every_key() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    text = resources.files("kestra_sync").joinpath("schemas/smoke.json").read_text("utf-8")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"flow": "a/b"})
    assert validator.is_valid([{"flow": "a/b"}, {"flow": "a/c", "timeout": "5m"}])
    assert not validator.is_valid({"flow": "a/b", "timeout": "5"})
    for name, node in schema["$defs"]["test"]["properties"].items():
        assert "description" in node or "$ref" in node, name


def test_files_are_found_next_to_the_flows(here: Path) -> None:
    for name in (
        "flows/a.smoke.yaml",
        "flows/a.yaml",
        "flows/sub/b.smoke.yml",
        "flows/sub/c.yaml",
        "flows/.hidden/d.smoke.yaml",
        "flows/.e.smoke.yaml",
        "flows/drafts/f.smoke.yaml",
        "flows/sub/old.smoke.yaml",
        "more/g.smoke.yaml",
    ):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("")
    (here / "flows/.kestraignore").write_text("drafts/\nold.*\n")
    (here / "flows/link").symlink_to(here / "more")
    (here / "flows/link.smoke.yaml").symlink_to(here / "more/g.smoke.yaml")
    assert find_spec_files(["flows"]) == ["flows/a.smoke.yaml", "flows/sub/b.smoke.yml"]
    assert find_spec_files(["."], ignore=["more"]) == [
        "flows/a.smoke.yaml",
        "flows/sub/b.smoke.yml",
    ]
    assert find_spec_files(["flows/a.yaml", "flows/sub/c.yaml"]) == ["flows/a.smoke.yaml"]
    named = ["flows/drafts/f.smoke.yaml", "flows", "flows/a.smoke.yaml"]
    assert len(find_spec_files(named)) == 3
    with pytest.raises(UsageError, match="no such file"):
        find_spec_files(["nowhere"])


@pytest.mark.parametrize(
    "test",
    [
        {"labels": {"a": "\ud800"}},
        {"labels": {"\udfff": "a"}},
        {"inputs": {"a": "x\ud83dx"}},
        {"inputs": {"a": [1, {"b": "\ud800"}]}},
    ],
)
def test_encoding__lone_surrogates_are_reported_before_writes(
    test: dict[str, object],
) -> None:
    """They cannot be sent, so they are reported before the run.

    From the configuration, or from a parser that takes ``"\\ud800"`` in YAML.
    """
    here: dict[tuple[str | int, ...], Position] = {(): Position(3, 1)}
    loaded = specs_of(
        ConfigSection("kestra-sync.yaml", {"flow": "company.team/work", **test}, here)
    )
    assert [each.rule for each in loaded.diagnostics] == ["smoke-value"]
    assert "cannot be sent" in loaded.diagnostics[0].message
    whole = {"flow": "company.team/work", "labels": {"a": "\U0001f600"}}
    assert specs_of(ConfigSection("kestra-sync.yaml", whole, here)).diagnostics == ()


def test_the_escape_of_half_a_character_is_the_replacement_character(here: Path) -> None:
    """As Kestra reads it; half a character could not be sent or shown."""
    loaded = load(here, 'flow: company.team/work\nlabels: {a: "\\ud800"}\n')
    assert not loaded.diagnostics
    assert "\ufffd" in repr(loaded.specs)
