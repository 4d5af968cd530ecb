"""Which pipeline over two kinds of device is best? All of them, looked at as arrays; `replicas` is the other way.

A pipeline has every stage on one kind, those of a kind next to each other, either kind first; its layers are shared
out in every way that fills the stages of one kind. Tensor, context, data and expert groups stay within a kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cardyears.estimate.mixed import Mixed, Side, Stretch, Task, piped_estimate, piped_step, places
from cardyears.layout.layout import Layout
from cardyears.layout.site import Site
from cardyears.search.bound import ROUNDING, least_layers
from cardyears.search.measured import pessimism
from cardyears.search.search import CHUNK, Bench, Podium
from cardyears.search.space import Part, Space, blocks, parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

MIRRORED = "dualpipe"
"""The schedule whose ranks have a stage from each end, so that no rank's part is of one kind alone."""


class MixedFound(msgspec.Struct, frozen=True):
    """The best layouts of one way over both kinds, and what was looked at."""

    best: tuple[Mixed, ...]
    """The best first, each of other degrees; empty where nothing fits."""
    level: int
    """Which of the limits they keep."""
    values: tuple[float, ...]
    """Seconds for each sequence by which they are ranked."""
    legal: int
    searched: int
    fitting: int


class Heat:
    """The best so far within each limit, and the counts."""

    def __init__(self, limits: Sequence[float], top: int, engine: str, *, prune: bool) -> None:
        self.limits, self.engine, self.prune = limits, engine, prune
        self.podiums = [Podium(top) for _ in limits]
        self.legal = self.searched = self.fitting = 0

    def worst(self) -> float:
        """Seconds for each sequence beyond which nothing is among the best; infinite without bounds."""
        return self.podiums[0].worst() if self.prune else float("inf")

    def run(self, some: Part, shares: Any, seconds: Any, besides: Any) -> None:
        """A grid of layouts with the share of its memory that the fuller kind needs, and seconds for each sequence."""
        import numpy as np

        fits = some.legal & (shares <= self.limits[len(self.limits) // 2])
        self.searched += int(some.legal.sum())
        self.fitting += int(fits.sum())
        values = np.broadcast_to(seconds * pessimism(self.engine, some.layouts, mixed=True), some.legal.shape)

        def one(cell: int) -> tuple[Layout, Any]:
            return some.one(cell), besides(cell // some.legal[0].size)

        for podium, limit in zip(self.podiums, self.limits, strict=True):
            podium.take(np.where(some.legal & (shares <= limit), values, np.inf), one)
            if podium.found:
                break

    def found(self, made: Any) -> MixedFound:
        """The best as estimates."""
        level = next((at for at, podium in enumerate(self.podiums) if podium.found), len(self.limits) - 1)
        ranked = self.podiums[level].ranked()
        return MixedFound(
            best=tuple(made(entry.layout, entry.besides) for entry in ranked), level=level,
            values=tuple(entry.value for entry in ranked), legal=self.legal, searched=self.searched,
            fitting=self.fitting,
        )  # fmt: skip


# Pipelines over both kinds.


def pipelines(
    task: Task,
    room: Space,
    ground: Site,
    limits: Sequence[float],
    *,
    top: int = 1,
    prune: bool = True,
    chunk: int = CHUNK,
) -> MixedFound:
    """The best pipelines over both kinds; `limits` are shares of each kind's usable memory, the cautious first."""
    heat = Heat(limits, top, task.kinds[0].engine.key, prune=prune)
    words = tuple(one for one in room.words if one.schedule != MIRRORED)
    room = msgspec.structs.replace(room, words=words)
    inside = blocks(room, ground)
    benches = [Bench(job, inside) for job in task.kinds]
    wholes = [Bench(job, inside) for job in task.wholes]
    lines = [_Line(task, benches, wholes, front) for front in (0, 1)]
    for part in parts(room, ground, inside):
        for line in lines:
            shared = line.shared_out(part)
            if shared is not None:
                heat.legal += shared.size
                line.run_all(heat, shared, max(1, chunk // part.legal[0].size), boldest=limits[-1])
    return heat.found(lambda layout, besides: piped_estimate(computing(task, layout), layout, besides[0], besides[1]))


def computing(task: Task, layout: Layout) -> Task:
    """The job on each kind of device in a layout's precision."""
    one, other = (job.computing(layout.precision) for job in task.kinds)
    first, second = (job.computing(layout.precision) for job in task.wholes)
    return Task((one, other), (first, second))


class _Shared(NamedTuple):
    """Rows of a grid, each with a way to share out its layers."""

    part: Part
    row: NDArray[np.intp]
    """Of the grid."""
    first: Stretch
    last: Stretch
    fine: Any
    """Whether stages of so many layers can be: by row and number of chunks."""
    bound: Numbers
    """Seconds for each sequence below which no layout of the row can be."""
    size: int
    """How many layouts are legal."""

    def at(self, which: Any) -> tuple[Part, tuple[Stretch, Stretch]]:
        """Some of them as a grid."""
        part = self.part.rows(self.row[which])
        part = part._replace(legal=part.legal & self.fine[which])
        return part, (_rows(self.first, which), _rows(self.last, which))


class _Line(NamedTuple):
    """Pipelines with one of the kinds in front."""

    task: Task
    benches: list[Bench]
    wholes: list[Bench]
    front: int

    def shared_out(self, part: Part) -> _Shared | None:
        """The grid's layouts whose stages stand on one kind each, with every way to share out the layers."""
        import numpy as np

        layouts, kinds = part.layouts, self.task.kinds
        depth = kinds[0].architecture.layer_count
        counts = [kinds[kind].cluster.count for kind in self._order()]
        each = column(layouts.tp * layouts.cp * layouts.dp, part)
        whole = np.flatnonzero((counts[0] % each == 0) & (counts[1] % each == 0))
        if not len(whole):
            return None
        choices = {size: _choices(depth, *(int(count // size) for count in counts)) for size in set(each[whole])}
        row = np.repeat(whole, [len(choices[each[one]]) for one in whole])
        layers = np.concatenate([choices[each[one]] for one in whole])[:, None, None]
        size = each[row][:, None, None]
        first, last = Stretch(counts[0] / size, layers), Stretch(counts[1] / size, depth - layers)
        chunks, fine = layouts.virtual_stages, np.ones((1, 1, 1), bool)
        for one in (first, last):
            # Interleaved, all chunks of a kind are as deep as each other, but for one that has embedding or head.
            even = ((0.0 - one.layers) % (one.ranks * chunks) <= 1) & (one.layers >= one.ranks * chunks - 1)
            fine = fine & ((chunks == 1) | even)
        fine = np.broadcast_to(fine, (len(row), 1, part.legal.shape[2]))
        many = int((part.legal.sum(axis=1)[row] * fine[:, 0, :]).sum())
        return _Shared(part, row, first, last, fine, self._bound(part, row, (first, last)), many)

    def _bound(self, part: Part, row: Any, stretches: tuple[Stretch, Stretch]) -> Numbers:
        """Seconds for each sequence below which no layout can be.

            (m - 1/v)·slowest + together/v    of one micro-batch, with the fuller kind's mean stage as the slowest

        A zero-bubble schedule may have no bubble: m·slowest.
        """
        import numpy as np

        slowest: Any = 0.0
        together: Any = 0.0
        for kind, stretch in zip(self._order(), stretches, strict=True):
            job = self.benches[kind].of(part.layouts)
            depth = float(job.architecture.layer_count)
            layer = column(least_layers(job, part.layouts, self.benches[kind].within(part)) / depth, part)[row]
            slowest = np.maximum(slowest, layer * np.ravel(stretch.layers / stretch.ranks))
            together = together + layer * np.ravel(stretch.layers)
        batches, chunks = column(part.layouts.accumulation, part)[row], float(np.max(part.layouts.virtual_stages))
        filling = 0.0 if part.layouts.schedule == "zero-bubble" else (together - slowest) / chunks
        sequences = column(part.layouts.global_batch, part)[row]
        bound: Numbers = (batches * slowest + filling) / sequences * ROUNDING
        return bound

    def run_all(self, heat: Heat, shared: _Shared, many: int, *, boldest: float) -> None:
        """The most promising rows first, until a bound excludes all others."""
        import numpy as np

        order = np.argsort(shared.bound, kind="stable")
        for start in range(0, len(order), many):
            at = order[start : start + many]
            at = at[shared.bound[at] <= heat.worst()]
            if not len(at):
                return
            self._run(heat, *shared.at(at), boldest=boldest)

    def _run(self, heat: Heat, some: Part, stretches: tuple[Stretch, Stretch], *, boldest: float) -> None:
        """Memory first; time only for rows of which any layout may fit."""
        import numpy as np

        shares = self._shares(some, stretches)
        may = (some.legal & (shares <= boldest)).any(axis=(1, 2))
        if not may.any():
            return
        if not may.all():
            some, shares = some.rows(may), shares[may]
            stretches = (_rows(stretches[0], may), _rows(stretches[1], may))
        total = piped_step(some.layouts, *self._sides(some, stretches)).total

        def besides(row: int) -> tuple[int, tuple[Stretch, Stretch]]:
            first, last = (Stretch(*(int(column(one, some)[row]) for one in stretch)) for stretch in stretches)
            return self.front, (first, last)

        heat.run(some, shares, np.asarray(total) / some.layouts.global_batch, besides)

    def _order(self) -> tuple[int, int]:
        return self.front, 1 - self.front

    def _places(self, some: Part, stretches: tuple[Stretch, Stretch]) -> Any:
        return places(self.task.kinds[0].architecture, some.layouts, *stretches)

    def _shares(self, some: Part, stretches: tuple[Stretch, Stretch]) -> Any:
        """Share of its usable memory that the fullest device needs, of whichever kind."""
        import numpy as np

        found: Any = 0.0
        for kind, at in zip(self._order(), self._places(some, stretches), strict=True):
            found = np.maximum(found, self.benches[kind].peaks(some, at) / self.task.kinds[kind].usable_bytes)
        return found

    def _sides(self, some: Part, stretches: tuple[Stretch, Stretch]) -> Iterator[Side]:
        layouts = some.layouts
        for kind, stretch, at in zip(self._order(), stretches, self._places(some, stretches), strict=True):
            bench = self.benches[kind]
            yield Side(
                bench.of(layouts), bench.there(layouts), self.wholes[kind].there(layouts), bench.within(some),
                *stretch, bench.paged_out(some, at),
            )  # fmt: skip


def _rows(stretch: Stretch, which: Any) -> Stretch:
    """Some rows of it."""
    import numpy as np

    return Stretch(*(np.asarray(one)[which] for one in stretch))


def column(values: Any, part: Part) -> Numbers:
    """The first value of each row."""
    import numpy as np

    found: Numbers = np.broadcast_to(np.asarray(values, float), part.legal.shape)[:, 0, 0]
    return found


def _choices(depth: int, first: int, last: int) -> Numbers:
    """Layers of the first kind, in every way that fills all stages of either kind, or all but its end.

    >>> _choices(8, 1, 2).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    >>> _choices(16, 4, 4).tolist()
    [4.0, 5.0, 7.0, 8.0, 9.0, 11.0, 12.0]
    """
    import numpy as np

    full = {first * each - less for each in range(1, depth // first + 1) for less in (0, 1)}
    full |= {depth - last * each + less for each in range(1, depth // last + 1) for less in (0, 1)}
    return np.array(sorted(one for one in full if first <= one <= depth - last), float)
