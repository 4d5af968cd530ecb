"""Which measured runs are most like this one? The nearest by device, engine, size, number of devices and length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from cardyears.validate.compare import Compared
from cardyears.validate.read import Problem
from cardyears.work.params import total_parameters

DEVICE, FAMILY, ENGINE, METHOD, PRECISION = 1.0, 1.5, 1.5, 2.0, 1.0
"""Distance of another device of the same family, of another family, engine, method or precision: a factor of e in
size, number of devices or length is one. Assumed."""
SHOWN = 3


class Neighbour(NamedTuple):
    """A measured run near another, and how far it is."""

    run: Compared
    distance: float


def _place(problem: Problem) -> tuple[float, float, float]:
    """Logarithms of what makes a run large."""
    return (
        math.log(float(total_parameters(problem.architecture))),
        math.log(float(problem.layout.devices)),
        math.log(float(problem.seq_len)),
    )


def distance(one: Problem, other: Problem) -> float:
    """How unlike two runs are; 0 for the same model on the same machine by the same engine."""
    size, devices, length = (abs(a - b) for a, b in zip(_place(one), _place(other), strict=True))
    away = size + devices / 2.0 + length / 2.0
    if one.device.key != other.device.key:
        away += DEVICE if one.device.family == other.device.family else DEVICE + FAMILY
    away += ENGINE * (one.engine != other.engine)
    away += METHOD * (one.training.method != other.training.method)
    return away + PRECISION * (one.layout.precision != other.layout.precision)


def neighbours(problem: Problem, among: Sequence[Compared], count: int = SHOWN) -> list[Neighbour]:
    """The nearest runs of good quality, the nearest first; never the run itself."""
    others = (
        Neighbour(one, distance(problem, one.problem))
        for one in among
        if one.problem.measured.id != problem.measured.id and one.problem.measured.quality == "good"
    )
    return sorted(others, key=lambda one: one.distance)[:count]
