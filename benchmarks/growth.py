"""The growth of time with the number of flows: kestra-sync, bare requests, hand-written loops."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from benchmarks.measure import Series

OURS_CREATE, BARE_CREATE, HAND_CREATE = "ours, create", "bare, create", "by hand, create"
OURS_VALIDATE, BARE_VALIDATE = "ours, validate", "bare, validate"
HAND_VALIDATE = "validate by hand"

#: For each command the series of its lines: their name on the page, and in the results.
COMMANDS: Mapping[str, Mapping[str, str]] = {
    "plan without changes": {
        "kestra-sync": "ours",
        "bare requests": "floor",
        "loop with `requests`": "requests",
    },
    "apply, all created": {
        "kestra-sync": OURS_CREATE,
        "bare requests": BARE_CREATE,
        "loop with `requests`": HAND_CREATE,
    },
    "validate": {
        "kestra-sync": OURS_VALIDATE,
        "bare requests": BARE_VALIDATE,
        "loop with `requests`": HAND_VALIDATE,
    },
}

Results = Mapping[int, Mapping[str, Series]]


def table(results: Results) -> Iterator[str]:
    """A row for each command and side: seconds for each size, and how they grow."""
    sizes = sorted(results)
    yield f"| | | {' | '.join(f'{size:,} flows' for size in sizes)} | a flow more | slope |"
    yield f"|---|---|{'--:|' * (len(sizes) + 2)}"
    for command, lines in COMMANDS.items():
        first = command
        for line, name in lines.items():
            times = points(results, name)
            if not times:
                continue
            cells = [f"{times[size]:.2f}" if size in times else "" for size in sizes]
            last = sorted(times)[-2:]
            more = "" if len(last) < 2 else f"{1000 * _rise(times, *last):.2f} ms"
            yield f"| {first} | {line} | {' | '.join(cells)} | {more} | {_slope(times)} |"
            first = ""


def points(results: Results, name: str) -> dict[int, float]:
    """The median seconds of a series, for each size that it was measured with."""
    return {size: each[name].median for size, each in results.items() if name in each}


def _rise(times: Mapping[int, float], size: int, larger: int) -> float:
    return (times[larger] - times[size]) / (larger - size)


def _slope(times: Mapping[int, float]) -> str:
    """The exponent of the best fit of a power of the size: 1 is proportional to it."""
    if len(times) < 2:
        return ""
    logs = [(math.log(size), math.log(seconds)) for size, seconds in times.items()]
    x, y = (sum(each[side] for each in logs) / len(logs) for side in (0, 1))
    over = sum((a - x) * (b - y) for a, b in logs)
    return f"{over / sum((a - x) ** 2 for a, _ in logs):.2f}"
