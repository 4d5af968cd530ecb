"""How much do a person's own runs say of another one? Much of one like them, little of one unlike: kriging.

A calibration's factors hold where they were fitted and fade with the distance of `nearness`; what they left at the runs
that it keeps is taken off near these. Far away the estimate is the catalogue's, with the catalogue's interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, get_args

import msgspec

from cardyears.case import Job, Precision
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import EngineRow
from cardyears.machine.calibration import Calibration, Kept
from cardyears.machine.engine import Engine
from cardyears.resolve.calibration import calibrated_engine
from cardyears.resolve.engines import engine
from cardyears.resolve.nearness import Place, distance, place_of, place_of_kind

ALIKE, SCATTER, REACH = 0.14, 0.045, 2.0
"""Standard deviations of what runs of one source have in common and of what each has by itself, logarithms, and the
distance over which the first falls to 1/e. The first two are the likeliest for sources left out of the fit (with a
reach of 3.0); between 1.5 and 3 the reach changes little. Source: measured-runs."""


class Said(NamedTuple):
    """What a calibration says of a run."""

    share: float
    """How much of the factors holds there: 1 at the runs that it was fitted on, 0 far away."""
    slower: float
    """Measured over predicted step time that is left there."""


FULLY = Said(1.0, 1.0)
"""Of a calibration that keeps no runs."""


class Likeness:
    """The runs that a calibration keeps, and what each of them weighs."""

    def __init__(self, places: Sequence[Place], rows: Sequence[int], slower: Sequence[float]) -> None:
        self._places = places
        alike = [[_alike(one, other) for other in places] for one in places]
        for at, count in enumerate(rows):
            alike[at][at] += SCATTER**2 / count
        lower = _cholesky(alike)
        self._left = _solved(lower, [math.log(value) for value in slower])
        self._whole = _solved(lower, [1.0] * len(places))
        self._most = math.fsum(self._weighed(one, self._whole) for one in places) / len(places)

    def at(self, here: Place) -> Said:
        """What the runs say of a place: the mean that a Gaussian process has there.

            share = kᵀ(K + N)⁻¹1, over its mean at the runs;   slower = exp(kᵀ(K + N)⁻¹r),   k = ALIKE²·exp(−d/REACH)

        >>> here = Place("nemo", "h100", "h100", "pretrain", "bf16", False, 22.0, 2.0, 8.0)
        >>> mine = Likeness([here], [1], [1.1])
        >>> [round(mine.at(here._replace(size=size)).slower, 3) for size in (22.0, 24.0, 40.0)]
        [1.09, 1.032, 1.0]
        """
        share = self._weighed(here, self._whole) / self._most
        return Said(min(1.0, max(0.0, share)), math.exp(self._weighed(here, self._left)))

    def _weighed(self, here: Place, weights: Sequence[float]) -> float:
        return math.fsum(_alike(here, one) * weight for one, weight in zip(self._places, weights, strict=True))


def _alike(one: Place, other: Place) -> float:
    """Covariance of what two runs of a source have in common."""
    return ALIKE**2 * math.exp(-distance(one, other) / REACH)


def _cholesky(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """The lower triangle whose product with its transpose is the matrix. For so few rows importing NumPy is slower."""
    lower: list[list[float]] = []
    for at, row in enumerate(matrix):
        made: list[float] = []
        for column in range(at):
            past = math.fsum(a * b for a, b in zip(made, lower[column], strict=False))
            made.append((row[column] - past) / lower[column][column])
        made.append(math.sqrt(row[at] - math.fsum(value**2 for value in made)))
        lower.append(made)
    return lower


def _solved(lower: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """The solution of L·Lᵀ·x = right."""
    half: list[float] = []
    for row, value in zip(lower, right, strict=True):
        half.append((value - math.fsum(a * b for a, b in zip(row, half, strict=False))) / row[len(half)])
    whole = [0.0] * len(half)
    for at in reversed(range(len(half))):
        past = math.fsum(lower[below][at] * whole[below] for below in range(at + 1, len(half)))
        whole[at] = (half[at] - past) / lower[at][at]
    return whole


@lru_cache(maxsize=4)
def _likeness(catalogue: Catalogue) -> Likeness:
    kept = catalogue.calibration.kept if catalogue.calibration else ()
    places = [place_of_kind(one, catalogue) for one in kept]
    return Likeness(places, [one.rows for one in kept], [one.slower for one in kept])


def said(catalogue: Catalogue, here: Place) -> Said:
    """What the catalogue's calibration says of a place; all of it where it keeps no runs."""
    one = catalogue.calibration
    return FULLY if one is None or not one.kept else _likeness(catalogue).at(here)


def _nearest(catalogue: Catalogue, here: Place, engine: str | None = None) -> Kept | None:
    """The kept runs nearest to a place, of one engine or of any."""
    kept = catalogue.calibration.kept if catalogue.calibration else ()
    kept = tuple(one for one in kept if engine in (None, one.engine))
    return min(kept, key=lambda one: distance(here, place_of_kind(one, catalogue)), default=None)


def before(catalogue: Catalogue, here: Place) -> float | None:
    """Measured over predicted step time of the kept runs nearest to a place, without the factors; None: not known."""
    nearest = _nearest(catalogue, here)
    return None if nearest is None else nearest.before


def release(catalogue: Catalogue, here: Place) -> float | None:
    """Year of the engine's releases that an estimate at a place is of; None: the last that was measured.

        last + share·(year − last)     share, year: as the calibration says there, the year of the kept runs nearest

    So runs of an old release are estimated as they were measured: a person's own cluster has what it has. Runs by other
    engines say nothing of this one's releases.
    """
    nearest = _nearest(catalogue, here, here.engine)
    if nearest is None or nearest.year is None:
        return None
    first, _, last = catalogue.engines[here.engine].years
    return last + said(catalogue, here).share * (min(max(nearest.year, first), last) - last)


def faded(one: Calibration, there: Said) -> Calibration:
    """The factors on the step time as they hold at a place.

    >>> round(faded(Calibration(rate=0.8), Said(0.5, 1.0)).rate, 3)
    0.894
    """
    return msgspec.structs.replace(
        one,
        rate=one.rate**there.share / there.slower,
        memory_bound=one.memory_bound**there.share * there.slower,
        host=one.host**there.share * there.slower,
        traffic=one.traffic**there.share * there.slower,
    )


def calibrated_job(task: Job, precision: str, catalogue: Catalogue) -> Job:
    """The job with the calibration's factors as they hold for it in each precision; its engine is that of this one."""
    one = catalogue.calibration
    if one is None or not one.kept:
        return task
    engines = {each: engine_of(task.engine, place_of(task, each), catalogue) for each in get_args(Precision)}
    return msgspec.structs.replace(task, engine=engines[precision], engines=engines)


def engine_of(known: Engine, here: Place, catalogue: Catalogue) -> Engine:
    """The same of an engine at a place."""
    one = catalogue.calibration
    if one is None or not one.kept:
        return known
    return engine(known.key, engine_row(here, catalogue), release(catalogue, here))


def engine_row(here: Place, catalogue: Catalogue) -> EngineRow:
    """The row of a place's engine with the calibration's factors as they hold there."""
    one, before = catalogue.calibration, catalogue.uncalibrated_engines.get(here.engine)
    if one is None or before is None:
        return catalogue.engines[here.engine]
    return calibrated_engine(before, faded(one, said(catalogue, here)))
