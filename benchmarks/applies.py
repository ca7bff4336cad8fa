"""Small applies, with a near and a distant server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import tree
from benchmarks.measure import Machine, Run, Series, interleaved

SMALL = (1, 10)
"""Changes of a small apply."""
LOOP = "requests 0"
"""The loop with ``requests`` in the results of far away: what it is, and how many it changes."""
_FLOOR = tree.root(max(SMALL), "floor")
"""Of flows that the bare requests write: in its scope kestra-sync would take them for edits."""


class SmallApplies:
    """A deployed tree, of which a few flows change repeatedly.

    :param work: the checkout, with its flows in ``flows``.
    :param found: the flows of the tree, as they are deployed.
    :param root: the namespace above all of them.
    :param options: of every command.
    """

    def __init__(
        self,
        machine: Machine,
        work: Path,
        found: list[tree.FlowFile],
        root: str,
        options: Sequence[str] = (),
    ) -> None:
        self._machine = machine
        self._work = work
        self._found = list(found)
        self._root = root
        self._options = tuple(options)
        self._rounds = count(100)
        self._floor_files = work.parent / f"{work.name}-floor"

    @property
    def flows(self) -> list[tree.FlowFile]:
        """The currently deployed flows."""
        return self._found

    def prepare(self) -> None:
        """Create separate flows for the bare requests, once per server."""
        tree.write(self._floor_files, max(SMALL), mark="floor")
        self._machine.bare("create", self._floor_files, _FLOOR)

    def measure(self, repetitions: int, say: Callable[[str], None]) -> dict[str, Series]:
        """Plans and applies with this number of changes, alternating with the bare requests."""
        works: dict[str, Callable[[], Run]] = {"plan 0": self._nothing}
        for changes in SMALL:
            if 4 * changes <= len(self._found):  # more would need --allow-large
                works[f"plan {changes}"] = partial(self._plan, changes)
                works[f"apply {changes}"] = partial(self._apply, changes)
                works[f"floor {changes}"] = partial(self._floor, changes)
        interleaved(1, works, say)
        return interleaved(max(1, repetitions), works, say)

    def _nothing(self) -> Run:
        return self._machine.ours(self._work, "plan", *self._options, "--detailed-exitcode")

    def _plan(self, changes: int) -> Run:
        before = self._found[:changes]
        self._write([tree.changed(each, next(self._rounds)) for each in before])
        try:
            return self._machine.ours(
                self._work, "plan", *self._options, "--detailed-exitcode", expected=(2,)
            )
        finally:
            self._write(before)

    def _apply(self, changes: int) -> Run:
        turn = next(self._rounds)
        self._found[:changes] = [tree.changed(each, turn) for each in self._found[:changes]]
        self._write(self._found[:changes])
        return self._machine.ours(self._work, "apply", *self._options, "--yes")

    def _write(self, flows: Iterable[tree.FlowFile]) -> None:
        for flow in flows:
            (self._work / "flows" / flow.path).write_bytes(flow.source)

    def _floor(self, changes: int) -> Run:
        """One export, and a read and an update of each flow, 8 at a time."""
        turn = next(self._rounds)
        flows = tree.write(self._floor_files, max(SMALL), mark="floor")
        for flow in flows[:changes]:
            (self._floor_files / flow.path).write_bytes(tree.changed(flow, turn).source)
        for flow in flows[changes:]:
            (self._floor_files / flow.path).unlink()
        exported = self._machine.bare("export", self._work / "flows", self._root)
        written = self._machine.bare("update", self._floor_files, _FLOOR)
        return Run(exported.seconds + written.seconds, exported.cpu + written.cpu, written.memory)


def extra_round_trips(
    near: Mapping[str, Series], far: Mapping[str, Series], name: str, round_trip: float
) -> float:
    """The number of round trips that explains the additional time with a distant server."""
    return (far[name].median - near[name].median) / round_trip
