"""Which legal layout is best among those that fit? Memory first, time only for what may fit, all of them looked at.

What a proven bound excludes (`bound`) is counted as pruned: its memory is over the limit, or some lines of its time
ledger alone are more than the whole ledger of what is already found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from cardyears.case import Job
from cardyears.estimate.estimate import Estimate, estimate, paged
from cardyears.estimate.held import Place
from cardyears.estimate.memory import Kept, kept, memory, peak_bytes
from cardyears.estimate.setting import Setting, setting
from cardyears.estimate.step import Block, block, step
from cardyears.layout.layout import Layout
from cardyears.layout.site import Site
from cardyears.search.bound import least_step
from cardyears.search.frontier import Frontier, Point
from cardyears.search.measured import pessimism
from cardyears.search.space import BLOCK, Part, Space, blocks, parts, spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cardyears.base.ledger import Ledger
    from cardyears.base.units import Bytes

Aim = Literal["time", "memory"]

CHUNK = 16_384
"""Layouts that are evaluated at once, so that their arrays stay in the cache: bench/search.py tries others."""


class Found(msgspec.Struct, frozen=True):
    """The best layouts, and what was looked at."""

    best: tuple[Estimate, ...]
    """The best first, each of other degrees (tp, pp, cp, ep, etp); empty where nothing fits."""
    smallest: Estimate | None
    """What takes the least memory, where nothing fits."""
    level: int
    """Which of the limits the best layouts keep."""
    legal: int
    """Size of the space."""
    searched: int
    """Layouts whose full ledgers were computed."""
    pruned: int
    """Layouts that a proven bound excluded."""
    fitting: int
    """Of those searched."""
    frontier: tuple[Point, ...] = ()
    """The fastest for each amount of memory, the smallest memory first; empty unless asked for."""


def search(
    job: Job,
    room: Space,
    ground: Site,
    limits: Sequence[float],
    *,
    top: int = 1,
    prune: bool = True,
    aim: Aim = "time",
    with_frontier: bool = False,
    within_s: float = math.inf,
    chunk: int = CHUNK,
) -> Found:
    """The best layouts whose peak keeps the first limit that any layout keeps.

    `limits` are bytes, from cautious to bold. Layouts are ranked by the pessimistic end of their time for each
    sequence, as far as nothing like them was measured (`measured`); ties go to the simpler one. Where memory is the
    aim, only those count that take no more than `within_s` for each sequence.
    """
    bench = Bench(job, blocks(room, ground))
    limits = [float(limit) for limit in limits]
    race = _Race(limits, top, aim, with_frontier=with_frontier, within_s=within_s)
    for part in parts(room, ground, bench.blocks):
        race.legal += part.size
        for some in bench.sorted(part).chunks(chunk):
            race.run(bench, some, prune=prune)
    level = next((index for index, podium in enumerate(race.best) if podium.found), len(limits) - 1)
    found = tuple(map(bench.estimate, (entry.layout for entry in race.best[level].ranked())))
    small = race.smallest
    least = None if found or small is None else bench.estimate(small[1])
    points = race.frontier.points() if race.frontier else ()
    return Found(
        found, least, level, race.legal, race.searched, race.legal - race.searched, race.fitting, points,
    )  # fmt: skip


class Bench:
    """What many layouts of one job share: made once for each kind of words."""

    def __init__(self, job: Job, inside: Layout) -> None:
        self.job = job
        self.blocks = inside
        self._jobs: dict[str, Job] = {}
        self._settings: dict[str, Setting] = {}
        self._kept: dict[Layout, Kept] = {}
        self._inside: dict[Layout, Block] = {}

    def of(self, layout: Layout) -> Job:
        """The job in a layout's precision."""
        if layout.precision not in self._jobs:
            self._jobs[layout.precision] = self.job.computing(layout.precision)
        return self._jobs[layout.precision]

    def there(self, layout: Layout) -> Setting:
        """Rates and wires in a layout's precision."""
        if layout.precision not in self._settings:
            self._settings[layout.precision] = setting(self.of(layout), layout.precision)
        return self._settings[layout.precision]

    def estimate(self, layout: Layout) -> Estimate:
        """The estimate of one layout."""
        return estimate(self.of(layout), layout, self.there(layout))

    def peaks(self, part: Part, at: Sequence[Place] = ()) -> NDArray[np.float64]:
        """Bytes on the fullest rank of each layout of a grid, or on the fullest of some ranks."""
        import numpy as np

        job, layouts = self.job, part.layouts
        if job.training.trained.paged:
            held = self.held(part, at)
            found: Bytes = held.total - paged(job, held)
        else:
            saved = spread(self._saved(layouts), part.block_of)
            found = peak_bytes(
                job.architecture, job.training, layouts, job.seq_len, habits=job.engine.memory, block=saved,
                at=at,
            )  # fmt: skip
        return np.broadcast_to(np.asarray(found), part.legal.shape)

    def held(self, part: Part, at: Sequence[Place] = ()) -> Ledger:
        """The memory ledger of each layout of a grid, or of the fullest of some ranks."""
        job, habits = self.job, self.job.engine.memory
        return memory(job.architecture, job.training, part.layouts, job.seq_len, habits=habits, at=at)

    def paged_out(self, part: Part, at: Sequence[Place] = ()) -> Bytes:
        """Bytes of optimiser state that travel to the host and back in each step."""
        return paged(self.job, self.held(part, at)) if self.job.training.trained.paged else 0.0

    def times(self, part: Part) -> Ledger:
        """The time ledger of each layout of a grid."""
        job, layouts = self.of(part.layouts), part.layouts
        return step(job, layouts, self.there(layouts), paged_out=self.paged_out(part), within=self.within(part))

    def least(self, part: Part) -> NDArray[np.float64]:
        """Seconds for each sequence below which no layout of a row can be."""
        import numpy as np

        layouts = part.layouts
        bound = least_step(self.of(layouts), layouts, self.within(part)) / layouts.global_batch
        return np.broadcast_to(np.asarray(bound), (len(part.block_of), 1, 1))[:, 0, 0]

    def sorted(self, part: Part) -> Part:
        """The grid with the most promising rows first."""
        import numpy as np

        return part.rows(np.argsort(self.least(part), kind="stable"))

    def within(self, part: Part) -> Block:
        """What each layout of a grid shares with the others of its block."""
        within: Block = spread(self._block(part.layouts), part.block_of)
        return within

    def _block(self, words: Layout) -> Block:
        key = self._words(words, "schedule", "recompute", "recompute_every", "offload", "overlap")
        if key not in self._inside:
            self._inside[key] = block(self.of(key), self._many(key), self.there(key))
        return self._inside[key]

    def _saved(self, words: Layout) -> Kept:
        key = self._words(words, "schedule", "offload", "overlap", "compiled", "graphs")
        if key not in self._kept:
            job = self.job
            self._kept[key] = kept(
                job.architecture, job.training, self._many(key), job.seq_len, habits=job.engine.memory
            )
        return self._kept[key]

    def _many(self, words: Layout) -> Layout:
        return msgspec.structs.replace(words, **{name: getattr(self.blocks, name) for name in BLOCK})

    @staticmethod
    def _words(layout: Layout, *without: str) -> Layout:
        """The words alone, and of them only those that matter."""
        plain = Layout()
        names = {*_NUMBERS, *without}
        return msgspec.structs.replace(layout, **{name: getattr(plain, name) for name in names})


_NUMBERS = ("tp", "pp", "virtual_stages", "dp", "cp", "ep", "etp", "zero", "shard_group", "micro_batch", "accumulation")


class Entry(NamedTuple):
    """One of the best layouts so far."""

    value: float
    complexity: float
    layout: Layout
    besides: Any = None
    """What a layout over two kinds of device has besides."""


class Podium:
    """The best so far: as many as are asked for, one for each set of degrees."""

    def __init__(self, top: int) -> None:
        self.top = top
        self.found: dict[tuple[Any, ...], Entry] = {}

    def ranked(self) -> list[Entry]:
        """The best first; ties go to the simpler one."""
        return sorted(self.found.values(), key=lambda entry: entry[:2])[: self.top]

    def worst(self) -> float:
        """The value of the last of the best; infinite while there are too few."""
        if len(self.found) < self.top:
            return float("inf")
        return sorted(entry.value for entry in self.found.values())[self.top - 1]

    def take(self, values: NDArray[np.float64], one: Callable[[int], tuple[Layout, Any]]) -> None:
        """Merge the best of a grid: rows by whatever else, infinite where a layout does not count."""
        import numpy as np

        flat = values.reshape(len(values), -1)
        best, worst = flat.min(axis=1), self.worst()
        within = np.flatnonzero((best <= worst) & (best < np.inf))
        within = within[np.argsort(best[within], kind="stable")]
        seen: set[tuple[Any, ...]] = set()
        for row in within.tolist():
            layout, besides = one(row * flat.shape[1] + int(flat[row].argmin()))
            key = (layout.tp, layout.pp, layout.cp, layout.ep, layout.etp)
            entry = Entry(float(best[row]), float(complexity(layout)), layout, besides)
            if len(seen) > self.top and key not in seen and entry.value > self.worst():
                break
            seen.add(key)
            if key not in self.found or entry[:2] < self.found[key][:2]:
                self.found[key] = entry
        self._trim()

    def _trim(self) -> None:
        """Only what is no worse than the last of the best stays; of equals all."""
        worst = self.worst()
        self.found = {key: one for key, one in self.found.items() if one.value <= worst}


class _Race:
    """The best so far, and the counts."""

    def __init__(self, limits: Sequence[float], top: int, aim: Aim, *, with_frontier: bool, within_s: float) -> None:
        self.limits, self.aim, self.within_s = limits, aim, within_s
        self.likely = limits[len(limits) // 2]
        self.frontier = Frontier(self.likely) if with_frontier else None
        self.best = [Podium(top) for _ in limits]
        self.smallest: tuple[float, Layout] | None = None
        self.legal = self.searched = self.fitting = 0

    def run(self, bench: Bench, some: Part, *, prune: bool) -> None:
        """A grid of layouts: its memory, then the time of what may be among the best."""
        import numpy as np

        peaks = bench.peaks(some)
        held = np.where(some.legal, peaks, np.inf)
        smallest = held.min(axis=(1, 2))
        least = int(smallest.argmin())
        if self.smallest is None or smallest[least] < self.smallest[0]:
            cell = least * some.legal[0].size + int(held[least].argmin())
            self.smallest = float(smallest[least]), some.one(cell)
        if prune:
            some, held = self._unbounded(bench, some, held, smallest)
            if not len(held):
                return
        self.searched += some.size
        fits = held <= self.likely
        self.fitting += int(fits.sum())
        seconds = np.broadcast_to(np.asarray(bench.times(some).total), held.shape) / some.layouts.global_batch
        if self.frontier is not None:
            self.frontier.add(some, held, seconds, fits)
        if self.aim == "memory":
            values = np.where(seconds <= self.within_s, held, np.inf)
        else:
            values = seconds * pessimism(bench.job.engine.key, some.layouts)
        for level, limit in enumerate(self.limits):
            self.best[level].take(np.where(held <= limit, values, np.inf), lambda cell: (some.one(cell), None))
            if self.best[level].found:
                break

    def _unbounded(self, bench: Bench, some: Part, held: Any, smallest: Any) -> tuple[Part, Any]:
        """The rows that no bound excludes."""
        import numpy as np

        may = smallest <= self.limits[-1]
        worst = self.best[0].worst()
        if self.aim == "memory":
            may &= smallest <= worst
        elif worst < np.inf and may.any():
            bound = bench.least(some)
            slow = bound > worst
            if self.frontier is not None:
                slow &= bound > self.frontier.fastest(smallest)
            may &= ~slow
        return (some, held) if may.all() else (some.rows(may), held[may])


def complexity(layout: Layout) -> Any:
    """How many things a layout does at once: ties go to the fewer."""
    numbers = (layout.tp, layout.pp, layout.cp, layout.ep, layout.etp, layout.virtual_stages)
    sharded = layout.zero / 4.0 + (layout.shard_group is not None) / 8.0
    words = (layout.recompute != "none") / 8.0 + layout.chunked_loss / 8.0 + (layout.offload != "none") * 1.0
    return sum((number > 1) * 1.0 for number in numbers) + sharded + words
