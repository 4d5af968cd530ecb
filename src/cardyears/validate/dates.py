"""When was a run measured? The year of what people write: "2025", "2025-06", "2023-07..2024-04", "v25.05"."""

from __future__ import annotations

import re
from functools import lru_cache

EARLIEST, LATEST = 2012, 2100
"""Years of a run on an accelerator; another number is no year."""
_DATE = re.compile(r"(?<!\d)(\d{4})(?:[-/](\d{1,2})(?!\d))?")
_RELEASE = re.compile(r"(?<![\d.])v?(\d\d)\.(\d\d)(?![\d.])")
"""Year and month as releases are numbered: "v25.05"."""
_MONTHS = 12


@lru_cache(maxsize=1024)
def year_of(words: str) -> float | None:
    """The year that words state, in the middle of the month or the year that they name; of two, their mean.

    >>> year_of("2025"), year_of("2024-07-15"), year_of("2023..2025"), year_of("last week")
    (2025.5, 2024.5416666666667, 2024.5, None)
    >>> year_of("v25.07") == year_of("2025-07")
    True
    """
    said = _DATE.findall(words) or [(f"20{year}", month) for year, month in _RELEASE.findall(words)]
    years = [
        int(year) + ((int(month) - 0.5) / _MONTHS if month and 1 <= int(month) <= _MONTHS else 0.5)
        for year, month in said
        if EARLIEST <= int(year) < LATEST
    ]
    return sum(years) / len(years) if years else None
