"""How much time does memory buy? The fastest layout for each amount of memory, in steps of a share of the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cardyears.layout.layout import Layout
    from cardyears.search.space import Part

STEPS = 64
"""Parts of the memory that are told apart."""


class Point(NamedTuple):
    """The fastest layout within so much memory."""

    peak_bytes: float
    seconds: float
    """For each sequence."""
    layout: Layout


class Frontier:
    """The fastest so far within each part of the memory."""

    def __init__(self, limit: float) -> None:
        import numpy as np

        self._scale = (STEPS - 1) / limit
        self._fastest = np.full(STEPS, np.inf)
        self._points: dict[int, Point] = {}

    def fastest(self, peaks: Any) -> Any:
        """Seconds of the fastest layout that is known for so much memory, or for less."""
        import numpy as np

        known = np.minimum.accumulate(self._fastest)
        return known[self._step(peaks)]

    def add(self, some: Part, peaks: Any, seconds: Any, fits: Any) -> None:
        """Take in the layouts of a grid that fit."""
        import numpy as np

        cells = np.flatnonzero(fits)
        held, times = peaks.reshape(-1)[cells], seconds.reshape(-1)[cells]
        step = self._step(held)
        better = np.flatnonzero(times < self._fastest[step])
        order = better[np.argsort(times[better], kind="stable")]
        found, first = np.unique(step[order], return_index=True)
        for part, at in zip(found.tolist(), order[first].tolist(), strict=True):
            self._fastest[part] = times[at]
            self._points[part] = Point(float(held[at]), float(times[at]), some.one(int(cells[at])))

    def points(self) -> tuple[Point, ...]:
        """Layouts than which none is both faster and smaller, the smallest memory first."""
        found: list[Point] = []
        for _, point in sorted(self._points.items()):
            if not found or point.seconds < found[-1].seconds:
                found.append(point)
        return tuple(found)

    def _step(self, peaks: Any) -> Any:
        """The part of the memory that a peak lies in."""
        import numpy as np

        return np.minimum(np.asarray(peaks) * self._scale, STEPS - 1.0).astype(np.intp)
