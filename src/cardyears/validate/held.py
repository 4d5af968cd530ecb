"""How far is predicted peak memory from the measured peak, and was it rightly said whether a run fits?"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cardyears.answer.verdict import Verdict
from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.resolve.spreads import memory_spread
from cardyears.validate.compare import engines
from cardyears.validate.memory import ComparedMemory, compared_memory, fit_verdict
from cardyears.validate.read import Problem


class Held(msgspec.Struct, frozen=True):
    """One run's peak, predicted and measured, and how sure the prediction is."""

    run: ComparedMemory
    spread: Interval
    """Measured over predicted, 80 %."""

    @property
    def problem(self) -> Problem:
        """The run."""
        return self.run.problem

    @property
    def predicted(self) -> float:
        """Bytes of the peak that the source reports, estimated."""
        return self.run.predicted

    @property
    def measured(self) -> float | None:
        """Bytes; None where it is known only whether the run fitted."""
        return self.run.measured

    @property
    def error(self) -> float | None:
        """Predicted over measured peak, minus one."""
        return None if self.measured is None else self.run.error

    @property
    def inside(self) -> bool:
        """Whether the measured peak lies in the interval."""
        return self.measured is not None and self.spread.low <= self.measured / self.predicted <= self.spread.high

    @property
    def verdict(self) -> Verdict:
        """Whether it is said to fit the device that the run had; unknown where the row leaves open what decides it."""
        return fit_verdict(self.run, self.spread)


GUESSED = ("engine", "degrees", "micro_batch", "recompute", "seq_len", "shape")
"""Values whose assumption leaves the peak open: such runs have the interval of runs of which as much was guessed."""
UNNAMED = ("engine", "degrees", "micro_batch")
"""Of those, where even the interval of the row's engine says nothing."""


SCRIPTED = frozenset(
    {"plain-torch", "deepspeed", "colossalai", "hf-trainer", "hf-trainer-fused", "nvidia-examples", "mlx", "in-house"}
)
"""Engines for which everybody writes a program of his own: what a row leaves out is anyone's guess. The others are run
by recipes that come with them, and their own interval holds what a recipe's default leaves open (27 of 32 peaks of
LitGPT)."""


def leaves_open(problem: Problem) -> bool:
    """Whether a value that decides the peak is not in the row."""
    return problem.assumes(*GUESSED)


def is_guessed(problem: Problem) -> bool:
    """Whether a value that decides the peak had to be guessed, and no recipe of the engine says it."""
    return problem.assumes(*(GUESSED if problem.engine in SCRIPTED else UNNAMED))


def interval(problem: Problem, catalogue: Catalogue) -> Interval:
    """Measured over predicted peak memory of such a run, 80 %: narrow where its engine was measured and all is said."""
    named = None if problem.assumes(*UNNAMED) else problem.engine
    return memory_spread(catalogue, problem.training.method, named, stated=not is_guessed(problem))


def held(problems: Iterable[Problem], catalogue: Catalogue) -> list[Held]:
    """Every run whose peak was measured, or that did not fit."""
    known = engines(catalogue)
    scored = (one for one in problems if one.scores_memory)
    return [Held(one, interval(one.problem, catalogue)) for one in compared_memory(scored, known)]
