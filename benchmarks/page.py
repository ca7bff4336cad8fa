"""Writes the results into ``docs/performance.md``: the goals, the times, a plot."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.measure import Series
from benchmarks.scenarios import SDK_SIZE, SMALL, Results

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_START = 0.3
_FACTOR = 1.5
_SMALL_APPLY = 0.5
_MEMORY = 120
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Goal:
    """One line of the first table.

    :param met: ``None`` where nothing was measured.
    """

    what: str
    goal: str
    measured: str
    met: bool


def write(page: Path, plot: Path, results: Results, version: str, load: str) -> None:
    """Replace the text between the two marks, and the plot."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = "\n".join(measured(results, version, load, plot.name))
    page.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}", encoding="utf-8")
    draw(plot, results)


def measured(results: Results, version: str, load: str, plot: str) -> Iterator[str]:
    """Everything between the two marks."""
    yield (
        f"Measured on {date.today():%d %B %Y}, {os.cpu_count()} cores shared by client and server"  # noqa: DTZ011
        f" ({load}), Python {platform.python_version()} on {sys.platform}, Kestra {version}"
        " embedded with its database in memory."
    )
    yield ""
    yield "| goal | | measured | |"
    yield "|---|---|---|---|"
    for goal in goals(results):
        yield f"| {goal.what} | {goal.goal} | {goal.measured} | {'met' if goal.met else 'missed'} |"
    yield ""
    yield f"![Seconds for a plan without changes, by the number of flows]({plot})"
    yield ""
    yield "Seconds: the median, and in brackets the quickest and the slowest run."
    yield ""
    yield from _table(results)


def goals(results: Results) -> Iterator[Goal]:
    """What was meant to be reached, and what was."""
    for size, plan in sorted(results.plan.items()):
        ours, floor = plan["ours"].median, plan["floor"].median
        limit = _FACTOR * floor + _START
        yield Goal(
            f"plan without changes, {size:,} flows",
            f"≤ {_FACTOR} × floor + {_START} s = {limit:.2f} s",
            f"{ours:.2f} s",
            ours <= limit,
        )
        changed = plan["ours, 1 % changed"].median
        yield Goal(
            f"plan with 1 % changed, {size:,} flows",
            f"≤ 1.2 × without changes = {1.2 * ours:.2f} s",
            f"{changed:.2f} s ({changed / ours:.2f} ×)",
            changed <= 1.2 * ours,
        )
        for changes in SMALL:
            small = plan.get(f"ours, apply {changes}")
            if small is not None:
                yield Goal(
                    f"apply of {changes} of {size:,} flows",
                    f"≤ plan without changes + {_SMALL_APPLY} s = {ours + _SMALL_APPLY:.2f} s",
                    f"{small.median:.2f} s",
                    small.median <= ours + _SMALL_APPLY,
                )
    for name, sizes in (("create", results.create), ("update", results.update)):
        for size, runs in sorted(sizes.items()):
            bare = runs["bare"].median + runs["validation"].median
            ratio = runs["ours"].median / bare
            yield Goal(
                f"apply, {size:,} {name}s",
                "≤ 1.15 × the bare requests and the bare validation",
                f"{ratio:.2f} ×",
                ratio <= 1.15,
            )
            milliseconds = 1000 * runs["ours"].cpu / size
            yield Goal(
                f"processor time, {size:,} {name}s",
                "≤ 1.5 ms a flow, the start included",
                f"{milliseconds:.1f} ms",
                milliseconds <= 1.5,
            )
    if results.plan:
        size = max(results.plan)
        memory = results.plan[size]["ours"].memory / _MEGABYTE
        yield Goal(
            f"memory, {size:,} flows", f"≤ {_MEMORY} MB", f"{memory:.0f} MB", memory <= _MEMORY
        )
    for name, series in results.start.items():
        yield Goal(
            f"`{name}`",
            "≤ 120 ms",
            f"{series.median * 1000:.0f} ms (at best {series.low * 1000:.0f})",
            series.median <= 0.12,
        )
    if "good" in results.offline:
        count, series = results.offline["good"]
        yield Goal(
            "offline validation on one core",
            "≥ 1,500 flows a second",
            f"{count / series.cpu:,.0f} flows a second of processor time",
            count / series.cpu >= 1500,
        )


def _table(results: Results) -> Iterator[str]:
    yield "| | flows | seconds | beside the floor |"
    yield "|---|--:|--:|--:|"
    for size, plan in sorted(results.plan.items()):
        floor = plan["floor"].median
        for name, label in _PLANS.items():
            if name in plan:
                yield _row(label, size, plan[name], floor)
            elif name in ("requests", "kestrapy", "curl") and SDK_SIZE in results.plan:
                small = results.plan[SDK_SIZE].get(name)
                if small is not None and size <= 2000:
                    guess = small.median * size / SDK_SIZE
                    cells = (f"{label}, extrapolated", f"{size:,}", f"{guess:.0f}")
                    yield f"| {' | '.join(cells)} | {guess / floor:.0f} × |"
    for name, sizes in (("create", results.create), ("update", results.update)):
        for size, runs in sorted(sizes.items()):
            bare = runs["bare"].median
            yield _row(f"apply: {name} all", size, runs["ours"], bare)
            yield _row(f"bare requests: {name} all", size, runs["bare"], bare)
            yield _row(f"bare validation before {name}", size, runs["validation"], bare)
    for name, (count, series) in results.offline.items():
        label = "without errors" if name == "good" else "an error in each"
        yield (
            f"| offline validation, {label} | {count:,} | {_seconds(series)}"
            f" | {count / series.cpu:,.0f} flows per CPU second |"
        )


_PLANS = {
    "ours": "plan without changes",
    "ours, 1 % changed": "plan with 1 % changed",
    **{f"ours, apply {changes}": f"apply of {changes} changed" for changes in SMALL},
    "floor": "floor: one export, every file read and hashed",
    "requests": "loop with `requests`: get, compare, put",
    "kestrapy": "the same with `kestrapy`",
    "curl": "the same with `curl`",
}


def _row(label: str, size: int, series: Series, floor: float) -> str:
    return f"| {label} | {size:,} | {_seconds(series)} | {series.median / floor:.2f} × |"


def _seconds(series: Series) -> str:
    return f"{series.median:.2f} ({series.low:.2f}–{series.high:.2f})"


def draw(plot: Path, results: Results) -> None:
    """The plan without changes: ours, the goal, the floor, and the loops."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    sizes = sorted(results.plan)
    figure, axes = pyplot.subplots(figsize=(7.5, 4.5), layout="constrained")
    styles = {
        "ours": ("kestra-sync plan", "o-", "#5b21b6"),
        "floor": ("floor: one export, files read and hashed", "s-", "#059669"),
        "requests": ("loop with requests", "^--", "#b45309"),
        "kestrapy": ("loop with kestrapy", "v--", "#dc2626"),
        "curl": ("loop with curl", "d--", "#6b7280"),
    }
    for name, (label, style, colour) in styles.items():
        here = [size for size in sizes if name in results.plan[size]]
        if not here:
            continue
        series = [results.plan[size][name] for size in here]
        middle = [each.median for each in series]
        spread = (
            [each.median - each.low for each in series],
            [each.high - each.median for each in series],
        )
        axes.errorbar(here, middle, yerr=spread, fmt=style, color=colour, label=label, capsize=3)
    limit = [_FACTOR * results.plan[size]["floor"].median + _START for size in sizes]
    axes.plot(sizes, limit, ":", color="#111827", label="goal: 1.5 × floor + 0.3 s")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_xlabel("flows")
    axes.set_ylabel("seconds, without changes")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.yaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
    axes.legend(loc="lower right")
    figure.savefig(plot, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
