"""Messages from Kestra have the line and column in the file."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.cli.conftest import HELLO, Shell

pytestmark = pytest.mark.versions

_LOG = "type: io.kestra.plugin.core.log.Log"
_SCHEDULE = "type: io.kestra.plugin.core.trigger.Schedule"
_PLACE = "¦"
"""Marks the expected position in a source."""

_CASES = {
    "type": "id: x\nnamespace: NS\ntasks:\n  - id: a\n    type: ¦io.kestra.plugin.core.log.Logg\n",
    "nested type": (
        "id: x\nnamespace: NS\ntasks:\n  - id: s\n    type: io.kestra.plugin.core.flow.Sequential\n"
        f"    tasks:\n      - id: ok\n        {_LOG}\n        message: é 💚\n"
        "      - id: t\n        type: ¦nope.Nope\n"
    ),
    "missing property": (
        f"id: x\nnamespace: NS\ntasks:\n  - id: ok\n    {_LOG}\n    message: x\n"
        f"  - ¦id: t\n    {_LOG}\n"
    ),
    "nested missing property": (
        "id: x\nnamespace: NS\ntasks:\n  - id: s\n    type: io.kestra.plugin.core.flow.Sequential\n"
        f"    tasks:\n      - ¦id: t\n        {_LOG}\n"
    ),
    "unknown property": (
        f"id: x\nnamespace: NS\nvariables:\n  mesage: x\ntasks:\n  - id: t\n    {_LOG}\n"
        "    message: x\n    ¦mesage: x\n"
    ),
    "cron": (
        f"id: x\nnamespace: NS\ntasks:\n  - id: t\n    {_LOG}\n    message: x\ntriggers:\n"
        f"  - id: one\n    {_SCHEDULE}\n    cron: 0 0 * * *\n"
        f"  - id: two\n    {_SCHEDULE}\n    cron: ¦every monday\n"
    ),
    "duplicate id": (
        f"id: x\nnamespace: NS\ntasks:\n  - id: t\n    {_LOG}\n    message: x\n"
        f"  - id: ¦t\n    {_LOG}\n    message: x\n"
    ),
}


def _place(text: str, first_line: int = 1) -> tuple[int, int]:
    before = text[: text.index(_PLACE)]
    return before.count("\n") + first_line, len(before) - before.rfind("\n")


def _found(document: Any, path: str) -> list[tuple[int, int]]:
    return [
        (each["line"], each["column"])
        for each in document["diagnostics"]
        if each["path"] == path and each["severity"] == "error"
    ]


def test_each_message_has_its_place(shell: Shell) -> None:
    """In a file of its own, and behind others in one; many in one question to the server."""
    together, wanted = "", []
    for name, text in _CASES.items():
        ids = name.replace(" ", "_")
        source = text.replace("id: x\n", f"id: {ids}\n", 1)
        shell.write(f"flows/{ids}.yaml", source.replace(_PLACE, ""))
        renamed = source.replace(f"id: {ids}\n", f"id: {ids}_2\n", 1)
        together += "---\n"
        wanted.append(_place(renamed, together.count("\n") + 1))
        together += renamed.replace(_PLACE, "")
    shell.write("flows/together.yaml", together)
    # Several questions at once, whose answers come in any order.
    for number in range(20):
        shell.write(f"flows/good/f{number}.yaml", HELLO.replace("hello", f"hello_{number}"))
    ran = shell.run("validate", "--format", "json")
    assert ran.code == 3
    document = ran.json
    for name, text in _CASES.items():
        path = f"flows/{name.replace(' ', '_')}.yaml"
        assert _found(document, path) == [_place(text)], name
    assert _found(document, "flows/together.yaml") == wanted
    assert document["summary"]["errors"] == 2 * len(_CASES)


@pytest.mark.once
def test_a_plan_says_the_same(shell: Shell) -> None:
    """Only flows to write are validated, and nothing is written; a typing error is explained."""
    names = ("missing property", "unknown property", "cron")
    for number, name in enumerate(names):
        source = _CASES[name].replace(_PLACE, "").replace("id: x\n", f"id: x{number}\n", 1)
        shell.write(f"flows/bad{number}.yaml", source)
    for args in (["plan"], ["apply", "--yes"]):
        ran = shell.run(*args)
        assert ran.code == 3
        for number, name in enumerate(names):
            line, column = _place(_CASES[name])
            assert f"flows/bad{number}.yaml:{line}:{column}: error[kestra-invalid] " in ran.err
        assert 'error[kestra-invalid] Unrecognized field "mesage" (class io.kestra.' in ran.err
        assert "\n    did you mean `message`?\n" in ran.err
        assert "Nothing can be applied: 3 errors in files." in ran.err
    assert shell.run("plan", "--exclude", f"{shell.namespace}/x*").out.endswith(
        "Plan: 1 to create, 0 unchanged.\n"
    )
