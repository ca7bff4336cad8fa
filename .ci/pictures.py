"""Creates the pictures in ``docs/pictures`` from real output.

``python .ci/pictures.py`` starts a Kestra engine, deploys ``flows/``, changes some of them, and has
one plan written as text, as the comment of a pull request and as HTML. The text becomes an SVG; the
other two are photographed in Chromium. A test runs the same scene and compares the text.
"""

from __future__ import annotations

import html
import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]
PICTURES = ROOT / "docs" / "pictures"
#: The address in the pictures; that of the engine is a port of this machine.
SERVER = "https://kestra.acme.io"

_CONFIG = "version: 1\nname: acme-flows\nsource: flows\nscope: [acme]\n"
_NEW_FLOW = """\
id: refund_order
namespace: acme.sales
tasks:
  - id: refund
    type: io.kestra.plugin.core.log.Log
    message: Refunded.
"""
#: File → what is replaced in it, and by what.
_EDITS = {
    "flows/platform/notify.yaml": ("level: WARN", "level: ERROR"),
    "flows/sales/daily_report.yaml": ('cron: "30 6 * * *"', 'cron: "0 7 * * 1-5"'),
}
_REMOVED = "flows/sales/receive_order.yaml"
#: A flow that someone edits on the server.
_EDITED = ("acme.platform", "write_audit", "tier: shared", "tier: internal")

_CSS = """
body { font: 16px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
       color: #1f2328; margin: 0; padding: 24px; background: #fff }
main { border: 1px solid #d1d9e0; border-radius: 6px; padding: 16px; max-width: 880px }
table { border-collapse: collapse } th, td { border: 1px solid #d1d9e0; padding: 6px 13px }
code { background: #818b981f; border-radius: 6px; padding: .2em .4em; font-size: 85% }
pre { background: #f6f8fa; border-radius: 6px; padding: 16px; font-size: 85%; line-height: 1.45;
      overflow: auto } pre code { background: none; padding: 0 }
blockquote { border-left: 4px solid #9a6700; margin: 12px 0; padding: 4px 16px }
blockquote b { color: #9a6700 }
h2, h3 { margin: 16px 0 8px } summary { cursor: pointer } p { margin: 8px 0 }
"""


@dataclass(frozen=True)
class Scene:
    """One plan, in three formats.

    :param terminal: the text, with the colours of a terminal.
    :param comment: Markdown.
    :param page: HTML.
    """

    terminal: str
    comment: str
    page: str


def play(folder: Path, environment: Mapping[str, str]) -> Scene:
    """Deploy the flows of the repository, change some, and plan.

    :param folder: an empty directory, which gets a copy of the flows.
    :param environment: names an empty server.
    """
    shutil.copytree(ROOT / "flows", folder / "flows")
    (folder / "kestra-sync.yaml").write_text(_CONFIG, encoding="utf-8")
    _kestra_sync(folder, environment, "apply", "--yes")
    for path, (old, new) in _EDITS.items():
        text = (folder / path).read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old}"
        (folder / path).write_text(text.replace(old, new), encoding="utf-8")
    (folder / _REMOVED).unlink()
    (folder / "flows/sales/refund_order.yaml").write_text(_NEW_FLOW, encoding="utf-8")
    _edit_on_the_server(environment)
    reports = ("-o", "comment=comment.md", "-o", "html=plan.html")
    terminal = _kestra_sync(folder, environment, "plan", *reports)
    comment = (folder / "comment.md").read_text(encoding="utf-8")
    page = (folder / "plan.html").read_text(encoding="utf-8")
    url = environment["KESTRA_API_URL"]
    return Scene(*(each.replace(url, SERVER) for each in (terminal, comment, page)))


def _kestra_sync(folder: Path, environment: Mapping[str, str], *args: str) -> str:
    """The output of a command on a terminal with 100 columns."""
    terminal, stdout = pty.openpty()
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("kestra-sync")), *args],
        cwd=folder,
        env={**environment, "COLUMNS": "100", "TERM": "xterm", "PAGER": "cat"},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    os.close(stdout)
    printed = b""
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while part := os.read(terminal, 65536):
            printed += part
    os.close(terminal)
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"kestra-sync {args[0]}: exit {process.returncode}: {said.decode()}")
    return printed.decode("utf-8").replace("\r\n", "\n")


def _edit_on_the_server(environment: Mapping[str, str]) -> None:
    from kestra_sync import KestraClient
    from kestra_sync.model import FlowId

    namespace, name, old, new = _EDITED
    flow = FlowId(namespace, name)
    with KestraClient(
        environment["KESTRA_API_URL"],
        username=environment.get("KESTRA_USERNAME"),
        password=environment.get("KESTRA_PASSWORD"),
        env_file=None,
    ) as kestra:
        source = kestra.flows.get(flow).source
        kestra.flows.update(flow, source.replace(old.encode(), new.encode()))


def svg_of(terminal: str) -> str:
    """The text as a scalable SVG without external resources."""
    from rich.console import Console
    from rich.terminal_theme import MONOKAI
    from rich.text import Text

    text = Text.from_ansi(f"$ kestra-sync plan\n{terminal.rstrip()}")
    lines = text.plain.splitlines()
    console = Console(record=True, width=max(map(len, lines)) + 1, file=io.StringIO())
    console.print(text, soft_wrap=True)
    picture = console.export_svg(title="kestra-sync", theme=MONOKAI, unique_id="plan")
    # The font of rich comes from another server.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    picture = re.sub(
        r"font-family: ?Fira Code", "font-family: ui-monospace, Menlo, Consolas", picture
    )
    return "\n".join(each.rstrip() for each in picture.splitlines() if each.strip()) + "\n"


def text_of(svg: str) -> list[str]:
    """The lines that an SVG of :func:`svg_of` shows, without the title."""
    rows: dict[int, str] = {}
    for x, line, text in re.findall(
        r'<text [^>]*?x="([\d.]+)"[^>]*?clip-path="url\(#plan-line-(\d+)\)">(.*?)</text>', svg
    ):
        shown = html.unescape(text).replace("\xa0", " ")
        at = round(float(x) / 12.2)
        rows[int(line)] = rows.get(int(line), "").ljust(at) + shown
    return [rows.get(number, "").rstrip() for number in range(max(rows) + 1)]


def _photograph(page: str, name: str, size: tuple[int, int]) -> None:
    from tests.support.browser import dump

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(page, encoding="utf-8")
        dump(path, size=size, picture=PICTURES / name)


def _as_on_a_forge(comment: str) -> str:
    """The comment as GitHub shows it, with the first diff open."""
    import markdown  # type: ignore[import-untyped]

    comment = comment.replace("<details>", "<details open markdown='1'>", 1)
    body = markdown.markdown(comment, extensions=["tables", "fenced_code", "md_in_html"])
    body = re.sub(r"<code>http.*?</code>", f"<code>{SERVER}</code>", body)  # escaped in Markdown
    body = body.replace("[!WARNING]", "<b>⚠ Warning</b><br>")
    return f'<!doctype html><meta charset="utf-8"><style>{_CSS}</style><main>{body}</main>'


def main() -> int:
    """Take all pictures."""
    from demo import _environment, engine

    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        env_file = Path(folder) / "engine.env"
        with engine(env_file):
            kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
            scene = play(Path(folder) / "scene", {**_environment(env_file), **kept})
    (PICTURES / "plan.svg").write_text(svg_of(scene.terminal), encoding="utf-8")
    _photograph(_as_on_a_forge(scene.comment), "comment.png", (960, 1010))
    _photograph(scene.page, "report.png", (1200, 900))
    print(f"wrote {', '.join(sorted(each.name for each in PICTURES.iterdir()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
