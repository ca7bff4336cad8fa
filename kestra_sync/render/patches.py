"""Applies the patches of an environment to the flows that they select."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from kestra_sync.configured import Patch, Rendering
from kestra_sync.model import Desired, Diagnostic, Position, Severity
from kestra_sync.render.mapping import ESCAPED_TEXT
from kestra_sync.render.patch import Patching
from kestra_sync.render.paths import Index, Key, Step, parse_path
from kestra_sync.render.writer import PatchError
from kestra_sync.resources import selected


def patched(
    desired: Iterable[Desired], rendering: Rendering, *, partial: bool
) -> tuple[tuple[Desired, ...], tuple[Diagnostic, ...]]:
    """Apply every patch to the flows that it selects; return the flows and diagnostics.

    :param partial: these are not all flows, so a patch that matches nothing is not an error.
    """
    patcher = _Patcher(rendering, partial)
    found = tuple(patcher.patch(each) for each in desired)
    return found, (*patcher.diagnostics, *patcher.unmatched())


class _Patcher:
    """Applies patches, and remembers which matched nothing."""

    def __init__(self, rendering: Rendering, partial: bool) -> None:
        self._path = rendering.path
        self._partial = partial
        self._patches = rendering.patches
        self._operations = [_operations(each) for each in rendering.patches]
        self._needed = [_needed(each, self._operations[n]) for n, each in enumerate(self._patches)]
        # For each patch, the number of selected flows, and the paths that exist in any of them.
        self._seen: list[int] = [0] * len(rendering.patches)
        self._found: list[set[str]] = [set() for _ in rendering.patches]
        self.diagnostics: list[Diagnostic] = []

    def patch(self, desired: Desired) -> Desired:
        """Apply every patch that selects ``desired``."""
        patching: Patching | None = None
        for number, patch in enumerate(self._patches):
            if not selected(desired.flow.flow_id, patch.flows, ()):
                continue
            self._seen[number] += 1
            if patching is None and not self._may_match(number, desired.sent):
                continue
            patching = patching or Patching.of(desired.sent)
            if patching is None:  # reported by the checks
                self._found[number].update(each.text for each in self._operations[number])
                continue
            try:
                patching = self._one(number, patch, patching)
            except PatchError as error:
                self._found[number].update(each.text for each in self._operations[number])
                self.diagnostics.append(self._failed(desired, patch, str(error)))
        if patching is None or not patching.steps:
            return desired
        return replace(desired, content=patching.data, steps=(*desired.steps, *patching.steps))

    def _may_match(self, number: int, data: bytes) -> bool:
        """Return whether the patch could change ``data``; searching for names avoids parsing."""
        needed = self._needed[number]
        if any(all(name in data for name in names) for names in needed):
            return True
        # Only quoted names may be written differently.
        return b"\\" in data and ESCAPED_TEXT.search(data) is not None

    def _one(self, number: int, patch: Patch, patching: Patching) -> Patching:
        for operation in self._operations[number]:
            patched = operation.on(patching)
            if patched is not None:
                self._found[number].add(operation.text)
                patching = patched
        return patching if patch.triggers is None else patching.with_triggers(patch.triggers)

    def unmatched(self) -> list[Diagnostic]:
        """Return an error for each patch that selects no flow, and each path that no flow has."""
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
    """One path of a patch, and what to do there."""

    text: str
    steps: tuple[Step, ...]
    removes: bool = False
    value: Any = None

    def on(self, patching: Patching) -> Patching | None:
        """Apply it to the document; ``None`` if its path does not exist."""
        if self.removes:
            return patching.unset(self.steps)
        return patching.set(self.steps, self.value)


_WORDS = frozenset({b"true", b"false", b"null", b"on", b"off", b"yes", b"no", b"y", b"n"})


def _needed(patch: Patch, operations: Iterable[_Operation]) -> list[tuple[bytes, ...]]:
    """Return, for each operation of the patch, the names that a flow must contain to be changed."""
    found = []
    for each in operations:
        # Missing keys are added, unless they are in an item of a list.
        items = [at for at, step in enumerate(each.steps, start=1) if not isinstance(step, Key)]
        steps = each.steps if each.removes else each.steps[: max(items, default=0)]
        names = [step.name.encode() for step in steps if not isinstance(step, Index)]
        # Numbers, booleans and similar values can be written in several ways.
        found.append(tuple(name for name in names if name.isalpha() and name not in _WORDS))
    if patch.triggers is not None:
        found.append((b"triggers",))
    return found


def _operations(patch: Patch) -> tuple[_Operation, ...]:
    return (
        *(_Operation(text, parse_path(text), value=value) for text, value in patch.set),
        *(_Operation(text, parse_path(text), removes=True) for text in patch.unset),
    )
