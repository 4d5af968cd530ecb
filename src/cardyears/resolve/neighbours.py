"""Which measured runs are the most like the one that is asked about, and how far off were the estimates of those?"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

from cardyears.case import Neighbour
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.spreads import MeasuredRow
from cardyears.machine.calibration import RunKind
from cardyears.resolve.nearness import Place, distance, measured_gaps, place_of_kind

SHOWN = 3


def neighbours(catalogue: Catalogue, here: Place, count: int = SHOWN) -> tuple[Neighbour, ...]:
    """The nearest measured runs, the nearest first: errors are those of fits that they were left out of.

    A person's own runs are among them, with what the calibration's factors leave there.

    >>> from cardyears.catalogue.load import load
    >>> here = Place("nemo", "h100-sxm-80gb", "h100", "pretrain", "bf16", False, 22.8, 2.1, 9.0)
    >>> [one.away for one in neighbours(load(), here)] == sorted(one.away for one in neighbours(load(), here))
    True
    """
    nearest = heapq.nsmallest(count, zip(measured_gaps(catalogue, here), range(len(catalogue.measured)), strict=True))
    found = [_measured(catalogue, catalogue.measured[place], away) for away, place in nearest]
    return tuple(heapq.nsmallest(count, (*_own(catalogue, here), *found), key=lambda one: one.away))


def _own(catalogue: Catalogue, here: Place) -> Iterator[Neighbour]:
    """The runs of a person's calibration, and what its factors leave at them."""
    mine = catalogue.calibration
    for run in mine.kept if mine else ():
        away, left = distance(here, place_of_kind(run, catalogue)), abs(run.slower - 1.0)
        yield _neighbour(catalogue, run, mine.name if mine else "", run.rows, left, away)


def _measured(catalogue: Catalogue, row: MeasuredRow, away: float) -> Neighbour:
    return _neighbour(catalogue, row, row.source, row.runs, math.expm1(row.error), away)


def _neighbour(catalogue: Catalogue, row: RunKind, source: str, runs: int, error: float, away: float) -> Neighbour:
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
        source=source,
        runs=runs,
        error=error,
        away=away,
    )
