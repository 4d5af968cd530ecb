"""How sure is an estimated step time? Errors on runs that were left out, by how near the nearest run that was kept.

Every run is left out twice: with its source, and with a fifth of all runs. Its error then goes with the distance
(`cardyears.resolve.nearness`) of the nearest run that its fit has seen. The 10th and 90th percentile of each class of
distance are the interval (split conformal prediction), every source weighing as the root of its runs.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Hashable, Iterable
from statistics import median
from typing import cast

import msgspec
import numpy as np

from cardyears.case import Method
from cardyears.catalogue.compile import DATA
from cardyears.estimate.setting import setting
from cardyears.estimate.step import step
from cardyears.resolve.engines import usual_engine
from cardyears.resolve.spreads import UNNAMED
from cardyears.validate.interval import Grounds, run_place
from fit_shares import CHECKED
from held_out import Fitted, Seen, fold, left_out, source
from held_out_report import write_report
from step_bands import Band, banded, spread
from step_model import Array, Row

NAMES = {
    "near": "a measured run of the same engine, device, method and precision, and of like size",
    "close": "a measured run that differs in size, length or number of devices, or in one thing else",
    "far": "no measured run near: it differs in several things",
    "near-experts": "experts: a measured run of the same engine, device, method and precision, and of like size",
    "far-experts": "experts: no measured run near",
    UNNAMED: "any engine, estimated as the usual one",
}
HEAD = """\
# Measured over estimated step time: 10th and 90th percentile of runs that were left out of the fit, by the distance of
# the nearest measured run (resolve/nearness.py), every source weighing as the root of its runs. Made by
# tools/fit_steps.py.
"""


def seen(fitted: Fitted, group: Callable[[Row], Hashable]) -> list[Seen]:
    """Every good run, left out with its group."""
    rows = list(fitted.model.rows)
    errors, away = left_out(fitted, group), _away(rows, group)
    return [Seen(row, far, off) for row, far, off in zip(rows, away, errors, strict=True) if row.good]


def _away(rows: list[Row], group: Callable[[Row], Hashable]) -> Array:
    """Distance of the nearest good run of another group."""
    places = [run_place(row.problem) for row in rows]
    groups = [group(row) for row in rows]
    away = np.empty(len(rows))
    for one in dict.fromkeys(groups):
        kept = [place for place, row, other in zip(places, rows, groups, strict=True) if other != one and row.good]
        ground = Grounds(kept)
        for index, other in enumerate(groups):
            if other == one:
                away[index] = ground.nearest(places[index])
    return away


def unnamed(fitted: Fitted) -> list[Seen]:
    """Every good run, estimated as the engine that is usual for such a training runs it."""
    model = fitted.model
    made = model.engines(fitted.theta)
    found = []
    for row, job in zip(model.rows, model.fitted_jobs(fitted.theta), strict=True):
        if row.good:
            key, _ = usual_engine(cast("Method", row.problem.training.method), row.problem.cluster)
            other = msgspec.structs.replace(job, engine=made[key])
            total = step(other, row.problem.layout, setting(other, row.problem.layout.precision)).total
            found.append(Seen(row, 0.0, math.log(float(total) / row.measured)))
    return found


def write_intervals(fitted: Fitted) -> None:
    """Write ``steps.toml``, ``measured.csv`` and what the documentation says of them."""
    by_source, by_fold = seen(fitted, source), seen(fitted, fold)
    every = [*by_source, *by_fold]
    text = HEAD + "".join(_table(band, some) for band, some in banded(every))
    text += _table(Band(UNNAMED, None, experts=False), unnamed(fitted))
    (DATA / "steps.toml").write_text(text, encoding="utf-8")
    _write_places([one.row for one in by_source])
    write_report(by_source, by_fold)


def _table(band: Band, some: list[Seen]) -> str:
    low, high = spread(some)
    far = "" if band.upto is None else f"upto = {band.upto}\n"
    error = median(abs(math.expm1(one.error)) for one in some)
    return (
        f'\n[{band.name}]\nname = "{NAMES[band.name]}"\nexperts = {str(band.experts).lower()}\n{far}'
        f"low = {low:.3g}\nhigh = {high:.3g}\nruns = {len(some)}\n"
        f"sources = {len({source(one.row) for one in some})}\nerror = {error:.3g}\n"
        f'kind = "measured"\nsource = "measured-runs"\nchecked = {CHECKED}\n'
    )


def _write_places(rows: Iterable[Row]) -> None:
    lines = set()
    for row in rows:
        here = run_place(row.problem)
        words = (here.engine, here.device, here.method, here.precision, str(here.experts).lower())
        sizes = (f"{math.exp(here.size):.3g}", str(round(math.exp(here.devices))), str(round(math.exp(here.length))))
        lines.add((*words, *sizes))
    with (DATA / "measured.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("engine", "device", "method", "precision", "experts", "parameters", "devices", "seq_len"))
        writer.writerows(sorted(lines))
