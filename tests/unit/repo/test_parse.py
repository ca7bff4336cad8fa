"""Values as Jackson reads them, positions, and errors in YAML: both parsers agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml.error import MarkedYAMLError

from kestra_sync.findings import Finding
from kestra_sync.model import FlowId, Position
from kestra_sync.repo import ParsedDocument
from kestra_sync.repo import parse as parsing
from kestra_sync.repo.parse import parse
from kestra_sync.repo.text import MAX_BYTES, decode
from tests.cases import NEGATIVE, POSITIVE

PURE = pytest.mark.parametrize("pure", [False, True], ids=["c", "python"])
# One line per case: a document (``\n`` for a line break), a tab, what Jackson's ObjectMapper made
# of it (jackson-dataformat-yaml 2.21 on SnakeYAML 2.4) as JSON, or "refused".
JACKSON = Path(__file__).with_name("jackson.tsv").read_text("utf-8").splitlines()


def _parsed(data: bytes, *, pure: bool = False) -> ParsedDocument:
    found = parse(data, pure=pure)
    assert isinstance(found, ParsedDocument), found
    return found


def _problem(data: bytes, *, pure: bool = False) -> Finding:
    found = parse(data, pure=pure)
    assert isinstance(found, tuple)
    return found[0]


@PURE
@pytest.mark.parametrize("line", JACKSON)
def test_values__are_those_of_jackson(line: str, pure: bool) -> None:
    source, _, expected = line.partition("\t")
    found = parse(source.replace("\\n", "\n").encode(), lenient=True, pure=pure)
    if expected == "refused":
        assert not isinstance(found, ParsedDocument)
    else:
        assert isinstance(found, ParsedDocument)
        wanted = json.loads(expected)
        assert found.value == wanted
        assert json.dumps(found.value) == json.dumps(wanted)


@pytest.mark.skipif(parsing.c_parser() is None, reason="there is only one parser")
@pytest.mark.parametrize("case", [*POSITIVE, *NEGATIVE], ids=lambda case: case.stem)
def test_both_parsers_say_the_same(case: Path) -> None:
    one, other = parse(case.read_bytes()), parse(case.read_bytes(), pure=True)
    if isinstance(one, ParsedDocument):
        assert isinstance(other, ParsedDocument)
        assert one.value == other.value
        assert list(one.marks.values()) == list(other.marks.values())
        assert one.aliases == other.aliases
    else:
        assert one == other


@PURE
def test_positions(pure: bool) -> None:
    source = "# x\nid: a\nlist:\n  - é: {k: v}\n  - 'two'\nlast:\n".encode()
    parsed = _parsed(source, pure=pure)
    assert parsed.root == Position(2, 1)
    assert parsed.position_of(()) == Position(2, 1)
    assert parsed.position_of(("id",)) == Position(2, 5)
    assert parsed.position_of(("id",), key=True) == Position(2, 1)
    assert parsed.position_of(("list", 0)) == Position(4, 5)
    assert parsed.position_of(("list", 0, "é", "k")) == Position(4, 12)
    assert parsed.position_of(("list", 0, "é", "k"), key=True) == Position(4, 9)
    assert parsed.position_of(("list", 1)) == Position(5, 5)
    # of what is not there, the nearest parent
    assert parsed.position_of(("list", 5)) == Position(4, 3)
    assert parsed.position_of(("list", "x")) == Position(4, 3)
    assert parsed.position_of(("nowhere", "x")) == Position(2, 1)
    assert parsed.position_of(("id", "x")) == Position(2, 5)


def test_positions__lenient_parser_uses_the_last_key() -> None:
    parsed = parse(b"a: 1\nb: 2\na: 3\n", lenient=True)
    assert isinstance(parsed, ParsedDocument)
    assert parsed.value == {"a": 3, "b": 2}
    assert parsed.position_of(("a",)) == Position(3, 4)
    assert parsed.position_of(("b",)) == Position(2, 4)


def test_lenient_takes_the_first_document() -> None:
    parsed = parse(b"a: 1\n---\na: 2\n", lenient=True)
    assert isinstance(parsed, ParsedDocument)
    assert parsed.value == {"a": 1}
    assert _problem(b"a: 1\n---\na: 2\n").message == "a second document"


@pytest.mark.parametrize(
    ("source", "flow_id"),
    [
        ("id: a\nnamespace: x", FlowId("x", "a")),
        ("id: 5\nnamespace: x", FlowId("x", "5")),
        ("id: true\nnamespace: x", FlowId("x", "true")),
        ("id: false\nnamespace: x", FlowId("x", "false")),
        ("id: 1.5\nnamespace: x", FlowId("x", "1.5")),
        ("id:\nnamespace: x", None),
        ("id: [a]\nnamespace: x", None),
        ("id: a\nnamespace: 5", None),
        ("[a]", None),
    ],
)
def test_flow_id(source: str, flow_id: FlowId | None) -> None:
    assert _parsed(source.encode()).flow_id == flow_id


@PURE
@pytest.mark.parametrize(
    ("source", "rule", "line", "column"),
    [
        (b"a: {{ x }}\n", "yaml-unquoted-expression", 1, 4),
        (b"- {{ x }}\n", "yaml-unquoted-expression", 1, 3),
        (b"a: {{ x | f('b') }} c\n", "yaml-unquoted-expression", 1, 4),
        (b"a:\n  {{ x }}: b\n", "yaml-unquoted-expression", 2, 3),
        (b"a: {[x]: b}\n", "yaml-syntax", 1, 5),
        (b"a: [b\n", "yaml-syntax", 1, 4),
        (b"a: {b: c\n", "yaml-syntax", 1, 4),
        (b"a: !x!y z\n", "yaml-syntax", 1, 4),
        (b"a: &\n", "yaml-syntax", 1, 5),
        (b"a: |2x\n", "yaml-syntax", 1, 6),
        (b"a:\n\t- b\n", "yaml-syntax", 2, 1),
        (b"a: 'b'\n...\nc: d\n", "yaml-syntax", 3, 1),
        (b"\xef\xbb\xbfa: @\n", "yaml-syntax", 1, 4),
        (b"a: \x00\n", "yaml-encoding", 1, 4),
        (b"a: \xc3\xa9\xff\n", "yaml-encoding", 1, 5),
        (b"a: 1\r\nb: \xff\n", "yaml-encoding", 2, 4),
        (b"\xfe\xff\x00a", "yaml-encoding", 1, 1),
        (b"a: \xef\xbf\xbe\n", "yaml-encoding", 1, 4),
        (b"[" * 1500, "yaml-depth", 1, 101),
        (b"? " * 1500, "yaml-syntax", 1, 3),
        (b"- " * 1500, "yaml-depth", 1, 201),
    ],
)
def test_problems(source: bytes, rule: str, line: int, column: int, pure: bool) -> None:
    found = _problem(source, pure=pure)
    assert (found.rule, found.at) == (rule, Position(line, column)), found.message


def test_every_duplicate_is_found() -> None:
    found = parse(b"a: 1\na: 2\nb:\n  c: 1\n  c: 2\n" + b"x" * 80 + b": 1\n" + b"x" * 80 + b": 1\n")
    assert isinstance(found, tuple)
    assert [problem.at for problem in found] == [
        Position(2, 1),
        Position(5, 3),
        Position(7, 1),
    ]
    assert found[0].message == "duplicate key 'a', first on line 1"


def test_too_large() -> None:
    found = _problem(b"#" * (MAX_BYTES + 1))
    assert (found.rule, found.at) == ("file-too-large", None)


@pytest.mark.parametrize("character", ["#", "é", "\U0001f600"], ids=["1", "2", "4 bytes"])
def test_the_limit_is_counted_in_code_points(character: str) -> None:
    """Kestra reads 3,145,728 of them and no more, whatever their number of bytes."""
    start = "a: 1\n#"
    text = start + character * (3_145_728 - len(start))
    if len(text.encode()) <= MAX_BYTES:
        assert decode(text.encode()) == text
        found = decode(text.encode() + b"#")
    else:
        found = decode(text.encode())
    assert isinstance(found, Finding)
    assert found.rule == "file-too-large"


@PURE
def test_aliases_are_text(pure: bool) -> None:
    parsed = _parsed(b"a: &x [*x, *y]\nb: *x\n", pure=pure)
    assert parsed.value == {"a": ["x", "y"], "b": "x"}
    assert parsed.aliases == (
        (Position(1, 8), "x"),
        (Position(1, 12), "y"),
        (Position(2, 4), "x"),
    )


def test_yaml__alias_bomb_stays_small() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 60)]
    assert len(_parsed("\n".join(lines).encode()).value) == 60


@PURE
def test_empty_document(pure: bool) -> None:
    assert _parsed(b"", pure=pure).value is None


def test_long_numbers_are_text() -> None:
    digits = "9" * 5000
    assert _parsed(f"a: {digits}".encode()).value == {"a": digits}


def test_yaml__c_parser_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(parsing, "import_module", missing)
    assert parsing.c_parser.__wrapped__() is None


def test_without_the_c_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "c_parser", lambda: None)
    assert _parsed(b"a: 1").value == {"a": 1}


def test_errors_without_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str, *, pure: bool) -> parsing.EventSource:
        raise error

    monkeypatch.setattr(parsing, "event_source", broken)
    error: Exception = ValueError("what\nnow")
    assert _problem(b"a").message == "what"
    error = RecursionError()
    assert _problem(b"a").message == "RecursionError"
    error = MarkedYAMLError(problem="strange")
    assert parse(b"a") == (Finding("yaml-syntax", None, "strange"),)
