"""What is measured."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import tree
from benchmarks.measure import Machine, Run, Series, interleaved

START_RUNS = 15
LOOP_SIZE = 2000
"""The largest tree for the flow-by-flow loop; larger ones take too long."""
SDK_SIZE = 100
"""The same for the loops that are slower still."""
SMALL = (1, 10)
"""Changes of a small apply."""
WARM_UP = 100
"""Flows that a server is given before writes are measured: the first ones compile its code."""
_WRITES = ("create", "update")
_WRITERS = ("ours", "bare", "validation")


@dataclass
class Results:
    """For each scenario and size, the runs of ours and of the others."""

    start: dict[str, Series] = field(default_factory=dict)
    plan: dict[int, dict[str, Series]] = field(default_factory=dict)
    create: dict[int, dict[str, Series]] = field(default_factory=dict)
    update: dict[int, dict[str, Series]] = field(default_factory=dict)
    offline: dict[str, tuple[int, Series]] = field(default_factory=dict)


class Bench:
    """Servers, a folder for the trees, and how often to measure.

    :param machine: for what needs no server.
    :param fresh: one with an unused server.
    """

    def __init__(
        self,
        machine: Machine,
        fresh: Callable[[], AbstractContextManager[Machine]],
        folder: Path,
        repetitions: int,
        say: Callable[[str], None],
        results: Results | None = None,
    ) -> None:
        self.machine = machine
        self.fresh = fresh
        self.folder = folder
        self.repetitions = repetitions
        self.say = say
        self.results = results or Results()

    def start(self) -> None:
        """How long it takes to say something at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        works: dict[str, Callable[[], Run]] = {
            name: partial(self.machine.ours, self.folder, name) for name in ("--help", "--version")
        }
        interleaved(2, works, lambda _text: None)  # compiles the modules
        self.results.start = interleaved(START_RUNS, works, lambda _text: None)

    def plans(self, size: int) -> None:
        """Nothing changed, and one percent; the floor; and the loops, where one can wait."""
        with self.fresh() as machine:
            machine.server_at_rest()
            work = self._deployed(machine, size)
            self.results.plan[size] = self._plans(machine, work, size)

    def _plans(self, machine: Machine, work: Path, size: int) -> dict[str, Series]:
        flows, root = work / "flows", tree.root(size)
        found = tree.write(flows, size)

        def with_changes() -> Run:
            some = tree.share(found, percent=1)
            for flow in some:
                (flows / flow.path).write_bytes(tree.changed(flow, 1).source)
            try:
                return machine.ours(work, "plan", "--detailed-exitcode", expected=(2,))
            finally:
                for flow in some:
                    (flows / flow.path).write_bytes(flow.source)

        works: dict[str, Callable[[], Run]] = {
            "ours": lambda: machine.ours(work, "plan", "--detailed-exitcode"),
            "floor": lambda: machine.bare("export", flows, root),
            "ours, 1 % changed": with_changes,
        }
        self.say(f"plan, {size} flows")
        interleaved(1, works, self.say)  # the first answers of a server are slow
        series = interleaved(self.repetitions, works, self.say)
        loops = {
            "requests": (LOOP_SIZE, 3),
            "kestrapy": (SDK_SIZE, 3),
            "curl": (SDK_SIZE, 3),
        }
        for name, (largest, repetitions) in loops.items():
            if size <= largest and (name != "curl" or shutil.which("curl")):
                runs = {name: partial(machine.bare, name, flows, root)}
                repetitions = repetitions if size <= SDK_SIZE else 1
                series.update(interleaved(repetitions, runs, self.say))
        series.update(self._small_applies(machine, work, found))
        return series

    def _small_applies(
        self, machine: Machine, work: Path, found: list[tree.FlowFile]
    ) -> dict[str, Series]:
        """One change, and ten: what is done many times a day."""
        rounds = count(100)

        def apply(changes: int) -> Run:
            round_ = next(rounds)
            for flow in found[:changes]:
                (work / "flows" / flow.path).write_bytes(tree.changed(flow, round_).source)
            return machine.ours(work, "apply", "--yes")

        works = {
            f"ours, apply {changes}": partial(apply, changes)
            for changes in SMALL
            if 4 * changes <= len(found)  # more would need --allow-large
        }
        interleaved(1, works, self.say)
        return interleaved(max(1, self.repetitions // 2), works, self.say)

    def writes(self, size: int, repetitions: int) -> None:
        """Everything is created, then changed; ours and bare, each on a server of its own.

        Kestra goes on for hours with what many writes give it to do (its scheduler reads all flows
        again for each), and a second run on the same server is slowed down by the first.
        """
        found = {what: {name: Series() for name in _WRITERS} for what in _WRITES}
        for repetition in range(repetitions):
            self.say(f"{size} creates and updates, {repetition + 1} of {repetitions}")
            sides = ("ours", "bare") if repetition % 2 else ("bare", "ours")
            for side in sides:
                with self.fresh() as machine:
                    self._warm_up(machine)
                    self._write(machine, side, size, f"{side}{repetition}", found)
        self.results.create[size], self.results.update[size] = (found[what] for what in _WRITES)

    def _warm_up(self, machine: Machine) -> None:
        work, root, flows = self._tree(WARM_UP, "warm")
        for turn, what in enumerate(("validate", "create", "update", "validate", "update")):
            machine.bare(what, work / "flows", root)
            for flow in flows:
                (work / "flows" / flow.path).write_bytes(tree.changed(flow, turn).source)

    def _write(
        self,
        machine: Machine,
        side: str,
        size: int,
        mark: str,
        found: Mapping[str, Mapping[str, Series]],
    ) -> None:
        work, root, flows = self._tree(size, mark)
        for what in _WRITES:
            if what == "update":
                for flow in flows:
                    (work / "flows" / flow.path).write_bytes(tree.changed(flow, 1).source)
            if side == "ours":
                run = machine.ours(work, "apply", "--yes", "--allow-large")
            else:
                checked = machine.bare("validate", work / "flows", root)
                found[what]["validation"].runs.append(checked)
                run = machine.bare(what, work / "flows", root)
            found[what][side].runs.append(run)
            self.say(f"{what} {side}: {run.seconds:.2f} s")

    def offline(self, size: int) -> None:
        """Validation without a server: good flows, and flows with an error in each."""
        work = self.folder / f"offline{size}"
        found = tree.write(work / "flows", size)
        good = {"good": lambda: self.machine.ours(work, "validate", "--offline")}
        self.say(f"offline validation, {size} flows")
        self.results.offline["good"] = size, interleaved(3, good, self.say)["good"]
        few = found[:: max(1, size // 1000)]
        for flow in found:
            (work / "flows" / flow.path).unlink()
        for flow in few:
            wrong = flow.source.replace(b"\ntasks:\n", b"\nlables: {}\ntasks:\n")
            (work / "flows" / flow.path).write_bytes(wrong)
        bad = {"bad": lambda: self.machine.ours(work, "validate", "--offline", expected=(3,))}
        self.results.offline["bad"] = len(few), interleaved(3, bad, self.say)["bad"]

    def _deployed(self, machine: Machine, size: int) -> Path:
        """A tree that the server holds, and that is recorded there."""
        work, _, _ = self._tree(size, "")
        self.say(f"deploying {size} flows")
        machine.ours(work, "apply", "--yes", "--allow-large")
        return work

    def _tree(self, size: int, mark: str) -> tuple[Path, str, list[tree.FlowFile]]:
        root = tree.root(size, mark)
        work = self.folder / root
        found = tree.write(work / "flows", size, mark=mark)
        (work / "kestra-sync.yaml").write_text(
            f"version: 1\nname: {root}\nsource: flows\nscope: [{root}]\n"
        )
        if shutil.which("git"):  # as in any repository, the commit is asked for
            subprocess.run(["git", "init", "-q", str(work)], check=False)
        return work, root, found
