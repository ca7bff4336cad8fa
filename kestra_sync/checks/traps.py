"""Flows that Kestra accepts but then cannot handle; each was observed on Kestra 1.3."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kestra_sync.findings import Finding
from kestra_sync.repo.document import ParsedDocument, as_text
from kestra_sync.repo.quote import quoted

_PLAIN = re.compile(r"[^\s#]+")


def check_traps(parsed: ParsedDocument, source: bytes) -> Iterator[Finding]:
    """Find them in the document of ``source``."""
    flow = parsed.value
    if not isinstance(flow, dict):
        return
    name = flow.get("id")
    if name is not None and not isinstance(name, str):
        written = _written(parsed, source)
        if written != as_text(name):
            # The flow is stored under one name and its source says another: every later update
            # is refused, as "Illegal flow id update" or as not found.
            yield Finding(
                "flow-id-reading",
                ("id",),
                f"Kestra reads `{quoted(written)}` as `{as_text(name)}`, and could not update the "
                f"flow afterwards",
                "put quotes around it",
            )
    if flow.get("deleted") is True:
        yield Finding(
            "flow-deleted",
            ("deleted",),
            "Kestra would store the flow, but show it as deleted",
            "remove the line; to delete the flow, remove the file",
        )


def _written(parsed: ParsedDocument, source: bytes) -> str:
    """The id as written in the file."""
    position = parsed.position_of(("id",))
    lines = source.decode("utf-8-sig", errors="replace").splitlines()
    match = _PLAIN.match(lines[position.line - 1][position.column - 1 :])
    return match.group() if match else ""
