"""What the documentation says of runs that were left out of the fit: errors, and how many the intervals hold.

Written by ``tools/fit_steps.py`` beside the coefficients, as a fit takes minutes and the pages are made in seconds.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from cardyears.validate.compare import errors
from held_out import Seen, source
from step_bands import band_of, banded, holds, spread

REPORT = Path(__file__).parents[1] / "docs" / "examples" / "held_out.json"
SMALLEST_GROUP = 30
"""Runs of a group whose coverage is looked at by itself."""
VTRAIN = "vtrain-validation"
GROUPS: dict[str, Callable[[Seen], str]] = {
    "source": lambda one: source(one.row),
    "device": lambda one: one.row.problem.device.key,
    "engine": lambda one: one.row.engine,
    "method": lambda one: one.row.problem.training.method,
}


def report(by_source: Sequence[Seen], by_fold: Sequence[Seen]) -> dict[str, Any]:
    """Errors and coverage of runs that were left out with their source, and with a fifth of all."""
    every = [*by_source, *by_fold]
    return {
        name: {**_errors(some), **_vtrain(some), **_coverage(some, every)}
        for name, some in (("source", by_source), ("fold", by_fold))
    }


def _errors(some: Sequence[Seen]) -> dict[str, Any]:
    signed = [math.expm1(one.error) for one in some]
    found = errors(signed)
    sources: dict[str, list[float]] = defaultdict(list)
    for one, error in zip(some, signed, strict=True):
        sources[source(one.row)].append(abs(error))
    return {
        "runs": found.runs, "median": found.median, "p90": found.p90, "bias": found.bias,
        "median_of_sources": median(median(each) for each in sources.values()), "sources": len(sources),
    }  # fmt: skip


def _vtrain(some: Sequence[Seen]) -> dict[str, Any]:
    mine = [one for one in some if source(one.row) == VTRAIN]
    across = [one for one in mine if one.row.problem.cluster.nodes > 1]
    inside = [one for one in mine if one.row.problem.cluster.nodes == 1]
    return {
        "vtrain_across": errors(math.expm1(one.error) for one in across).mean,
        "vtrain_one_node": errors(math.expm1(one.error) for one in inside).mean,
    }


def _coverage(some: Sequence[Seen], every: Sequence[Seen]) -> dict[str, Any]:
    """Share of the runs in intervals that no run of their own source has shaped."""
    held = [(one, inside) for name in _sources(some) for one, inside in _held(name, some, every)]
    groups: dict[str, float] = {}
    for kind, key in GROUPS.items():
        parts: dict[str, list[bool]] = defaultdict(list)
        for one, inside in held:
            parts[key(one)].append(inside)
        groups |= {f"{kind} {name}": _share(part) for name, part in parts.items() if len(part) >= SMALLEST_GROUP}
    worst = min(groups, key=lambda name: groups[name])
    return {
        "coverage": _share(inside for _, inside in held), "worst_group": worst, "worst_coverage": groups[worst],
    }  # fmt: skip


def _sources(some: Sequence[Seen]) -> dict[str, None]:
    return dict.fromkeys(source(one.row) for one in some)


def _held(name: str, some: Sequence[Seen], every: Sequence[Seen]) -> list[tuple[Seen, bool]]:
    """The runs of one source, and whether each lies in the interval that all other sources give."""
    spreads = {band: spread(part) for band, part in banded([one for one in every if source(one.row) != name])}
    return [(one, holds(one, *spreads[band_of(one)])) for one in some if source(one.row) == name]


def _share(inside: Iterable[bool]) -> float:
    found = list(inside)
    return sum(found) / len(found)


def write_report(by_source: Sequence[Seen], by_fold: Sequence[Seen]) -> None:
    """Write the figures."""
    rounded = {
        name: {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in part.items()}
        for name, part in report(by_source, by_fold).items()
    }
    REPORT.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
