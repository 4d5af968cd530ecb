"""How wide are intervals, by how far off runs like one were and how near they lie? Split conformal prediction.

An error over what is usual at its place (`resolve.nearness.near`, `resolve.spreads.growth`) is like any other's, so
that the percentiles of all of them make every interval.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cardyears.resolve.nearness import mixture
from cardyears.resolve.spreads import DENSE, EXPERTS, FAR_OFF, growth
from cardyears.validate.memory import WIDTH, weighted_quantiles
from held_out import Seen, source

TRIED = tuple(step / 50.0 for step in range(31))
"""How much wider with the distance: values that are tried."""
MANY = 100
"""Sources from which an interval needs no correction for their number."""
WILD = 6.0
"""Errors, over the usual one, beyond which a run tells no more of how much wider."""


class Rule(NamedTuple):
    """Percentiles of logarithms of measured over predicted step time, over what is usual there."""

    low: float
    high: float
    farther: float

    def wide(self, one: Seen) -> tuple[float, float]:
        """Low and high end of a run's interval, measured over predicted."""
        usual = one.near.error * growth(self.farther, one.near.away)
        return math.exp(self.low * usual), math.exp(self.high * usual)


def kind(one: Seen) -> str:
    """The row of ``steps.toml`` that a run belongs to."""
    return EXPERTS if mixture(one.row.problem.architecture) else DENSE


def rules(every: Sequence[Seen]) -> dict[str, Rule]:
    """One rule for dense models and one for mixtures of experts, which widen alike with the distance."""
    farther = widening(every)
    return {name: _rule([one for one in every if kind(one) == name], farther) for name in (DENSE, EXPERTS)}


def _rule(some: Sequence[Seen], farther: float) -> Rule:
    """Percentiles, every source weighing as the root of its runs, and corrected for how few sources there are.

    A new source is one more beside n: (n + 1)/n of the share that the interval is to hold (Vovk 2005; Angelopoulos
    2023, section 1). From `MANY` sources on that is less than a point, and left out: more of the runs than asked for
    lie in their intervals already, as large sources are nearer to others than small ones.
    """
    ratios: dict[str, list[float]] = defaultdict(list)
    for one in some:
        ratios[source(one.row)].append(-one.error / (one.near.error * growth(farther, one.near.away)))
    more = WIDTH / len(ratios) if len(ratios) < MANY else 0.0
    low, high = weighted_quantiles(ratios, min(1.0, WIDTH + more))
    return Rule(min(0.0, math.log(low)), max(0.0, math.log(high)), farther)


def widening(every: Sequence[Seen]) -> float:
    """How much farther off with the root of the distance: the likeliest, for errors with a double exponential."""
    runs: dict[str, int] = defaultdict(int)
    for one in every:
        runs[source(one.row)] += 1
    weight = np.array([runs[source(one.row)] ** -0.5 for one in every])
    usual = np.log([one.near.error for one in every])
    away = np.sqrt(np.minimum([one.near.away for one in every], FAR_OFF))
    error = np.abs([one.error for one in every])

    def loss(farther: float) -> float:
        scale = usual + farther * away
        scale = scale + math.log(np.average(error / np.exp(scale), weights=weight))
        return float(np.average(scale + np.minimum(error / np.exp(scale), WILD), weights=weight))

    return min(TRIED, key=loss)


def holds(one: Seen, rule: Rule) -> bool:
    """Whether a run's measured time lies in the interval around what was predicted."""
    low, high = rule.wide(one)
    return low <= math.exp(-one.error) <= high
