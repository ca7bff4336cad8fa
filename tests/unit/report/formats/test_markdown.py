"""Markdown: untrusted text does not become markup, and size limits are respected."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kestra_sync.errors import ExitCode
from kestra_sync.model import Action, Diagnostic, Position, Reason, Severity
from kestra_sync.report.collect import of_plan
from kestra_sync.report.comment import (
    COMMENT_LIMIT,
    CommentReporter,
    SummaryReporter,
    comment,
    marker,
)
from kestra_sync.report.markdown import MarkdownReporter, parts_of
from kestra_sync.report.markdown_escape import code, fenced, link, own_address, prose
from kestra_sync.report.report import Report
from kestra_sync.safe.text import no_command, visible
from tests.support.sources import log_flow

from .samples import HOSTILE, changed, hostile, planned, reports, with_done

_GAP = "\u200b"
#: The elements that we write ourselves, and those that Markdown makes of what we write.
_OURS = {"code", "details", "summary", "br", "sub", "pre", "table", "thead", "tbody", "tr", "th",
         "td", "p", "h3", "h4", "strong", "blockquote", "a"}  # fmt: skip
#: Texts that are likely to break something: fragments of markup between anything else.
_NASTY = st.lists(
    st.one_of(st.text(max_size=4), st.sampled_from(
        ["<b>", "`", "```", "|", "\\", "*", "_", "[x](y)", "![x](y)", "@me", "#1", "GH-2", "~",
         "http://a.b", "www.a.b", "::error::x", "##[error]", "\n", "\r", "\t", "-->", "<!--",
         "&amp;", "&#64;", "&", ";", " ", "$a$", "1. ", "- ", "# ", "> ", "/close", "a@b.cd"]
    )), max_size=12,
).map("".join)  # fmt: skip


class Reader(HTMLParser):
    """Collects elements, and the text outside and inside of code."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.comments: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.code = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name == "href"]
        self._depth += tag in ("code", "pre")

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        self._depth -= tag in ("code", "pre")

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._depth > 0:
            self.code += data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        """A hidden line."""
        self.comments.append(data)


def read(markdown: str) -> Reader:
    """What a reader of the rendered Markdown gets."""
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def spelled(text: str) -> str:
    """``text`` in one line, as the escapes show it, without what no reader sees."""
    return visible(text).replace(_GAP, "")


def same(one: str, other: str) -> bool:
    """Whether two texts are equal but for blanks and invisible characters."""
    return one.replace(_GAP, "").split() == other.replace(_GAP, "").split()


@given(_NASTY)
def test_markdown__code_stays_code(text: str) -> None:
    """In a cell of a table, which is the most delicate place."""
    reader = read(f"| a | b |\n| --- | --- |\n| {code(text)} | end |\n")
    assert set(reader.elements) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert reader.elements.count("td") == 2
    assert same(reader.code, spelled(text))
    assert same(reader.text, "a b end")


@given(_NASTY)
def test_markdown__prose_stays_text(text: str) -> None:
    """In a cell and in a paragraph."""
    words = " ".join(spelled(line) for line in text.splitlines())
    reader = read(f"| a |\n| --- |\n| x {prose(text)} |\n\ny {prose(text)}\n")
    assert set(reader.elements) <= {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert same(reader.text, f"a x {words} y {words}")


@given(_NASTY)
def test_prose__has_no_mentions_or_links(text: str) -> None:
    """GitHub looks for mentions, issues and addresses in the text that was rendered."""
    rendered = read(f"x {prose(text)}").text
    for pattern in (r"@\w", r"#\w", r"!\w", r"~\w", r"\bGH-\d", r"[A-Za-z]://", r"\bwww\."):
        assert not re.search(pattern, rendered, re.IGNORECASE), pattern


@given(_NASTY)
def test_markdown__source_contains_no_untrusted_markup(text: str) -> None:
    """Read raw, in a log, it is as harmless."""
    for escaped in (prose(text), code(text).removeprefix("<code>").removesuffix("</code>")):
        assert not re.search(r"[<>`\[\]\\|*\n\r]", escaped)
        assert not re.match(r"\s*::", escaped)
        assert "##[" not in escaped
        assert not re.search(r"@\w|[A-Za-z]://|\bwww\.", escaped, re.IGNORECASE)


@given(st.lists(_NASTY, max_size=5))
def test_markdown__fence_is_not_ended_by_content(lines: list[str]) -> None:
    """Whatever backticks there are, the block ends where we end it."""
    reader = read(f"{fenced(lines, 'diff')}\n\nend\n")
    assert set(reader.elements) == {"pre", "code", "p"}
    assert reader.text.strip() == "end"
    # Markdown replaces characters that cannot be written.
    assert reader.code.rstrip("\n") == "\n".join(spelled_raw(each) for each in lines).rstrip("\n")


def spelled_raw(text: str) -> str:
    """``text`` in one line, as a code block shows it."""
    return no_command(visible(text))


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", 'https://a"onclick=x', "https://a b", "//a", "https://a<b>", ""],
)
def test_odd_addresses_are_not_links(address: str) -> None:
    """The words stay."""
    assert link("words", address) == "words"


def test_plain_addresses_are_links() -> None:
    """Ampersands as HTML wants them."""
    address = "https://a.b/ui/main/executions/x?a=1&b=2"
    assert link("go", address) == f'<a href="{address.replace("&", "&amp;")}">go</a>'
    assert read(own_address("http://localhost:8080")).code == "http://localhost:8080"


def test_long_texts_are_cut() -> None:
    """A name cannot flood a comment."""
    assert len(code("x" * 5000)) < 2100
    assert len(prose("x" * 5000)) < 2100


def _attacked(text: str) -> None:
    reader = read(text)
    assert set(reader.elements) <= _OURS
    assert all(each.startswith("https://") for each in reader.addresses)
    for pattern in (r"@\w", r"[A-Za-z]://", r"\bwww\.", r"\bGH-\d"):
        assert not re.search(pattern, reader.text, re.IGNORECASE), pattern
    for line in text.splitlines():
        assert not re.match(r"\s*::", line)
        assert "##[" not in line
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.parametrize("made", [MarkdownReporter(), CommentReporter(), SummaryReporter()])
def test_attacks_stay_text(made: MarkdownReporter) -> None:
    """All that is dangerous somewhere, in every place that others can fill."""
    _attacked(made.render(hostile()))


@given(_NASTY)
@example("0@")
def test_markdown__untrusted_text_stays_text(text: str) -> None:
    """In names, paths, messages and sources at once."""
    before = log_flow("company.sales", "a", "hello")
    change = changed(Action.UPDATE, Reason.DRIFT, "a", before, before + text, path=text or "p")
    said = Diagnostic(text, Position(1, 1), Severity.ERROR, "rule", text, text)
    result = planned((change,), diagnostics=(said,))
    _attacked(CommentReporter().render(of_plan(result, ExitCode.INVALID, environment=text)))


def big(flows: int, lines: int, width: int = 0) -> Report:
    """A plan with ``flows`` changes of ``lines`` lines each, which are ``width`` wide at least."""
    changes = []
    for number in range(flows):
        before = "\n".join(f"{key}: {number:<{width}}." for key in range(lines))
        after = "\n".join(f"{key}: changed 😀" for key in range(lines))
        changes.append(changed(Action.UPDATE, Reason.CHANGED, f"f{number:04}", before, after))
    return of_plan(planned(tuple(changes), diagnostics=()), ExitCode.OK)


def units(text: str) -> int:
    """The length as a browser counts it."""
    return len(text.encode("utf-16-le")) // 2


def test_diffs_are_dropped_last_first() -> None:
    """As few as need be, and it says so; all else stays."""
    report = big(40, 100)
    text = CommentReporter().render(report)
    shown = re.findall(r"<details><summary><code>company\.sales/(f\d+)</code>", text)
    assert 0 < len(shown) < 40
    assert shown == [f"f{number:04}" for number in range(len(shown))]
    assert f"… {40 - len(shown)} diffs omitted" in text
    assert text.count("| <code>&#126;</code> update |") == 40
    assert "--expect-digest" in text
    assert units(text) <= COMMENT_LIMIT
    # One more would not have fitted.
    size = units(parts_of(report).diffs[len(shown)])
    assert units(text) + size > COMMENT_LIMIT


def test_rows_go_when_diffs_are_not_enough() -> None:
    """With the number of those that are missing."""
    text = comment(big(600, 1), limit=20_000)
    assert units(text) <= 20_000
    assert "<details>" not in text
    assert re.search(r"… and \d+ flows more\.", text)
    assert "--expect-digest" in text


def test_nothing_is_longer_than_the_limit() -> None:
    """Whatever it takes."""
    for limit in (50, 1000, 5000, 30_000):
        assert units(comment(hostile(), limit)) <= limit


@pytest.mark.parametrize("name", reports())
def test_small_reports_are_whole(name: str) -> None:
    """A comment is the document with a marker."""
    report = reports()[name]
    document = MarkdownReporter().render(report)
    assert comment(report) == f"{marker(report.environment)}\n\n{document}"
    assert SummaryReporter().render(report) == document


def test_a_summary_has_its_own_limit() -> None:
    """1 MiB, in bytes."""
    text = SummaryReporter().render(big(60, 30, width=700))
    assert len(text.encode()) <= 1024 * 1024
    assert "omitted" in text
    assert len(text) > COMMENT_LIMIT


def test_long_diffs_are_cut_by_themselves() -> None:
    """The others have a chance, too."""
    text = MarkdownReporter().render(big(1, 500))
    assert "more lines @@" in text


def test_the_marker_is_ours_alone() -> None:
    """No environment can end the hidden line."""
    assert marker(None) == "<!-- kestra-sync:default -->"
    assert marker("prod") == "<!-- kestra-sync:prod -->"
    assert marker("x --> <b>") == "<!-- kestra-sync:x--b -->"
    for text in HOSTILE:
        assert re.fullmatch(r"<!-- kestra-sync:[\w.-]+ -->", marker(text))


def test_large_graphs_stay_out_of_comments() -> None:
    """They would not be readable."""
    callers = tuple(
        changed(
            Action.CREATE,
            Reason.NEW,
            f"f{number}",
            after=log_flow("company.sales", f"f{number}")
            + "  - {id: c, type: io.kestra.plugin.core.flow.Subflow, namespace: a, flowId: b}\n",
        )
        for number in range(60)
    )
    few = of_plan(planned(callers[:10]), ExitCode.OK)
    many = of_plan(planned(callers), ExitCode.OK)
    assert "```mermaid" in CommentReporter().render(few)
    assert "```mermaid" not in CommentReporter().render(many)


def test_conflicts_show_both_sides() -> None:
    """Planned and actual changes of triggers."""
    text = MarkdownReporter().render(reports()["conflict"])
    assert text.count("```diff") == 2
    assert "Edited on the server since the last apply" in text


def test_a_failed_run_keeps_the_environment_of_its_comment() -> None:
    """So that the comment of another environment is not overwritten."""
    report = replace(reports()["failure"], environment="prod")
    assert CommentReporter().render(report).startswith("<!-- kestra-sync:prod -->")


@pytest.mark.parametrize(
    ("made", "words", "command"),
    [
        (
            "plan",
            "apply exactly this plan:",
            "kestra-sync apply -e prod --expect-digest sha256:",
        ),
        ("validate", "fix the files", "kestra-sync validate --offline"),
        ("drift", "see what an apply would change:", "kestra-sync plan -e prod"),
        ("unfinished", "run the same command again", "kestra-sync apply -e prod"),
        ("smoke", "check the failed tests", ""),
        ("failure", "check the URL, and that Kestra is running", ""),
        ("refused", "", None),
        ("nothing", "", None),
        ("applied", "", None),
        ("apply", "", None),
    ],
)
def test_the_next_step(made: str, words: str, command: str | None) -> None:
    """A command where there is one; nothing where nothing is left to do, or was said above."""
    from kestra_sync.report.next_step import next_step

    all_ = reports()
    report = with_done(all_["apply"], restored=()) if made == "unfinished" else all_[made]
    step = next_step(report)
    if command is None:
        assert step is None
    else:
        assert step is not None
        assert step.words.startswith(words)
        assert step.command.startswith(command)
        assert bool(step.command) == bool(command)


def test_the_next_step_names_other_paths() -> None:
    """Arguments are quoted for a shell."""
    from kestra_sync.report.next_step import next_step

    plan = reports()["plan"]
    assert plan.repository is not None
    files = replace(plan.repository, source="a b, c")
    step = next_step(replace(plan, repository=files, environment=None))
    assert step is not None
    assert step.command.startswith("kestra-sync apply 'a b' c --expect-digest sha256:")
    failed = reports()["failure"]
    assert failed.failure is not None
    asked = next_step(replace(failed, failure=replace(failed.failure, remedy="check the URL")))
    assert asked is not None
    assert asked.words == "check the URL"
