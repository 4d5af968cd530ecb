"""What do two kinds of device give that train one model together? The same sums, once for each kind.

Two ways are known. As a *pipeline*: every stage stands on one kind, the stages of one kind next to each other, and the
kind that computes faster has more layers on each stage. As *replicas*: every kind holds whole copies of the model, and
the replicas of the faster kind work on more micro-batches in each step. No group that talks inside the layers (tensor,
context, experts) reaches over both kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from cardyears.base.broadcast import maximum, minimum, where
from cardyears.base.ledger import Ledger, added
from cardyears.estimate.estimate import Estimate, again_flop, paged, step_flop
from cardyears.estimate.held import Place, leading_dense
from cardyears.estimate.memory import memory
from cardyears.estimate.passes import tokens_per_rank
from cardyears.estimate.setting import Setting, setting
from cardyears.estimate.step import (
    BACKWARD_SHARE,
    HIDING,
    Block,
    Hops,
    block,
    ends,
    once,
    over_layers,
    piped,
    step,
    straggling,
)
from cardyears.estimate.traffic import DataTraffic, Mesh, data_traffic, hop, mesh
from cardyears.layout.layout import Layout
from cardyears.layout.pipeline import Run, StageTimes, in_flight_at, run_stages
from cardyears.layout.shard import stage_parameters
from cardyears.work.architecture import Architecture

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Scalar, Seconds
    from cardyears.case import Job


class Side(NamedTuple):
    """The stages of a pipeline that stand on one kind of device."""

    job: Job
    there: Setting
    """Rates of the kind, and the wires that join it."""
    whole: Setting
    """The same, and the wires that join both kinds."""
    within: Block
    ranks: Scalar
    """Stages."""
    layers: Scalar
    """On all of them."""
    paged_out: Bytes = 0.0

    def share(self) -> Scalar:
        """Of the model's layers, how many are here."""
        return self.layers / float(self.job.architecture.layer_count)

    def deep(self, layout: Layout) -> Layout:
        """The layout of a pipeline all of whose stages have as many layers as these: what one rank's sums see."""
        return msgspec.structs.replace(layout, pp=self.ranks / self.share())


def piped_step(layout: Layout, first: Side, last: Side) -> Ledger:
    """Seconds of one optimiser step of a pipeline whose first stages stand on one kind and whose last on another.

    Lines are those of `step`: what the average stage spends, and what stages wait for each other. What comes once in a
    step both kinds do at the same time: the slower one's lines are taken. Played out, such a pipeline takes no longer
    than 1F1B's closed form has it, and as long within 6 % where its stages take nearly as long as each other.
    """
    sides = (first, last)
    ranks = [_rank(layout, side) for side in sides]
    layers = [
        over_layers(side.job, rank.deep, side.within, rank.between, side.there)
        for side, rank in zip(sides, ranks, strict=True)
    ]
    around = ends(last.job, layout, first.within, last.within)
    mean = layers[0].times(first.share()).plus(layers[1].times(last.share()))
    times = _stage_times(layout, sides, layers, around.embedding, around.head + around.traffic)
    forward = added(side.within.computed.forward.device * side.share() for side in sides)
    weights = added(side.within.computed.weights * side.share() for side in sides)
    lines = piped(layout, mean, around, times, forward, weights, _hops(layout, sides))
    finished = [
        _once(layout, side, rank, each, around.head, lines.total)
        for side, rank, each in zip(sides, ranks, layers, strict=True)
    ]
    slower = finished[0].total >= finished[1].total
    lines = lines.plus({name: where(slower, line, finished[1][name]) for name, line in finished[0].items()})
    return lines.plus({"stragglers": straggling(layout) * lines.total})


class _Rank(NamedTuple):
    """One rank of a kind: its layout as deep as its own stages make it, its groups, and what they exchange."""

    deep: Layout
    who: Mesh
    between: DataTraffic


def _rank(layout: Layout, side: Side) -> _Rank:
    deep, who = side.deep(layout), mesh(layout, side.there.domain)
    held = stage_parameters(side.within.held, deep)
    return _Rank(deep, who, data_traffic(side.job, deep, side.there, who, held, side.within.trained))


def _stage_times(
    layout: Layout, sides: tuple[Side, Side], layers: list[Ledger], embedding: Seconds, head: Seconds
) -> StageTimes:
    """What one micro-batch takes on the slowest stage and on all of them."""
    slowest: Seconds = 0.0
    together: Seconds = embedding + head
    for side, ledger, besides in zip(sides, layers, (embedding, head), strict=True):
        layer = ledger.total / float(side.job.architecture.layer_count)
        have = run_stages(side.layers, side.ranks, layout)
        inner = where(side.ranks > 1, have.inner * layer, 0.0 * layer)
        slowest = maximum(slowest, have.end * layer + besides, inner)
        together = together + side.layers * layer
    return StageTimes(slowest, together)


def _hops(layout: Layout, sides: tuple[Side, Side]) -> Hops:
    """Hops within each kind, and the one from the one kind to the other."""
    tokens = tokens_per_rank(sides[0].job, layout)
    crossing: Seconds = 0.0
    for side in sides:
        one = hop(layout, side.whole, mesh(layout, side.whole.domain), tokens)
        crossing = maximum(crossing, one)
    slowest, together = crossing, crossing
    for side in sides:
        alone = msgspec.structs.replace(layout, pp=side.ranks)
        one = hop(alone, side.there, mesh(alone, side.there.domain), tokens)
        slowest, together = maximum(slowest, one), together + (side.ranks - 1.0) * one
    return Hops(slowest, together)


def _once(layout: Layout, side: Side, rank: _Rank, layers: Ledger, head: Seconds, computed: Seconds) -> Ledger:
    """What happens once in a step on one kind, after the last micro-batch."""
    each = added(layers[name] for name in HIDING if name in layers) / rank.deep.pp + head / layout.pp
    backward = each * layout.accumulation * BACKWARD_SHARE
    everybody = mesh(layout, side.whole.domain)
    who = rank.who._replace(ends=everybody.ends, all=everybody.all)
    return once(side.job, rank.deep, side.whole, who, side.within, rank.between, backward, computed, side.paged_out)


class Stretch(NamedTuple):
    """How far one kind reaches in a pipeline."""

    ranks: Scalar
    layers: Scalar
    """On all of them."""


def places(
    arch: Architecture, layout: Layout, first: Stretch, last: Stretch
) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """The ranks of each kind that may be the fullest.

    >>> front, back = places(LLAMA3_8B, Layout(pp=4, accumulation=8), Stretch(2.0, 20.0), Stretch(2.0, 12.0))
    >>> [(one.layers * 32, one.flight) for one in (*front, *back)]
    [(10.0, 4.0), (10.0, 3.0), (6.0, 2.0), (6.0, 1.0)]
    """
    depth, leading = float(arch.layer_count), leading_dense(arch)
    sparse = max(depth - leading, 1.0)
    ahead, behind = (run_stages(one.layers, one.ranks, layout) for one in (first, last))

    def inner(run: Run, ranks: Scalar, rank: Scalar) -> Place:
        held = where(ranks > 1, run.inner, 0.0 * run.inner) / depth
        return Place(held, minimum(held * depth / sparse, 1.0), in_flight_at(layout, rank), first=0.0, last=False)

    begun = maximum(ahead.end - leading, 0.0) / sparse
    front = Place(ahead.end / depth, begun, in_flight_at(layout, 0.0), first=1.0, last=False)
    full = minimum(behind.end / sparse, 1.0)
    end = Place(behind.end / depth, full, in_flight_at(layout, layout.pp - 1.0), first=0.0, last=True)
    return (front, inner(ahead, first.ranks, 1.0)), (inner(behind, last.ranks, first.ranks), end)


Way = Literal["pipeline", "replicas"]


class Kind(msgspec.Struct, frozen=True):
    """What one kind of device does."""

    layout: Layout
    """On the devices of this kind: its own stages, or its own replicas with their micro-batches."""
    memory: Ledger
    """Bytes on its fullest rank by line."""
    layers: int
    """That it has of the model."""


class Mixed(msgspec.Struct, frozen=True):
    """One layout over two kinds of device."""

    way: Way
    estimate: Estimate
    """Of the whole; its memory is that of the kind with the least to spare."""
    kinds: tuple[Kind, Kind]
    """As they were named."""
    front: int
    """Which of them has the first stages of a pipeline."""


class Task(NamedTuple):
    """A job as each kind of device sees it."""

    kinds: tuple[Job, Job]
    """On the devices of one kind alone, and linked to others."""
    wholes: tuple[Job, Job]
    """As if all devices were of one kind: `machine.cluster.Pair.whole`."""


def piped_estimate(task: Task, layout: Layout, front: int, stretches: tuple[Stretch, Stretch]) -> Mixed:
    """Both ledgers of a pipeline over both kinds; `stretches` are the first stages' and the last stages'."""
    order = (front, 1 - front)
    job = task.kinds[front]
    at = places(job.architecture, layout, *stretches)
    sides, held = [], {}
    for kind, stretch, where_ in zip(order, stretches, at, strict=True):
        mine = task.kinds[kind]
        there, whole = setting(mine, layout.precision), setting(task.wholes[kind], layout.precision)
        held[kind], paged = _held(mine, layout, where_)
        sides.append(Side(mine, there, whole, block(mine, layout, there), *stretch, paged))
    time = piped_step(layout, *sides)
    kinds = {
        kind: Kind(msgspec.structs.replace(layout, pp=int(stretch.ranks)), held[kind], int(stretch.layers))
        for kind, stretch in zip(order, stretches, strict=True)
    }
    return _mixed(task, "pipeline", layout, time, (kinds[0], kinds[1]), front)


def replicas_estimate(task: Task, layout: Layout, batches: tuple[int, int]) -> Mixed:
    """Both ledgers of replicas on both kinds, of which those of each work on so many micro-batches in a step.

    Every kind takes what it would take if all replicas were like its own; the slower one's lines are the step's.
    """
    kinds, times = [], []
    depth = task.kinds[0].architecture.layer_count
    for whole, alone, many in zip(task.wholes, task.kinds, batches, strict=True):
        mine = msgspec.structs.replace(layout, accumulation=many)
        held, paged = _held(whole, mine, ())
        times.append(step(whole, mine, setting(whole, layout.precision), paged_out=paged))
        ranks = int(layout.tp * layout.pp * layout.cp)
        kinds.append(Kind(msgspec.structs.replace(mine, dp=alone.cluster.count // ranks), held, depth))
    slower = max(times, key=lambda one: float(one.total))
    sequences = sum(float(one.layout.global_batch) for one in kinds)
    mean = msgspec.structs.replace(layout, accumulation=sequences / float(layout.micro_batch * layout.dp))
    return _mixed(task, "replicas", mean, slower, (kinds[0], kinds[1]), 0)


def _held(job: Job, layout: Layout, where_: Sequence[Place]) -> tuple[Ledger, Bytes]:
    """The memory ledger of the fullest rank, and what of it is paged out."""
    habits = job.engine.memory
    held = memory(job.architecture, job.training, layout, job.seq_len, habits=habits, at=where_)
    if not job.training.trained.paged:
        return held, 0.0
    out = paged(job, held)
    return held.plus({"optimizer": 0.0 - out}), out


def _mixed(task: Task, way: Way, layout: Layout, time: Ledger, kinds: tuple[Kind, Kind], front: int) -> Mixed:
    """Speed and utilisation of a layout over both kinds, its memory where it is tightest."""
    job = task.kinds[0]
    rates = [setting(one, layout.precision).rates.peak * one.cluster.count for one in task.kinds]
    tight = max(
        zip(kinds, task.kinds, strict=True), key=lambda pair: float(pair[0].memory.total) / pair[1].usable_bytes
    )
    per_step = layout.global_batch * job.seq_len * job.useful_tokens
    peak = time.total * added(rates)
    found = Estimate(
        layout=layout,
        time=time,
        memory=tight[0].memory,
        tokens_per_s_per_device=per_step / (time.total * layout.devices),
        mfu=per_step * step_flop(job) / peak,
        hfu=per_step * (step_flop(job) + again_flop(job, layout)) / peak,
    )
    return Mixed(way, found, kinds, front)
