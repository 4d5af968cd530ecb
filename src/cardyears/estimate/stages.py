"""What does each stage of a pipeline take, and when is it idle? One step of an estimate, played out for a drawing.

The seconds are those of the estimate's own ledger, dealt out to stages: the first has the embedding besides, the last
the head. `layout.timeline` plays the schedule; the ledger itself uses the closed forms of `layout.pipeline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.ledger import added
from cardyears.estimate.estimate import Estimate
from cardyears.estimate.passes import passes
from cardyears.estimate.setting import setting
from cardyears.layout.layout import ZERO_WEIGHTS, Layout
from cardyears.layout.pipeline import stages
from cardyears.layout.timeline import Event, StageCost, busy, drawn_batches, kept, makespan, repeating, timeline

if TYPE_CHECKING:
    from cardyears.base.units import Seconds
    from cardyears.case import Job

COMPUTED = ("products", "attention_core", "memory_bound", "recomputation", "dequantisation", "launch")
TALKED = ("tensor_traffic", "context_traffic", "expert_traffic")
"""Lines of the time ledger that every layer has, of computing and of traffic."""
FORWARD_SHARE = 1.0 / 3.0
"""Of the head's and the embedding's time: one product forward, two backward."""


class StepTimeline(NamedTuple):
    """One step's passes as far as they are drawn, and what they come to over the whole step."""

    events: tuple[Event, ...]
    ranks: int
    chunks: int
    drawn: int
    """Micro-batches that are drawn, of `batches`."""
    batches: int
    span_s: float
    """Seconds of what is drawn."""
    pipeline_s: float
    """Seconds until the last micro-batch of the step is done."""
    idle: Mapping[int, float]
    """Share of them that each rank waits for others."""
    held: Mapping[int, float]
    """Micro-batches of a full stage that each rank keeps at once, at most."""
    split: bool
    """Whether the weights' gradients are passes of their own."""


def step_timeline(job: Job, found: Estimate) -> StepTimeline:
    """The step of an estimate, played out: of a long step a beginning and an end, the rest reckoned.

    Between them every micro-batch adds what the slowest rank takes for it.
    """
    layout, costs = found.layout, stage_costs(job, found)
    drawn, batches, chunks = drawn_batches(layout), _int(layout.accumulation), _int(layout.virtual_stages)
    events = timeline(layout, costs, drawn)
    span = makespan(events)
    whole = span + (batches - drawn) * repeating(layout, costs)
    at_work = busy(events)
    return StepTimeline(
        events=events,
        ranks=_int(layout.pp),
        chunks=chunks,
        drawn=drawn,
        batches=batches,
        span_s=span,
        pipeline_s=whole,
        idle={rank: 1.0 - seconds * batches / drawn / whole if whole else 0.0 for rank, seconds in at_work.items()},
        held=kept(events, chunks),
        split=any(event.kind == "weights" for event in events),
    )


def _int(number: object) -> int:
    return int(float(number))  # type: ignore[arg-type]


def stage_costs(job: Job, found: Estimate) -> tuple[StageCost, ...]:
    """Seconds of one micro-batch in each of the model's chunks, the first layers first.

    Counts all that the ledger has for each micro-batch, and the gathering of weights under ZeRO 3. Leaves out the
    handing on between stages and what happens once a step. The chunks of a rank are taken as alike.
    """
    layout, time = found.layout, found.time
    share = float(layout.accumulation / layout.pp)
    layer = _layer(job, found, share)
    head = _once(float(time["head"] + time["vocabulary_traffic"]) / share, trained=not job.training.adapters)
    embedding = _once(float(time["embedding"]) / share, trained=False)
    chunks = _int(layout.virtual_stages)
    have = layers_by_rank(job.architecture.layer_count, layout)
    costs = [_times(layer, layers / chunks) for _ in range(chunks) for layers in have]
    costs[0], costs[-1] = _plus(costs[0], embedding), _plus(costs[-1], head)
    if len(costs) == 1:
        costs = [_plus(_plus(_times(layer, have[0]), embedding), head)]
    return tuple(costs)


def layers_by_rank(layers: int, layout: Layout) -> tuple[float, ...]:
    """Layers of every rank; where the stages between would have too many, the later ones of them have one fewer.

    >>> layers_by_rank(126, Layout(pp=4))
    (31.0, 32.0, 32.0, 31.0)
    >>> layers_by_rank(9, Layout(pp=4))
    (2.0, 3.0, 2.0, 2.0)
    """
    ranks, have = _int(layout.pp), stages(float(layers), layout)
    if ranks == 1:
        return (float(layers),)
    first, middle, last = (float(count) for count in have)
    between = ranks - 2
    excess = int(first + last + between * middle - layers)
    fewer, more = divmod(excess, between) if between else (0, 0)
    inner = [middle - fewer - (1 if place >= between - more else 0) for place in range(between)]
    return (first, *inner, last)


def _layer(job: Job, found: Estimate, share: float) -> StageCost:
    """Seconds of one micro-batch in a layer of the mean kind."""
    layout, time = found.layout, found.time
    computed = passes(job, layout, setting(job, layout.precision))
    again = 1.0 / float(layout.recompute_every) if layout.recompute == "full" else 0.0
    names = (*COMPUTED, *TALKED, *(("data_traffic",) if _int(layout.zero) == ZERO_WEIGHTS else ()))
    total = float(added(time[name] for name in names)) / share
    # Traffic inside the layers is as much forward as backward, and once more where the layer is computed again; that
    # of the context is twice as much backward.
    talked = sum(float(time[name]) / share / (2.0 + again + (name == "context_traffic")) for name in TALKED)
    forward = min(total, float(computed.forward.device) + talked)
    weights = min(total - forward, float(computed.weights))
    count = float(job.architecture.layer_count)
    return StageCost(forward / count, (total - forward) / count, weights / count)


def _once(seconds: Seconds, *, trained: bool) -> StageCost:
    """What an end has besides its layers: a product forward, two backward."""
    ahead = float(seconds) * FORWARD_SHARE
    return StageCost(ahead, float(seconds) - ahead, ahead if trained else 0.0)


def _times(cost: StageCost, factor: float) -> StageCost:
    return StageCost(*(seconds * factor for seconds in cost))


def _plus(one: StageCost, other: StageCost) -> StageCost:
    return StageCost(*(a + b for a, b in zip(one, other, strict=True)))
