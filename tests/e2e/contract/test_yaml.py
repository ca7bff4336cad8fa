"""How the server reads YAML, with Jackson."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.contract.calls import create, created, found, stored, update, validate
from tests.support.server import Http
from tests.support.sources import LOG, flow, log_flow, task

pytestmark = pytest.mark.versions


def _variable(http: Http, namespace: str, text: str) -> Any:
    """What a value becomes where no type is asked for."""
    answer = created(http, log_flow(namespace, "value", extra=f"variables:\n  it: {text}\n"))
    return answer["variables"]["it"]


def test_trap__an_alias_is_read_as_its_name(http: Http, namespace: str) -> None:
    source = flow(
        namespace,
        "alias",
        task(LOG, message="*text"),
        extra="variables:\n  text: &text hello\n",
    )
    (result,) = validate(http, source)
    assert "constraints" not in result
    assert created(http, source)["tasks"][0]["message"] == "text"


def test_trap__an_alias_of_nothing_is_accepted(http: Http, namespace: str) -> None:
    answer = created(http, log_flow(namespace, "alias", "*nothing"))
    assert answer["tasks"][0]["message"] == "nothing"


def test_an_alias_where_a_task_belongs_is_refused(http: Http, namespace: str) -> None:
    source = f"id: alias\nnamespace: {namespace}\ntasks:\n  - &a\n" + "".join(
        f"    {line}\n" for line in ("id: main", f"type: {LOG}", "message: x")
    )
    assert create(http, source + "  - *a\n").status_code == 422


def test_trap__a_merge_key_is_a_plain_key(http: Http, namespace: str) -> None:
    extra = "variables:\n  base: &base {a: 1}\n  it:\n    <<: *base\n    b: 2\n"
    answer = created(http, log_flow(namespace, "merged", extra=extra))
    assert answer["variables"]["it"] == {"<<": "base", "b": 2}


def test_a_merge_key_in_a_task_is_refused(http: Http, namespace: str) -> None:
    source = flow(
        namespace,
        "merged",
        f"  - id: main\n    type: {LOG}\n    <<: *base\n    message: x\n",
        extra="variables:\n  base: &base {logToFile: true}\n",
    )
    answer = create(http, source)
    assert answer.status_code == 422
    assert "<<" in answer.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True),
        ("no", False),
        ("on", True),
        ("off", False),
        ("True", True),
        ("y", "y"),
        ("~", None),
        ("010", 8),
        ("0o10", "0o10"),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("1e3", 1000.0),
        ("1.50", 1.5),
        ("12:30:00", "12:30:00"),
        ("2024-01-01", "2024-01-01"),
        ("!!str 5", "5"),
        ("!custom x", "x"),
        ("'yes'", "yes"),
        ('"\\u0041"', "A"),
    ],
)
def test_scalars(http: Http, namespace: str, text: str, expected: object) -> None:
    if expected is None:
        extra = f"variables:\n  it: {text}\n"
        answer = created(http, log_flow(namespace, "value", extra=extra))
        assert (answer.get("variables") or {}).get("it") is None
    else:
        value = _variable(http, namespace, text)
        assert (type(value), value) == (type(expected), expected)


def test_infinity_is_refused(http: Http, namespace: str) -> None:
    assert (
        create(http, log_flow(namespace, "x", extra="variables:\n  it: .inf\n")).status_code == 422
    )


@pytest.mark.parametrize(
    ("text", "disabled"),
    [("yes", True), ("on", True), ("1", True), ("'true'", True), ("no", False), ("0", False)],
)
def test_disabled_has_many_spellings(http: Http, namespace: str, text: str, disabled: bool) -> None:
    answer = created(http, log_flow(namespace, "x", extra=f"disabled: {text}\n"))
    assert answer["disabled"] is disabled


@pytest.mark.parametrize(
    ("text", "value"),
    [("on", "true"), ("no", "false"), ("010", "8"), ("1.10", "1.1"), ("0x1F", "31")],
)
def test_trap__an_id_that_yaml_reads_as_something_else_can_never_be_updated(
    http: Http, namespace: str, text: str, value: str
) -> None:
    assert created(http, log_flow(namespace, text))["id"] == value
    assert found(http, EQUALS=namespace) == [f"{namespace}/{text}"]
    answer = update(http, namespace, text, log_flow(namespace, text, "changed"))
    assert answer.status_code == 422
    assert "Illegal flow id update" in answer.text
    assert update(http, namespace, value, log_flow(namespace, text)).status_code == 404


def test_a_plain_number_is_a_good_id(http: Http, namespace: str) -> None:
    assert created(http, log_flow(namespace, "123"))["id"] == "123"
    assert update(http, namespace, "123", log_flow(namespace, "123", "changed")).ok


def test_flow_id__quotes_make_it_text(http: Http, namespace: str) -> None:
    assert created(http, log_flow(namespace, "'on'"))["id"] == "on"
    assert update(http, namespace, "on", log_flow(namespace, "'on'", "changed")).ok


@pytest.mark.parametrize("key", ["id", '"id"', "'id'", "? id\n"])
def test_the_id_key_may_be_written_in_many_ways(http: Http, namespace: str, key: str) -> None:
    rest = f"namespace: {namespace}\ntasks:\n{task(LOG, message='x')}"
    assert created(http, f"{key}: spelled\n{rest}")["id"] == "spelled"


@pytest.mark.parametrize("value", ["'it'", '"it"', "!!str it", "&a it", ">-\n  it", "it # it"])
def test_the_id_may_be_written_in_many_ways(http: Http, namespace: str, value: str) -> None:
    assert created(http, log_flow(namespace, value))["id"] == "it"


def test_flow_style_and_an_indented_document_are_accepted(http: Http, namespace: str) -> None:
    body = f"{{id: main, type: {LOG}, message: x}}"
    created(http, f'{{"id": "json", "namespace": "{namespace}", "tasks": [{body}]}}')
    created(http, f"  id: indented\n  namespace: {namespace}\n  tasks:\n    - {body}\n")
    assert len(found(http, EQUALS=namespace)) == 2


@pytest.mark.parametrize(
    "source",
    [
        "id: twice\nid: twice\nnamespace: {ns}\n{tasks}",
        "id: twice\nnamespace: {ns}\nnamespace: {ns}\n{tasks}",
        "id: twice\nnamespace: {ns}\n{tasks}{tasks}",
        "id: twice\nnamespace: {ns}\nlabels:\n  a: 1\n  a: 2\n{tasks}",
        "id: twice\nnamespace: {ns}\n{tasks}    message: y\n",
    ],
    ids=["id", "namespace", "tasks", "label", "task property"],
)
def test_duplicate_keys_are_refused_on_writing(http: Http, namespace: str, source: str) -> None:
    tasks = "tasks:\n" + task(LOG, message="x")
    answer = create(http, source.format(ns=namespace, tasks=tasks))
    if http.server.release == (1, 3):
        assert answer.status_code == 422
        assert "Duplicate field" in answer.text


def test_duplicate_labels_in_a_list_are_accepted(http: Http, namespace: str) -> None:
    labels = "labels:\n  - {key: a, value: b}\n  - {key: a, value: c}\n"
    created(http, log_flow(namespace, "labels", extra=labels))


def test_numbers_and_booleans_become_text_in_labels(http: Http, namespace: str) -> None:
    answer = created(http, log_flow(namespace, "l", extra="labels:\n  a: 1\n  b: true\n"))
    assert answer["labels"] == [{"key": "a", "value": "1"}, {"key": "b", "value": "true"}]


@pytest.mark.parametrize(
    "source",
    [
        "id: a\nnamespace: {ns}\ntasks:\n\t- id: b\n",
        "id: a\nnamespace: {ns}\ndescription:\tx\n",
        "- id: a\n",
        "just text",
        "# a comment\n",
        "---\n---\nid: a\nnamespace: {ns}\n",
        "id: a\nnamespace: {ns}\ntasks: {{}}}}\n",
    ],
    ids=["tab", "tab after a key", "list", "text", "comment", "empty first document", "syntax"],
)
def test_what_is_not_a_flow_is_refused(http: Http, namespace: str, source: str) -> None:
    text = source.format(ns=namespace)
    assert create(http, text).status_code == 422
    (result,) = validate(http, text)
    assert result["constraints"]


def test_an_unquoted_expression_is_a_syntax_error(http: Http, namespace: str) -> None:
    assert create(http, log_flow(namespace, "x", "{{ inputs.a }}")).status_code == 422
    assert create(http, log_flow(namespace, "x", "a {{ inputs.a }}")).status_code == 200


@pytest.mark.parametrize("end", ["---\n", "...\n", "---\n: [}\n", "...\n: [}\n"])
def test_trap__what_follows_the_first_document_is_never_read(
    http: Http, namespace: str, end: str
) -> None:
    source = log_flow(namespace, "first") + end
    (result,) = validate(http, source)
    assert "constraints" not in result
    created(http, source)
    assert stored(http, namespace, "first")["source"] == source


def test_dashes_inside_a_block_are_text(http: Http, namespace: str) -> None:
    answer = created(http, log_flow(namespace, "x", extra="description: |\n  a\n  ---\n  b\n"))
    assert answer["description"] == "a\n---\nb\n"


def test_bytes_that_are_not_utf_8_do_not_survive(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "latin", "caf").encode().rstrip() + b"\xe9\n"
    answer = create(http, source)
    if answer.status_code == 200:
        assert stored(http, namespace, "latin")["source"].encode() != source


def test_control_characters_are_refused(http: Http, namespace: str) -> None:
    assert create(http, log_flow(namespace, "x", "'a\x07b'")).status_code == 422


def test_trap__deleted_in_a_source_is_obeyed(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "x", extra="deleted: true\n"))
    assert http.get(f"/flows/{namespace}/x").status_code == 404
    assert created(http, log_flow(namespace, "x"))["revision"] == 2
