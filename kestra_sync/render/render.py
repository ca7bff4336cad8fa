"""From the flows of the files to what is sent. Without rules, that is the file's bytes.

The rules are imported where there are any: a run without them does not know of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kestra_sync.model import Desired, Diagnostic, Flow, FlowId, Live, Scope
from kestra_sync.settings import Rendering, Stamp

_AS_THEY_ARE = Rendering()


@dataclass(frozen=True)
class Rendered:
    """What will be sent, and what there is to say about the rendering.

    :param desired: one for each flow, in the same order.
    :param diagnostics: errors stop all writing.
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
    """The flows as they are sent, stamps left out: the one place where sent bytes are made.

    :param scope: the namespaces on the server that may be written to, if they are known.
    :param partial: these are not all flows, so a patch that finds nothing is not an error.
    """
    rendered = Rendered(tuple(Desired(flow, flow.document.data) for flow in flows))
    if rendering.namespaces:
        from kestra_sync.render.flows import mapped

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
    """The same with stamps, as they are compared and sent.

    :param live: what the server holds: a stamp alone is not a reason to change it.
    :param names: the labels that may have been stamped, where ``stamp`` has not all of them.
    """
    if not (stamp or names):
        return rendered
    from kestra_sync.render.stamps import with_stamp

    found = [with_stamp(each, live.get(each.flow_id), stamp, names) for each in rendered.desired]
    return replace(
        rendered,
        desired=tuple(each.desired for each in found),
        diagnostics=(*rendered.diagnostics, *(said for each in found for said in each.said)),
    )


def map_namespace(rendering: Rendering, namespace: str) -> str:
    """What ``namespace`` of the files is called on the server."""
    from kestra_sync.render.namespaces import NamespaceMap

    return NamespaceMap(rendering.namespaces).to_server(namespace)


def unmap_namespace(rendering: Rendering, namespace: str) -> str | None:
    """What ``namespace`` of the server is called in the files; ``None`` if that is not certain."""
    from kestra_sync.render.namespaces import NamespaceMap

    return NamespaceMap(rendering.namespaces).to_files(namespace)
