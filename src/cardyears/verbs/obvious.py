"""Why not the obvious layout? Plain data parallel, ZeRO-3 alone and tensor parallelism over the node, at their best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cardyears.base.errors import BadInput
from cardyears.base.text import N_, Text
from cardyears.estimate.estimate import Estimate
from cardyears.layout.legal import complete
from cardyears.layout.partial import PartialLayout
from cardyears.machine.calibration import memory_spread
from cardyears.resolve.resolve import MEMORY_SPREAD
from cardyears.search.search import search
from cardyears.search.space import Space

if TYPE_CHECKING:
    from cardyears.verbs.plan import Planned

DATA_PARALLEL, SHARDED, OVER_NODES = (
    N_("plain data parallel"),
    N_("ZeRO-3 (FSDP) alone"),
    N_("tensor parallelism over two nodes"),
)
TWICE = 2.0
"""From here on "times as long" reads better than a percentage."""
_ALONE: Mapping[str, tuple[int, ...]] = dict.fromkeys(("tp", "pp", "cp", "ep", "etp"), (1,))


class Obvious(NamedTuple):
    """An obvious layout, and what became of it."""

    name: str
    estimate: Estimate | None
    """The best of its kind, or the smallest; None where none is legal."""
    fits: bool
    slower: float
    """Time for each sequence over the best layout's; 0 where it does not fit."""
    why: Text


def obvious(made: Planned) -> Iterator[Obvious]:
    """What became of each; none on one device."""
    count, node = made.devices, made.best.job.cluster.per_node
    if count == 1:
        return
    plain = {**_ALONE, "shard_nodes": ()}
    yield _judged(made, DATA_PARALLEL, {**plain, "zero": (0,)}, PartialLayout(dp=count))
    yield _judged(made, SHARDED, {**plain, "zero": (3,)}, PartialLayout(dp=count, zero=3))
    if node > 1 and count % (2 * node) == 0 and "tp" in made.best.job.engine.axes:
        wide = PartialLayout(tp=2 * node)
        yield _judged(made, OVER_NODES, {"tp": (2 * node,)}, wide)


def _judged(made: Planned, name: str, fixed: Mapping[str, tuple[int, ...]], typical: PartialLayout) -> Obvious:
    """The best of one kind: all of its layouts are looked at."""
    job = made.best.job
    room: Space = msgspec.structs.replace(made.room, **fixed)
    spread = memory_spread(made.best.job.calibration, MEMORY_SPREAD[made.question.method])
    found = search(job, room, made.ground, [job.usable_bytes / spread.high, job.usable_bytes / spread.mid])
    if not found.legal:
        return Obvious(name, None, False, 0.0, _refused(made, typical))
    one = found.best[0] if found.best else found.smallest
    assert one is not None  # some layout is legal
    if not found.best:
        why = Text(
            "does not fit: {need:bytes} of {have:bytes} at the least", need=float(one.peak_bytes), have=job.usable_bytes
        )
        return Obvious(name, one, False, 0.0, why)
    best = made.best.estimate
    share = float(best.layout.global_batch) / float(one.layout.global_batch)
    slower = float(one.step_s) * share / float(best.step_s)
    if one.layout == best.layout:
        return Obvious(name, one, True, 1.0, Text("is the best layout"))
    if slower < 1.0:
        why = Text("fits and would be faster ({step:duration} a step), but is less sure", step=float(one.step_s))
        return Obvious(name, one, True, slower, why)
    if slower < TWICE:
        why = Text("fits, and is {slower:percent} slower: {step:duration} a step", slower=slower - 1.0,
                   step=float(one.step_s))  # fmt: skip
        return Obvious(name, one, True, slower, why)
    return Obvious(
        name, one, True, slower,
        Text("fits, and takes {slower:number} times as long: {step:duration} a step", slower=slower,
             step=float(one.step_s)),
    )  # fmt: skip


def _refused(made: Planned, typical: PartialLayout) -> Text:
    """Why no layout of a kind is legal: the sentence for the plainest of them."""
    try:
        complete(typical, made.ground, made.usual)
    except BadInput as error:
        return error.rule
    return Text("has no legal micro-batch")
