"""Parses smoke tests from YAML. Errors are diagnostics with a line, not exceptions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from kestra_sync.configured import ConfigSection
from kestra_sync.executions.duration import parse_duration
from kestra_sync.executions.manual import is_sendable
from kestra_sync.findings import Finding, NodePath
from kestra_sync.findings import diagnostic as in_file
from kestra_sync.model import Diagnostic, Document, FlowId, Position
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import diagnostic, read
from kestra_sync.repo.parse import parse
from kestra_sync.repo.walk import FoundFile, unreadable
from kestra_sync.safe.paths import check_readable
from kestra_sync.safe.patterns import Pattern, PatternError
from kestra_sync.schemas import findings
from kestra_sync.smoke.input_files import InputFiles
from kestra_sync.smoke.spec import DEFAULT_TIMEOUT, Expectation, Keep, SmokeSpec, When


@dataclass(frozen=True)
class LoadedSpecs:
    """The valid smoke tests, and the diagnostics of the others."""

    specs: tuple[SmokeSpec, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    def __add__(self, other: LoadedSpecs) -> LoadedSpecs:
        return LoadedSpecs(self.specs + other.specs, self.diagnostics + other.diagnostics)


@dataclass(frozen=True)
class _Place:
    """The origin of parsed YAML.

    :param locate: returns the position in the file of the node at a path, or of its key.
    """

    path: str
    locate: Callable[[NodePath, bool], Position]
    files: InputFiles


def load_spec_files(paths: Sequence[str], files: InputFiles = InputFiles()) -> LoadedSpecs:  # noqa: B008 - frozen
    """Load the tests of these files, in order; an invalid file does not hide the others.

    :param files: which files they may send.
    """
    loaded = LoadedSpecs()
    for path in paths:
        try:
            check_readable(path)
            data = read(FoundFile(path, FilePath(path)))
        except OSError as error:
            data = unreadable(path, error)
        if isinstance(data, Diagnostic):
            loaded += LoadedSpecs(diagnostics=(data,))
            continue
        parsed = parse(data)
        problems: Iterable[Finding] = ()
        if not isinstance(parsed, ParsedDocument):
            problems = parsed
        elif parsed.aliases:
            problems = parsed.refused_aliases("smoke-value")
        else:
            loaded += _tests(_Place(path, _locator(parsed), files), parsed.value)
        document = Document(path, 0, 1, b"")
        loaded += LoadedSpecs(diagnostics=tuple(diagnostic(document, each) for each in problems))
    return loaded


def _locator(parsed: ParsedDocument) -> Callable[[NodePath, bool], Position]:
    return lambda at, key: parsed.position_of(at, key=key)


def specs_of(section: ConfigSection, files: InputFiles = InputFiles()) -> LoadedSpecs:  # noqa: B008 - frozen
    """Load the tests in the ``smoke`` list of the configuration.

    :param files: which files they may send.
    """
    positions = section.positions

    def locate(at: NodePath, _key: bool) -> Position:
        while at and at not in positions:
            at = at[:-1]
        return positions[at]

    return _tests(_Place(section.path, locate, files), section.value)


def _tests(place: _Place, value: Any) -> LoadedSpecs:
    """Parse one mapping, or a list of them. An empty file has no tests."""
    if value is None:
        return LoadedSpecs()
    tests = list(enumerate(value)) if isinstance(value, list) else [((), value)]
    loaded = LoadedSpecs()
    for index, test in tests:
        at: NodePath = (index,) if isinstance(index, int) else ()
        loaded += _test(place, at, test)
    return loaded


def _test(place: _Place, at: NodePath, test: Any) -> LoadedSpecs:
    problems = findings("smoke#test", test, "smoke", "a test")
    if not problems:
        problems = list(_beyond_the_schema(place, test))
    if problems:
        return LoadedSpecs(
            diagnostics=tuple(
                in_file(each, place.path, lambda path, key: place.locate((*at, *path), key))
                for each in problems
            )
        )
    return LoadedSpecs((_spec(place, at, test),))


def _spec(place: _Place, at: NodePath, test: Mapping[str, Any]) -> SmokeSpec:
    namespace, _, flow = test["flow"].partition("/")
    expect = test.get("expect") or {}
    logs = expect.get("logs") or {}
    return SmokeSpec(
        flow=FlowId(namespace, flow),
        name=test.get("name"),
        inputs={name: _input(place.path, value) for name, value in test.get("inputs", {}).items()},
        labels=test.get("labels", {}),
        timeout=parse_duration(test["timeout"]) if "timeout" in test else DEFAULT_TIMEOUT,
        expect=Expectation(
            states=_several(expect.get("state", "SUCCESS")),
            outputs=expect.get("outputs", {}),
            tasks={task: _several(states) for task, states in expect.get("tasks", {}).items()},
            logs_match=_several(logs.get("match", ())),
            logs_no_match=_several(logs.get("no_match", ())),
        ),
        when=When(test.get("when", When.CHANGED)),
        keep=Keep(test.get("keep", Keep.ON_FAILURE)),
        path=place.path,
        position=place.locate(at, False),
    )


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _input(spec_path: str, value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("@"):
        return value
    return value[1:] if value.startswith("@@") else _file(spec_path, value)


def _file(spec_path: str, value: str) -> FilePath:
    return FilePath(spec_path).parent / value[1:]


def _beyond_the_schema(place: _Place, test: Mapping[str, Any]) -> Iterator[Finding]:
    """Check encodable text, existing files and valid expressions, beyond the schema."""
    for part in ("labels", "inputs"):
        for name, value in test.get(part, {}).items():
            if not is_sendable((name, value)):
                words = "contains a lone surrogate, which cannot be sent"
                yield Finding("smoke-value", (part, name), f"`{part}` {words}")
    for name, value in test.get("inputs", {}).items():
        if isinstance(value, str) and value.startswith("@") and not value.startswith("@@"):
            problem = place.files.problem(place.path, value[1:])
            if problem:
                file = os.path.normpath(_file(place.path, value))
                missing = problem.startswith("no such file")
                remedy = None if missing else f"if this is intended, pass --allow-file {file}"
                yield Finding("smoke-file", ("inputs", name), problem, remedy)
    logs = test.get("expect", {}).get("logs", {})
    for key in ("match", "no_match"):
        for index, pattern in enumerate(_several(logs.get(key, ()))):
            try:
                Pattern(pattern)
            except PatternError as error:
                at = () if isinstance(logs[key], str) else (index,)
                yield Finding(
                    "smoke-pattern",
                    ("expect", "logs", key, *at),
                    f"not a regular expression: {error}",
                )
