"""Which replicas on two kinds of device are best? Whole copies of the model, more micro-batches for the faster kind.

What is exchanged must be exchanged once a step, as the kinds work on unequal numbers of micro-batches: ZeRO 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from cardyears.estimate.mixed import Task, replicas_estimate
from cardyears.layout.site import Site
from cardyears.search.mixed import MIRRORED, Heat, MixedFound, column, computing
from cardyears.search.search import CHUNK, Bench
from cardyears.search.space import Part, Space, blocks, parts

if TYPE_CHECKING:
    from cardyears.search.mixed import Numbers

NEAREST = 4
"""Ways to share out micro-batches that are looked at, the nearest to the kinds' speeds."""
ONCE_A_STEP = 1
"""The highest ZeRO stage that exchanges once a step and not for each micro-batch."""


def replicas(
    task: Task,
    room: Space,
    ground: Site,
    limits: Sequence[float],
    *,
    top: int = 1,
    prune: bool = True,
    chunk: int = CHUNK,
) -> MixedFound:
    """The best replicas on both kinds; `limits` are shares of each kind's usable memory, the cautious first."""
    heat = Heat(limits, top, task.kinds[0].engine.key, prune=prune)
    batch = ground.global_batch
    assert batch is not None
    words = tuple(one for one in room.words if one.schedule != MIRRORED)
    free = msgspec.structs.replace(ground, global_batch=None)
    room = msgspec.structs.replace(
        room, words=words, zero=tuple(one for one in room.zero if one <= ONCE_A_STEP), shard_nodes=(),
        micro_batch=tuple(one for one in room.micro_batch if batch % one == 0),
    )  # fmt: skip
    inside = blocks(room, free)
    benches = [Bench(job, inside) for job in task.wholes]
    for part in parts(room, free, inside):
        dealt = _dealt(task, benches, part, batch)
        if dealt is None:
            continue
        heat.legal += dealt[0].size
        many = max(1, chunk // part.legal[0].size)
        bound = _largest(bench.least(one) * _sequences(one) for bench, one in zip(benches, dealt, strict=True)) / batch
        order = bound.argsort(kind="stable")
        for start in range(0, len(order), many):
            at = order[start : start + many]
            at = at[bound[at] <= heat.worst()]
            if not len(at):
                break
            _run(heat, task, benches, [one.rows(at) for one in dealt], batch)
    return heat.found(lambda layout, besides: replicas_estimate(computing(task, layout), layout, besides))


def _sequences(part: Part) -> Numbers:
    """Sequences of a step if all replicas worked on as many micro-batches as this kind's."""
    return column(part.layouts.global_batch, part)


def _run(heat: Heat, task: Task, benches: Sequence[Bench], dealt: Sequence[Part], batch: int) -> None:
    """A grid: the fuller kind's memory and the slower kind's time."""
    pairs = list(zip(benches, task.kinds, dealt, strict=True))
    shares = _largest(bench.peaks(one) / kind.usable_bytes for bench, kind, one in pairs)
    seconds = _largest(bench.times(one).total for bench, _, one in pairs) / batch
    batches = [column(one.layouts.accumulation, one) for one in dealt]
    heat.run(dealt[0], shares, seconds, lambda row: tuple(int(one[row]) for one in batches))


def _largest(values: Iterator[Any]) -> Any:
    import numpy as np

    one, other = values
    return np.maximum(one, other)


def _with(part: Part, batches: Numbers) -> Part:
    """The same layouts with so many micro-batches a step."""
    layouts = msgspec.structs.replace(part.layouts, accumulation=batches[:, None, None])
    return part._replace(layouts=layouts)


def _dealt(task: Task, benches: Sequence[Bench], part: Part, batch: int) -> tuple[Part, Part] | None:
    """Layouts that are whole replicas on both kinds, with the nearest ways to deal out the micro-batches by speed.

    The same grid twice, each time with the micro-batches of one kind.
    """
    import numpy as np

    layouts = part.layouts
    counts = [job.cluster.count for job in task.kinds]
    copy, stages = column(layouts.tp * layouts.pp * layouts.cp, part), column(layouts.pp, part)
    experts = column(layouts.ep * layouts.etp, part)
    whole = np.ones(len(copy), bool)
    for count in counts:
        whole &= (count % copy == 0) & (count / stages % experts == 0)
    chosen = part.rows(np.flatnonzero(whole))
    turns = (stages if np.max(layouts.virtual_stages) > 1 else np.ones(len(copy)))[whole]
    ranks, micro = copy[whole], column(layouts.micro_batch, part)[whole]
    slow = [_each(bench, chosen, turns) for bench in benches] if len(ranks) else []
    deals = [
        _deals(int(batch // micro[row]), [int(count // ranks[row]) for count in counts], int(turns[row]),
               slow[0][row], slow[1][row])
        for row in range(len(ranks))
    ]  # fmt: skip
    row = np.repeat(np.arange(len(ranks)), [len(each) for each in deals])
    if not len(row):
        return None
    batches = np.array([deal for each in deals for deal in each], float)
    wide = chosen.rows(row)
    return _with(wide, batches[:, 0]), _with(wide, batches[:, 1])


def _each(bench: Bench, part: Part, turns: Numbers) -> Numbers:
    """Seconds that one more micro-batch takes, on each row: of plain replicas with as few chunks as there are."""
    import numpy as np

    fewest = float(np.min(part.layouts.virtual_stages))
    layouts = msgspec.structs.replace(part.layouts, zero=0.0, shard_group=None, virtual_stages=fewest)
    plain = Part(layouts, part.legal[:, :1, :1], part.block_of)
    few, more = (column(bench.times(_with(plain, turns * many)).total, plain) for many in (4.0, 8.0))
    found: Numbers = (more - few) / (4.0 * turns)
    return found


def _deals(all_: int, replicas: Sequence[int], turns: int, one_s: float, other_s: float) -> list[tuple[int, int]]:
    """Micro-batches of each replica of the one kind and of the other, nearest to what their speeds ask for.

    >>> _deals(24, (4, 4), 1, 1.0, 2.0)
    [(4, 2), (3, 3), (5, 1), (2, 4)]
    """
    speeds = (replicas[0] / one_s, replicas[1] / other_s)
    ideal = all_ * speeds[0] / sum(speeds) / replicas[0]
    # a·dp₁ + b·dp₂ = all, a and b multiples of the turns: solutions for a lie so far apart
    apart = turns * replicas[1] // math.gcd(replicas[0], replicas[1])
    found = []
    for start in range(turns, turns + apart, turns):
        rest = all_ - start * replicas[0]
        if rest % (replicas[1] * turns) == 0:
            near = start + max(0, round((ideal - start) / apart)) * apart
            candidates = (near + step * apart for step in range(-NEAREST, NEAREST + 1))
            deals = ((one, (all_ - one * replicas[0]) // replicas[1]) for one in candidates if one >= turns)
            found = [(one, other) for one, other in deals if other >= turns]
            break
    return sorted(found, key=lambda deal: abs(deal[0] - ideal))[:NEAREST]
