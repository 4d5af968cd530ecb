"""How sure is one run's estimated step time? The interval that an estimate of the same run would have."""

from __future__ import annotations

from cardyears.answer.links import STEP_SPREAD
from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.machine.calibration import step_spread
from cardyears.resolve.silicon import silicon_row
from cardyears.validate.read import Problem
from cardyears.verbs.estimate import KNOWN_SPREAD

GUESSED = ("engine", "degrees", "length", "shape", "computes")
"""Values whose assumption makes an estimate less sure, beside those of device and engine."""


def measured_rates(problem: Problem, catalogue: Catalogue) -> tuple[bool, bool]:
    """Whether the rates of the device, and those of the engine, were measured and not assumed."""
    chip = silicon_row(problem.device, catalogue).kind == "measured"
    return chip, catalogue.engines[problem.engine].kind == "measured"


def known(problem: Problem, catalogue: Catalogue) -> bool:
    """Whether device and engine were measured, and the row leaves nothing open that moves the time much."""
    return all(measured_rates(problem, catalogue)) and not any(problem.assumes(name) for name in GUESSED)


def interval(problem: Problem, catalogue: Catalogue) -> Interval:
    """Measured over predicted step time, 80 %: wider where engine, device or layout is assumed."""
    usual = KNOWN_SPREAD if known(problem, catalogue) else STEP_SPREAD
    return step_spread(catalogue.calibration, usual)
