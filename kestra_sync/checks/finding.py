"""What a check finds in a parsed flow, before it becomes a diagnostic of a file."""

from __future__ import annotations

from dataclasses import dataclass

from kestra_sync.repo.document import Path


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, at a node of the flow.

    :param rule: a key of :data:`kestra_sync.checks.rules.RULES`.
    :param path: the node; or, with ``at_key``, the key that leads to it.
    """

    rule: str
    path: Path
    message: str
    remedy: str | None = None
    at_key: bool = False
