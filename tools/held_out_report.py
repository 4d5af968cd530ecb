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

from cardyears.catalogue.spreads import StepRow
from cardyears.resolve.nearness import mixture
from cardyears.resolve.spreads import class_of
from cardyears.validate.compare import errors
from held_out import Seen, source

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


def report(by_source: Sequence[Seen], by_fold: Sequence[Seen], rows: dict[str, StepRow]) -> dict[str, Any]:
    """Errors and coverage of runs that were left out with their source, and with a fifth of all."""
    return {
        name: {**_errors(some), **_vtrain(some), **_coverage(some, rows)}
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


def _coverage(some: Sequence[Seen], rows: dict[str, StepRow]) -> dict[str, Any]:
    held = [(one, _holds(one, rows)) for one in some]
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


def _share(inside: Iterable[bool]) -> float:
    found = list(inside)
    return sum(found) / len(found)


def _holds(one: Seen, rows: dict[str, StepRow]) -> bool:
    row = class_of(rows, one.away, experts=mixture(one.row.problem.architecture))
    return row.low <= math.exp(-one.error) <= row.high


def write_report(by_source: Sequence[Seen], by_fold: Sequence[Seen], rows: dict[str, StepRow]) -> None:
    """Write the figures."""
    rounded = {
        name: {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in part.items()}
        for name, part in report(by_source, by_fold, rows).items()
    }
    REPORT.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
