"""The HTML report in Chromium: appearance, interaction, and protection against attacks."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.report.html import HtmlReporter
from tests.support.browser import browser, dump, first_pixel

from .samples import hostile, reports


@dataclass
class Trap:
    """A server of this machine that must not receive any request."""

    port: int = 0
    paths: list[str] = field(default_factory=list)

    def attacks(self, name: str) -> tuple[str, ...]:
        """Markup that asks for something or runs something, unless it is kept from it."""
        address = f"http://127.0.0.1:{self.port}/{name}"
        mark = "document.documentElement.dataset.owned=1"
        return (
            f"<img src={address}-img onerror={mark}>",
            f"<script>{mark};fetch('{address}-fetch')</script>",
            f"<script src={address}-script></script>",
            f"<link rel=stylesheet href={address}-link>",
            f"<style>@import url({address}-import);body{{background:url({address}-css)}}</style>",
            f"<iframe src={address}-frame></iframe>",
            f"<svg onload={mark}><image href={address}-image /></svg>",
            f"<details open ontoggle={mark}><summary>x</summary></details>",
            f'<p style="background:url({address}-style)">x</p>',
        )


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    """A server that notes what it is asked for."""
    found = Trap()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


#: Runs in the page, as a reader would use it, and leaves what it has seen in the document.
_PROBE = """
addEventListener("load", () => {
  const seen = {};
  const query = document.getElementById("query");
  const cards = () => [...document.querySelectorAll("details.card:not([hidden])")];
  const shown = () => cards().map((each) => each.id);
  const sides = () => document.querySelectorAll("table.sides").length;
  const press = (key, at = document.body) =>
    at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const type = (text) => { query.value = text; query.dispatchEvent(new Event("input")); };
  seen.all = shown();
  seen.sides = sides();
  seen.width = document.documentElement.scrollWidth - innerWidth;
  press("/");
  seen.focus = document.activeElement.id;
  type("trigger.date READY");
  seen.search = shown();
  seen.count = document.getElementById("shown").textContent;
  seen.address = location.hash;
  type("there is no such thing");
  seen.nothing = [shown().length, document.getElementById("nothing").hidden];
  press("Escape", query);
  seen.cleared = shown().length;
  const chip = document.querySelector("button[data-action=drift]");
  chip.click();
  seen.drift = [shown(), chip.ariaPressed];
  chip.click();
  const select = document.getElementById("namespace");
  select.value = "company.ops";
  select.dispatchEvent(new Event("change"));
  seen.namespace = shown();
  document.getElementById("clear").click();
  document.getElementById("view").click();
  seen.turned = sides();
  document.getElementById("open").click();
  seen.open = document.querySelectorAll("details.card[open]").length;
  seen.focusable = document.querySelectorAll("summary, input, select, button, a[href]").length;
  document.documentElement.dataset.seen = JSON.stringify(seen);
});
"""


def _probed(text: str) -> str:
    """The page with the probe, which its policy would not let run."""
    text = re.sub(r"script-src '[^']+'", "script-src 'unsafe-inline'", text)
    return text.replace("</body>", f"<script>{_PROBE}</script></body>")


@dataclass(frozen=True)
class Pages:
    """What the browser made of each page; all at once, since a start takes its time."""

    control: str
    attacked: str
    wide: dict[str, Any]
    narrow: dict[str, Any]
    addressed: str
    light: tuple[int, int, int]
    dark: tuple[int, int, int]


@pytest.fixture(scope="module")
def pages(trap: Trap, tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Every page, loaded once."""
    browser()
    folder = tmp_path_factory.mktemp("pages")
    plain = HtmlReporter().render(reports()["plan"])
    attacks = trap.attacks("attack")
    report = replace(hostile(), notes=(*hostile().notes, *attacks))
    # As if the escaping had a hole: then the policy has to hold.
    holed = HtmlReporter().render(report).replace("</main>", f"{''.join(attacks)}</main>")
    written = {
        "control": f"<!doctype html><title>x</title>{''.join(trap.attacks('control'))}",
        "attacked": holed,
        "plain": plain,
        "probed": _probed(plain),
    }
    files: dict[str, Path] = {}
    for name, text in written.items():
        files[name] = folder / f"{name}.html"
        files[name].write_text(text, encoding="utf-8")
    light, dark = folder / "light.png", folder / "dark.png"
    phone = (390, 844)
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(partial(dump, files["control"])),
            pool.submit(partial(dump, files["attacked"])),
            pool.submit(partial(dump, files["probed"], picture=light)),
            pool.submit(partial(dump, files["probed"], size=phone, picture=dark, dark=True)),
            pool.submit(partial(dump, files["plain"], "q=COMPANY.OPS&action=move&view=unified")),
        ]
        control, attacked, wide, narrow, addressed = [job.result() for job in jobs]
    return Pages(
        control,
        attacked,
        _seen(wide),
        _seen(narrow),
        addressed,
        first_pixel(light),
        first_pixel(dark),
    )


def _seen(document: str) -> dict[str, Any]:
    match = re.search(r'data-seen="([^"]*)"', document)
    assert match is not None, "the probe has not come to its end"
    seen: dict[str, Any] = json.loads(unescape(match[1]))
    return seen


def test_attacks__work_without_the_protection(pages: Pages, trap: Trap) -> None:
    """Otherwise, the next test would be meaningless."""
    assert 'data-owned="1"' in pages.control
    asked = {path.removeprefix("/control-") for path in trap.paths if "control" in path}
    assert {"img", "fetch", "script", "link", "import", "frame", "style"} <= asked


def test_no_attack_runs_or_asks_for_anything(pages: Pages, trap: Trap) -> None:
    """Hostile flows are text; and were they not, the policy would stop them."""
    assert "data-owned" not in pages.attacked.split(">", 2)[1]
    assert [path for path in trap.paths if "attack" in path] == []
    assert "&lt;script&gt;document.documentElement.dataset.owned=1" in pages.attacked
    # The page's own script has run.
    assert '<form class="tools" role="search">' in pages.attacked


def test_search_and_filters(pages: Pages) -> None:
    """Words in any order, in diffs too; actions; namespaces; and back."""
    seen = pages.wide
    assert seen["all"] == [f"flow-{number}" for number in range(5)]
    assert seen["search"] == ["flow-1"]
    assert seen["count"] == "1 of 5"
    assert seen["address"] == "#q=trigger.date+READY"
    assert seen["nothing"] == [0, False]
    assert seen["cleared"] == 5
    assert seen["drift"] == [["flow-2"], "true"]
    assert seen["namespace"] == ["flow-2", "flow-3"]


def test_keys_and_controls(pages: Pages) -> None:
    """A slash begins a search, Escape ends it, and everything can be reached with Tab."""
    assert pages.wide["focus"] == "query"
    assert pages.wide["open"] == 0
    assert pages.wide["focusable"] >= 5 + 2 + 5 + 2


def test_html__diffs_are_side_by_side_if_there_is_room(pages: Pages) -> None:
    """What has one side only stays as it is; the reader may turn them."""
    assert (pages.wide["sides"], pages.wide["turned"]) == (3, 0)
    assert (pages.narrow["sides"], pages.narrow["turned"]) == (0, 3)


def test_html__fits_on_a_phone(pages: Pages) -> None:
    """Only what is wide by nature scrolls, in a box of its own."""
    assert pages.narrow["width"] <= 0
    assert pages.wide["width"] <= 0


def test_the_address_is_the_state_of_the_page(pages: Pages) -> None:
    """The URL can be shared."""
    cards = re.findall(r"<details [^>]*>", pages.addressed)
    assert len(cards) == 5
    assert [each for each in cards if " hidden" not in each] == [
        each for each in cards if 'data-action="move"' in each
    ]
    assert 'class="diff sides"' not in pages.addressed


def test_light_and_dark(pages: Pages) -> None:
    """The color scheme follows the system."""
    assert min(pages.light) > 200
    assert max(pages.dark) < 60


def test_a_missing_browser_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do; the tests are never left out in silence."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match=r"\.ci/chromium\.sh"):
        browser()
