"""How sure is an estimated step time? Errors on runs that were left out, over how far off runs like them were.

Every run is left out twice: with its source, and with a fifth of all runs. Its error then goes with the distance of the
nearest run that its fit has seen, and with the errors that runs near it had when they were left out themselves
(`cardyears.resolve.nearness.near`). The 10th and 90th percentile of one over the other make the interval (split
conformal prediction, normalised: Papadopoulos 2008).
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from statistics import mean, median
from typing import cast

import msgspec
import numpy as np

from cardyears.case import Method
from cardyears.catalogue.compile import DATA
from cardyears.catalogue.spreads import MeasuredRow
from cardyears.estimate.setting import setting
from cardyears.estimate.step import step
from cardyears.resolve.engines import usual_engine
from cardyears.resolve.nearness import Ground, Near
from cardyears.resolve.spreads import DENSE, EXPERTS, UNNAMED
from cardyears.validate.interval import Grounds, run_place
from cardyears.validate.memory import weighted_quantiles
from fit_shares import CHECKED
from held_out import Fitted, Seen, fold, left_out, source, summary
from held_out_report import write_report
from step_bands import Rule, kind, rules
from step_model import Array, Row

NAMES = {
    DENSE: "dense models, where runs like it are off by the error",
    EXPERTS: "mixtures of experts, where runs like it are off by the error",
    UNNAMED: "any engine, estimated as the usual one",
}
HEAD = """\
# Measured over estimated step time: 10th and 90th percentile of runs that were left out of the fit, where runs like
# it are off by the error; wider as they are off by more, and the farther the nearest of them lies
# (resolve/spreads.py, resolve/nearness.py). Made by tools/fit_steps.py.
"""


def left_out_twice(fitted: Fitted) -> tuple[list[Seen], list[Seen]]:
    """Every good run, left out with its source, and with its fold."""
    errors = {group: left_out(fitted, group) for group in (source, fold)}
    off = np.mean([np.abs(found) for found in errors.values()], axis=0)
    by_source, by_fold = (_seen(list(fitted.model.rows), found, off, group) for group, found in errors.items())
    return by_source, by_fold


def _seen(rows: list[Row], errors: Array, off: Array, group: Callable[[Row], Hashable]) -> list[Seen]:
    """Every good run, with what is known of good runs near it of other groups."""
    good = [
        (row, Ground(run_place(row.problem), source(row), 1, float(size)), float(error))
        for row, size, error in zip(rows, off, errors, strict=True)
        if row.good
    ]
    known: dict[Hashable, Grounds] = {}
    found = []
    for row, ground, error in good:
        name = group(row)
        if name not in known:
            known[name] = Grounds([other for one, other, _ in good if group(one) != name])
        found.append(Seen(row, known[name].near(ground.place), error))
    return found


def unnamed(fitted: Fitted) -> list[Seen]:
    """Every good run, estimated as the engine that is usual for such a training runs it."""
    model = fitted.model
    made = model.engines(fitted.theta)
    found = []
    for row, job in zip(model.rows, model.fitted_jobs(fitted.theta), strict=True):
        if row.good:
            key, _ = usual_engine(cast("Method", row.problem.training.method), row.problem.cluster)
            other = msgspec.structs.replace(job, engine=made[key].of_year(row.problem.year))
            total = step(other, row.problem.layout, setting(other, row.problem.layout.precision)).total
            found.append(Seen(row, Near(0.0, 1.0), math.log(float(total) / row.measured)))
    return found


def write_intervals(fitted: Fitted) -> None:
    """Write ``steps.toml``, ``measured.csv`` and what the documentation says of them."""
    by_source, by_fold = left_out_twice(fitted)
    every = [*by_source, *by_fold]
    text = HEAD
    for name, rule in rules(every).items():
        text += _table(name, [one for one in every if kind(one) == name], rule)
    (DATA / "steps.toml").write_text(text + _unnamed(unnamed(fitted)), encoding="utf-8")
    _write_places(by_source, by_fold)
    write_report(by_source, by_fold, summary(list(fitted.model.rows), fitted.error).errors)


def _table(name: str, some: list[Seen], rule: Rule) -> str:
    """A row: the interval of a run at no distance whose like are off by the error of the middle run."""
    error = median(abs(math.expm1(one.error)) for one in some)
    ends = (math.exp(rule.low * error), math.exp(rule.high * error))
    return _row(name, some, ends, error, f"farther = {rule.farther}\n")


def _unnamed(some: list[Seen]) -> str:
    ratios: dict[str, list[float]] = defaultdict(list)
    for one in some:
        ratios[source(one.row)].append(-one.error)
    return _row(UNNAMED, some, weighted_quantiles(ratios), median(abs(math.expm1(one.error)) for one in some), "")


def _row(name: str, some: list[Seen], ends: tuple[float, float], error: float, farther: str) -> str:
    return (
        f'\n[{name}]\nname = "{NAMES[name]}"\nexperts = {str(name == EXPERTS).lower()}\n{farther}'
        f"low = {ends[0]:.4g}\nhigh = {ends[1]:.4g}\nruns = {len(some)}\n"
        f"sources = {len({source(one.row) for one in some})}\nerror = {error:.3g}\n"
        f'kind = "measured"\nsource = "measured-runs"\nchecked = {CHECKED}\n'
    )


def _write_places(by_source: Sequence[Seen], by_fold: Sequence[Seen]) -> None:
    """A line for each kind of run of each source, with the mean of its errors when left out, either way."""
    lines: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for one, other in zip(by_source, by_fold, strict=True):
        here = run_place(one.row.problem)
        words = (here.engine, here.device, here.method, here.precision, str(here.experts).lower())
        sizes = (f"{math.exp(here.size):.3g}", str(round(math.exp(here.devices))), str(round(math.exp(here.length))))
        lines[*words, *sizes, source(one.row)].append((abs(one.error) + abs(other.error)) / 2.0)
    with (DATA / "measured.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MeasuredRow.__struct_fields__)
        writer.writerows((*key, len(off), f"{mean(off):.3f}") for key, off in sorted(lines.items()))
