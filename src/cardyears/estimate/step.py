"""How long does one training step take, and where does the time go? A ledger that adds up.

Every line is what the average stage spends on all micro-batches of the step; what stages wait for each other stands
in lines of its own. The same lines serve one layout and a million (fields of the layout as arrays).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import log2, maximum, where
from cardyears.base.ledger import Ledger, added
from cardyears.estimate.gradients import Weights, embedding_added, head_added, layers_added, rank_weights
from cardyears.estimate.passes import Pass, Passes, again_share, passes, tokens_per_rank
from cardyears.estimate.setting import Setting
from cardyears.estimate.traffic import (
    DataTraffic,
    LayerTraffic,
    Mesh,
    data_traffic,
    exposed,
    hop,
    layer_traffic,
    mesh,
    neighbours,
    tied_traffic,
    vocabulary_traffic,
)
from cardyears.estimate.update import dequantisation, gradient_norm, host_transfers, optimizer
from cardyears.layout.layout import ZERO_WEIGHTS, Layout
from cardyears.layout.pipeline import StageTimes, bubble, stage_times
from cardyears.layout.shard import RankParameters, adapter_share, rank_parameters, stage_parameters

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Scalar, Seconds
    from cardyears.case import Job

STRAGGLERS_PER_DOUBLING, STRAGGLE_FROM = 0.004, 8.0
"""The slowest of many devices, for each doubling beyond eight. Source: measured-runs."""
NORMS_MOVED = 1 / 3
"""Share of the memory-bound operators' bytes that norms and activation functions move. Source: measured-runs."""
EVERY_SECOND = 0.5
"""Share of the products that recomputation of every second one runs again."""
HIDING, BACKWARD_SHARE = ("products", "attention_core", "memory_bound", "head"), 2 / 3
"""What gradients' traffic can hide behind: the backward pass of what is computed, two thirds of it."""


class Block(NamedTuple):
    """One micro-batch on the ranks of one tensor, context and expert block: what no other axis changes."""

    computed: Passes
    inside: LayerTraffic
    held: RankParameters
    weights: Weights
    trained: Scalar
    """Trained parameters of a rank over those that it holds."""
    vocabulary: Seconds
    """Traffic of embedding, head and loss."""


def block(job: Job, layout: Layout, there: Setting) -> Block:
    """What depends on tensor, context and expert parallelism and on the micro-batch alone."""
    tokens = tokens_per_rank(job, layout)
    near = neighbours(layout, there.domain)
    held = rank_parameters(there.model, layout)
    return Block(
        computed=passes(job, layout, there),
        inside=layer_traffic(job, layout, there, near, tokens),
        held=held,
        weights=rank_weights(layout, there, held),
        trained=trained_share(job, layout, there, held),
        vocabulary=vocabulary_traffic(there, near, tokens),
    )


def step(job: Job, layout: Layout, there: Setting, *, paged_out: Bytes = 0.0, within: Block | None = None) -> Ledger:
    """Seconds of one optimiser step, line by line.

    `paged_out` are bytes of optimiser state that do not fit and travel to the host and back. `within` may be made once
    for many layouts that share it.
    """
    within = within or block(job, layout, there)
    who = mesh(layout, there.domain)
    stage = stage_parameters(within.held, layout)
    between = data_traffic(job, layout, there, who, stage, within.trained)
    layers = over_layers(job, layout, within, between, there)
    one_hop = hop(layout, there, who, tokens_per_rank(job, layout))
    lines = _pipeline(job, layout, there, within, layers, one_hop)
    backward = added(lines[name] for name in HIDING) * BACKWARD_SHARE
    lines = lines.plus(once(job, layout, there, who, within, between, backward, lines.total, paged_out))
    return lines.plus({"stragglers": straggling(layout) * lines.total})


def trained_share(job: Job, layout: Layout, there: Setting, held: RankParameters) -> Scalar:
    """Trained parameters of a rank over those that it holds."""
    if not job.training.adapters:
        return 1.0
    adapters = there.adapters * adapter_share(there.model, layout)
    return adapters / (held.dense + held.routed + held.embedding + held.head)


def _recomputed(layout: Layout, computed: Passes, there: Setting) -> Pass:
    """What the backward pass computes again; `work.activations.Recompute` says what each word means."""
    forward, zero = computed.forward, 0.0 * computed.forward.moved
    if layout.recompute == "full":
        return computed.again.times(again_share(there.model.layer_count, layout))
    core = forward.core if layout.kernel == "eager" else zero
    if layout.recompute == "none":
        return Pass(zero, zero, zero, zero)
    if layout.recompute == "selective":
        return Pass(zero, core, zero, zero)
    if layout.recompute == "selective-norms":
        return Pass(zero, core, forward.moved * NORMS_MOVED, zero)
    return Pass(forward.products * EVERY_SECOND, core, forward.moved, forward.kernels * EVERY_SECOND)


def over_layers(job: Job, layout: Layout, within: Block, between: DataTraffic, there: Setting) -> Ledger:
    """Seconds of one micro-batch over all layers, forward and backward."""
    computed, inside = within.computed, within.inside
    forward, backward, again = computed.forward, computed.backward, _recomputed(layout, computed, there)
    twice = again_share(there.model.layer_count, layout)
    context, context_back = _context(layout, forward, backward, inside)
    lines = Ledger(
        products=forward.products + backward.products,
        attention_core=forward.core + backward.core,
        memory_bound=forward.moved + backward.moved + layers_added(job, layout, within.weights),
        recomputation=again.device,
        dequantisation=dequantisation(job, layout, there, within.held),
        tensor_traffic=inside.tensor * (2.0 + twice),
        context_traffic=context * (1.0 + twice) + context_back,
        expert_traffic=inside.expert * (2.0 + twice),
    )
    if layout.schedule == "dualpipe" or layout.expert_overlap:
        # The micro-batch that comes the other way computes while this one's tokens travel: deepseek-v3-2024, 3.2.1.
        lines = _beside(lines, "expert_traffic", forward.device + backward.device)
    ahead = forward.device + inside.tensor + context + lines["expert_traffic"] / (2.0 + twice)
    back = lines.total - ahead
    engine = job.engine
    gathers = where(layout.zero >= ZERO_WEIGHTS, there.model.layer_count, 0.0)
    kernel, collective, _ = engine.launches(graphs=layout.graphs)
    kernels = kernel * engine.kernel_share(compiled=layout.compiled)
    host = forward.kernels * kernels + (inside.calls + gathers) * collective
    calls_back = inside.calls * (1.0 + twice) + 2.0 * gathers
    host_back = (backward.kernels + again.kernels) * kernels + calls_back * collective
    busy, busy_back = maximum(host, ahead), maximum(host_back, back)
    launch = (busy - ahead) + (busy_back - back)
    if layout.overlap:
        gathered = exposed(busy, between.each_forward * layout.pp) + exposed(
            busy_back, between.each_backward * layout.pp
        )
    else:
        gathered = (between.each_forward + between.each_backward) * layout.pp
    return lines.plus({"launch": launch, "data_traffic": gathered})


def _beside(lines: Ledger, name: str, computing: Seconds) -> Ledger:
    """The ledger with one line hidden behind a computation."""
    return Ledger({line: exposed(computing, value) if line == name else value for line, value in lines.items()})


def _context(layout: Layout, forward: Pass, backward: Pass, inside: LayerTraffic) -> tuple[Seconds, Seconds]:
    """Exposed context traffic, forward and backward: a ring's hides behind attention, the others' does not.

    The backward pass brings keys and values again and takes their gradients back; Ulysses exchanges four arrays as
    before.
    """
    if layout.context_kind == "ulysses":
        return inside.context, inside.context
    if layout.context_kind == "all-gather":
        return inside.context, 2.0 * inside.context
    return exposed(forward.core, inside.context), exposed(backward.core, 2.0 * inside.context)


class Ends(NamedTuple):
    """Seconds of one micro-batch on the first and on the last stage, beside their layers."""

    embedding: Seconds
    head: Seconds
    traffic: Seconds
    """Of the vocabulary."""
    launched: Seconds
    """What the host needs for embedding and head."""


def ends(job: Job, layout: Layout, first: Block, last: Block) -> Ends:
    """What the ends of the pipeline have besides; their blocks differ where they stand on other devices."""
    kernel, *_ = job.engine.launches(graphs=layout.graphs)
    kernels = kernel * job.engine.kernel_share(compiled=layout.compiled)
    return Ends(
        embedding=first.computed.embedding.device * job.engine.memory_bound_factor
        + embedding_added(job, layout, first.weights),
        head=last.computed.head.device + head_added(job, layout, last.weights),
        traffic=last.vocabulary,
        launched=(last.computed.head.kernels + first.computed.embedding.kernels) * kernels,
    )


class Hops(NamedTuple):
    """Seconds to hand a micro-batch on: the slowest hop, and all hops from the first to the last stage."""

    slowest: Seconds
    all: Seconds


def piped(
    layout: Layout, layers: Ledger, around: Ends, times: StageTimes, forward: Seconds, weights: Seconds, hops: Hops
) -> Ledger:
    """All micro-batches through all stages: the average stage's time, and what stages wait for each other.

    `layers`, `forward` and the `weights`' gradients are of one micro-batch over the whole depth.
    """
    embedding, head, traffic, launched = around
    average = times.together / layout.pp
    batches = layout.accumulation * 1.0
    share = batches / layout.pp
    forward = (forward + head / 3.0) / layout.pp
    chunk = average / (2.0 * layout.virtual_stages)
    hop_s = hops.slowest if layout.schedule == "1f1b" else exposed(chunk, hops.slowest)
    return Ledger(
        {name: line * share for name, line in layers.items()},
        launch=(layers["launch"] + maximum(launched - embedding - head, 0.0)) * share,
        head=head * share,
        embedding=embedding * share,
        vocabulary_traffic=traffic * share,
        stage_imbalance=batches * maximum(times.slowest - average, 0.0),
        bubble=bubble(layout, times, forward, average - forward, weights / layout.pp),
        pipeline_traffic=2.0 * (batches * layout.virtual_stages * hop_s + hops.all),
    )


def _pipeline(job: Job, layout: Layout, there: Setting, within: Block, layers: Ledger, one_hop: Seconds) -> Ledger:
    """All micro-batches through stages of like devices."""
    around, count = ends(job, layout, within, within), there.model.layer_count
    times = stage_times(count, layout, layers.total / count, around.embedding, around.head + around.traffic)
    hops = Hops(one_hop, (layout.pp - 1.0) * one_hop)
    computed = within.computed
    return piped(layout, layers, around, times, computed.forward.device, computed.weights, hops)


def once(
    job: Job,
    layout: Layout,
    there: Setting,
    who: Mesh,
    within: Block,
    between: DataTraffic,
    backward: Seconds,
    computed: Seconds,
    paged_out: Bytes,
) -> Ledger:
    """What happens once in a step, after the last micro-batch."""
    stage, wire, trained = stage_parameters(within.held, layout), between.each_step, within.trained
    if layout.overlap:
        last = backward / layout.accumulation
        wire = maximum(job.engine.gradient_exposure * wire, wire - last)
    return Ledger(
        data_traffic=wire,
        tied_traffic=tied_traffic(job, there, who, within.held),
        weight_casts=within.computed.weight_casts / layout.pp,
        optimizer=optimizer(job, layout, there.rates, stage, trained),
        gradient_norm=gradient_norm(job, layout, there, who.all, stage, trained),
        host_transfers=host_transfers(job, layout, stage, trained, computed + wire, paged_out),
        step_overhead=job.engine.step_s,
    )


def straggling(layout: Layout) -> Scalar:
    """Share of the step that the slowest of many devices adds."""
    return STRAGGLERS_PER_DOUBLING * log2(maximum(layout.devices / STRAGGLE_FROM, 1.0))
