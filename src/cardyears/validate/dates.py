"""When was a run measured? The year of what people write: "2025", "Jul 2024", "2023-07..2024-04", "v25.05"."""

from __future__ import annotations

import re
from functools import lru_cache

EARLIEST, LATEST = 2012, 2100
"""Years of a run on an accelerator; another number is no year."""
OLDEST_RELEASE, NEWEST_RELEASE = 17, 40
"""Years in the two digits of a release: containers have been numbered so since 2017; "12.10" is a version."""
_MONTHS = 12
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_YEAR, _BETWEEN = r"(?P<year>\d{4})", r"[-/.\u2013]"
_WAYS = tuple(
    re.compile(rf"(?<!\d)(?<!\d\.){way}(?!\d)", re.IGNORECASE)
    for way in (
        r"(?P<year>20\d\d)(?P<month>0[1-9]|1[0-2])(?:[0-3]\d)?",  # 20240715, 202407
        rf"(?:(?P<first>\d{{1,2}}){_BETWEEN})?(?P<month>\d{{1,2}}){_BETWEEN}{_YEAR}",  # 15.07.2024, 07/2024
        rf"(?<![a-z]){_NAME}[\s-]+(?:\d{{1,2}}(?:st|nd|rd|th)?,?\s+)?{_YEAR}",  # July 15, 2024
        rf"{_YEAR}[\s-]+{_NAME}",  # 2024 Jul
        rf"{_YEAR}(?:{_BETWEEN}(?P<month>\d{{1,2}})(?!\d))?",  # 2024-07-15, 2024
    )
)
"""Ways to write a date; what one has read is left out of the next."""
_INTERVAL = re.compile(r"(?<![\d/.])(\d{4}-\d\d(?:-\d\d)?)/(?=\d{4})")
"""The first end of an interval as ISO 8601 writes it: "2023-07/2024-04"."""
_RELEASE = re.compile(r"(?<![\d.])v?(\d\d)\.(\d\d)(?:\.(?:0\d?|[1-9]|1[0-2]))?(?![\d.])")
"""Year and month as releases are numbered: "v25.05", "25.07.01"; what ends in a later number may be a date."""


@lru_cache(maxsize=1024)
def year_of(words: str) -> float | None:
    """The year that words state, in the middle of the month or the year that they name; of two, their mean.

    >>> year_of("2025"), year_of("2024-07-15"), year_of("2023..2025"), year_of("last week")
    (2025.5, 2024.5416666666667, 2024.5, None)
    >>> {year_of(words) for words in ("v24.07", "15.07.2024", "07/2024", "Jul 15, 2024", "20240715")}
    {2024.5416666666667}

    Of "03/04/2024" nobody knows the month, and it is the year's middle.
    """
    years = []
    words = _INTERVAL.sub(r"\1 ", words)
    for way in _WAYS:
        years += [_middle(found.groupdict()) for found in way.finditer(words)]
        words = way.sub(" ", words)
    known = [year for year in years if year is not None] or _releases(words)
    return sum(known) / len(known) if known else None


def _middle(said: dict[str, str | None]) -> float | None:
    """The middle of what is said of one date; None where its year is no year of a run."""
    year, name = int(said["year"] or 0), said.get("name")
    months = [int(one) for key in ("month", "first") if (one := said.get(key))]
    possible = {month for month in months if 1 <= month <= _MONTHS}
    if name:
        possible = {_NAMES.index(name[:3].casefold()) + 1}
    if not EARLIEST <= year < LATEST:
        return None
    return year + ((possible.pop() - 0.5) / _MONTHS if len(possible) == 1 else 0.5)


def _releases(words: str) -> list[float]:
    """The months of releases that words name."""
    found = [(int(year), int(month)) for year, month in _RELEASE.findall(words)]
    return [
        2000 + year + (month - 0.5) / _MONTHS
        for year, month in found
        if OLDEST_RELEASE <= year <= NEWEST_RELEASE and 1 <= month <= _MONTHS
    ]
