"""The measurements."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import environments, growth, tree
from benchmarks.applies import LOOP, SmallApplies
from benchmarks.far import ROUND_TRIP, far_from
from benchmarks.measure import Machine, Run, Series, interleaved

START_RUNS = 15
LOOP_SIZE = 2000
"""The largest tree for the flow-by-flow loop; larger ones take too long."""
SDK_SIZE = 100
"""The same for the loops that are slower still."""
LOOPS = {"requests": LOOP_SIZE, "kestrapy": SDK_SIZE, "curl": SDK_SIZE}
MANY = 1000
"""Changes of a large plan."""
WARM_UP = 90
"""Flows that a server is given before anything is measured: the first ones compile its code.

Not the size of a tree, whose namespace would be the beginning of that of these flows.
"""
_AS = ("-e", environments.NAME)
_PLAN = ("plan", *_AS, "--detailed-exitcode")
_WRITES = ("create", "update")
_WRITERS = ("ours", "bare", "validation", "requests")


@dataclass
class Results:
    """The runs of kestra-sync and its counterparts, by scenario and size."""

    start: dict[str, Series] = field(default_factory=dict)
    plan: dict[int, dict[str, Series]] = field(default_factory=dict)
    create: dict[int, dict[str, Series]] = field(default_factory=dict)
    update: dict[int, dict[str, Series]] = field(default_factory=dict)
    small: dict[int, dict[str, Series]] = field(default_factory=dict)
    far: dict[int, dict[str, Series]] = field(default_factory=dict)
    offline: dict[str, tuple[int, Series]] = field(default_factory=dict)


class Bench:
    """Servers, a directory for the trees, and the number of repetitions.

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
        save: Callable[[], None] = lambda: None,
    ) -> None:
        self.machine = machine
        self.fresh = fresh
        self.folder = folder
        self.repetitions = repetitions
        self.say = say
        self.results = results or Results()
        self.save = save

    def start(self) -> None:
        """The startup time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        works: dict[str, Callable[[], Run]] = {
            name: partial(self.machine.ours, self.folder, name) for name in ("--help", "--version")
        }
        interleaved(2, works, lambda _text: None)  # compiles the modules
        self.results.start = interleaved(START_RUNS, works, lambda _text: None)

    def plans(self, size: int) -> None:
        """Plans without and with changes, the floor, environments, and loops for small trees.

        The tree is deployed first, which is an apply of as many creates.
        """
        with self.fresh() as machine:
            self._warm_up(machine)
            machine.server_at_rest()
            work, created = self._deployed(machine, size)
            self._found(size, {growth.OURS_CREATE: Series([created])})
            self._plans(machine, work, size)
        self._found(size, self._bare_creates(size))

    def _found(self, size: int, series: Mapping[str, Series]) -> None:
        """Add to the results of a size, and save them: a large one takes a quarter of an hour."""
        self.results.plan.setdefault(size, {}).update(series)
        self.save()

    def _plans(self, machine: Machine, work: Path, size: int) -> None:
        flows, root = work / "flows", tree.root(size)
        found = tree.write(flows, size)
        some = {"1 %": tree.share(found, percent=1)}
        if size > MANY:
            some[f"{MANY:,}"] = found[:: size // MANY][:MANY]

        def with_changes(name: str) -> Run:
            for flow in some[name]:
                (flows / flow.path).write_bytes(tree.changed(flow, 1).source)
            try:
                return machine.ours(work, *_PLAN, "--allow-large", expected=(2,))
            finally:
                for flow in some[name]:
                    (flows / flow.path).write_bytes(flow.source)

        def validation(name: str) -> Callable[[], Run]:
            files = self.folder / f"{root}-{len(some[name])}-changed"
            for flow in some[name]:
                file = files / flow.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(tree.changed(flow, 1).source)
            return lambda: machine.bare("validate", files, root)

        works: dict[str, Callable[[], Run]] = {
            "ours": lambda: machine.ours(work, *_PLAN),
            "floor": lambda: machine.bare("export", flows, root),
        }
        for name in some:
            works[f"ours, {name} changed"] = partial(with_changes, name)
            works[f"validation, {name} changed"] = validation(name)
        for name, rendered in environments.write(self.folder, root, found).items():
            # The record of the tree knows no stamps: it would be brought up to date.
            works[f"ours, {name}"] = partial(machine.ours, rendered, "plan", *_AS)
        self.say(f"plan, {size} flows")
        interleaved(1, works, self.say)  # the first answers of a server are slow
        self._found(size, interleaved(self.repetitions, works, self.say))
        self._found(size, self._validations(machine, work, root, size))
        self._found(size, self._loops(machine, flows, root, size, LOOPS))
        self._small_applies(machine, work, found, size)
        folder = environments.with_files(self.folder, root)
        machine.ours(folder, "apply", *_AS, "--yes", "--allow-large")
        with_files = {"ours, mapped, with files": partial(machine.ours, folder, *_PLAN)}
        self._found(size, interleaved(min(3, self.repetitions), with_files, self.say))

    def _loops(
        self, machine: Machine, flows: Path, root: str, size: int, loops: Mapping[str, int]
    ) -> dict[str, Series]:
        """Hand-written loops, for trees up to a size that finishes in time."""
        found: dict[str, Series] = {}
        for name, largest in loops.items():
            if size <= largest and ("curl" not in name or shutil.which("curl")):
                runs = {name: partial(machine.bare, name, flows, root)}
                found.update(interleaved(3 if size <= SDK_SIZE else 1, runs, self.say))
        return found

    def _validations(self, machine: Machine, work: Path, root: str, size: int) -> dict[str, Series]:
        """The validation of all flows by the server."""
        works: dict[str, Callable[[], Run]] = {
            growth.OURS_VALIDATE: lambda: machine.ours(work, "validate"),
            growth.BARE_VALIDATE: lambda: machine.bare("validate", work / "flows", root),
        }
        found = interleaved(max(1, self.repetitions // 2), works, self.say)
        loops = {growth.HAND_VALIDATE: LOOP_SIZE}
        return {**found, **self._loops(machine, work / "flows", root, size, loops)}

    def _bare_creates(self, size: int) -> dict[str, Series]:
        """The same creates as those that deploy the tree: bare, and flow by flow."""
        with self.fresh() as machine:
            self._warm_up(machine)
            found = {}
            for name, what, largest in (
                (growth.BARE_CREATE, "create", size),
                (growth.HAND_CREATE, "requests", LOOP_SIZE),
            ):
                if size <= largest:
                    work, root, _ = self._tree(size, what)
                    runs = {name: partial(machine.bare, what, work / "flows", root)}
                    found.update(interleaved(1, runs, self.say))
            return found

    def _small_applies(
        self, machine: Machine, work: Path, found: list[tree.FlowFile], size: int
    ) -> None:
        """Small applies, and for a small tree also with a distant server."""
        near = SmallApplies(machine, work, found, tree.root(size), _AS)
        near.prepare()
        self.say(f"small applies, {size} flows")
        self.results.small[size] = near.measure(self.repetitions, self.say)
        if size > SDK_SIZE:
            return
        self.say(f"the same from {1000 * ROUND_TRIP:.0f} ms away")
        with far_from(machine.url) as url:
            there = machine.at(url)
            far = SmallApplies(there, work, near.flows, tree.root(size), _AS)
            series = far.measure(max(1, self.repetitions // 2), self.say)
            loop = partial(there.bare, "requests", work / "flows", tree.root(size))
            series.update(interleaved(1, {LOOP: loop}, self.say))
            self.results.far[size] = series

    def writes(self, size: int, repetitions: int) -> None:
        """All flows are created, then changed; kestra-sync and bare requests use separate servers.

        Kestra goes on for hours with what many writes give it to do (its scheduler reads all flows
        again for each), and a second run on the same server is slowed down by the first.
        """
        found = {what: {name: Series() for name in _WRITERS} for what in _WRITES}
        for repetition in range(repetitions):
            self.say(f"{size} creates and updates, {repetition + 1} of {repetitions}")
            sides = ["ours", "bare"] if repetition % 2 else ["bare", "ours"]
            if not repetition:
                sides.append("requests")  # takes long, and none of them is close to another
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
            elif side == "requests":
                run = machine.bare(side, work / "flows", root)
            else:
                checked = machine.bare("validate", work / "flows", root)
                found[what]["validation"].runs.append(checked)
                run = machine.bare(what, work / "flows", root)
            found[what][side].runs.append(run)
            self.say(f"{what} {side}: {run.seconds:.2f} s")

    def offline(self, size: int) -> None:
        """Validation without a server: valid flows, and flows with one error each."""
        work = self.folder / f"offline{size}"
        found = tree.write(work / "flows", size)
        good = {"good": lambda: self.machine.ours(work, "validate", "--offline")}
        self.say(f"offline validation, {size} flows")
        self.results.offline["good"] = size, interleaved(3, good, self.say)["good"]
        few = found[:: max(1, size // 1000)]
        for flow in found:
            (work / "flows" / flow.path).unlink()
        for flow in few:
            wrong = flow.source.replace(b"\ntasks:\n", b"\ndisabled: maybe\ntasks:\n")
            (work / "flows" / flow.path).write_bytes(wrong)
        bad = {"bad": lambda: self.machine.ours(work, "validate", "--offline", expected=(3,))}
        self.results.offline["bad"] = len(few), interleaved(3, bad, self.say)["bad"]

    def _deployed(self, machine: Machine, size: int) -> tuple[Path, Run]:
        """A tree that is deployed and recorded, and the measurement of that."""
        work, _, _ = self._tree(size, "")
        self.say(f"deploying {size} flows")
        return work, machine.ours(work, "apply", *_AS, "--yes", "--allow-large")

    def _tree(self, size: int, mark: str) -> tuple[Path, str, list[tree.FlowFile]]:
        root = tree.root(size, mark)
        work = self.folder / root
        found = tree.write(work / "flows", size, mark=mark)
        tree.repository(work, environments.configuration(root, root))
        return work, root, found
