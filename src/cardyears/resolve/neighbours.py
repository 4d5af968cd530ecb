"""Which measured runs are the most like the one that is asked about, and how far off were the estimates of those?"""

from __future__ import annotations

import heapq
import math

from cardyears.case import Neighbour
from cardyears.catalogue.load import Catalogue
from cardyears.resolve.nearness import Place, measured_gaps

SHOWN = 3


def neighbours(catalogue: Catalogue, here: Place, count: int = SHOWN) -> tuple[Neighbour, ...]:
    """The nearest measured runs, the nearest first; their errors are those of fits that they were left out of.

    >>> from cardyears.catalogue.load import load
    >>> here = Place("nemo", "h100-sxm-80gb", "h100", "pretrain", "bf16", False, 22.8, 2.1, 9.0)
    >>> [one.away for one in neighbours(load(), here)] == sorted(one.away for one in neighbours(load(), here))
    True
    """
    nearest = heapq.nsmallest(count, zip(measured_gaps(catalogue, here), range(len(catalogue.measured)), strict=True))
    return tuple(_neighbour(catalogue, place, away) for away, place in nearest)


def _neighbour(catalogue: Catalogue, place: int, away: float) -> Neighbour:
    row = catalogue.measured[place]
    device, engine = catalogue.accelerators.get(row.device), catalogue.engines.get(row.engine)
    return Neighbour(
        device=row.device if device is None else device.name,
        engine=row.engine if engine is None else engine.name,
        method=row.method,
        precision=row.precision,
        parameters=row.parameters,
        devices=row.devices,
        seq_len=row.seq_len,
        experts=row.experts,
        source=row.source,
        runs=row.runs,
        error=math.expm1(row.error),
        away=away,
    )
