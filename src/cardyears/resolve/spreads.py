"""How far may the truth be from the estimate? Peak memory by engine; step time by how near a measured run is."""

from __future__ import annotations

from collections.abc import Mapping

from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.spreads import StepRow
from cardyears.machine import calibration
from cardyears.resolve.nearness import FARTHEST, Place, measured_places, nearest

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


UNNAMED = "unnamed"
"""Row of steps whose engine is not known, and the usual one was taken."""


def step_spread(catalogue: Catalogue, here: Place, *, named: bool) -> Interval:
    """Measured over estimated step time: wider the farther the nearest measured run, widest where no engine is named.

    >>> from cardyears.catalogue.load import load
    >>> here = Place("nemo", "h100-sxm-80gb", "h100", "pretrain", "bf16", False, 22.8, 2.1, 9.0)
    >>> known, unknown = (step_spread(load(), here, named=named) for named in (True, False))
    >>> known.high < unknown.high
    True
    """
    return spread_at(catalogue, nearest(here, measured_places(catalogue)), experts=here.experts, named=named)


def spread_at(catalogue: Catalogue, away: float, *, experts: bool, named: bool) -> Interval:
    """The same where the distance of the nearest measured run is known."""
    row, usual = class_of(catalogue.steps, away, experts=experts), catalogue.steps[UNNAMED]
    low, high = (row.low, row.high) if named else (min(row.low, usual.low), max(row.high, usual.high))
    return calibration.step_spread(catalogue.calibration, Interval(low, 1.0, high))


def class_of(rows: Mapping[str, StepRow], away: float, *, experts: bool) -> StepRow:
    """The row for runs whose nearest measured one is so far."""
    like = sorted(
        (row for key, row in rows.items() if row.experts == experts and key != UNNAMED),
        key=lambda row: FARTHEST if row.upto is None else row.upto,
    )
    return next(row for row in like if row.upto is None or away <= row.upto)
