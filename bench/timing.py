"""What every benchmark writes its findings as, and how it takes a time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Line(NamedTuple):
    """One row of the table: a value with its unit, and the limit that it must not pass, where it has one."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def broken(self) -> bool:
        """Whether the limit is passed."""
        return self.limit is not None and self.value > self.limit

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"   at most {self.limit:g}{'   BROKEN' if self.broken else ''}"
        return f"{self.what:<48} {self.value:11,.2f} {self.unit}{limit}"


def median(task: Callable[[], object], times: int) -> float:
    """Median seconds of a task, after one warm-up."""
    task()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        task()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
