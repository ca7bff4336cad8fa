"""The flows of the files as sent to the server of an environment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from kestra_sync.edits import edited, place_of_byte
from kestra_sync.model import Desired, Diagnostic, Flow, FlowId, Position, Scope, Severity
from kestra_sync.plan.selection import selected
from kestra_sync.render.mapping import Mapper, Notice
from kestra_sync.render.namespaces import NamespaceMap
from kestra_sync.render.patch import Patching
from kestra_sync.render.paths import Step, parse_path
from kestra_sync.render.writer import PatchError
from kestra_sync.settings import Patch, Rendering


@dataclass(frozen=True)
class Rendered:
    """What is sent, and what there is to say about it.

    :param desired: in the order of the flows.
    :param diagnostics: errors stop all writing.
    """

    desired: tuple[Desired, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


_AS_THEY_ARE = Rendering()


def render(
    flows: Iterable[Flow],
    rendering: Rendering = _AS_THEY_ARE,
    *,
    scope: Scope | None = None,
    partial: bool = False,
) -> Rendered:
    """The flows as they are sent, stamps left out; without rules exactly as they are in the files.

    :param scope: the namespaces on the server that may be written to, if they are known.
    :param partial: these are not all flows, so a patch that finds nothing is not an error.
    """
    names = NamespaceMap(rendering.namespaces)
    desired = [Desired(flow, flow.document.data) for flow in flows]
    diagnostics: list[Diagnostic] = []
    if names.changes_anything:
        desired, diagnostics = _mapped(desired, names, scope)
    if rendering.patches:
        patcher = _Patcher(rendering, partial)
        desired = [patcher.patch(each) for each in desired]
        diagnostics += [*patcher.diagnostics, *patcher.unmatched()]
    return Rendered(tuple(desired), tuple(diagnostics))


def map_namespace(rendering: Rendering, namespace: str) -> str:
    """What ``namespace`` of the files is called on the server."""
    return NamespaceMap(rendering.namespaces).to_server(namespace)


def unmap_namespace(rendering: Rendering, namespace: str) -> str | None:
    """What ``namespace`` of the server is called in the files; ``None`` if that is not certain."""
    return NamespaceMap(rendering.namespaces).to_files(namespace)


def _mapped(
    desired: Iterable[Desired], names: NamespaceMap, scope: Scope | None
) -> tuple[list[Desired], list[Diagnostic]]:
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
    return found, [*diagnostics, *_collisions(found)]


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


class _Patcher:
    """Carries the patches out, and knows which of them found nothing."""

    def __init__(self, rendering: Rendering, partial: bool) -> None:
        self._path = rendering.path
        self._partial = partial
        self._patches = rendering.patches
        self._operations = [_operations(each) for each in rendering.patches]
        # For each patch the flows that it selects, and the paths that were found in one of them.
        self._seen: list[int] = [0] * len(rendering.patches)
        self._found: list[set[str]] = [set() for _ in rendering.patches]
        self.diagnostics: list[Diagnostic] = []

    def patch(self, desired: Desired) -> Desired:
        """``desired`` with every patch that selects it."""
        patching: Patching | None = None
        for number, patch in enumerate(self._patches):
            if not selected(desired.flow.flow_id, patch.flows, ()):
                continue
            self._seen[number] += 1
            patching = patching or Patching.of(desired.sent)
            if patching is None:  # the checks say what is wrong with it
                self._found[number].update(each.text for each in self._operations[number])
                continue
            try:
                patching = self._one(number, patch, patching)
            except PatchError as error:
                self._found[number].update(each.text for each in self._operations[number])
                self.diagnostics.append(self._failed(desired, patch, str(error)))
        if patching is None or not patching.steps:
            return desired
        return replace(desired, sent=patching.data, steps=(*desired.steps, *patching.steps))

    def _one(self, number: int, patch: Patch, patching: Patching) -> Patching:
        for operation in self._operations[number]:
            patched = operation.on(patching)
            if patched is not None:
                self._found[number].add(operation.text)
                patching = patched
        return patching if patch.triggers is None else patching.with_triggers(patch.triggers)

    def unmatched(self) -> list[Diagnostic]:
        """An error for each patch that selects no flow, and each path that none of them has."""
        if self._partial:
            return []
        found: list[Diagnostic] = []
        for number, patch in enumerate(self._patches):
            if patch.optional:
                continue
            if not self._seen[number]:
                patterns = ", ".join(patch.flows)
                found.append(
                    self._unmatched(patch, patch.position, f"`{patterns}` selects no flow")
                )
                continue
            flows = self._seen[number]
            which = "the flow" if flows == 1 else f"any of the {flows} flows"
            found += [
                self._unmatched(
                    patch,
                    patch.positions.get(text),
                    f"`{text}` matches nothing in {which} that `{', '.join(patch.flows)}` selects",
                )
                for text in (each.text for each in self._operations[number])
                if text not in self._found[number]
            ]
        return found

    def _unmatched(self, patch: Patch, position: Position | None, message: str) -> Diagnostic:
        return Diagnostic(
            self._path,
            position or patch.position,
            Severity.ERROR,
            "patch-no-match",
            message,
            "correct it, or set `optional: true`",
        )

    def _failed(self, desired: Desired, patch: Patch, message: str) -> Diagnostic:
        position = patch.position
        where = f"{self._path}:{position.line}" if position is not None else self._path
        return Diagnostic(
            desired.path,
            Position(desired.flow.document.first_line, 1),
            Severity.ERROR,
            "patch-failed",
            f"the patch at {where} cannot be applied: {message}",
            None,
            desired.flow_id,
        )


@dataclass(frozen=True)
class _Operation:
    """One path of a patch, as it is written, and what to do there."""

    text: str
    steps: tuple[Step, ...]
    removes: bool = False
    value: Any = None

    def on(self, patching: Patching) -> Patching | None:
        """The document with it; ``None`` if there is no such place."""
        if self.removes:
            return patching.unset(self.steps)
        return patching.set(self.steps, self.value)


def _operations(patch: Patch) -> tuple[_Operation, ...]:
    return (
        *(_Operation(text, parse_path(text), value=value) for text, value in patch.set),
        *(_Operation(text, parse_path(text), removes=True) for text in patch.unset),
    )
