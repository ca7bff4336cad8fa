"""Measure, and write ``docs/performance.md``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Machine
from benchmarks.page import has_place, measured, write
from benchmarks.scenarios import Bench, Results
from benchmarks.server import fresh_machine
from benchmarks.store import load, save
from tests.engine import DEFAULT, VERSIONS

_DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> int:
    """Parse the command line and measure."""
    options = _options()
    started = time.monotonic()
    loads: list[float] = []

    def say(text: str) -> None:
        loads.append(os.getloadavg()[0])
        print(f"[{time.monotonic() - started:6.0f} s] {text}", file=sys.stderr, flush=True)

    versions: set[str] = set()
    results = load(options.results) if options.results else Results()
    with tempfile.TemporaryDirectory(prefix="kestra-sync-bench-") as folder:
        root = Path(folder)

        @contextmanager
        def fresh() -> Iterator[Machine]:
            with fresh_machine(root / "bytecode", options.kestra) as (machine, version):
                versions.add(version)
                yield machine

        machine = Machine({}, root / "bytecode")

        def done() -> None:
            if options.results:
                save(options.results, results)

        trees = root / "trees"
        bench = Bench(machine, fresh, trees, options.repetitions, say, results, done)
        bench.start()
        for size in options.writes:
            bench.writes(size, options.write_repetitions)
            done()
        for size in options.sizes:
            bench.plans(size)
            done()
        if options.sizes:
            bench.offline(max(options.sizes))
            done()
    busy = f"load {min(loads):.0f} to {max(loads):.0f} while measuring"
    version = " and ".join(versions)
    if options.print:
        print("\n".join(measured(results, version, busy, "performance.png")))
    else:
        write(_DOCS, results, options.kestra, version, busy)
        say(f"written: {_DOCS / 'performance.md'}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    for name, default, what in (
        ("--sizes", [20, 100, 2000, 10_000], "flows of the trees to plan"),
        ("--writes", [100, 1000], "flows to write"),
    ):
        parser.add_argument(name, type=int, nargs="*", metavar="N", default=default, help=what)
    parser.add_argument("--repetitions", type=int, default=7, metavar="N", help="of each plan")
    parser.add_argument("--write-repetitions", type=int, default=3, metavar="N", help="of writes")
    parser.add_argument(
        "--kestra",
        choices=tuple(VERSIONS),
        default=DEFAULT.name,
        help="of the embedded engine",
    )
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="add to the results of this file"
    )
    parser.add_argument("--print", action="store_true", help="print, and leave docs/ alone")
    options = parser.parse_args()
    if not options.print and not has_place(_DOCS, options.kestra):
        parser.error(f"the page has no section for Kestra {options.kestra}: pass --print")
    return options


if __name__ == "__main__":
    sys.exit(main())
