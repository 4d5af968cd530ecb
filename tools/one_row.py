"""What does one measured row of a source that nobody has seen bring? Fits without the source, calibrates on one row.

    python tools/one_row.py

Fits the coefficients four times without a quarter of the sources, as ``tools/fit_steps.py --held-out`` does, and for
every source that was left out calibrates on one of its runs and predicts the others. Writes nothing.
"""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cardyears.catalogue.load import Catalogue, load
from cardyears.validate.calibrate import OneRow, one_row
from cardyears.validate.compare import compared
from fit_steps import FOLDS, PRIORS, SHARES, Model, Row, _fold, coefficients, fit, rows_of


def refitted(rows: Sequence[Row], priors: Mapping[str, Any], catalogue: Catalogue) -> Catalogue:
    """The catalogue with the coefficients that these rows alone show."""
    model = Model(rows, coefficients(priors), catalogue)
    theta = fit(model, say=False)
    own: dict[str, dict[str, Any]] = {"engines": dict(catalogue.engines), "sustained": dict(catalogue.sustained)}
    for (owner, field), at in model.at.items():
        section, key = owner.split(".", 1)
        value = model.every[at].prior * math.exp(theta[at])
        value = min(1.0, value) if field in SHARES else value
        own[section][key] = msgspec.structs.replace(own[section][key], **{field: value})
    return catalogue.with_rows(own)


def found() -> list[OneRow]:
    """Every source, left out of the fit and calibrated on one of its runs."""
    priors, catalogue = tomllib.loads(PRIORS.read_text(encoding="utf-8")), load()
    rows = rows_of(catalogue, priors["sustained"])
    sources: list[OneRow] = []
    for fold in range(FOLDS):
        made = refitted([row for row in rows if _fold(row) != fold], priors, catalogue)
        outside = [row.problem for row in rows if _fold(row) == fold and row.problem.measured.quality == "good"]
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
