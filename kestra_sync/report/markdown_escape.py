"""Makes untrusted text harmless in Markdown, as GitHub and GitLab render it.

Names, paths and messages come from flows and servers. They must not become markup, links, mentions,
references to issues, quick actions or workflow commands. They are therefore put in ``<code>``, in
prose with special characters as entities, or in a code block whose fence is longer than any in it;
and never at the beginning of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kestra_sync.safe.text import no_command, visible

#: Characters that are special in the middle of a line, start an entity, or end a word.
_SPECIAL = re.compile(r"[!#$&*:<>@\[\\\]^_`|~\t./-]")
#: These are not special inside a word, and ``:`` is not special before a number.
_INSIDE = re.compile(r"[A-Za-z0-9][._/:-][A-Za-z0-9]")
#: Where links would grow: mentions, issues, addresses, and what else GitLab has signs for. Broken
#: by a space without width; at the end of a text, too: what follows may belong to another one.
_ADDRESSES = r"(?P<mail>@)(?=\w|\Z)|(?P<scheme>[A-Za-z]:)(?=//)|(?P<www>\bwww)(?=\.)"
_IN_CODE = re.compile(_ADDRESSES, re.IGNORECASE)
_IN_PROSE = re.compile(
    rf"{_ADDRESSES}|(?P<sign>[#!~$%&])(?=\w)|(?P<issue>\bGH-)(?=\d)", re.IGNORECASE
)
_GAP = "\u200b"
#: The maximum length of a message, so that it cannot flood a comment.
_LONGEST = 2000
_RUN = re.compile(r"`+")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&*+,;=%-]+")


def code(text: str) -> str:
    """Return ``text``, such as a name or a path, as inline code. Also safe in a table cell."""
    return f"<code>{_safe(visible(text), _IN_CODE)}</code>"


def own_address(address: str) -> str:
    """Return an address that the reader specified as code to copy; links in it are harmless."""
    return f"<code>{_SPECIAL.sub(_entity, visible(address))}</code>"


def prose(text: str) -> str:
    """Return ``text`` as prose in one line. Also safe in a table cell."""
    return _safe(" ".join(visible(line) for line in text.splitlines()), _IN_PROSE)


def plain_address(address: str) -> str:
    """Return ``address`` if it may be linked: http or https, and nothing unusual; else ``""``."""
    return address if _ADDRESS.fullmatch(address) else ""


def link(words: str, address: str) -> str:
    """Return ``words`` as a link if ``address`` is plain; otherwise without a link."""
    if not plain_address(address):
        return prose(words)
    return f'<a href="{address.replace("&", "&amp;")}">{prose(words)}</a>'


def fenced(lines: Iterable[str], language: str = "") -> str:
    """``lines`` as a code block."""
    safe = [no_command(visible(each)) for each in lines]
    longest = max((len(run) for each in safe for run in _RUN.findall(each)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *safe, fence])


def _safe(text: str, links: re.Pattern[str]) -> str:
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return _SPECIAL.sub(_entity, links.sub(lambda match: f"{match.group()}{_GAP}", text))


def _entity(match: re.Match[str]) -> str:
    at = match.start()
    if at and _INSIDE.match(match.string, at - 1):
        return match.group()
    # Before a space they only end a sentence or a clause; `1. ` would start a list.
    if match.group() in ".:" and at and match.string[at - 1].isalpha():
        after = match.string[at + 1 : at + 2]
        if not after or after == " ":
            return match.group()
    return f"&#{ord(match.group())};"
