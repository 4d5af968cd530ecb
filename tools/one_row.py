"""What does one measured row of a source that nobody has seen bring? Fits without the source, calibrates on one row.

    python tools/one_row.py

For every source in turn, fits the coefficients without it (`held_out`), calibrates on one of its runs and predicts the
others, and writes what it found for the page of accuracy (``docs/examples/one_row.json``).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from cardyears.catalogue.load import Catalogue, load
from cardyears.validate.calibrate import OneRow, one_row
from cardyears.validate.compare import Compared, compared
from fit_steps import fitted_on_all
from held_out import Fitted, moved, source
from held_out_report import EXAMPLES
from step_model import SHARES, Array

REPORT = EXAMPLES / "one_row.json"
AIM = 0.06
"""Median error that was aimed at over the rest of a source."""


def refitted(fitted: Fitted, kept: Array, catalogue: Catalogue) -> Catalogue:
    """The catalogue with the coefficients that these runs alone show."""
    own: dict[str, dict[str, Any]] = {"engines": dict(catalogue.engines), "sustained": dict(catalogue.sustained)}
    for (owner, field), value in fitted.model.values(fitted.theta + moved(fitted, kept)).items():
        section, key = owner.split(".", 1)
        share = min(1.0, value) if field in SHARES else value
        own[section][key] = msgspec.structs.replace(own[section][key], **{field: share})
    return catalogue.with_rows(own)


class Brought(NamedTuple):
    """One source, and what no calibration by one factor can be better than."""

    row: OneRow
    best: float
    """Median error under the factor that fits all of the source's runs best, which nobody knows in advance."""


def own_factor(every: Sequence[Compared]) -> float:
    """Median error where each run is taken over the middle ratio of its source."""
    middle = statistics.median(one.predicted_s / one.measured_s for one in every)
    return statistics.median(abs(one.predicted_s / one.measured_s / middle - 1.0) for one in every)


def found() -> list[Brought]:
    """Every source, left out of the fit and calibrated on one of its runs."""
    fitted, catalogue = fitted_on_all(say=False), load()
    rows = fitted.model.rows
    sources: list[Brought] = []
    for name in dict.fromkeys(source(row) for row in rows if row.good):
        out = np.array([source(row) == name for row in rows])
        kept = [row for row in catalogue.measured if row.source != name]
        made = refitted(fitted, ~out, catalogue).with_rows({"measured": kept})
        outside = [row.problem for row in rows if source(row) == name and row.good]
        every = compared(outside, made)
        sources += [Brought(one, own_factor(every)) for one in one_row(every, made)]
    return sources


def main() -> None:
    """Print what one row brings, source by source and for all."""
    sources = found()
    rows = [one.row for one in sources]
    for one, best in sorted(sources, key=lambda brought: -brought.row.runs):
        print(f"{one.runs:5} {one.before:7.1%} {one.after:7.1%} {best:7.1%} {one.covered:5.0%}  {one.source}")
    after = [error for one in rows for error in one.errors]
    print(
        f"{len(rows)} sources: median {statistics.median(one.before for one in rows):.1%} before, "
        f"{statistics.median(one.after for one in rows):.1%} after; over all runs {statistics.median(after):.1%}; "
        f"intervals hold {statistics.median(one.covered for one in rows):.0%} of the rest"
    )
    said = {
        "sources": len(rows),
        "before": statistics.median(one.before for one in rows),
        "after": statistics.median(one.after for one in rows),
        "best": statistics.median(one.best for one in sources),
        "above_aim": sum(one.best > AIM for one in sources),
        "covered": statistics.median(one.covered for one in rows),
    }
    print(
        f"by the factor that fits all runs of each source best: {said['best']:.1%}; "
        f"{said['above_aim']} sources are above {AIM:.0%} even so"
    )
    REPORT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
