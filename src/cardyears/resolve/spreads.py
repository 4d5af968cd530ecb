"""How far may the truth be from the estimate? Peak memory by engine; step time by runs like it, left out of the fit."""

from __future__ import annotations

import math

from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.spreads import StepRow
from cardyears.machine import calibration
from cardyears.resolve.likeness import before, said
from cardyears.resolve.nearness import Near, Place, near_measured

ANY, ADAPTERS = "any", "any-adapters"
"""Rows for engines that are unknown or that nobody measured, all weights trained or adapters."""


UNSTATED = "unstated"
"""Row of memory for runs of which recomputation, length, batch or layout had to be guessed."""


def memory_spread(catalogue: Catalogue, method: str, engine: str | None = None, *, stated: bool = True) -> Interval:
    """Measured over estimated peak memory; `engine` is None where it is not known, and wider where much is guessed.

    >>> from cardyears.catalogue.load import load
    >>> known, unknown = (memory_spread(load(), "pretrain", key) for key in ("megatron-core", None))
    >>> known.high < unknown.high
    True
    """
    other = ADAPTERS if method in ("lora", "qlora") else ANY
    row, guessed = catalogue.memory.get(engine or other, catalogue.memory[other]), catalogue.memory[UNSTATED]
    low, high = (row.low, row.high) if stated else (min(row.low, guessed.low), max(row.high, guessed.high))
    return calibration.memory_spread(catalogue.calibration, Interval(low, 1.0, high))


UNNAMED, DENSE, EXPERTS = "unnamed", "dense", "experts"
"""Rows of steps: engine not known, so that the usual one was taken; dense models; mixtures of experts."""
FAR_OFF = 2.0
"""Distance beyond which an interval is no wider: so far, runs have little in common. Source: measured-runs."""


def step_spread(catalogue: Catalogue, here: Place, *, named: bool) -> Interval:
    """Measured over estimated step time: as wide as runs like it were off, and wider the farther the nearest is.

    >>> from cardyears.catalogue.load import load
    >>> here = Place("nemo", "h100-sxm-80gb", "h100", "pretrain", "bf16", False, 22.8, 2.1, 9.0)
    >>> known, unknown = (step_spread(load(), here, named=named) for named in (True, False))
    >>> known.high < unknown.high
    True
    """
    return spread_at(catalogue, here, near_measured(catalogue, here), named=named)


def spread_at(catalogue: Catalogue, here: Place, known: Near, *, named: bool) -> Interval:
    """The same where what is known of runs near it is known. Widest where no engine is named."""
    row, usual = catalogue.steps[EXPERTS if here.experts else DENSE], catalogue.steps[UNNAMED]
    wide = widened(row, known)
    if not named:
        wide = Interval(min(wide.low, usual.low), 1.0, max(wide.high, usual.high))
    share = said(catalogue, here).share
    return calibration.step_spread(catalogue.calibration, wide, share, before=before(catalogue, here))


def widened(row: StepRow, known: Near) -> Interval:
    """The row's interval where runs like it are so far off and so far away.

    low^k to high^k   with   k = error/row's error · exp(farther·√distance)
    """
    more = known.error / row.error * growth(row.farther or 0.0, known.away)
    return Interval(row.low**more, 1.0, row.high**more)


def growth(farther: float, away: float) -> float:
    """How much farther off a run is for being so far from the nearest that was measured."""
    return math.exp(farther * math.sqrt(min(away, FAR_OFF)))
