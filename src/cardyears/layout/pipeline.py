"""Which layers does each pipeline stage have, how long does the pipe stand idle, how much does a rank hold in flight?

Stages may be uneven: the ends, which have the embedding and the head besides, get the fewer layers, as Llama 3 405B
has 7 of its 126 on the first and the last of 16 stages and 8 on all others. Knows no hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import ceil, floor, maximum, minimum, where

if TYPE_CHECKING:
    from cardyears.base.units import Count, Scalar, Seconds
    from cardyears.layout.layout import Layout


class Stages(NamedTuple):
    """Layers on the first stage, on the stages between, and on the last."""

    first: Count
    middle: Count
    last: Count


def stages(layers: Count, layout: Layout) -> Stages:
    """Layers by stage: equal chunks rounded up, and what is too much taken from the last and first stage in turn.

    >>> from cardyears.layout.layout import Layout
    >>> stages(126.0, Layout(pp=16))
    Stages(first=7.0, middle=8.0, last=7.0)
    >>> stages(96.0, Layout(pp=12, virtual_stages=2))
    Stages(first=8.0, middle=8.0, last=8.0)
    """
    chunks = layout.pp * layout.virtual_stages
    middle = ceil(layers / chunks) * layout.virtual_stages
    short = layout.pp * middle - layers
    # An end gives up one layer of each of its chunks at most; whatever is still too much, the middle gives up too.
    end = minimum(ceil(short / 2.0), layout.virtual_stages * 1.0)
    start = minimum(floor(short / 2.0), layout.virtual_stages * 1.0)
    alone = layout.pp <= 1
    return Stages(where(alone, layers, middle - start), middle, where(alone, layers, middle - end))


class Run(NamedTuple):
    """Layers on each stage of a run of ranks at one end of a pipeline: on the pipeline's own end, and on the others."""

    end: Count
    inner: Count


def run_stages(layers: Count, ranks: Count, layout: Layout) -> Run:
    """Layers by stage where so many of them stand on the first, or the last, ranks of a pipeline.

    Equal chunks rounded up, and what is too much taken from the end, one layer of each chunk at most.

    >>> from cardyears.layout.layout import Layout
    >>> run_stages(15.0, 2.0, Layout(pp=4)), run_stages(5.0, 1.0, Layout(pp=4))
    (Run(end=7.0, inner=8.0), Run(end=5.0, inner=5.0))
    """
    inner = ceil(layers / (ranks * layout.virtual_stages)) * layout.virtual_stages
    short = ranks * inner - layers
    return Run(where(ranks <= 1, layers, inner - minimum(short, layout.virtual_stages * 1.0)), inner)


class StageTimes(NamedTuple):
    """Seconds of one micro-batch, forward and backward, on the slowest stage and on all stages together."""

    slowest: Seconds
    together: Seconds


def stage_times(layers: Count, layout: Layout, layer: Seconds, embedding: Seconds, head: Seconds) -> StageTimes:
    """What one micro-batch takes, where a layer takes `layer` seconds.

    >>> from cardyears.layout.layout import Layout
    >>> stage_times(32.0, Layout(pp=4), 1.0, 0.0, 2.0)
    StageTimes(slowest=10.0, together=34.0)
    """
    found = stages(layers, layout)
    last = found.last * layer + head
    first = found.first * layer + embedding
    between = where(layout.pp > 2, found.middle * layer, 0.0 * layer)
    together = layers * layer + embedding + head
    # DualPipe's ranks have a stage from each end, for half of the micro-batches each.
    ends = (first + last) / 2.0 if layout.schedule == "dualpipe" else maximum(first, last)
    return StageTimes(where(layout.pp <= 1, together, maximum(ends, between)), together)


def bubble(layout: Layout, times: StageTimes, forward: Seconds, backward: Seconds, weights: Seconds) -> Seconds:
    """Seconds of one step in which the slowest rank waits for its turn; per micro-batch times of an average stage.

        1F1B          (p-1)·(F + B)        filling and emptying: all other stages once
        interleaved   that over v
        zero-bubble   (p-1)·(F + B - W) - min(p-1, m-1)·W    the weights' gradients W wait for a gap (ZB-H1)
        DualPipe      (p/2-1)·(F + 2B - 3W), of two micro-batches that meet

    with B the whole backward pass. Sources: narayanan-2021, section 2.2; zero-bubble-2023, table 1;
    deepseek-v3-2024, table 3.

    >>> from cardyears.layout.layout import Layout
    >>> bubble(Layout(pp=4), StageTimes(3.0, 12.0), 1.0, 2.0, 1.0)
    9.0
    """
    filling = times.together - times.slowest
    if layout.schedule in ("1f1b", "interleaved"):
        return filling / layout.virtual_stages
    gaps = maximum(layout.pp - 1.0, 1.0)
    if layout.schedule == "zero-bubble":
        late = (
            minimum(layout.pp - 1.0, layout.accumulation - 1.0) * weights * times.slowest * layout.pp / times.together
        )
        return maximum(filling * (forward + backward - weights) / (forward + backward) - late, 0.0)
    waits = maximum(layout.pp / 2.0 - 1.0, 0.0) / gaps
    return filling * waits * maximum(forward + 2.0 * backward - 3.0 * weights, 0.0) / (forward + backward)


def in_flight(layout: Layout) -> Scalar:
    """Micro-batches of a full stage of layers whose activations the first rank holds at once.

        1F1B, ZB-H1   min(p, m)
        interleaved   min(m, p · (1 + (p-1)/(p·v)))
        DualPipe      min(m, p + 1)

    Sources: korthikanti-2022, section 4.2.3; zero-bubble-2023, table 1; deepseek-v3-2024, table 3.

    >>> from cardyears.layout.layout import Layout
    >>> in_flight(Layout(pp=8, virtual_stages=2, schedule="interleaved", accumulation=64))
    11.5
    """
    batches = layout.accumulation * 1.0
    if layout.schedule == "dualpipe":
        return minimum(layout.pp + 1.0, batches)
    more = 1.0 + (layout.pp - 1.0) / (layout.pp * layout.virtual_stages)
    return minimum(layout.pp * where(layout.virtual_stages > 1, more, 1.0), batches)


def in_flight_second(layout: Layout) -> Scalar:
    """Micro-batches of a full stage that the second rank holds at once.

        1F1B          min(p-1, m)
        interleaved   as the first, without the two chunks that it is behind
        ZB-H1, DualPipe   as the first: the weights' gradients wait there

    >>> from cardyears.layout.layout import Layout
    >>> in_flight_second(Layout(pp=4, accumulation=2)), in_flight_second(Layout(pp=4, accumulation=8))
    (2.0, 3.0)
    """
    first = in_flight(layout)
    if layout.schedule in ("zero-bubble", "dualpipe"):
        return first
    behind = first - 2.0 / layout.virtual_stages
    plain = minimum(maximum(layout.pp - 1.0, 1.0), layout.accumulation * 1.0)
    return where(layout.virtual_stages > 1, behind, plain)


def in_flight_last(layout: Layout) -> Scalar:
    """Micro-batches of a full stage that the last rank holds at once.

        1F1B          1
        interleaved   ((v-1)·p + 1) / v    all its chunks' but the last, which turns at once
        ZB-H1         as the first: the weights' gradients wait

    Source: megatron-core (its interleaved schedule's warm-up micro-batches).

    >>> from cardyears.layout.layout import Layout
    >>> in_flight_last(Layout(pp=8, virtual_stages=2, schedule="interleaved", accumulation=64))
    4.5
    """
    if layout.schedule in ("zero-bubble", "dualpipe"):
        return in_flight(layout)
    chunks = layout.virtual_stages * 1.0
    return minimum(((chunks - 1.0) * layout.pp + 1.0) / chunks, layout.accumulation * 1.0)


def in_flight_at(layout: Layout, rank: Count) -> Scalar:
    """Micro-batches of a full stage that any rank holds at once; the first is rank 0.

        1F1B          min(p-r, m)
        interleaved   as the first, without the two chunks for each rank that it is behind
        ZB-H1         as the first: the weights' gradients wait there

    >>> from cardyears.layout.layout import Layout
    >>> in_flight_at(Layout(pp=8, accumulation=64), 6), in_flight_at(Layout(pp=8, accumulation=2), 0)
    (2.0, 2.0)
    """
    first = in_flight(layout)
    if layout.schedule in ("zero-bubble", "dualpipe"):
        return first
    plain = minimum(maximum((layout.pp - rank) * 1.0, 1.0), layout.accumulation * 1.0)
    return where(layout.virtual_stages > 1, first - 2.0 * rank / layout.virtual_stages, plain)
