"""``explain``: the entry of ``docs/rules.md`` for a rule, a guard, or the reason for a change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from kestra_sync.checks.rules import RULES
from kestra_sync.errors import UsageError
from kestra_sync.model import Severity
from kestra_sync.safe.paths import read_text
from kestra_sync.schemas import shortened
from kestra_sync.suggest import closest

#: Where the documentation is published.
SITE = "https://kestra-sync.github.io/kestra-sync"
_PAGE = "rules.md"


@dataclass(frozen=True)
class Explanation:
    """The explanation of a name that the output shows in brackets.

    :param group: the heading above it, such as ``Guards``.
    :param severity: of a check of files without a server; ``None`` if it is not such a check.
    :param if_accepted: its severity where the server accepts the flow.
    :param paragraphs: Markdown; the first is the meaning, the others say what to do.
    :param url: where it is on the documentation site.
    """

    rule: str
    group: str
    severity: Severity | None
    if_accepted: Severity | None
    paragraphs: tuple[str, ...]
    url: str


def explain(name: str) -> Explanation:
    """Return the explanation of ``name``, also if written as in the output: ``error[name]``.

    :raises UsageError: it is unknown; the closest name is suggested.
    """
    known = explanations()
    inside = re.search(r"\[([\w-]+)\]", name)
    normalized = (inside[1] if inside else name).strip().lower().replace("_", "-")
    if normalized in known:
        return known[normalized]
    suggestion = closest(normalized, known)
    hint = f"did you mean '{suggestion}'? " if suggestion else ""
    raise UsageError(
        f"unknown rule: {shortened(name)}",
        remedy=f"{hint}'kestra-sync explain' without a rule lists all of them",
    )


@cache
def explanations() -> dict[str, Explanation]:
    """Return all explanations by name, in the order of the page."""
    found = {}
    for part in re.split(r"^## ", _text(), flags=re.MULTILINE)[1:]:
        group, _, body = part.partition("\n")
        for entry in re.split(r"^### ", body, flags=re.MULTILINE)[1:]:
            name, _, text = entry.partition("\n")
            rule = RULES.get(name)
            found[name] = Explanation(
                name,
                group,
                None if rule is None else rule.severity,
                None if rule is None else rule.if_accepted,
                tuple(re.split(r"\n{2,}", text.strip())),
                f"{SITE}/rules/#{name}",
            )
    return found


def _text() -> str:
    if (files("kestra_sync") / _PAGE).is_file():
        return (files("kestra_sync") / _PAGE).read_text(encoding="utf-8")
    return read_text(Path(__file__).parents[2] / "docs" / _PAGE)  # a working tree
