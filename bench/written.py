"""Where do the figures of docs/performance.md come from? From one file, a part of which each benchmark writes."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

PERFORMANCE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "performance.json"
DIGITS = 4
"""Significant digits that are kept: more would change with every run."""


def write(part: str, figures: Mapping[str, Any], *, to: Path = PERFORMANCE) -> None:
    """Put what one benchmark found into the file, with the machine and the day; what others wrote stays."""
    known = json.loads(to.read_text(encoding="utf-8")) if to.exists() else {}
    known[part] = {"machine": machine(), **rounded(dict(figures))}
    to.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")


def rounded(value: Any) -> Any:
    """Figures to so many digits, inside lists and tables too.

    >>> rounded({"seconds": 0.123456, "layouts": 10962, "rows": [1234567.8]})
    {'seconds': 0.1235, 'layouts': 10962, 'rows': [1235000.0]}
    """
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, cores, versions, how many others wait for a core, and the day."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


def processor() -> str:
    """The processor's name, where the system says it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
