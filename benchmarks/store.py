"""Results in a file, so that a long measurement can be split."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Run, Series
from benchmarks.scenarios import Results


def load(path: Path) -> Results:
    """The results of ``path``; none if there is no such file."""
    results = Results()
    if not path.exists():
        return results
    data = json.loads(path.read_text(encoding="utf-8"))
    results.start = {name: _series(runs) for name, runs in data["start"].items()}
    for name in ("plan", "create", "update", "small", "far"):
        sizes = {
            int(size): {each: _series(runs) for each, runs in series.items()}
            for size, series in data.get(name, {}).items()
        }
        setattr(results, name, sizes)
    results.offline = {
        name: (count, _series(runs)) for name, (count, runs) in data["offline"].items()
    }
    return results


def save(path: Path, results: Results) -> None:
    """Write all of them."""
    path.write_text(json.dumps(asdict(results), default=str), encoding="utf-8")


def _series(data: dict[str, Any]) -> Series:
    return Series([Run(**run) for run in data["runs"]])
