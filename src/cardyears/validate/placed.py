"""Predicted against measured with a calibration as it holds for each run: fully near its own runs, not far away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cardyears.catalogue.load import Catalogue
from cardyears.machine.engine import Engine
from cardyears.resolve.engines import engine
from cardyears.resolve.likeness import engine_row, release
from cardyears.resolve.nearness import Place
from cardyears.validate.compare import Compared, clocked_step, compared
from cardyears.validate.interval import run_place
from cardyears.validate.read import Problem


def placed(
    problems: Sequence[Problem], catalogue: Catalogue, seconds: Callable[[Problem], float | None] = clocked_step
) -> list[Compared]:
    """Every run with a measured speed, as `compared` has them, each with the engine that its estimate would have."""
    one = catalogue.calibration
    if one is None or not one.kept:
        return compared(problems, catalogue, seconds)
    known: dict[tuple[Place, float | None], Engine] = {}

    def at(problem: Problem) -> Engine:
        here = run_place(problem)
        key = (here, problem.year)
        if key not in known:
            year = release(catalogue, here) if problem.year is None else problem.year
            known[key] = engine(here.engine, engine_row(here, catalogue), year)
        return known[key]

    return compared(problems, catalogue, seconds, at)
