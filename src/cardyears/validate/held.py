"""How far is predicted peak memory from the measured peak, and was it rightly said whether a run fits?"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cardyears.answer.verdict import Verdict, within
from cardyears.base.interval import Interval
from cardyears.base.units import GIB
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.memory import memory
from cardyears.machine.calibration import memory_spread
from cardyears.machine.engine import MemoryHabits
from cardyears.resolve.defaults import DEFAULTS
from cardyears.resolve.resolve import MEMORY_SPREAD
from cardyears.validate.compare import engines
from cardyears.validate.read import Problem

USABLE = DEFAULTS["usable_memory"].value
"""Share of a device's memory that one process may take."""


class Held(msgspec.Struct, frozen=True):
    """One run's peak, predicted and measured, in bytes."""

    problem: Problem
    predicted: float
    measured: float | None
    """None where it is known only whether the run fitted."""
    spread: Interval
    """Measured over predicted, 80 %."""

    @property
    def error(self) -> float | None:
        """Predicted over measured peak, minus one."""
        return None if self.measured is None else self.predicted / self.measured - 1.0

    @property
    def inside(self) -> bool:
        """Whether the measured peak lies in the interval."""
        return self.measured is not None and self.spread.low <= self.measured / self.predicted <= self.spread.high

    @property
    def verdict(self) -> Verdict:
        """Whether it is said to fit the device that the run had; unknown where no device is stated."""
        run = self.problem.measured
        if not run.device and run.limit_gib is None:
            return Verdict.UNKNOWN
        return within(self.spread * self.predicted, self.problem.device.memory.value * USABLE)


def predicted_bytes(problem: Problem, habits: MemoryHabits) -> float:
    """Peak bytes on the fullest device, with what the run's engine holds."""
    ledger = memory(problem.architecture, problem.training, problem.layout, problem.seq_len, habits=habits)
    return float(ledger.total)


def interval(problem: Problem, catalogue: Catalogue) -> Interval:
    """Measured over predicted peak memory of such a run, 80 %."""
    return memory_spread(catalogue.calibration, MEMORY_SPREAD[problem.training.method])


def held(problems: Iterable[Problem], catalogue: Catalogue) -> list[Held]:
    """Every run whose peak was measured, or that did not fit."""
    known = engines(catalogue)
    return [
        Held(
            one,
            predicted_bytes(one, known[one.engine].memory),
            None if one.measured.peak_gib is None or one.measured.outcome == "oom" else one.measured.peak_gib * GIB,
            interval(one, catalogue),
        )
        for one in problems
        if one.scores_memory
    ]
