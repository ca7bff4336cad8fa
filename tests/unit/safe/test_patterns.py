"""Regular expressions of users never hang a run."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kestra_sync.client.logs import LogEntry
from kestra_sync.errors import ExitCode
from kestra_sync.executions.logs import found_in
from kestra_sync.repo.walk import IgnoreRules
from kestra_sync.safe.patterns import Pattern, PatternError, SlowPatternError

SLOW, LONG = r"^(a|aa)+$", "a" * 60 + "b"


def test_pattern__same_semantics_as_re() -> None:
    assert Pattern(r"^[a-z_]+$").fullmatch("abc")
    assert Pattern(r"b(?=c)").search("abc")
    assert not Pattern("a").match("ba")
    assert Pattern(r"(?i)ÄRGER").search("ärger")


@pytest.mark.parametrize("pattern", [SLOW, r"^(aa|a)+c?$"])
def test_pattern__slow_match_is_an_error(pattern: str) -> None:
    compiled = Pattern(pattern, seconds=0.2)
    started = time.process_time()
    for _ in range(3):  # the second time it is not tried for long
        with pytest.raises(SlowPatternError, match="takes too long") as caught:
            compiled.search(LONG)
    assert caught.value.exit_code == ExitCode.USAGE
    assert f"`{pattern}`" in str(caught.value)
    assert caught.value.remedy
    assert time.process_time() - started < 3


def test_pattern__other_threads_continue() -> None:
    """For example, the heartbeat of a lock continues."""
    beats: list[float] = []
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.01):
            beats.append(time.monotonic())

    def beats_during_a_search() -> int:
        before = len(beats)
        with pytest.raises(SlowPatternError):
            Pattern(SLOW, seconds=0.5).search(LONG)
        return len(beats) - before

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        # A pattern without other threads has none, and a busy machine may slow some of them.
        assert any(beats_during_a_search() > 5 for _ in range(5))
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("pattern", "words", "position"),
    [
        ("[z-a]", "bad character range z-a", 1),
        ("(a", "unterminated subpattern", 0),
        ("*a", "nothing to repeat", 0),
        ("a{99999999999999}", "too large", None),
        ("((((a{1000}){1000}){1000}){1000})", "too many repetitions", None),
        ("(a{1000}|b{10}){400}", "too many repetitions", None),
        ("x" * 2000, "longer than 1000", None),
    ],
)
def test_pattern__invalid_is_reported_with_its_position(
    pattern: str, words: str, position: int | None
) -> None:
    with pytest.raises(PatternError, match=words) as caught:
        Pattern(pattern)
    assert caught.value.position == position


def test_pattern__log_search_has_a_time_limit() -> None:
    entry = LogEntry("2026-01-01T00:00:00Z", "INFO", LONG)
    with pytest.raises(SlowPatternError):
        found_in(SLOW, [entry])


def test_ignore_patterns_are_matched_with_a_limit(tmp_path: Path) -> None:
    rules = IgnoreRules.of(["*a" * 14 + "*b", "**/x/**/*.md"], tmp_path)
    started = time.process_time()
    with suppress(SlowPatternError):
        rules.ignored(tmp_path / ("a" * 200), directory=False)
    assert time.process_time() - started < 5
    assert rules.ignored(tmp_path / "d/x/y/z.md", directory=False)
    assert not rules.ignored(tmp_path / "d/y/z.md", directory=False)
