"""How sure is one run's estimated step time? The interval that an estimate of the same run would have.

Many runs are looked at one after the other: distances to everything that was measured are arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.resolve import nearness
from cardyears.resolve.nearness import FARTHEST, Ground, Near, Place, measured_grounds, place
from cardyears.resolve.silicon import silicon_row
from cardyears.resolve.spreads import spread_at
from cardyears.validate.read import Problem

GUESSED = ("engine", "degrees", "length", "shape", "computes", "micro_batch", "precision")
"""Values whose assumption makes an estimate less sure: such runs have the interval of an engine that is not named."""
Array = NDArray[np.float64]
_WORDS = ("engine", "device", "family", "method", "precision", "experts")
_NUMBERS = ("size", "devices", "length")


def run_place(problem: Problem) -> Place:
    """The place of a measured run."""
    return place(
        problem.architecture, problem.engine, problem.device, problem.training.method, problem.layout.precision,
        float(problem.layout.devices), float(problem.seq_len),
    )  # fmt: skip


class Grounds:
    """Places where runs were measured as arrays: what thousands say of one at once."""

    def __init__(self, grounds: Sequence[Ground]) -> None:
        places = [one.place for one in grounds]
        self._words = {field: np.array([getattr(one, field) for one in places]) for field in _WORDS}
        self._numbers = {field: np.array([getattr(one, field) for one in places], dtype=float) for field in _NUMBERS}
        self._runs = np.array([one.runs for one in grounds], dtype=float)
        self._errors = np.array([one.error for one in grounds], dtype=float)
        self._source = np.unique([one.source for one in grounds], return_inverse=True)[1]
        weight, off = self._told(self._runs)
        self._usual = off / weight if weight else 0.0
        self._known: dict[Place, Near] = {}

    def near(self, here: Place) -> Near:
        """What `resolve.nearness.near` says."""
        if here not in self._known:
            self._known[here] = self._near(here)
        return self._known[here]

    def _near(self, here: Place) -> Near:
        gaps = self.gaps(here)
        weight, off = self._told(self._runs * np.exp(-gaps / nearness.REACH))
        engine = self._words["engine"] == here.engine
        before = self._usual
        method, experts = (self._words[word] == getattr(here, word) for word in ("method", "experts"))
        for kin in (engine, engine & method, engine & method & experts):
            own, theirs = self._told(self._runs * kin)
            before = (theirs + nearness.HELD * before) / (own + nearness.HELD)
        away = float(gaps.min()) if len(gaps) else FARTHEST
        return Near(away, (off + nearness.HELD * before) / (weight + nearness.HELD))

    def _told(self, weights: Array) -> tuple[float, float]:
        """Sources together, each weighing as the root of what its runs weigh, and their errors so weighed."""
        if not len(weights):
            return 0.0, 0.0
        mass = np.bincount(self._source, weights)
        off = np.bincount(self._source, weights * self._errors)
        some = mass > 0.0
        return float(np.sqrt(mass[some]).sum()), float((off[some] / np.sqrt(mass[some])).sum())

    def gaps(self, here: Place) -> Array:
        """Distance of each place, as `resolve.nearness.distance` has it."""
        other = {field: values != getattr(here, field) for field, values in self._words.items()}
        gap = {field: np.abs(values - getattr(here, field)) for field, values in self._numbers.items()}
        away = gap["size"] + gap["devices"] / 2.0 + gap["length"] / 2.0
        away = away + other["device"] * (nearness.DEVICE + nearness.FAMILY * other["family"])
        away = away + nearness.ENGINE * other["engine"] + nearness.METHOD * other["method"]
        found: Array = away + nearness.PRECISION * other["precision"] + nearness.EXPERTS * other["experts"]
        return found


@lru_cache(maxsize=4)
def _measured(catalogue: Catalogue) -> Grounds:
    return Grounds(measured_grounds(catalogue))


def measured_rates(problem: Problem, catalogue: Catalogue) -> tuple[bool, bool]:
    """Whether the rates of the device, and those of the engine, were measured and not assumed."""
    chip = silicon_row(problem.device, catalogue).kind == "measured"
    return chip, catalogue.engines[problem.engine].kind == "measured"


def known(problem: Problem) -> bool:
    """Whether the row leaves nothing open that moves the time much."""
    return not problem.assumes(*GUESSED)


def interval(problem: Problem, catalogue: Catalogue) -> Interval:
    """Measured over predicted step time, 80 %: as runs like it were off, and wider the farther the nearest is."""
    here = run_place(problem)
    return spread_at(catalogue, here, _measured(catalogue).near(here), named=known(problem))
