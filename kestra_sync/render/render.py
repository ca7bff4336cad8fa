"""Renders the flows in the files to what is sent. Without rules, that is the file's bytes.

The modules of rules are only imported if there are any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from kestra_sync.configured import Rendering, Stamp
from kestra_sync.edits import edited, place_of_byte
from kestra_sync.model import Desired, Diagnostic, Flow, FlowId, Live, Position, Scope, Severity

if TYPE_CHECKING:
    from kestra_sync.render.mapping import Notice

_AS_THEY_ARE = Rendering()


@dataclass(frozen=True)
class Rendered:
    """What will be sent, and diagnostics of the rendering.

    :param desired: one for each flow, in the same order.
    :param diagnostics: errors prevent all writes.
    """

    desired: tuple[Desired, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


def render(
    flows: Iterable[Flow],
    rendering: Rendering = _AS_THEY_ARE,
    *,
    scope: Scope | None = None,
    partial: bool = False,
) -> Rendered:
    """Render flows, without stamps: the only place where the bytes to send are created.

    :param scope: the namespaces on the server that may be written to, if known.
    :param partial: these are not all flows, so a patch that matches nothing is not an error.
    """
    rendered = Rendered(tuple(Desired(flow, flow.document.data) for flow in flows))
    if rendering.namespaces:
        desired, diagnostics = mapped(rendered.desired, rendering.namespaces, scope)
        rendered = Rendered(desired, diagnostics)
    if rendering.patches:
        from kestra_sync.render.patches import patched

        desired, diagnostics = patched(rendered.desired, rendering, partial=partial)
        rendered = Rendered(desired, (*rendered.diagnostics, *diagnostics))
    return rendered


def with_stamps(
    rendered: Rendered,
    live: Mapping[FlowId, Live],
    stamp: Stamp,
    names: Sequence[str] = (),
) -> Rendered:
    """Add stamps to the rendered flows, as they are compared and sent.

    :param live: the flows on the server: a different stamp alone does not change them.
    :param names: the labels that may have been stamped, if ``stamp`` does not have all of them.
    """
    if not (stamp or names):
        return rendered
    from kestra_sync.render.stamps import with_stamp

    found = [with_stamp(each, live.get(each.flow_id), stamp, names) for each in rendered.desired]
    return replace(
        rendered,
        desired=tuple(each.desired for each in found),
        diagnostics=(
            *rendered.diagnostics,
            *(diagnostic for each in found for diagnostic in each.diagnostics),
        ),
    )


def map_namespace(rendering: Rendering, namespace: str) -> str:
    """Return the name on the server of a namespace in the files."""
    from kestra_sync.render.namespaces import NamespaceMap

    return NamespaceMap(rendering.namespaces).to_server(namespace)


def unmap_namespace(rendering: Rendering, namespace: str) -> str | None:
    """Return the name in the files of a namespace on the server; ``None`` if uncertain."""
    from kestra_sync.render.namespaces import NamespaceMap

    return NamespaceMap(rendering.namespaces).to_files(namespace)


def mapped(
    desired: Iterable[Desired], namespaces: tuple[tuple[str, str], ...], scope: Scope | None
) -> tuple[tuple[Desired, ...], tuple[Diagnostic, ...]]:
    """Map flows to their names on the server; return the flows and diagnostics.

    :param scope: the namespaces on the server that may be written to, if known.
    """
    from kestra_sync.render.mapping import Mapper
    from kestra_sync.render.namespaces import NamespaceMap

    names = NamespaceMap(namespaces)
    mapper = Mapper(names)
    found: list[Desired] = []
    diagnostics: list[Diagnostic] = []
    to_server = cache(names.to_server)
    for each in desired:
        data, here = each.flow.document.data, each.flow.flow_id
        result = mapper.map(data, here.namespace)
        there = to_server(here.namespace)
        if result.edits or there != here.namespace:
            each = Desired(
                each.flow,
                edited(data, result.edits),
                None if there == here.namespace else FlowId(there, here.id),
                (result.edits,) if result.edits else (),
            )
            if scope is not None and not scope.covers(there) and each.name is not None:
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
