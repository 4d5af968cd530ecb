"""What does one measured row of a source that nobody has seen bring? Fits without the source, calibrates on one row.

    python tools/one_row.py

For every source in turn, fits the coefficients without it (`held_out`), calibrates on one of its runs and predicts the
others. Writes nothing.
"""

from __future__ import annotations

import statistics
from typing import Any

import msgspec
import numpy as np

from cardyears.catalogue.load import Catalogue, load
from cardyears.validate.calibrate import OneRow, one_row
from cardyears.validate.compare import compared
from fit_steps import fitted_on_all
from held_out import Fitted, moved, source
from step_model import SHARES, Array


def refitted(fitted: Fitted, kept: Array, catalogue: Catalogue) -> Catalogue:
    """The catalogue with the coefficients that these runs alone show."""
    own: dict[str, dict[str, Any]] = {"engines": dict(catalogue.engines), "sustained": dict(catalogue.sustained)}
    for (owner, field), value in fitted.model.values(fitted.theta + moved(fitted, kept)).items():
        section, key = owner.split(".", 1)
        share = min(1.0, value) if field in SHARES else value
        own[section][key] = msgspec.structs.replace(own[section][key], **{field: share})
    return catalogue.with_rows(own)


def found() -> list[OneRow]:
    """Every source, left out of the fit and calibrated on one of its runs."""
    fitted, catalogue = fitted_on_all(say=False), load()
    rows = fitted.model.rows
    sources: list[OneRow] = []
    for name in dict.fromkeys(source(row) for row in rows if row.good):
        out = np.array([source(row) == name for row in rows])
        made = refitted(fitted, ~out, catalogue)
        outside = [row.problem for row in rows if source(row) == name and row.good]
        sources += one_row(compared(outside, made), made)
    return sources


def main() -> None:
    """Print what one row brings, source by source and for all."""
    sources = found()
    for one in sorted(sources, key=lambda one: -one.runs):
        print(f"{one.runs:5} {one.before:7.1%} {one.after:7.1%} {one.covered:5.0%}  {one.source}")
    after = [error for one in sources for error in one.errors]
    print(
        f"{len(sources)} sources: median {statistics.median(one.before for one in sources):.1%} before, "
        f"{statistics.median(one.after for one in sources):.1%} after; over all runs {statistics.median(after):.1%}"
    )


if __name__ == "__main__":
    main()
