"""Which runs does a calibration keep? One for each kind, as few as a small file has room for, and what each left."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from cardyears.machine.calibration import Kept
from cardyears.resolve.likeness import Likeness
from cardyears.resolve.nearness import Place, distance

MOST = 40
"""Kinds of runs in one file: more than a person measures, and few enough to be read."""
RADII = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, math.inf)
"""Distances within which runs are taken for one kind; the first that leaves few enough."""


MOST_OF_THEM = 0.8
"""Share of a kind's runs that were no farther off before: as many as an interval is to hold."""
FARTHEST_OFF = math.log(100.0)
"""Beyond which a file holds no ratio."""


def keep(
    places: Sequence[Place], left: Sequence[float], before: Sequence[float] = (), years: Sequence[float | None] = ()
) -> tuple[tuple[Kept, ...], list[float]]:
    """The runs to keep, and the errors that they leave at each other: logarithms of measured over predicted.

    `before` are those without the factors, `years` when each run was measured. Of each kind it is told what all other
    kinds say of it, so that the errors are those of runs not seen.
    """
    kinds = _kinds(places)
    middle = [statistics.median(left[at] for at in some) for some in kinds]
    there = [places[some[0]] for some in kinds]
    counts = [len(some) for some in kinds]
    slower = [math.exp(value) for value in middle]
    found = list(left)
    for at, some in enumerate(kinds):
        told = _of_others(there, counts, slower, at)
        for one in some:
            found[one] = left[one] - told
    farthest = [_farthest([before[at] for at in some]) if before else None for some in kinds]
    newest = [_newest([years[at] for at in some]) if years else None for some in kinds]
    kept = tuple(_kept(*each) for each in zip(there, counts, slower, farthest, newest, strict=True))
    return kept, found


def _newest(years: Sequence[float | None]) -> float | None:
    """The newest year; None where a run has none: it was taken for the engine's last release.

    >>> _newest([2023.5, 2024.5]), _newest([2023.5, None])
    (2024.5, None)
    """
    known = [year for year in years if year is not None]
    return max(known) if len(known) == len(years) else None


def _farthest(logs: Sequence[float]) -> float:
    """The ratio at the 80th percentile of distances from 1.

    >>> _farthest([0.0, 0.01, -0.02, 0.0, 3.0]) == math.exp(-0.02)
    True
    """
    found = sorted(logs, key=abs)[math.ceil(MOST_OF_THEM * len(logs)) - 1]
    return math.exp(min(FARTHEST_OFF, max(-FARTHEST_OFF, found)))


def _of_others(there: Sequence[Place], counts: Sequence[int], slower: Sequence[float], at: int) -> float:
    """What the other kinds say of one."""
    others = [other for other in range(len(there)) if other != at]
    if not others:
        return 0.0
    known = Likeness([there[one] for one in others], [counts[one] for one in others], [slower[one] for one in others])
    return math.log(known.at(there[at]).slower)


def _kinds(places: Sequence[Place]) -> list[list[int]]:
    """Runs of like places together, by their numbers: each joins the first kind that is near enough."""
    for radius in RADII:
        kinds: list[list[int]] = []
        for at, here in enumerate(places):
            near = next((some for some in kinds if distance(places[some[0]], here) <= radius), None)
            if near is None:
                kinds.append([at])
                if len(kinds) > MOST:
                    break
            else:
                near.append(at)
        if len(kinds) <= MOST:
            return kinds
    return kinds


def _kept(here: Place, rows: int, slower: float, before: float | None, year: float | None) -> Kept:
    return Kept(
        engine=here.engine, device=here.device, method=here.method, precision=here.precision, experts=here.experts,
        parameters=math.exp(here.size), devices=round(math.exp(here.devices)), seq_len=round(math.exp(here.length)),
        rows=rows, slower=slower, before=before,
        year=year,
    )  # fmt: skip
