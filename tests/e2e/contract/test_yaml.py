"""How the server reads YAML, with Jackson."""

from __future__ import annotations

import pytest

from tests.e2e.contract.calls import create, created, found, stored, update, validate
from tests.support.server import Http
from tests.support.sources import LOG, flow, log_flow, task

pytestmark = pytest.mark.versions


def test_trap__an_alias_is_read_as_its_name(http: Http, namespace: str) -> None:
    """Even one of nothing."""
    extra = "description: *nothing\nvariables:\n  text: &text hello\n"
    source = log_flow(namespace, "alias", "*text", extra=extra)
    (result,) = validate(http, source)
    assert "constraints" not in result
    answer = created(http, source)
    assert (answer["tasks"][0]["message"], answer["description"]) == ("text", "nothing")


def test_an_alias_where_a_task_belongs_is_refused(http: Http, namespace: str) -> None:
    source = f"id: alias\nnamespace: {namespace}\ntasks:\n  - &a\n" + "".join(
        f"    {line}\n" for line in ("id: main", f"type: {LOG}", "message: x")
    )
    assert create(http, source + "  - *a\n").status_code == 422


def test_trap__a_merge_key_is_a_plain_key(http: Http, namespace: str) -> None:
    """Which a task refuses."""
    extra = "variables:\n  base: &base {logToFile: true}\n  it:\n    <<: *base\n    b: 2\n"
    answer = created(http, log_flow(namespace, "merged", extra=extra))
    assert answer["variables"]["it"] == {"<<": "base", "b": 2}
    tasks = f"  - id: main\n    type: {LOG}\n    <<: *base\n    message: x\n"
    refused = create(http, flow(namespace, "refused", tasks, extra=extra))
    assert refused.status_code == 422
    assert "<<" in refused.text


_SCALARS: dict[str, object] = {
    "yes": True,
    "no": False,
    "on": True,
    "off": False,
    "True": True,
    "y": "y",
    "~": None,
    "010": 8,
    "0o10": "0o10",
    "0x1F": 31,
    "0b11": 3,
    "1_000": 1000,
    "1e3": 1000.0,
    "1.50": 1.5,
    "12:30:00": "12:30:00",
    "2024-01-01": "2024-01-01",
    "!!str 5": "5",
    "!custom x": "x",
    "'yes'": "yes",
    '"\\u0041"': "A",
}


def test_scalars(http: Http, namespace: str) -> None:
    """What a value becomes where no type is asked for."""
    lines = "".join(f"  v{number}: {text}\n" for number, text in enumerate(_SCALARS))
    answer = created(http, log_flow(namespace, "values", extra=f"variables:\n{lines}"))
    for number, (text, expected) in enumerate(_SCALARS.items()):
        value = answer["variables"].get(f"v{number}")
        assert (type(value), value) == (type(expected), expected), text


def test_disabled_has_many_spellings(http: Http, namespace: str) -> None:
    spellings = {"yes": True, "on": True, "1": True, "'true'": True, "no": False, "0": False}
    answers = {
        text: created(http, log_flow(namespace, f"x{number}", extra=f"disabled: {text}\n"))
        for number, text in enumerate(spellings)
    }
    assert {text: answer["disabled"] for text, answer in answers.items()} == spellings


def test_trap__an_id_that_yaml_reads_as_something_else_can_never_be_updated(
    http: Http, namespace: str
) -> None:
    values = {"on": "true", "no": "false", "010": "8", "1.10": "1.1", "0x1F": "31"}
    for text, value in values.items():
        assert created(http, log_flow(namespace, text))["id"] == value
        answer = update(http, namespace, text, log_flow(namespace, text, "changed"))
        assert answer.status_code == 422
        assert "Illegal flow id update" in answer.text
        assert update(http, namespace, value, log_flow(namespace, text)).status_code == 404
    assert found(http, EQUALS=namespace) == sorted(f"{namespace}/{text}" for text in values)


def test_flow_id__number_and_quoted_text_are_updated(http: Http, namespace: str) -> None:
    for text, value in (("123", "123"), ("'on'", "on")):
        assert created(http, log_flow(namespace, text))["id"] == value
        assert update(http, namespace, value, log_flow(namespace, text, "changed")).ok


def test_the_id_may_be_written_in_many_ways(http: Http, namespace: str) -> None:
    rest = f"namespace: {namespace}\ntasks:\n{task(LOG, message='x')}"
    for number, key in enumerate(("id", '"id"', "'id'", "? id\n")):
        name = f"key{number}"
        assert created(http, f"{key}: {name}\n{rest}")["id"] == name
    for number, value in enumerate(("'{}'", '"{}"', "!!str {}", "&a {}", ">-\n  {}", "{} # it")):
        name = f"value{number}"
        assert created(http, log_flow(namespace, value.format(name)))["id"] == name


def test_flow_style_and_an_indented_document_are_accepted(http: Http, namespace: str) -> None:
    body = f"{{id: main, type: {LOG}, message: x}}"
    created(http, f'{{"id": "json", "namespace": "{namespace}", "tasks": [{body}]}}')
    created(http, f"  id: indented\n  namespace: {namespace}\n  tasks:\n    - {body}\n")
    assert len(found(http, EQUALS=namespace)) == 2


def test_duplicate_keys_are_refused_on_writing(http: Http, namespace: str) -> None:
    tasks = "tasks:\n" + task(LOG, message="x")
    for source in (
        "id: twice\nid: twice\nnamespace: {ns}\n{tasks}",
        "id: twice\nnamespace: {ns}\nnamespace: {ns}\n{tasks}",
        "id: twice\nnamespace: {ns}\n{tasks}{tasks}",
        "id: twice\nnamespace: {ns}\nlabels:\n  a: 1\n  a: 2\n{tasks}",
        "id: twice\nnamespace: {ns}\n{tasks}    message: y\n",
    ):
        answer = create(http, source.format(ns=namespace, tasks=tasks))
        if http.server.release == (1, 3):
            assert answer.status_code == 422, source
            assert "Duplicate field" in answer.text, source


def test_labels__lists_may_repeat_keys_and_values_become_text(http: Http, namespace: str) -> None:
    created(
        http,
        log_flow(
            namespace, "list", extra="labels:\n  - {key: a, value: b}\n  - {key: a, value: c}\n"
        ),
    )
    answer = created(http, log_flow(namespace, "map", extra="labels:\n  a: 1\n  b: true\n"))
    assert answer["labels"] == [{"key": "a", "value": "1"}, {"key": "b", "value": "true"}]


_NO_FLOWS = {
    "tab": "id: a\nnamespace: {ns}\ntasks:\n\t- id: b\n",
    "tab after a key": "id: a\nnamespace: {ns}\ndescription:\tx\n",
    "list": "- id: a\n",
    "text": "just text",
    "comment": "# a comment\n",
    "empty first document": "---\n---\nid: a\nnamespace: {ns}\n",
    "syntax": "id: a\nnamespace: {ns}\ntasks: {{}}}}\n",
}


def test_what_is_not_a_flow_is_refused(http: Http, namespace: str) -> None:
    texts = [
        *(source.format(ns=namespace) for source in _NO_FLOWS.values()),
        log_flow(namespace, "infinity", extra="variables:\n  it: .inf\n"),
        log_flow(namespace, "control_character", "'a\x07b'"),
        log_flow(namespace, "unquoted_expression", "{{ inputs.a }}"),
    ]
    for text in texts:
        assert create(http, text).status_code == 422, text
    results = validate(http, *texts[: len(_NO_FLOWS)])
    assert all(result["constraints"] for result in results)


def test_trap__what_follows_the_first_document_is_never_read(http: Http, namespace: str) -> None:
    ends = ("---\n", "...\n", "---\n: [}\n", "...\n: [}\n")
    sources = {f"f{n}": log_flow(namespace, f"f{n}") + end for n, end in enumerate(ends)}
    assert not any("constraints" in result for result in validate(http, *sources.values()))
    for name, source in sources.items():
        created(http, source)
        assert stored(http, namespace, name)["source"] == source


def test_expressions_and_dashes_in_a_text_are_text(http: Http, namespace: str) -> None:
    extra = "description: |\n  a\n  ---\n  b\n"
    answer = created(http, log_flow(namespace, "x", "a {{ inputs.a }}", extra=extra))
    assert answer["description"] == "a\n---\nb\n"


def test_bytes_that_are_not_utf_8_do_not_survive(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "latin", "caf").encode().rstrip() + b"\xe9\n"
    answer = create(http, source)
    if answer.status_code == 200:
        assert stored(http, namespace, "latin")["source"].encode() != source


def test_trap__deleted_in_a_source_is_obeyed(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "x", extra="deleted: true\n"))
    assert http.get(f"/flows/{namespace}/x").status_code == 404
    assert created(http, log_flow(namespace, "x"))["revision"] == 2
