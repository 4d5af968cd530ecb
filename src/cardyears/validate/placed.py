"""Predicted against measured with a calibration as it holds for each run: fully near its own runs, not far away."""

from __future__ import annotations

from collections.abc import Sequence

from cardyears.catalogue.load import Catalogue
from cardyears.resolve.likeness import engine_row
from cardyears.resolve.nearness import Place
from cardyears.validate.compare import Compared, compared
from cardyears.validate.interval import run_place
from cardyears.validate.read import Problem


def placed(problems: Sequence[Problem], catalogue: Catalogue) -> list[Compared]:
    """Every run with a measured speed, as `compared` has them, each with the engine that its estimate would have."""
    one = catalogue.calibration
    if one is None or not one.kept:
        return compared(problems, catalogue)
    alike: dict[Place, list[Problem]] = {}
    for problem in problems:
        alike.setdefault(run_place(problem), []).append(problem)
    found: dict[int, Compared] = {}
    for here, some in alike.items():
        row = engine_row(here, catalogue)
        found |= {id(run.problem): run for run in compared(some, catalogue.with_rows({"engines": {here.engine: row}}))}
    return [found[id(problem)] for problem in problems if id(problem) in found]
