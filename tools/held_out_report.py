"""What the documentation says of runs that were left out of the fit: errors, and how many the intervals hold.

Written by ``tools/fit_steps.py`` beside the coefficients, as a fit takes minutes and the pages are made in seconds.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from cardyears.resolve.spreads import DENSE, EXPERTS
from cardyears.validate import report
from cardyears.validate.compare import Errors, errors
from cardyears.validate.memory import weighted_quantiles
from cardyears.validate.read import Problem
from held_out import Seen, source
from step_bands import Rule, holds, kind, rules

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
REPORT = EXAMPLES / "held_out.json"
SMALLEST_GROUP = 30
"""Runs of a group whose coverage is looked at by itself."""
VTRAIN = "vtrain-validation"
BANDS = {"near": 0.75, "close": 1.5, "far": math.inf}
"""Distances of the nearest measured run by which coverage is looked at."""


def _by_problem(key: Callable[[Problem], str]) -> Callable[[Seen], str]:
    return lambda one: key(one.row.problem)


GROUPS: dict[str, Callable[[Seen], str]] = {
    **{name: _by_problem(key) for name, key in report.GROUPS.items()},
    "source and table": lambda one: f"{source(one.row)}, {one.row.problem.measured.table}",
}


def figures(by_source: Sequence[Seen], by_fold: Sequence[Seen]) -> dict[str, Any]:
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
    held = [found for name in _sources(some) for found in _held(name, some, every)]
    groups: dict[str, float] = {}
    for name, key in GROUPS.items():
        parts: dict[str, list[bool]] = defaultdict(list)
        for one, rule in held:
            parts[key(one)].append(holds(one, rule))
        groups |= {f"{name} {value}": _share(part) for value, part in parts.items() if len(part) >= SMALLEST_GROUP}
    worst = min(groups, key=lambda name: groups[name])
    many = Counter(source(one.row) for one in some)
    largest = max(many, key=lambda name: many[name])
    return {
        "coverage": _share(holds(*one) for one in held), "worst_group": worst, "worst_coverage": groups[worst],
        "largest_source": largest,
        "coverage_of_largest": _share(holds(*one) for one in held if source(one[0].row) == largest),
        "coverage_of_others": _share(holds(*one) for one in held if source(one[0].row) != largest),
    }  # fmt: skip


def _bands(every: Sequence[Seen]) -> list[dict[str, Any]]:
    """By how near the nearest run is: the middle interval, how many lie in theirs, and how the runs lie altogether."""
    held = [found for name in _sources(every) for found in _held(name, every, every)]
    found = []
    for group in (DENSE, EXPERTS):
        least = -1.0
        for band, most in BANDS.items():
            part = [(one, rule) for one, rule in held if kind(one) == group and least < one.near.away <= most]
            ends = [rule.wide(one) for one, rule in part]
            ratios: dict[str, list[float]] = defaultdict(list)
            for one, _ in part:
                ratios[source(one.row)].append(-one.error)
            p10, p90 = weighted_quantiles(ratios)
            found.append({
                "kind": group, "band": band, "runs": len(part), "sources": len(ratios), "p10": p10, "p90": p90,
                "low": median(low for low, _ in ends), "high": median(high for _, high in ends),
                "coverage": _share(holds(*one) for one in part),
                "median": median(abs(math.expm1(one.error)) for one, _ in part),
            })  # fmt: skip
            least = most
    return found


def _sources(some: Sequence[Seen]) -> dict[str, None]:
    return dict.fromkeys(source(one.row) for one in some)


def _held(name: str, some: Sequence[Seen], every: Sequence[Seen]) -> list[tuple[Seen, Rule]]:
    """The runs of one source, each with the rule that all other sources give."""
    made = rules([one for one in every if source(one.row) != name])
    return [(one, made[kind(one)]) for one in some if source(one.row) == name]


def _share(inside: Iterable[bool]) -> float:
    found = list(inside)
    return sum(found) / len(found)


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write_report(by_source: Sequence[Seen], by_fold: Sequence[Seen], in_sample: Errors) -> None:
    """Write the figures, and the errors in sample of the fit that they are of, so that stale ones are noticed."""
    made = figures(by_source, by_fold)
    found: dict[str, Any] = {name: {key: _rounded(value) for key, value in part.items()} for name, part in made.items()}
    found["bands"] = [{key: _rounded(value) for key, value in band.items()} for band in _bands([*by_source, *by_fold])]
    found["in_sample"] = {
        name: _rounded(getattr(in_sample, name)) for name in ("runs", "median", "mean", "p90", "bias")
    }
    REPORT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
