"""From paths to a repository."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.model import Diagnostic, Document, Flow, FlowId, Position, Repository
from kestra_sync.render import render
from kestra_sync.repo import (
    ParsedDocument,
    file_position,
    load,
    parse_document,
    parse_flow,
    parse_source,
    walk,
)
from kestra_sync.repo.load import ParseCache, read
from kestra_sync.repo.text import MAX_BYTES


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _flow(name: str, rest: str = "") -> str:
    return f"id: {name}\nnamespace: x.y\ntasks:\n  - id: t\n    type: a.b\n{rest}"


def _load(files: Mapping[str, str | bytes], *, strict: bool = False) -> Repository:
    for name, content in files.items():
        path = Path("f", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(["f"], strict=strict)


def _said(repository: Repository) -> list[str]:
    return [
        f"{d.path}:{d.position.line if d.position else 0} {d.rule}" for d in repository.diagnostics
    ]


def test_load__invalid_file_does_not_hide_others() -> None:
    found = _load(
        {
            "a.yaml": _flow("a"),
            "b.yaml": "namespace: x\ntasks:\nid: [\n",
            "c.yaml": _flow("c1") + "---\nnamespace: x\ntasks:\nid: {\n---\n" + _flow("c2"),
            "d.yaml": b"id: \xff\nnamespace: x\ntasks:\n",
            "e.yaml": "some: thing\n",
            "f.yaml": "",
        }
    )
    assert [str(flow.flow_id) for flow in found.flows] == ["x.y/a", "x.y/c1", "x.y/c2"]
    assert [flow.document.first_line for flow in found.flows] == [1, 1, 11]
    assert _said(found) == [
        "f/b.yaml:4 yaml-syntax",
        "f/c.yaml:10 yaml-syntax",
        "f/d.yaml:1 yaml-encoding",
    ]
    assert [(entry.path, entry.reason) for entry in found.skipped] == [
        ("f/e.yaml", "missing `id`, `namespace`, `tasks`"),
        ("f/f.yaml", "empty"),
    ]
    assert (found.files, found.source) == (6, "f")


def test_strict() -> None:
    found = _load({"a.yaml": _flow("a") + "---\nsome: thing\n", "b.yaml": ""}, strict=True)
    assert _said(found) == ["f/a.yaml:7 not-a-flow", "f/b.yaml:1 not-a-flow"]
    assert len(found.skipped) == 2


def test_the_same_flow_twice_names_all_places() -> None:
    found = _load(
        {"a.yaml": _flow("a"), "b.yaml": "x: 1\n---\n" + _flow("a"), "c.yaml": _flow("a")}
    )
    assert [(d.path, d.rule, d.message) for d in found.diagnostics] == [
        ("f/a.yaml", "duplicate-flow", "x.y/a is also defined in f/b.yaml:3 and f/c.yaml:1"),
        ("f/b.yaml", "duplicate-flow", "x.y/a is also defined in f/a.yaml:1 and f/c.yaml:1"),
        ("f/c.yaml", "duplicate-flow", "x.y/a is also defined in f/a.yaml:1 and f/b.yaml:3"),
    ]
    assert len(found.flows) == 3


def test_too_large_and_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refusing(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if Path(path).name == "no.yaml" and flags & os.O_ACCMODE == os.O_RDONLY:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refusing)
    Path("f").mkdir()
    with Path("f/large.yaml").open("wb") as stream:
        stream.truncate(MAX_BYTES + 5)
    found = _load({"no.yaml": ""})
    assert [(d.rule, d.position) for d in found.diagnostics] == [
        ("file-too-large", None),
        ("file-unreadable", None),
    ]
    assert found.diagnostics[0].message.startswith("10,485,765 bytes")


def test_walk__special_files_are_not_opened() -> None:
    Path("f").mkdir()
    os.mkfifo("f/pipe.yaml")
    found = load(["f/pipe.yaml"])
    assert [d.message for d in found.diagnostics] == ["cannot be read: not a regular file"]


def test_parse_flow_knows_the_file() -> None:
    found = _load({"a.yaml": _flow("a") + "---\n" + _flow("b", "    c: 'd\n")})
    good, bad = found.flows
    parsed = parse_flow(good)
    assert isinstance(parsed, ParsedDocument)
    assert parsed.flow_id == FlowId("x.y", "a")
    assert parse_document(good.document) is parsed
    assert parse_source(good.document.data) is parsed
    problems = parse_flow(bad)
    assert isinstance(problems, tuple)
    assert [(d.path, d.position, d.flow) for d in problems] == [
        ("f/a.yaml", Position(12, 8), FlowId("x.y", "b"))
    ]
    assert file_position(bad.document, Position(1, 2)) == Position(7, 2)


def test_the_cache_forgets() -> None:
    cache = ParseCache(size=2)
    first = cache.get("1", b"a: 1")
    second = cache.get("2", b"a: 2")
    assert cache.get("1", b"a: 1") is first
    cache.get("3", b"a: 3")
    assert cache.get("1", b"a: 1") is first
    assert cache.get("2", b"a: 2") is not second
    cache.clear()
    assert cache.get("1", b"a: 1") is not first


def test_the_cache_is_shared_by_threads() -> None:
    cache = ParseCache(size=8)
    wrong: list[object] = []

    def work() -> None:
        for number in range(200):
            value = number % 16
            parsed = cache.get(str(value), f"a: {value}".encode())
            if not isinstance(parsed, ParsedDocument) or parsed.value != {"a": value}:
                wrong.append(parsed)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_render_is_the_identity() -> None:
    flow = Flow(FlowId("x", "a"), Document("f", 0, 3, b"id: a"))
    (desired,) = render([flow]).desired
    assert desired.sent is flow.document.data
    assert desired.file_position(Position(1, 1)) == Position(3, 1)
    assert render([flow, flow]).desired == (desired, desired)


HELM = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "chart.fullname" . }}
  namespace: {{ .Values.namespace }}
spec:
  replicas: {{ .Values.replicas }}
"""
ANSIBLE = """\
- hosts: all
  tasks:
    - name: say
      debug: msg={{ greeting }}: {{ name }}
"""
NO_FLOWS: dict[str, str | bytes] = {
    "openapi.yml": "%YAML 1.2\n---\na: 1\n",
    "chart/deployment.yaml": HELM,
    "chart/conditional.yaml": "{{- if .Values.on }}\nid: x\ntasks: []\n{{- end }}\n",
    "playbook.yml": ANSIBLE,
    "jinja.yaml": "{% for x in y %}\nid: {{ x }}\n{% endfor %}\n",
    "two.yaml": "id: {{ x }}\nnamespace: {{ y }}\n",
    "nested.yaml": "spec: {{ x }}\n  id: a\n  namespace: b\n  tasks: []\n",
    "tag.yaml": "a: !x!y z\n",
    "bomb.yaml": "a: &a [*a, *a]\nb: {{\n",
    "binary.yaml": bytes(range(256)),
    "nul.yaml": b"\0" * 64,
    "utf16.yaml": "a: 1\n".encode("utf-16"),
    "utf32.yaml": "a: 1\n".encode("utf-32"),
    "utf16-without-mark.yaml": "apiVersion: 1\n".encode("utf-16-be"),
    "latin1.yaml": "a: é\n".encode("latin-1"),
    "surrogate.yaml": b"a: \xed\xa0\x80\n",
    "number.yaml": "a: .inf\n",
    "deep.yaml": "[" * 10_000,
    "escape.yaml": 'a: "\\U00110000"\n',
    "directive.yaml": "%YAML 3.0\n---\na: 1\n",
    "tag-directive.yaml": "%TAG\n---\na: 1\n",
}


@pytest.mark.parametrize("name", NO_FLOWS)
def test_unparsable__file_without_flow_keys_is_skipped(name: str) -> None:
    found = _load({name: NO_FLOWS[name], "a.yaml": _flow("a")})
    assert not found.diagnostics
    assert [str(flow.flow_id) for flow in found.flows] == ["x.y/a"]
    (skipped,) = found.skipped
    assert skipped.path == f"f/{name}"
    # A plain mapping without the keys is not even parsed.
    assert skipped.reason.startswith("missing `") or ".kestraignore" in skipped.reason
    strict = _load({name: NO_FLOWS[name]}, strict=True)
    assert [d.rule for d in strict.diagnostics if d.path == f"f/{name}"] == ["not-a-flow"]


FLOWS_THAT_CANNOT_BE_PARSED: dict[str, str | bytes] = {
    "plain": "id: a\nnamespace: x\ntasks: {{ x }}\n",
    "marker": "---\n# c\nid: a\nnamespace: x\ntasks: {{ x }}\n",
    "quoted keys": "'id': a\n\"namespace\" : x\ntasks: {{ x }}\n",
    "indented": "  id: a\n  namespace: x\n  tasks: {{ x }}\n",
    "first line indented": "  x y\nid: a\nnamespace: x\ntasks:\n  - a: [\n",
    "braces": '{"id": "a", "namespace": "x", "tasks": [{{ x }}]}',
    "old line breaks": "id: a\rnamespace: x\rtasks: {{ x }}\r",
    "utf-16": "id: a\nnamespace: x\ntasks:\n".encode("utf-16"),
    "utf-32": "id: a\nnamespace: x\ntasks:\n".encode("utf-32"),
    "nul": "id: a\nnamespace: x\ntasks: \0\n",
}


@pytest.mark.parametrize("name", FLOWS_THAT_CANNOT_BE_PARSED)
def test_a_flow_that_cannot_be_parsed_is_an_error(name: str) -> None:
    found = _load({"a.yaml": FLOWS_THAT_CANNOT_BE_PARSED[name]})
    assert not found.skipped
    errors = list(found.diagnostics)
    for flow in found.flows:
        parsed = parse_flow(flow)
        assert isinstance(parsed, tuple)
        errors.extend(parsed)
    assert errors


def test_diagnostics_are_sorted() -> None:
    rest = "namespace: x\ntasks:\n"
    found = _load({"b.yaml": f"{rest}id: [\n", "a.yaml": f"{rest}id: {{\n"})
    assert all(isinstance(entry, Diagnostic) for entry in found.diagnostics)
    assert [d.path for d in found.diagnostics] == ["f/a.yaml", "f/b.yaml"]


def test_a_file_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.yaml").write_text("")
    found = walk(["a.yaml"]).files[0]
    Path("a.yaml").unlink()
    said = read(found)
    assert isinstance(said, Diagnostic)
    assert said.message == "cannot be read: No such file or directory"
