"""Which measured runs are most like this one? The nearest by device, engine, size, number of devices and length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cardyears.resolve.nearness import distance
from cardyears.validate.compare import Compared
from cardyears.validate.interval import run_place
from cardyears.validate.read import Problem

SHOWN = 3


class Neighbour(NamedTuple):
    """A measured run near another, and how far it is."""

    run: Compared
    distance: float


def neighbours(problem: Problem, among: Sequence[Compared], count: int = SHOWN) -> list[Neighbour]:
    """The nearest runs of good quality, the nearest first; never the run itself."""
    here = run_place(problem)
    others = (
        Neighbour(one, distance(here, run_place(one.problem)))
        for one in among
        if one.problem.measured.id != problem.measured.id and one.problem.measured.quality == "good"
    )
    return sorted(others, key=lambda one: one.distance)[:count]
