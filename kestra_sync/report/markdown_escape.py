"""Makes untrusted text harmless in Markdown, as GitHub and GitLab render it.

Names, paths and messages come from flows and servers. None of it may become markup, a link, a
mention, a reference to an issue, a quick action or a workflow command. So it is put in ``<code>``,
or in prose with each special character as an entity, or in a code block whose fence is longer than
any in it; and no line begins with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kestra_sync.safe.text import no_command, visible

#: What means something to Markdown in the middle of a line, or makes an entity, or ends a word.
_SPECIAL = re.compile(r"[!#$&*:<>@\[\\\]^_`|~\t./-]")
#: These mean nothing inside a word, and ``:`` nothing before a number.
_INSIDE = re.compile(r"[A-Za-z0-9][._/:-][A-Za-z0-9]")
#: Where links would grow: mentions, issues, addresses, and what else GitLab has signs for. Broken
#: by a space without width; at the end of a text, too: what follows may belong to another one.
_ADDRESSES = r"(?P<mail>@)(?=\w|\Z)|(?P<scheme>[A-Za-z]:)(?=//)|(?P<www>\bwww)(?=\.)"
_IN_CODE = re.compile(_ADDRESSES, re.IGNORECASE)
_IN_PROSE = re.compile(
    rf"{_ADDRESSES}|(?P<sign>[#!~$%&])(?=\w)|(?P<issue>\bGH-)(?=\d)", re.IGNORECASE
)
_GAP = "\u200b"
#: No message needs more; prevents flooding a comment.
_LONGEST = 2000
_RUN = re.compile(r"`+")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&*+,;=%-]+")


def code(text: str) -> str:
    """``text`` in one line of code: a name, a path. Safe in a cell of a table, too."""
    return f"<code>{_safe(visible(text), _IN_CODE)}</code>"


def own_address(address: str) -> str:
    """An address that the reader has given, as code that can be copied; links in it do no harm."""
    return f"<code>{_SPECIAL.sub(_entity, visible(address))}</code>"


def prose(text: str) -> str:
    """``text`` as words of a sentence, in one line. Safe in a cell of a table, too."""
    return _safe(" ".join(visible(line) for line in text.splitlines()), _IN_PROSE)


def plain_address(address: str) -> str:
    """``address`` if a link may lead there: http or https, and nothing unusual; else ``""``."""
    return address if _ADDRESS.fullmatch(address) else ""


def link(words: str, address: str) -> str:
    """``words`` as a link, if ``address`` is a plain one; else without."""
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
    # In front of a blank they end a sentence or a clause; `1. ` would begin a list.
    if match.group() in ".:" and at and match.string[at - 1].isalpha():
        after = match.string[at + 1 : at + 2]
        if not after or after == " ":
            return match.group()
    return f"&#{ord(match.group())};"
