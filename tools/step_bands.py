"""How wide are intervals, by how near the nearest run was that a fit had seen? Split conformal prediction."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cardyears.resolve.nearness import mixture
from cardyears.validate.memory import weighted_quantiles
from held_out import Seen, source


class Band(NamedTuple):
    """A class of distances of the nearest run that was seen."""

    name: str
    upto: float | None
    """The farthest; None: any farther one."""
    experts: bool


BANDS = (
    Band("near", 0.75, experts=False),
    Band("close", 1.5, experts=False),
    Band("far", None, experts=False),
    Band("near-experts", 0.75, experts=True),
    Band("far-experts", None, experts=True),
)
"""From the nearest to the farthest, without and with experts."""


def band_of(one: Seen) -> Band:
    """The class of one run."""
    experts = mixture(one.row.problem.architecture)
    return next(band for band in BANDS if band.experts == experts and (band.upto is None or one.away <= band.upto))


def banded(every: Sequence[Seen]) -> Iterator[tuple[Band, list[Seen]]]:
    """The runs of each class."""
    for band in BANDS:
        yield band, [one for one in every if band_of(one) is band]


def spread(some: Sequence[Seen]) -> tuple[float, float]:
    """10th and 90th percentile of measured over predicted, every source weighing as the root of its runs."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for one in some:
        ratios[source(one.row)].append(-one.error)
    low, high = weighted_quantiles(ratios)
    return min(low, 1.0), max(high, 1.0)


def holds(one: Seen, low: float, high: float) -> bool:
    """Whether a run's measured time lies in the interval around what was predicted."""
    return low <= math.exp(-one.error) <= high
