"""How sure is one run's estimated step time? The interval that an estimate of the same run would have.

Many runs are looked at one after the other: distances to everything that was measured are arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.resolve import nearness
from cardyears.resolve.nearness import FARTHEST, Place, measured_places, place
from cardyears.resolve.silicon import silicon_row
from cardyears.resolve.spreads import spread_at
from cardyears.validate.read import Problem

GUESSED = ("engine", "degrees", "length", "shape", "computes", "micro_batch", "precision")
"""Values whose assumption makes an estimate less sure: such runs have the interval of an engine that is not named."""
_WORDS = ("engine", "device", "family", "method", "precision", "experts")
_NUMBERS = ("size", "devices", "length")


def run_place(problem: Problem) -> Place:
    """The place of a measured run."""
    return place(
        problem.architecture, problem.engine, problem.device, problem.training.method, problem.layout.precision,
        float(problem.layout.devices), float(problem.seq_len),
    )  # fmt: skip


class Grounds:
    """Places as arrays: the nearest of thousands at once."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._words = {field: np.array([getattr(one, field) for one in places]) for field in _WORDS}
        self._numbers = {field: np.array([getattr(one, field) for one in places], dtype=float) for field in _NUMBERS}
        self._known: dict[Place, float] = {}

    def nearest(self, here: Place) -> float:
        """Distance of the nearest place, as `resolve.nearness.distance` has it."""
        if here not in self._known:
            self._known[here] = self._nearest(here)
        return self._known[here]

    def _nearest(self, here: Place) -> float:
        if not len(self._numbers["size"]):
            return FARTHEST
        other = {field: values != getattr(here, field) for field, values in self._words.items()}
        gap = {field: np.abs(values - getattr(here, field)) for field, values in self._numbers.items()}
        away = gap["size"] + gap["devices"] / 2.0 + gap["length"] / 2.0
        away = away + other["device"] * (nearness.DEVICE + nearness.FAMILY * other["family"])
        away = away + nearness.ENGINE * other["engine"] + nearness.METHOD * other["method"]
        away = away + nearness.PRECISION * other["precision"] + nearness.EXPERTS * other["experts"]
        return float(away.min())


@lru_cache(maxsize=4)
def _measured(catalogue: Catalogue) -> Grounds:
    return Grounds(measured_places(catalogue))


def measured_rates(problem: Problem, catalogue: Catalogue) -> tuple[bool, bool]:
    """Whether the rates of the device, and those of the engine, were measured and not assumed."""
    chip = silicon_row(problem.device, catalogue).kind == "measured"
    return chip, catalogue.engines[problem.engine].kind == "measured"


def known(problem: Problem) -> bool:
    """Whether the row leaves nothing open that moves the time much."""
    return not any(problem.assumes(name) for name in GUESSED)


def interval(problem: Problem, catalogue: Catalogue) -> Interval:
    """Measured over predicted step time, 80 %: wider the farther the nearest measured run."""
    here = run_place(problem)
    return spread_at(catalogue, _measured(catalogue).nearest(here), experts=here.experts, named=known(problem))
