"""Positions of messages from Kestra. Each message here comes from a real server."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kestra_sync.checks.locate import locate
from kestra_sync.checks.server import check_on_server
from kestra_sync.model import Desired, Document, Flow, FlowId, Position, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source

_LOG = "type: io.kestra.plugin.core.log.Log"
_HEAD = "id: a\nnamespace: acme\n"
_OK = f"tasks:\n  - id: ok\n    {_LOG}\n    message: x\n"
_IF = "  - id: outer\n    type: io.kestra.plugin.core.flow.If\n    condition: 'true'\n"
_SEQUENTIAL = "tasks:\n  - id: outer\n    type: io.kestra.plugin.core.flow.Sequential\n"
_SCHEDULE = "type: io.kestra.plugin.core.trigger.Schedule"
_PLACE = "¦"
"""Marks the expected position in a source."""

_JACKSON = (
    "Validation error: Illegal flowwithsource source: YAML parsing error: Cannot deserialize value"
    " of type `x` from String\n at [Source: UNKNOWN; byte offset: #UNKNOWN] (through reference"
    " chain: io.kestra.core.models.flows.FlowWithSource{}) (at line -1)"
)


def _unrecognized(field: str, class_: str) -> str:
    return (
        f'Validation error: Unrecognized field "{field}" (class {class_}), not marked as ignorable'
        ' (3 known properties: "timeout", "message", "level")'
    )


_CASES = {
    # A path. Where the property is a task's own, its id replaces every `tasks[0]` in the path.
    "top": ("Validation error: namespace: must match", "id: a\nnamespace: ¦A!\n" + _OK),
    "empty list": ("Validation error: tasks: must not be empty", _HEAD + "¦tasks: []\n"),
    "nothing": ("Validation error: tasks: must not be null", _HEAD + "¦tasks:\n"),
    "of a task": (
        "Validation error: t.message: must not be null",
        f"{_HEAD}tasks:\n  - id: ok\n    {_LOG}\n    message: x\n  - ¦id: t\n    {_LOG}\n",
    ),
    "second message": ("t.message: must not be null", f"{_HEAD}tasks:\n  - ¦id: t\n    {_LOG}\n"),
    "id with a blank": (
        'Validation error: t t.id: must match "^[a-z]*"',
        f"{_HEAD}tasks:\n  - id: ¦t t\n    {_LOG}\n    message: x\n",
    ),
    "two deep": (
        "Validation error: t.t.message: must not be null",
        f"{_HEAD}{_SEQUENTIAL}    tasks:\n      - ¦id: t\n        {_LOG}\n",
    ),
    "then": (
        "Validation error: t.then[0].message: must not be null",
        f"{_HEAD}tasks:\n{_IF}    then:\n      - ¦id: t\n        {_LOG}\n",
    ),
    "else": (
        "Validation error: t._else[0].message: must not be null",
        f"{_HEAD}tasks:\n{_IF}    then: []\n    else:\n      - ¦id: t\n        {_LOG}\n",
    ),
    "finally": (
        "Validation error: _finally[0].message: must not be null",
        f"{_HEAD}{_OK}finally:\n  - ¦id: f\n    {_LOG}\n",
    ),
    "inside an errors task": (
        "Validation error: errors[0].t.message: must not be null",
        (
            f"{_HEAD}{_OK}errors:\n  - id: s\n    type: Sequential\n    tasks:\n"
            f"      - ¦id: t\n        {_LOG}\n"
        ),
    ),
    "below a task": (
        "Validation error: tasks[0].tasks[0].retry.interval: must not be null",
        (
            f"{_HEAD}{_SEQUENTIAL}    tasks:\n      - id: t\n        {_LOG}\n        message: x\n"
            "        ¦retry:\n          type: constant\n"
        ),
    ),
    # Kestra 2.0 keeps the name of the list before the id.
    "by id (2.0)": (
        "Validation error: tasks[t].message: must not be null",
        f"{_HEAD}tasks:\n  - id: ok\n    {_LOG}\n    message: x\n  - ¦id: t\n    {_LOG}\n",
    ),
    "two deep by id (2.0)": (
        "tasks[t].tasks[t].message: must not be null",
        f"{_HEAD}{_SEQUENTIAL}    tasks:\n      - ¦id: t\n        {_LOG}\n",
    ),
    "else by id (2.0)": (
        "tasks[t]._else[0].message: must not be null",
        f"{_HEAD}tasks:\n{_IF}    then: []\n    else:\n      - ¦id: t\n        {_LOG}\n",
    ),
    "id with a blank (2.0)": (
        'tasks[t t].id: must match "^[a-z]*"',
        f"{_HEAD}tasks:\n  - id: ¦t t\n    {_LOG}\n    message: x\n",
    ),
    "a property by id (2.0)": (
        "tasks[outer].then: must not be empty",
        f"{_HEAD}tasks:\n{_IF}    ¦then: []\n",
    ),
    "a task called as a key": (
        "Validation error: concurrency.message: must not be null",
        f"{_HEAD}concurrency:\n  limit: 1\ntasks:\n  - ¦id: concurrency\n    {_LOG}\n",
    ),
    "of an input": (
        "Validation error: e.values: must not be null",
        f"{_HEAD}inputs:\n  - ¦id: e\n    type: ENUM\n{_OK}",
    ),
    "without an id": (
        "Validation error: tasks[0].id: must not be blank",
        f"{_HEAD}tasks:\n  - ¦{_LOG}\n    message: x\n",
    ),
    "deep in a trigger": (
        "Validation error: triggers[0].conditions[0].flowId: must not be null",
        f"{_HEAD}{_OK}triggers:\n  - id: t\n    conditions:\n      - ¦type: x.ExecutionFlow\n",
    ),
    # What is quoted in the message, below the path.
    "cron": (
        "Validation error: triggers[1]: invalid cron expression '99 0 * * *': Failed to parse",
        (
            f"{_HEAD}{_OK}triggers:\n  - id: r\n    {_SCHEDULE}\n    cron: 0 0 * * *\n"
            f"  - id: s\n    {_SCHEDULE}\n    cron: ¦99 0 * * *\n"
        ),
    ),
    "plugin default": (
        (
            "Validation error: pluginDefaults[0]: Invalid Plugin Default: No property 'foo' exists"
            " in plugin 'io.kestra.plugin.core.log.Log'"
        ),
        f"{_HEAD}{_OK}pluginDefaults:\n  - {_LOG}\n    values:\n      ¦foo: bar\n",
    ),
    "quoted, not there": (
        "Validation error: triggers[0]: cannot be 'x'",
        f"{_HEAD}{_OK}triggers:\n  - ¦id: s\n    {_SCHEDULE}\n",
    ),
    # By a name.
    "type": (
        "Validation error: Invalid type: nope.Nope",
        f"{_HEAD}{_SEQUENTIAL}    tasks:\n      - id: t\n        type: ¦nope.Nope\n",
    ),
    "no type": (
        "Validation error: Invalid type: <null>",
        f"{_HEAD}tasks:\n  - id: ok\n    {_LOG}\n  - ¦id: t\n    message: x\n",
    ),
    "type is a list": (
        "Validation error: Invalid type: <null>",
        f"{_HEAD}tasks:\n  - id: t\n    ¦type: [a]\n",
    ),
    "type is nowhere": ("Validation error: Invalid type: gone", f"¦{_HEAD}{_OK}"),
    "property of a task": (
        _unrecognized("mesage", "io.kestra.plugin.core.log.Log"),
        (
            f"{_HEAD}variables:\n  mesage: x\ntasks:\n  - id: t\n    type: other\n    mesage: x\n"
            f"  - id: u\n    {_LOG}\n    ¦mesage: x\n"
        ),
    ),
    "property of an alias": (
        _unrecognized("mesage", "io.kestra.plugin.core.log.Log"),
        (
            f"{_HEAD}variables:\n  mesage: x\n"
            "tasks:\n  - id: t\n    type: io.kestra.core.tasks.log.Log\n    ¦mesage: x\n"
        ),
    ),
    "property of options": (
        _unrecognized("foo", "io.kestra.core.http.HttpConfiguration$HttpConfigurationBuilder"),
        f"{_HEAD}tasks:\n  - id: t\n    {_LOG}\n    options:\n      ¦foo: x\n",
    ),
    "property of the flow": (
        _unrecognized("tags", "io.kestra.core.models.flows.FlowWithSource"),
        f"{_HEAD}¦tags: x\ntasks:\n  - id: t\n    {_LOG}\n    tags: x\n",
    ),
    "property nowhere": (_unrecognized("tags", "io.kestra.Some"), f"¦{_HEAD}{_OK}"),
    "duplicate task": (
        "Validation error:  Invalid Flow: Duplicate task id with name [t]",
        (
            f"{_HEAD}inputs:\n  - id: t\n    type: INT\ntasks:\n  - id: t\n    {_LOG}\n"
            f"errors:\n  - id: ¦t\n    {_LOG}\ntriggers:\n  - id: t\n"
        ),
    ),
    "duplicate tasks": (
        "Validation error:  Invalid Flow: Duplicate task id with name [b, c]",
        f"{_HEAD}tasks:\n  - id: c\n    {_LOG}\n  - id: b\n    {_LOG}\n  - id: ¦b\n  - id: c\n",
    ),
    "duplicate trigger": (
        "Validation error:  Invalid Flow: Duplicate trigger id with name [s]",
        f"{_HEAD}tasks:\n  - id: s\n  - id: s\ntriggers:\n  - id: s\n  - id: ¦s\n",
    ),
    "duplicate input": (
        "Validation error:  Invalid Flow: Duplicate input with name [i]",
        f"{_HEAD}inputs:\n  - id: i\n  - id: ¦i\n{_OK}",
    ),
    "duplicate that is not": (
        "Validation error:  Invalid Flow: Duplicate task id with name [gone]",
        f"¦{_HEAD}{_OK}",
    ),
    "recursive": (
        "Validation error:  Invalid Flow: Recursive call to flow [acme.a]",
        f"{_HEAD}tasks:\n  - id: t\n    type: Subflow\n    namespace: acme\n    flowId: ¦a\n",
    ),
    "recursive, nowhere": (
        "Validation error:  Invalid Flow: Recursive call to flow [acme.a]",
        f"¦{_HEAD}{_OK}",
    ),
    "label": (
        "Validation error:  Invalid Flow: System labels …, offending label: system.foo=bar",
        f"{_HEAD}labels:\n  team: x\n  ¦system.foo: bar\n{_OK}",
    ),
    "label in a list": (
        "Validation error:  Invalid Flow: System labels …, offending label: system.foo=bar",
        f"{_HEAD}labels:\n  - key: a\n    value: b\n  - key: ¦system.foo\n    value: bar\n{_OK}",
    ),
    "label nowhere": (
        "Validation error:  Invalid Flow: System labels …, offending label: system.foo=bar",
        f"¦{_HEAD}{_OK}",
    ),
    # Jackson's chain.
    "chain to a scalar": (_JACKSON.format('["disabled"]'), f"{_HEAD}disabled: ¦maybe\n{_OK}"),
    "chain to a container": (
        _JACKSON.format('["tasks"]->java.util.ArrayList[0]->io.kestra.Log["runIf"]'),
        f"{_HEAD}tasks:\n  - id: t\n    ¦runIf: [a]\n",
    ),
    # Deprecations are bare paths; sentences name nothing.
    "deprecated key": ("taskDefaults", f"{_HEAD}¦taskDefaults:\n  - type: x\n{_OK}"),
    "deprecated item": ("tasks[0]", f"{_HEAD}tasks:\n  - ¦id: t\n"),
    "sentence": ("Cannot found plugin for null identifier", f"¦{_HEAD}{_OK}"),
    "sentence like a path": ("description of it: bad", f"{_HEAD}description: ¦x\n{_OK}"),
}


@pytest.mark.parametrize("name", _CASES)
def test_server_message__position_in_the_file(name: str) -> None:
    """Line and column, in characters."""
    message, marked = _CASES[name]
    source = marked.replace(_PLACE, "").encode()
    before = marked[: marked.index(_PLACE)]
    wanted = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
    parsed = parse_source(source)
    assert isinstance(parsed, ParsedDocument)
    assert locate(message, parsed, source) == wanted


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("… at [Source: (String)…; line: 7, column: 3]", Position(7, 3)),
        ("… line: 0, column: 0", Position(1, 1)),
        ("YAML syntax error: Invalid structure. (at line 3)", Position(3, 3)),
        ("YAML syntax error: Invalid structure. (at line 4)", Position(4, 1)),
        ("YAML syntax error: Invalid structure. (at line 99)", Position(99, 1)),
        ("whatever (at line -1)", Position(1, 1)),
    ],
)
def test_the_place_of_broken_yaml(message: str, wanted: Position) -> None:
    """Where nothing could be parsed, the line that the message gives is all there is."""
    assert locate(message, None, b"id: a\ntasks:\n  - {{ x }}\n\n") == wanted


@dataclass(frozen=True)
class Said:
    """A verdict of the server."""

    constraints: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    deprecations: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


def _desired(text: str, *, first_line: int = 1) -> Desired:
    document = Document("flows/a.yaml", 0, first_line, text.encode())
    return Desired(Flow(FlowId("acme", "a"), document), document.data)


def test_diagnostic__contains_the_message_of_the_server() -> None:
    """The message of the server, without redundant parts, with line, column and remedy."""
    text = f"{_HEAD}tasks:\n  - id: t\n    {_LOG}\n    mesage: x\n    foo: y\n"
    log = "io.kestra.plugin.core.log.Log"
    said = Said(
        constraints=(
            _unrecognized("mesage", log),
            _unrecognized("foo", log),
            "Validation error: Invalid type: <null>",
            _JACKSON.format('["tasks"]'),
        ),
        warnings=("The subflow 'x' not found in namespace 'acme'.", "Be careful"),
        deprecations=("tasks[0]",),
    )
    found = check_on_server([_desired(text, first_line=10)], [said])
    assert [(each.severity, each.position, each.message, each.remedy) for each in found] == [
        (
            Severity.ERROR,
            Position(15, 5),
            f'Unrecognized field "mesage" (class {log})',
            "did you mean `message`?",
        ),
        (
            Severity.ERROR,
            Position(16, 5),
            f'Unrecognized field "foo" (class {log})',
            "known properties: level, message, timeout",
        ),
        (
            Severity.ERROR,
            Position(10, 1),
            "Invalid type: <null>",
            "add a `type`",
        ),
        (Severity.ERROR, Position(12, 1), "Cannot deserialize value of type `x` from String", None),
        # That a subflow is missing is found by our own check, which knows what is deployed.
        (Severity.WARNING, Position(10, 1), "Be careful", None),
        (Severity.WARNING, Position(13, 5), "tasks[0] is deprecated", None),
    ]


def test_plugin_type__moved_type_is_only_an_info() -> None:
    """At the first of its places, with the new name."""
    old, new = "io.kestra.core.tasks.log.Log", "io.kestra.plugin.core.log.Log"
    text = f"{_HEAD}tasks:\n  - id: t\n    type: {old}\n    message: x\n"
    said = Said(infos=(f"{old} is replaced by {new}", "a.B is replaced by a.C", "Be glad"))
    found = check_on_server([_desired(text, first_line=10)], [said])
    assert [(each.severity, each.rule, each.position, each.remedy) for each in found] == [
        (Severity.INFO, "kestra-info", Position(14, 11), f"write `{new}`"),
        (Severity.INFO, "kestra-info", Position(10, 1), "write `a.C`"),
        (Severity.INFO, "kestra-info", Position(10, 1), None),
    ]


def test_messages_of_an_unparsable_flow_are_kept() -> None:
    """On the first line, if nothing else is known; never dropped."""
    (found,) = check_on_server(
        [_desired("a: [\n", first_line=4)], [Said(constraints=("Validation error:",))]
    )
    assert (found.position, found.message) == (Position(4, 1), "Validation error:")
