"""Which legal layout is fastest among those that fit? Memory first, time only for what fits, all of them looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cardyears.case import Job
from cardyears.estimate.estimate import Estimate, estimate
from cardyears.estimate.memory import kept, peak_bytes
from cardyears.estimate.step import block, setting, step
from cardyears.layout.layout import Layout
from cardyears.layout.site import Site
from cardyears.search.space import Space, parts, spread, taken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Found(msgspec.Struct, frozen=True):
    """The best layouts, and what was looked at."""

    best: tuple[Estimate, ...]
    """The fastest first; empty where nothing fits."""
    smallest: Estimate | None
    """What takes the least memory, where nothing fits."""
    level: int
    """Which of the limits the best layouts keep."""
    legal: int
    fitting: int


def search(job: Job, room: Space, ground: Site, limits: Sequence[float], *, top: int = 1) -> Found:
    """The fastest layouts whose peak keeps the first limit that any layout keeps.

    `limits` are bytes, from cautious to bold. Ties go to the simpler layout.
    """
    import numpy as np

    there = setting(job, room.fixed.precision)
    best: list[list[_Entry]] = [[] for _ in limits]
    smallest: tuple[float, Layout] | None = None
    total = fitting = 0
    for part in parts(room, ground):
        total += part.size
        arch, training, habits = job.architecture, job.training, job.engine.memory
        saved = kept(arch, training, part.blocks, job.seq_len, habits=habits)
        inside = block(job, part.blocks, there)
        for many, block_of in part.chunks():
            peaks = np.asarray(
                peak_bytes(arch, training, many, job.seq_len, habits=habits, block=spread(saved, block_of))
            )
            least = int(peaks.argmin())
            if smallest is None or peaks[least] < smallest[0]:
                smallest = float(peaks[least]), taken(many, least)
            fits = peaks <= limits[-1]
            if not fits.any():
                continue
            fitting += int(fits.sum())
            some, held = taken(many, fits), peaks[fits]
            seconds = np.asarray(step(job, some, there, within=spread(inside, block_of[fits])).total)
            for level, limit in enumerate(limits):
                _keep(best[level], some, seconds, held <= limit, top)
    level = next((index for index, found in enumerate(best) if found), len(limits) - 1)
    found = tuple(estimate(job, _plain(entry.layout), there) for entry in best[level])
    least_held = None if found or smallest is None else estimate(job, _plain(smallest[1]), there)
    return Found(found, least_held, level, total, fitting)


class _Entry(NamedTuple):
    """One of the best layouts so far."""

    seconds: float
    complexity: float
    layout: Layout


def complexity(layout: Layout) -> Any:
    """How many things a layout does at once: ties go to the fewer."""
    numbers = (layout.tp, layout.pp, layout.cp, layout.ep, layout.virtual_stages)
    return sum((number > 1) * 1.0 for number in numbers) + layout.zero / 4.0 + (layout.recompute != "none") / 8.0


def _keep(best: list[_Entry], some: Layout, seconds: NDArray[np.float64], fits: NDArray[np.bool_], top: int) -> None:
    """Merge the fastest of a chunk into the fastest so far."""
    import numpy as np

    if not fits.any():
        return
    worst = best[-1].seconds if len(best) == top else np.inf
    within = np.flatnonzero(fits & (seconds <= worst))
    if len(within) > top:
        within = within[np.argpartition(seconds[within], top - 1)[: max(top, TIES)]]
    for index in within.tolist():
        one = taken(some, index)
        best.append(_Entry(float(seconds[index]), float(complexity(one)), one))
    best.sort(key=lambda entry: entry[:2])
    del best[top:]


TIES = 32
"""Of a chunk so many are looked at for ties, which go to the simpler layout."""


def _plain(layout: Layout) -> Layout:
    """A layout of one's own out of many: whole numbers instead of NumPy's."""
    names = ("tp", "pp", "cp", "dp", "virtual_stages", "ep", "zero", "micro_batch", "accumulation")
    return msgspec.structs.replace(layout, **{name: int(getattr(layout, name)) for name in names})
