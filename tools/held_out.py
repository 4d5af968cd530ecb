"""How far off is the fit on runs that it has not seen? Folds of the measured runs, left out one after the other.

A fit without some runs is the whole fit moved by what they pulled: one Gauss-Newton system on the same derivatives, so
that a hundred sources can be left out in turn. Against whole fits its errors differ by less than a tenth of their size.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Hashable
from statistics import median
from typing import NamedTuple

import numpy as np

from cardyears.resolve.nearness import Near
from cardyears.validate.compare import Errors, errors
from step_model import Array, Model, Row, robust

TURNS = 8
"""Rounds of re-weighting by the errors that are left."""
FOLDS = 5


class Fitted(NamedTuple):
    """A fit with what leaving runs out needs: errors and derivatives of every run, and the prior's precision."""

    model: Model
    theta: Array
    error: Array
    slopes: Array
    precision: Array


class Seen(NamedTuple):
    """One run left out: what was known of runs near it that were kept, and log of predicted over measured step time."""

    row: Row
    near: Near
    error: float


def moved(fitted: Fitted, kept: Array) -> Array:
    """How the coefficients move when only some runs are kept."""
    slopes, error, weight = fitted.slopes[kept], fitted.error[kept], fitted.model.weight[kept]
    move = np.zeros(len(fitted.theta))
    for _ in range(TURNS):
        pull = robust(weight, error + slopes @ move)
        left = slopes.T @ (pull[:, None] * slopes) + fitted.precision
        move = np.linalg.solve(left, -slopes.T @ (pull * error) - fitted.precision @ fitted.theta)
    return move


def left_out(fitted: Fitted, group: Callable[[Row], Hashable]) -> Array:
    """Log of predicted over measured step time of every run, by a fit without the runs of its group."""
    groups = [group(row) for row in fitted.model.rows]
    found = np.empty(len(groups))
    for one in dict.fromkeys(groups):
        out = np.array([other == one for other in groups])
        found[out] = fitted.error[out] + fitted.slopes[out] @ moved(fitted, ~out)
    return found


def source(row: Row) -> str:
    """The run's source."""
    return row.problem.measured.source


def fold(row: Row) -> int:
    """One of five folds, in which runs of the same model, machine and sequence of one source stay together."""
    run = row.problem.measured
    name = repr((run.source, run.model, run.device, run.devices, row.problem.seq_len))
    return zlib.crc32(name.encode()) % FOLDS


class HeldOut(NamedTuple):
    """Errors on runs of good quality that were left out."""

    errors: Errors
    median_of_sources: float
    """Median of the sources' own medians."""


def summary(rows: list[Row], found: Array) -> HeldOut:
    """The errors of good runs, over all and by source."""
    good = [(row, math.expm1(error)) for row, error in zip(rows, found, strict=True) if row.good]
    by_source: dict[str, list[float]] = {}
    for row, error in good:
        by_source.setdefault(source(row), []).append(abs(error))
    return HeldOut(errors(error for _, error in good), median(median(each) for each in by_source.values()))
