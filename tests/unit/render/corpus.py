"""The documents for tests of rendering: the sample flows and the YAML corpus."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kestra_sync.repo.text import split
from tests.cases import POSITIVE, YAML_ACCEPTED

FLOWS = tuple(sorted(Path("flows").resolve().rglob("*.y*ml")))

#: Written so oddly that not every value in them can be changed in place: a mapping without braces
#: in brackets, a tab or a comment right behind a value.
ODD = frozenset(
    f"value_{name}.yaml" for name in ("flow_single", "flow_colon_end", "flow_q2", "f2", "f3", "f23")
) | frozenset(("value_f52.yaml", "value_f53.yaml", "value_f54.yaml", "tab_comment.yaml"))


@cache
def documents() -> tuple[tuple[str, bytes], ...]:
    """Name and bytes of each document."""
    return tuple(
        (file.name, document.data)
        for file in (*FLOWS, *POSITIVE, *YAML_ACCEPTED)
        for document in split(file.name, file.read_bytes())
    )
