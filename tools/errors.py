"""Write the errors on the shipped runs that the tests hold them to.

    python tools/errors.py

`tests/validate/errors.json` has the median, the 90th percentile and the bias of the errors, and the share that lies in
the intervals, over all good runs and by group. A test fails where they get worse beyond the tolerance that stands in
the file: then find out why, or run this and say in the commit what rose and for what.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cardyears.catalogue.load import load
from cardyears.validate.report import GROUPS, Part, grouped, validation
from cardyears.validate.runs import load_runs

FILE = Path(__file__).parent.parent / "tests" / "validate" / "errors.json"
BY = ("kind", "scale", "engine")
FEWEST = 20
"""Runs of a group that is held to its errors."""
TOLERANCE = {"median": 0.01, "p90": 0.03, "bias": 0.02, "coverage": 0.05, "all": 0.003}
"""How far an error may rise (the median, the 90th percentile and the size of the bias of a group, and the median over
all runs), and how far the share that lies in the intervals may fall."""


FIGURES = {"median": "median_abs_error", "p90": "p90_abs_error", "bias": "bias", "coverage": "interval_coverage"}
"""What is held, and its name among the scores."""


def errors() -> dict[str, Any]:
    """Errors of step time and of peak memory, over all good runs and by group."""
    found = validation(load_runs(), load(), "kind")
    lines = {"all": _line(found.good)}
    for by in BY:
        assert by in GROUPS
        parts = grouped(found, by)
        lines |= {f"{by} {name}": _line(parts[name]) for name in sorted(parts)}
    return {"tolerance": TOLERANCE, "groups": {name: line for name, line in lines.items() if line}}


def _line(part: Part) -> dict[str, Any]:
    """What is held: nothing of a group with few runs."""
    line: dict[str, Any] = {}
    for name, one in (("speed", part.speed), ("memory", part.memory), ("printed", part.printed)):
        if one.n >= FEWEST and one.median_abs_error is not None and one.p90_abs_error is not None:
            line[name] = {"n": one.n} | {
                key: round(float(getattr(one, field) or 0.0), 4) for key, field in FIGURES.items()
            }
    return line


if __name__ == "__main__":
    FILE.write_text(json.dumps(errors(), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {FILE.name}")
