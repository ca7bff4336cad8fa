"""A finding at a position of a document, and its conversion to a diagnostic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kestra_sync.model import Diagnostic, FlowId, Position, Severity

#: The way to a node: keys and indexes, from the root.
NodePath = tuple[str | int, ...]

#: The place of a node in its document; with ``True``, of the key that leads to it.
Locate = Callable[[NodePath, bool], Position | None]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong in a document, before it is known in which file.

    :param rule: the stable name of the rule, as in ``error[rule]``.
    :param at: the node; or a place, of what has no nodes; ``None`` for the document as a whole.
    :param at_key: refers to the key of the node.
    """

    rule: str
    at: NodePath | Position | None
    message: str
    remedy: str | None = None
    at_key: bool = False


def diagnostic(
    finding: Finding,
    path: str,
    locate: Locate | None = None,
    *,
    in_file: Callable[[Position], Position] | None = None,
    severity: Severity = Severity.ERROR,
    flow: FlowId | None = None,
) -> Diagnostic:
    """``finding`` in the file ``path``.

    :param locate: finds nodes; not needed for findings with a place of their own.
    :param in_file: from a place in the document to one in the file, where they differ.
    """
    place = finding.at if isinstance(finding.at, Position) else None
    if isinstance(finding.at, tuple):
        assert locate is not None, "a finding at a node needs the document"
        place = locate(finding.at, finding.at_key)
    if place is not None and in_file is not None:
        place = in_file(place)
    return Diagnostic(path, place, severity, finding.rule, finding.message, finding.remedy, flow)
