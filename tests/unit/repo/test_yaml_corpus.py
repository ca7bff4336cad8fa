"""The YAML corpus, read by both parsers, and mutations of real files.

``tests/e2e/test_cases_agree.py`` holds the same files against a running Kestra.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.checks.offline import check_offline
from kestra_sync.cli.main import run
from kestra_sync.model import FlowId, Severity
from kestra_sync.render import render
from kestra_sync.repo import ParsedDocument, load
from kestra_sync.repo import parse as parsing
from kestra_sync.repo.load import CACHE
from kestra_sync.repo.parse import parse
from kestra_sync.repo.text import scan
from tests.cases import NEGATIVE, POSITIVE, YAML_ACCEPTED, YAML_REFUSED, YAML_STRICTER

CORPUS = (*YAML_ACCEPTED, *YAML_REFUSED, *YAML_STRICTER)
FLOWS = tuple(sorted(Path("flows").resolve().rglob("*.y*ml")))
CASES = int(os.environ.get("KESTRA_SYNC_FUZZ_CASES", "150"))
"""How many mutations are tried: a nightly job asks for more."""


@pytest.fixture(params=["c", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each of the parsers in turn."""
    if request.param == "python":
        monkeypatch.setattr(parsing, "c_parser", lambda: None)
    else:
        assert parsing.c_parser() is not None, "the tests need the C parser, too"
    CACHE.clear()
    yield request.param
    CACHE.clear()


def _errors(file: Path) -> list[str]:
    repository = load([str(file)])
    found = list(repository.diagnostics)
    for desired in render(repository.flows).desired:
        found.extend(check_offline(desired))
    return [each.message for each in found if each.severity is Severity.ERROR]


def test_the_corpus_is_judged_as_kestra_judges_it() -> None:
    """By the C parser; that the other one reads the same is the next test."""
    assert parsing.c_parser() is not None
    assert len(CORPUS) > 500
    wrongly_refused = {f.name: said for f in YAML_ACCEPTED if (said := _errors(f))}
    wrongly_accepted = [f.name for f in (*YAML_REFUSED, *YAML_STRICTER) if not _errors(f)]
    assert (wrongly_refused, wrongly_accepted) == ({}, [])


def _outcome(data: bytes, *, pure: bool) -> object:
    found = parse(data, tolerant=True, pure=pure)
    if isinstance(found, ParsedDocument):
        places = list(_places(found, found.value))
        return repr(found.value), found.root, places, found.aliases, found.duplicates
    return found


def _places(document: ParsedDocument, node: Any) -> Iterator[list[int]]:
    if isinstance(node, (dict, list)):
        yield document.marks[id(node)]
        for child in node.values() if isinstance(node, dict) else node:
            yield from _places(document, child)


def test_both_parsers_read_the_corpus_alike() -> None:
    different = [
        file.name
        for file in CORPUS
        if _outcome(data := file.read_bytes(), pure=False) != _outcome(data, pure=True)
    ]
    assert different == []


_PIECES = (
    "\t", " ", "\n", "\n\t", " \t", "---", "---\n", "...", "\n---\n", "%YAML 1.2\n", "%", "%TAG",
    "&a", "*a", "!", "!!str", "!!float ", "!x!y ", "? ", ": ", ":", "-", "- ", "[", "]", "{", "}",
    ",", "#", " #", "'", '"', "\\", "\\/", "\\u", "\\ud800", "\\U00110000", "|", ">", "|-\n", "|2",
    "@", "`", "é", "\u2028", "\x85", "\ufeff", "😀", "~", "null", ".inf", "1:30.5", "<<: ",
    "{{ x }}", "{% ", "\r", "\r\n", "?", "0x", "1_0", "\x0c", "\x00", "\xa0", "\ud7ff", "id: z\n",
    "\nid: q", "namespace: n\n", "2020-99-99", "[[[[", "1e999", "9" * 40,
)  # fmt: skip


def _mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(text))
        lines = text.split("\n")
        number = chance.randrange(len(lines))
        match chance.randrange(8):
            case 0 | 1 | 2:
                text = text[:at] + chance.choice(_PIECES) + text[at:]
            case 3:
                text = text[:at] + text[at + chance.randint(1, 5) :]
            case 4:
                text = text[:at] + chance.choice(_PIECES) + text[at + 1 :]
            case 5:
                lines.insert(number, chance.choice(lines))
                text = "\n".join(lines)
            case 6:
                lines[number] = chance.choice((" ", "  ", "\t", "- ")) + lines[number].lstrip()
                text = "\n".join(lines)
            case _:
                lines[number] += chance.choice(_PIECES)
                text = "\n".join(lines)
    return text


def _mutations(seed: int, number: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    files = [file.read_bytes() for file in (*FLOWS, *FLOWS, *CORPUS, *POSITIVE, *NEGATIVE)]
    for _ in range(number):
        text = chance.choice(files).decode("utf-8", "replace")
        data = _mutated(text, chance).encode("utf-8", "surrogatepass")
        if not chance.randrange(25):
            at = chance.randint(0, len(data))
            data = data[:at] + bytes([chance.randrange(256)]) + data[at:]
        if not chance.randrange(100):
            data = data.decode("utf-8", "replace").encode(chance.choice(("utf-16", "utf-32-be")))
        yield data


def test_mutated_files_are_read_alike_by_both_parsers() -> None:
    for number, data in enumerate(_mutations(1, CASES)):
        started = time.process_time()
        one, other = _outcome(data, pure=False), _outcome(data, pure=True)
        assert one == other, (number, data)
        assert time.process_time() - started < 5, (number, data)
        named = scan(data)
        parsed = parse(data, tolerant=True)
        if isinstance(named, FlowId) and isinstance(parsed, ParsedDocument):
            assert parsed.flow_id == named, (number, data)


def test_mutated_files_end_no_run(
    parser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flows").mkdir()
    for number, data in enumerate(_mutations(2, max(CASES // 5, 1))):
        # Many in one run: what one of them breaks, breaks the run.
        Path("flows", f"{number % 50}.yaml").write_bytes(data)
        if number % 50 == 49:
            code = run(["validate", "--offline", "-o", "json=report.json", "flows"])
            said = capsys.readouterr()
            assert code in (0, 3), (number, said.err)
