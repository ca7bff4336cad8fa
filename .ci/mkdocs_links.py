"""A hook of the documentation site: links out of ``docs/`` lead to the repository on GitHub."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_REPOSITORY = "https://github.com/kestra-sync/kestra-sync/blob/main/"
_LINK = re.compile(r"\]\((?P<target>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The text of a page, called by mkdocs."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def target(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, match["target"]))
        if path.startswith("docs/"):
            return match[0]
        return f"]({_REPOSITORY}{path}{match['anchor'] or ''})"

    return _LINK.sub(target, markdown)
