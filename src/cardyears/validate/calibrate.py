"""Which few factors make the estimates fit one's own cluster? A robust fit with priors, and what one row brings.

Four factors on the step time move together unless the rows tell them apart: the prior of their logarithms is one common
part, as wide as sources scatter around the estimate, and a narrow part of each. So a single row moves the whole step,
and rows of many kinds find out what is slow.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.machine.calibration import LARGEST, SMALLEST, Calibration
from cardyears.resolve.calibration import calibrated
from cardyears.validate.compare import Compared, compared, quantile
from cardyears.validate.constant import implied_share
from cardyears.validate.held import held
from cardyears.validate.interval import interval, run_place
from cardyears.validate.keep import keep
from cardyears.validate.placed import placed
from cardyears.validate.read import Problem

Array = NDArray[np.float64]

COMMON, WITHIN = 0.128, 0.10
"""Scatter of sources around the estimate, and of a source's runs around their own mean (standard deviations of the
logarithm, the middle source; left out of the fit). Source: measured-runs."""
OWN = {"rate": 0.03, "memory_bound": 0.05, "host": 0.10, "traffic": 0.10}
"""How far each factor goes its own way. More freedom fits the one row better and the others worse. Source:
measured-runs."""
SCATTER = 0.13
"""Of a source's runs where nothing of it is known yet: wide enough that the interval holds 80 % of the rest. Source:
measured-runs."""
SHARE, MEMORY, MEMORY_WITHIN = 0.25, 0.7, 0.15
"""Scatter of the share of peak between sources, how far what is held beside the state may be from what is assumed, and
of a peak around its estimate. Source: measured-runs."""
HUBER = 1.5
"""Scatters beyond which a run weighs less and less."""
ROUNDS, TURNS, MOVE, NUDGE, DONE = 3, 8, 0.5, 0.02, 0.02
"""Of the fit: its most steps, weightings in each, the longest, the one that slopes are taken with, and the one that
ends it."""
KNOWN = 4.0
"""Runs' worth of what was known about the scatter before."""
COVERED = 1.2816
"""Standard deviations on each side that hold 80 % of a normal distribution."""
FEWEST, TRIED = 4, 5
"""Runs that a source must have to be looked at, and of which so many are tried as the one row, evenly apart."""


def calibrate(problems: Sequence[Problem], catalogue: Catalogue, name: str = "") -> Calibration:
    """The factors that make the estimates fit these runs; those that nothing shows stay at one.

    A factor is what the catalogue's coefficient is multiplied by; `catalogue` has not been calibrated. Rows of weak
    quality count only where there are no others.
    """
    fine = [one for one in problems if one.measured.quality == "good"]
    problems = fine or problems
    speeds = compared(problems, catalogue)
    times, left = _times(speeds, catalogue)
    ran = [one.problem for one in speeds]
    kept, left = keep([run_place(one) for one in ran], left, (-_logs(speeds)).tolist(), [one.year for one in ran])
    peaks, memory_left, count = _memory(problems, catalogue)
    return Calibration(
        name=name,
        **times,
        kept=kept,
        held=peaks,
        share=_share(speeds, catalogue),
        rows=len(speeds),
        memory_rows=count,
        step_spread=spread(left, COMMON, SCATTER),
        memory_spread=spread(memory_left, SHARE, MEMORY_WITHIN),
    )


class _Fitted(NamedTuple):
    """Factors on the step time, and the errors that they leave: logarithms of measured over predicted."""

    factors: dict[str, Any]
    left: list[float]


def _times(speeds: Sequence[Compared], catalogue: Catalogue) -> _Fitted:
    """The four factors on the step time. Slopes are taken once: logarithms of times are nearly straight in theirs."""
    if not speeds:
        return _Fitted({}, [])
    names = list(OWN)
    prior = COMMON**2 * np.ones((4, 4)) + np.diag([OWN[name] ** 2 for name in names])
    precision: Array = np.linalg.inv(prior).astype(np.float64)

    def residual(slower: Array) -> Array:
        made = calibrated(catalogue, Calibration(**_factors(names, slower)))
        return _logs(compared([one.problem for one in speeds], made))

    slower: Array = np.zeros(4)
    base = _logs(speeds)
    slopes = np.stack([(residual(NUDGE * unit) - base) / NUDGE for unit in np.eye(4)], axis=1)
    for _ in range(ROUNDS):
        move = _move(slopes, base, slower, precision)
        slower = slower + move
        base = residual(slower)
        if np.abs(move).max() < DONE:
            break
    return _Fitted(_factors(names, slower), [-one for one in base.tolist()])


def _logs(speeds: Sequence[Compared]) -> Array:
    """Logarithms of predicted over measured step time."""
    return np.array([math.log(one.predicted_s / one.measured_s) for one in speeds])


def _move(slopes: Array, base: Array, slower: Array, precision: Array) -> Array:
    """How the factors move, as if the logarithms were straight: weighted anew by the errors that are left."""
    move: Array = np.zeros(4)
    for _ in range(TURNS):
        weight = 1 / np.maximum(np.abs(base + slopes @ move) / (HUBER * WITHIN), 1.0) / WITHIN**2
        left = slopes.T @ (weight[:, None] * slopes) + precision
        right = -slopes.T @ (weight * base) - precision @ slower
        move = np.linalg.solve(left, right).astype(np.float64)
    return np.asarray(np.clip(move, -MOVE, MOVE), dtype=np.float64)


def _factors(names: Sequence[str], slower: Iterable[float]) -> dict[str, Any]:
    """Factors of logarithms that all mean a slower step: a rate is the inverse of its own."""
    made = {name: math.exp(-value if name == "rate" else value) for name, value in zip(names, slower, strict=True)}
    return {name: min(LARGEST, max(SMALLEST, value)) for name, value in made.items()}


def _share(speeds: Sequence[Compared], catalogue: Catalogue) -> float:
    """Attained over usual share of peak, drawn to one where few runs show it."""
    logs = [
        math.log(attained / catalogue.shares.get(one.problem.device.family, catalogue.shares["all"]).mid)
        for one in speeds
        if (attained := implied_share(one))
    ]
    if not logs:
        return 1.0
    weight = len(logs) * SHARE**2 / (len(logs) * SHARE**2 + WITHIN**2)
    return math.exp(weight * statistics.median(logs))


def _memory(problems: Sequence[Problem], catalogue: Catalogue) -> tuple[float, list[float], int]:
    """The factor on what is held beside the state, the errors that it leaves, and from how many peaks."""
    some = [one.problem for one in held(problems, catalogue) if one.measured is not None]
    if not some:
        return 1.0, [], 0

    def residual(more: float) -> list[float]:
        made = calibrated(catalogue, Calibration(held=math.exp(more)))
        return [math.log(one.predicted / one.measured) for one in held(some, made) if one.measured is not None]

    def loss(more: float) -> float:
        sizes = (abs(one) / MEMORY_WITHIN for one in residual(more))
        each = (size**2 / 2 if size < HUBER else HUBER * (size - HUBER / 2) for size in sizes)
        return math.fsum(each) + (more / MEMORY) ** 2 / 2

    coarse = min((step / 4.0 for step in range(-8, 9)), key=loss)
    best = min((coarse + step / 20.0 for step in range(-4, 5)), key=loss)
    return math.exp(best), [-one for one in residual(best)], len(some)


def spread(left: Sequence[float], common: float, within: float) -> Interval | None:
    """What is left between measurement and estimate, 80 %: scatter of the runs, and what few runs leave open.

        s² = (k·within² + Σ r²)/(k + n),  open² = common²·s²/(s² + n·common²),  exp(±1.28·√(s² + open²))

    Errors beyond the robust limit count as the limit.

    >>> spread([0.0], 0.2, 0.07).high < spread([0.3, -0.3], 0.2, 0.07).high
    True
    """
    if not left:
        return None
    centre = statistics.median(left) if len(left) > 2 else 0.0
    limit = max(HUBER * within, 3.0 * quantile(sorted(abs(one - centre) for one in left), 0.5))
    square = math.fsum(min(abs(one), limit) ** 2 for one in left)
    scatter = (KNOWN * within**2 + square) / (KNOWN + len(left))
    opened = common**2 * scatter / (scatter + len(left) * common**2)
    wide = COVERED * math.sqrt(scatter + opened)
    return Interval(math.exp(-wide), 1.0, math.exp(wide))


class OneRow(NamedTuple):
    """What calibrating on one row of a source brings for the rest of it: medians of absolute errors."""

    source: str
    runs: int
    before: float
    after: float
    covered: float
    """Share of the rest inside the narrowed interval."""
    errors: tuple[float, ...]
    """Of the rest after calibrating, all tries together."""


def one_row(every: Sequence[Compared], catalogue: Catalogue, *, fewest: int = FEWEST) -> list[OneRow]:
    """For each source: calibrated on one of its runs, how far off is the rest? Several runs take their turn.

    `catalogue` is the one that `every` was predicted with.
    """
    found = []
    for source in dict.fromkeys(one.problem.measured.source for one in every):
        mine = [one for one in every if one.problem.measured.source == source]
        if len(mine) >= fewest:
            found.append(_one_row(source, mine, catalogue))
    return found


def _one_row(source: str, mine: Sequence[Compared], catalogue: Catalogue) -> OneRow:
    before, after, inside = [], [], []
    step = max(1, len(mine) // TRIED)
    for at in range(0, len(mine), step)[:TRIED]:
        rest = [one for place, one in enumerate(mine) if place != at]
        made = calibrate([mine[at].problem], catalogue)
        mine_now = calibrated(catalogue, made)
        now = placed([one.problem for one in rest], mine_now)
        before += [abs(one.error) for one in rest]
        after += [abs(one.error) for one in now]
        for one in now:
            wide = interval(one.problem, mine_now)
            inside.append(wide.low <= one.measured_s / one.predicted_s <= wide.high)
    return OneRow(
        source, len(mine), statistics.median(before), statistics.median(after), sum(inside) / len(inside), tuple(after)
    )
