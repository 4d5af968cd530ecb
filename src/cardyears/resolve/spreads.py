"""How far may the true peak memory be from the estimate? By engine where runs of it were measured."""

from __future__ import annotations

from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.machine import calibration

ANY, ADAPTERS = "any", "any-adapters"
"""Rows for engines that are unknown or that nobody measured, all weights trained or adapters."""


def memory_spread(catalogue: Catalogue, method: str, engine: str | None = None) -> Interval:
    """Measured over estimated peak memory; `engine` is None where it is not known.

    >>> from cardyears.catalogue.load import load
    >>> known, unknown = (memory_spread(load(), "pretrain", key) for key in ("megatron-core", None))
    >>> known.high < unknown.high
    True
    """
    other = ADAPTERS if method in ("lora", "qlora") else ANY
    row = catalogue.memory.get(engine or other, catalogue.memory[other])
    return calibration.memory_spread(catalogue.calibration, Interval(row.low, 1.0, row.high))
