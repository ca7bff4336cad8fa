"""The HTML report, parsed. For tests in a browser, see ``test_browser.py``."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kestra_sync.commands.smoke import SmokeReport
from kestra_sync.errors import ExitCode
from kestra_sync.executions.cleanup import Cleanup
from kestra_sync.model import Action, Reason
from kestra_sync.report.collect import of_plan, of_smoke
from kestra_sync.report.html import HtmlReporter
from kestra_sync.report.markdown_escape import plain_address
from kestra_sync.report.report import Report
from tests.support.sources import log_flow

from .samples import changed, hostile, planned, reports, smoke_result

#: Attributes with which an element could ask for something or run something.
_DANGEROUS = {"src", "srcset", "action", "formaction", "data", "poster", "background", "style"}
_VOID = {"meta", "input", "wbr", "br", "link", "img"}


class Page(HTMLParser):
    """Elements with their attributes; fails where they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of SVG without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text, that of scripts and styles apart."""
        if self._open and self._open[-1] not in ("script", "style"):
            self.text += data


def page(report: Report) -> Page:
    """The page, whose every element is harmless."""
    made = Page(HtmlReporter().render(report))
    names = [tag for tag, _ in made.elements]
    assert names.count("script") == names.count("style") == 1
    assert not {"img", "iframe", "object", "embed", "link", "base", "h6"} & set(names)
    for tag, attributes in made.elements:
        assert not _DANGEROUS & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        address = attributes.get("href") or "#"
        if not address.startswith("#"):  # the page of an execution that was kept
            assert (tag, address) == ("a", plain_address(address))
            assert attributes["rel"] == "noreferrer noopener"
    return made


@pytest.mark.parametrize("name", reports())
def test_every_report_is_a_page(name: str) -> None:
    """Well nested, and the verdict is its heading."""
    made = page(reports()[name])
    assert "kestra-sync" in made.text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://kestra/ui/main/executions/a/b/e2", True),
        ("javascript:alert(1)", False),
        ('http://kestra/"onclick="x', False),
        ("http://kestra/ e2", False),
        ("data:text/html,x", False),
    ],
)
def test_a_kept_execution_has_a_link(url: str, shown: bool) -> None:
    """As in the text; only an address that is nothing else."""
    result = smoke_result()
    kept = replace(result.runs[1], url=url)
    report = of_smoke(SmokeReport((), replace(result, runs=(kept,)), "x"))
    links = [attributes["href"] for tag, attributes in page(report).elements if tag == "a"]
    assert (url in links) is shown
    gone = replace(kept, cleanup=replace(kept.cleanup or Cleanup(kept=True), kept=False))
    report = of_smoke(SmokeReport((), replace(result, runs=(gone,)), "x"))
    assert url not in HtmlReporter().render(report)
    assert "flows/report.smoke.yaml:2" in page(report).text


def test_the_policy_allows_its_own_style_and_script_only() -> None:
    """By their hashes; nothing else, from nowhere."""
    text = HtmlReporter().render(reports()["plan"])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    rules = dict(each.strip().split(" ", 1) for each in policy[1].split(";"))
    assert rules.keys() == {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    # The namespaces of SVG are not addresses that are requested.
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert addresses == {"http://localhost:8080"}


def test_attacks_stay_text() -> None:
    """Scripts, images, ends of elements, control and bidirectional characters."""
    made = page(hostile())
    assert "<script>document.documentElement.dataset.owned=1</script>" in made.text
    assert "##[" not in made.text
    text = HtmlReporter().render(hostile())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]", text)


@given(st.text(st.characters(codec=None), max_size=30))
def test_markdown__untrusted_text_stays_text(text: str) -> None:
    """Names, paths and sources; the page can be written as UTF-8."""
    before = log_flow("company.sales", "a", "hello")
    after = before + text.encode("utf-8", "replace").decode()
    change = changed(Action.UPDATE, Reason.DRIFT, "a", before, after, path=text or "p")
    change = replace(change, flow_id=replace(change.flow_id, namespace=text or "n"))
    made = of_plan(planned((change,)), ExitCode.OK, environment=text)
    page(made)
    HtmlReporter().render(made).encode()


def test_the_rows_of_a_diff_know_their_lines() -> None:
    """Numbers on both sides, the mark by the class, the heading from the flow."""
    text = HtmlReporter().render(reports()["plan"])
    assert '<tr class="hunk"><td></td><td></td><td>tasks › main</td></tr>' in text
    row = '<tr class="removed"><td>7</td><td></td><td>    message: Report ready</td></tr>'
    assert row in text
    assert '<tr class="added"><td></td><td>1</td><td>id: load_orders</td></tr>' in text


def test_very_long_diffs_are_cut() -> None:
    """And it says so."""
    lines = "".join(f"# {number}\n" for number in range(6000))
    change = changed(Action.CREATE, Reason.NEW, "a", after=log_flow("company.sales", "a") + lines)
    text = HtmlReporter().render(of_plan(planned((change,)), ExitCode.OK))
    assert "… more lines: see --format json" in text
    assert text.count('<tr class="added">') == 5000


def test_html__graph_links_to_the_flows() -> None:
    """Those that change have a card."""
    made = page(reports()["plan"])
    anchors = {attributes["id"] for tag, attributes in made.elements if tag == "details"}
    links = [attributes["href"] for tag, attributes in made.elements if tag == "a"]
    assert "#flow-0" in links
    assert {f"#{each}" for each in anchors} >= set(links) - {"#main"}
