"""Writes the results into ``docs/performance.md``: the goals, the times, a plot."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from benchmarks import growth
from benchmarks.applies import LOOP, SMALL, extra_round_trips
from benchmarks.environments import FILES
from benchmarks.far import ROUND_TRIP
from benchmarks.measure import Series
from benchmarks.reasons import Cost, Goal, missed
from benchmarks.scenarios import MANY, SDK_SIZE, Results

BEGIN, END = "<!-- measured {}: begin -->", "<!-- measured {}: end -->"
"""Markers around the measurements of a version of Kestra, such as ``1.3``."""
_START = 0.3
_FACTOR = 1.5
_SMALL_APPLY = 0.5
_MEMORY = 120
_MEMORY_MORE = 160
_FEW = 20
"""Flows of a tree that is so small that only the start counts."""
_STARTS = {"--help": 0.12, "--version": 0.06}
_MEGABYTE = 1024 * 1024


def has_place(docs: Path, kestra: str) -> bool:
    """Return whether the page has markers for this version."""
    text = (docs / "performance.md").read_text(encoding="utf-8")
    return BEGIN.format(kestra) in text and END.format(kestra) in text


def write(docs: Path, results: Results, kestra: str, version: str, load: str) -> None:
    """Replace the measurements of one version on the page, and its plot.

    The page must have markers for this version, see :func:`has_place`.

    :param kestra: the version in the markers and the name of the plot, such as ``1.3``.
    :param version: the exact version that was measured.
    """
    page, begin, end = docs / "performance.md", BEGIN.format(kestra), END.format(kestra)
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    plot = docs / f"performance-{kestra}.png"
    lines = "\n".join(measured(results, version, load, plot.name))
    page.write_text(f"{before}{begin}\n{lines}\n{end}{after}", encoding="utf-8")
    draw(plot, results)


def measured(results: Results, version: str, load: str, plot: str) -> Iterator[str]:
    """The text between the two markers."""
    yield (
        f"Measured on {date.today():%d %B %Y}, {os.cpu_count()} cores shared by client and server"  # noqa: DTZ011
        f" ({load}), Python {platform.python_version()} on {sys.platform}, Kestra {version}"
        " embedded with its database in memory."
    )
    yield ""
    yield "| goal | | measured | |"
    yield "|---|---|---|---|"
    found = list(goals(results))
    for goal in found:
        yield f"| {goal.what} | {goal.goal} | {goal.measured} | {'met' if goal.met else 'missed'} |"
    yield ""
    yield from missed(found)
    yield ""
    yield "How time grows: seconds for each size, milliseconds for a flow more between the two"
    yield "largest sizes, and the slope of a line through all sizes in the plot, where 1 is"
    yield "proportional to the number of flows. An apply creates all flows."
    yield ""
    yield f"![Seconds of plan, apply and validate by the number of flows]({plot})"
    yield ""
    yield from growth.table(results.plan)
    yield ""
    yield "Seconds: the median, and in parentheses the fastest and the slowest run."
    yield ""
    yield from _table(results)
    yield from _far(results)


def goals(results: Results) -> Iterator[Goal]:
    """The goals, and the measured values."""
    for size, plan in sorted(results.plan.items()):
        ours, floor = plan["ours"].median, plan["floor"].median
        limit = _FACTOR * floor + _START
        yield Goal(
            f"plan without changes, {size:,} flows",
            f"≤ {_FACTOR} × floor + {_START} s = {limit:.2f} s",
            f"{ours:.2f} s",
            ours <= limit,
            Cost.START,
        )
        if size <= _FEW:
            yield Goal(
                f"plan of {size} flows", "≤ 0.35 s", f"{ours:.2f} s", ours <= 0.35, Cost.START
            )
        yield from _changed(size, plan)
        mapped = plan.get("ours, mapped")
        if mapped is not None and size > _FEW:
            yield Goal(
                f"plan with a mapping of namespaces, {size:,} flows",
                "≤ 1.5 × without",
                f"{mapped.median:.2f} s ({mapped.median / ours:.2f} ×)",
                mapped.median <= 1.5 * ours,
                Cost.MAPPING,
            )
    yield from _small(results)
    for name, sizes in (("create", results.create), ("update", results.update)):
        for size, runs in sorted(sizes.items()):
            bare = runs["bare"].median + runs["validation"].median
            ratio = runs["ours"].median / bare
            yield Goal(
                f"apply, {size:,} {name}s",
                "≤ 1.15 × the bare requests and the bare validation",
                f"{ratio:.2f} ×",
                ratio <= 1.15,
                Cost.WRITES,
            )
        if len(sizes) > 1:
            few, many = min(sizes), max(sizes)
            cpu = sizes[many]["ours"].cpu - sizes[few]["ours"].cpu
            milliseconds = 1000 * cpu / (many - few)
            yield Goal(
                f"processor time of {'an update' if name == 'update' else 'a create'}",
                "≤ 1.5 ms",
                f"{milliseconds:.1f} ms",
                milliseconds <= 1.5,
                Cost.PROCESSOR,
            )
    if results.plan:
        size = max(results.plan)
        for name, what, limit in (
            ("ours", "", _MEMORY),
            ("ours, mapped, with files", f", with a mapping and {FILES} files", _MEMORY_MORE),
        ):
            if name in results.plan[size]:
                memory = results.plan[size][name].memory / _MEGABYTE
                yield Goal(
                    f"memory, {size:,} flows{what}",
                    f"≤ {limit} MB",
                    f"{memory:.0f} MB",
                    memory <= limit,
                    Cost.MEMORY,
                )
    for name, series in results.start.items():
        yield Goal(
            f"`{name}`",
            f"≤ {1000 * _STARTS[name]:.0f} ms",
            f"{series.median * 1000:.0f} ms (at best {series.low * 1000:.0f})",
            series.median <= _STARTS[name],
            Cost.START,
        )
    if "good" in results.offline:
        count, series = results.offline["good"]
        yield Goal(
            "offline validation on one core",
            "≥ 1,500 flows a second",
            f"{count / series.cpu:,.0f} flows a second of processor time",
            count / series.cpu >= 1500,
            Cost.OFFLINE,
        )


def _changed(size: int, plan: Mapping[str, Series]) -> Iterator[Goal]:
    """Plans with changes, without the time of the validation on the server."""
    ours = plan["ours"].median
    few, many = (plan.get(f"ours, {name} changed") for name in ("1 %", f"{MANY:,}"))
    if few is not None and size > _FEW:
        validation = plan["validation, 1 % changed"].median
        rest = few.median - validation
        yield Goal(
            f"plan with 1 % changed, {size:,} flows",
            f"≤ 1.2 × without changes = {1.2 * ours:.2f} s, without the validation",
            f"{few.median:.2f} − {validation:.2f} s ({_times(rest / ours)})",
            rest <= 1.2 * ours,
            Cost.CHANGED,
        )
    if many is not None:
        validation = plan[f"validation, {MANY:,} changed"].median
        rest = many.median - validation - ours
        yield Goal(
            f"plan with {MANY:,} changed, {size:,} flows",
            "≤ without changes + 2 s, without the validation",
            f"{many.median:.2f} − {validation:.2f} s (+ {rest:.2f} s)",
            rest <= 2,
            Cost.CHANGED,
        )


def _times(factor: float) -> str:
    """Negative if the flows are validated while others are read, and the rest takes less time."""
    return f"{factor:.2f} ×" if factor > 0 else "less than the validation alone"


def _small(results: Results) -> Iterator[Goal]:
    for size, runs in sorted(results.small.items()):
        for changes in SMALL:
            if f"apply {changes}" in runs:
                planned, applied = (runs[f"{what} {changes}"].median for what in ("plan", "apply"))
                yield Goal(
                    f"apply of {changes} of {size:,} flows",
                    f"≤ the plan of it + {_SMALL_APPLY} s = {planned + _SMALL_APPLY:.2f} s",
                    f"{applied:.2f} s",
                    applied <= planned + _SMALL_APPLY,
                    Cost.SMALL,
                )


def _table(results: Results) -> Iterator[str]:
    yield "| | flows | seconds | relative to the floor |"
    yield "|---|--:|--:|--:|"
    for size, plan in sorted(results.plan.items()):
        floor = plan["floor"].median
        for name, label in _PLANS.items():
            if name in plan:
                yield _row(label, size, plan[name], floor)
            elif name in ("requests", "kestrapy", "curl") and SDK_SIZE in results.plan:
                loop = results.plan[SDK_SIZE].get(name)
                if loop is not None and size <= 2000:
                    guess = loop.median * size / SDK_SIZE
                    cells = (f"{label}, extrapolated", f"{size:,}", f"{guess:.0f}")
                    yield f"| {' | '.join(cells)} | {guess / floor:.0f} × |"
    for name, sizes in (("create", results.create), ("update", results.update)):
        for size, runs in sorted(sizes.items()):
            bare = runs["bare"].median
            yield _row(f"apply: {name} all", size, runs["ours"], bare)
            yield _row(f"bare requests: {name} all", size, runs["bare"], bare)
            yield _row(f"bare validation before {name}", size, runs["validation"], bare)
            if runs.get("requests") and runs["requests"].runs:
                yield _row(f"loop with `requests`: {name} all", size, runs["requests"], bare)
    for size, small in sorted(results.small.items()):
        for changes in SMALL:
            if f"floor {changes}" in small:
                floor = small[f"floor {changes}"].median
                for name, label in _SMALL.items():
                    series = small[f"{name} {changes}"]
                    yield _row(label.format(changes=changes), size, series, floor)
    for name, (count, series) in results.offline.items():
        label = "without errors" if name == "good" else "an error in each"
        yield (
            f"| offline validation, {label} | {count:,} | {_seconds(series)}"
            f" | {count / series.cpu:,.0f} flows per CPU second |"
        )


def _far(results: Results) -> Iterator[str]:
    """The additional time with a distant server."""
    if not results.far:
        return
    away = f"{1000 * ROUND_TRIP:.0f} ms"
    yield ""
    yield f"With {away} added to each round trip, including exports and connections:"
    yield ""
    yield f"| | flows | near, s | {away} away, s | round trips |"
    yield "|---|--:|--:|--:|--:|"
    for size, far in sorted(results.far.items()):
        near = {**results.small[size]}
        if "requests" in results.plan.get(size, {}):
            near[LOOP] = results.plan[size]["requests"]
        names = ["plan 0", *(f"{what} {n}" for n in SMALL for what in _SMALL), LOOP]
        for name in names:
            if name in far and name in near:
                what, changes = name.split()
                label = {**_SMALL, "requests": _PLANS["requests"]}[what].format(changes=changes)
                trips = extra_round_trips(near, far, name, ROUND_TRIP)
                cells = (f"{near[name].median:.2f}", f"{far[name].median:.2f}", f"{trips:.0f}")
                yield f"| {label} | {size:,} | {' | '.join(cells)} |"


_SMALL = {
    "plan": "plan of {changes} changed",
    "apply": "apply of {changes} changed",
    "floor": "bare requests: export, read and update {changes}",
}
_PLANS = {
    "ours": "plan without changes",
    "ours, 1 % changed": "plan with 1 % changed",
    "validation, 1 % changed": "bare validation of those",
    f"ours, {MANY:,} changed": f"plan with {MANY:,} changed",
    f"validation, {MANY:,} changed": "bare validation of those",
    "ours, mapped": "plan with a mapping of namespaces, without changes",
    "ours, patched": "plan with a patch of each flow, without changes",
    "ours, stamped": "plan with a stamp on each flow, without changes",
    "ours, mapped, with files": f"plan with a mapping and {FILES} files, without changes",
    "floor": "floor: one export, every file read and hashed",
    "requests": "loop with `requests`: get, compare, put",
    "kestrapy": "the same with `kestrapy`",
    "curl": "the same with `curl`",
}


def _row(label: str, size: int, series: Series, floor: float) -> str:
    return f"| {label} | {size:,} | {_seconds(series)} | {series.median / floor:.2f} × |"


def _seconds(series: Series) -> str:
    return f"{series.median:.2f} ({series.low:.2f}–{series.high:.2f})"


_STYLES = (("o-", "#5b21b6"), ("s-", "#059669"), ("^--", "#b45309"))


def draw(plot: Path, results: Results) -> None:
    """Seconds by the number of flows, for each command: ours, the floor, a loop by hand."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    sizes = sorted(results.plan)
    figure, panels = pyplot.subplots(
        1, len(growth.COMMANDS), figsize=(11, 4.2), sharex=True, layout="constrained"
    )
    for axes, (command, lines) in zip(panels, growth.COMMANDS.items(), strict=True):
        for (label, name), (style, colour) in zip(lines.items(), _STYLES, strict=True):
            here = [size for size in sizes if name in results.plan[size]]
            if not here:
                continue
            series = [results.plan[size][name] for size in here]
            middle = [each.median for each in series]
            spread = (
                [each.median - each.low for each in series],
                [each.high - each.median for each in series],
            )
            axes.errorbar(
                here,
                middle,
                yerr=spread,
                fmt=style,
                color=colour,
                label=label.replace("`", ""),
                capsize=3,
            )
        if "floor" in lines.values():
            limit = [_FACTOR * results.plan[size]["floor"].median + _START for size in sizes]
            axes.plot(sizes, limit, ":", color="#111827", label="goal: 1.5 × floor + 0.3 s")
        axes.set_title(command)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("flows")
        axes.grid(visible=True, which="major", alpha=0.2)
        axes.yaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
        axes.legend(loc="upper left", fontsize="small")
    panels[0].set_ylabel("seconds")
    figure.savefig(plot, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
