"""Flows under the names that they have on the server of an environment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kestra_sync.edits import edited, place_of_byte
from kestra_sync.model import Desired, Diagnostic, FlowId, Position, Scope, Severity
from kestra_sync.render.mapping import Mapper, Notice
from kestra_sync.render.namespaces import NamespaceMap


def mapped(
    desired: Iterable[Desired], namespaces: tuple[tuple[str, str], ...], scope: Scope | None
) -> tuple[tuple[Desired, ...], tuple[Diagnostic, ...]]:
    """Flows under their names on the server, and what there is to say about that.

    :param scope: the namespaces on the server that may be written to, if they are known.
    """
    names = NamespaceMap(namespaces)
    mapper = Mapper(names)
    found: list[Desired] = []
    diagnostics: list[Diagnostic] = []
    for each in desired:
        data = each.flow.document.data
        result = mapper.map(data)
        here = each.flow.flow_id
        there = FlowId(names.to_server(here.namespace), here.id)
        if result.edits:
            each = replace(each, sent=edited(data, result.edits), steps=(result.edits,))
        if there != here:
            each = replace(each, name=there)
            if scope is not None and not scope.covers(there.namespace):
                diagnostics.append(_out_of_scope(each))
        diagnostics += [_of_notice(each, notice) for notice in result.notices]
        found.append(each)
    return tuple(found), (*diagnostics, *_collisions(found))


def _of_notice(desired: Desired, notice: Notice) -> Diagnostic:
    document = desired.flow.document
    line, column = place_of_byte(document.data, notice.offset)
    return Diagnostic(
        desired.path,
        Position(line + document.first_line - 1, column),
        Severity.ERROR if notice.is_error else Severity.WARNING,
        notice.rule,
        notice.message,
        notice.remedy,
        desired.flow_id,
    )


def _out_of_scope(desired: Desired) -> Diagnostic:
    here = desired.flow.flow_id.namespace
    return Diagnostic(
        desired.path,
        Position(desired.flow.document.first_line, 1),
        Severity.ERROR,
        "namespace-out-of-scope",
        f"{here} is {desired.flow_id.namespace} in this environment, which the scope does not"
        " cover",
        "correct `namespaces:`, or add it to the `scope:` of the environment",
        desired.flow_id,
    )


def _collisions(desired: Iterable[Desired]) -> list[Diagnostic]:
    places: dict[FlowId, list[Desired]] = {}
    for each in desired:
        places.setdefault(each.flow_id, []).append(each)
    return [
        Diagnostic(
            each.path,
            Position(each.flow.document.first_line, 1),
            Severity.ERROR,
            "namespace-collision",
            f"{each.flow.flow_id} becomes {each.flow_id} in this environment, as does "
            + " and ".join(
                f"{other.flow.flow_id} ({other.path}:{other.flow.document.first_line})"
                for other in same
                if other is not each
            ),
            "map their namespaces to different ones, or rename one of the flows",
            each.flow_id,
        )
        for same in places.values()
        if len({each.flow.flow_id for each in same}) > 1
        for each in same
    ]
