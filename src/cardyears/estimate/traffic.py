"""How long do ranks wait for each other? Every collective of a step, axis by axis.

Ranks are laid out tensor innermost, then context, data, pipeline; experts are dealt over the inner three (Megatron's
order). So the axis that talks most sits inside the node. What computation hides is taken off here, or in `step` where
the computation is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import any_of, hypotenuse, maximum, minimum, where
from cardyears.base.ledger import added
from cardyears.estimate.setting import Setting
from cardyears.layout.layout import ZERO_WEIGHTS, Layout
from cardyears.layout.shard import LayerWork, RankParameters
from cardyears.machine.collectives import Group, Wires, all_gather, all_reduce, all_to_all, group, reduce_scatter, send

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Count, Scalar, Seconds
    from cardyears.case import Job

ELEMENT_BYTES = 2.0
"""Activations and weights on the wire."""
LOSS_REDUCTIONS, LOSS_BYTES = 3, 4.0
"""Vocabulary-parallel cross-entropy reduces the maximum, the target's logit and the sum of exponentials, in fp32.
Source: megatron-lm-2019, section 3."""


NORM_TENSORS = 2.0
"""Of a layer: two norms, as most have."""


class Neighbours(NamedTuple):
    """Who talks to whom inside the layers."""

    tensor: Group
    context: Group
    expert: Group
    expert_tensor: Group


def neighbours(layout: Layout, domain: Count) -> Neighbours:
    """The innermost groups of a layout where so many devices are joined by the fast link."""
    tp = layout.tp * 1.0
    return Neighbours(
        tensor=group(tp, 1.0, domain),
        context=group(layout.cp * 1.0, tp, domain),
        expert=group(layout.ep * 1.0, layout.etp * 1.0, domain),
        expert_tensor=group(layout.etp * 1.0, 1.0, domain),
    )


class Mesh(NamedTuple):
    """Who talks to whom outside the layers."""

    tensor: Group
    expert_replicas: Group
    replicas: Group
    shards: Group
    """Ranks that one sharded copy spans."""
    copies: Group
    """The same shard of every copy (HSDP)."""
    next_stage: Scalar
    """1 where any stage has the next one in another node: the slowest hop sets the pace."""
    ends: Group
    """First and last stage."""
    all: Group


def mesh(layout: Layout, domain: Count) -> Mesh:
    """Groups of a layout where so many devices are joined by the fast link."""
    tp, cp, dp = layout.tp * 1.0, layout.cp * 1.0, layout.dp * 1.0
    shards = layout.shards * 1.0
    stage = tp * cp * dp
    return Mesh(
        tensor=group(tp, 1.0, domain),
        expert_replicas=group(layout.expert_replicas, layout.ep * layout.etp * 1.0, domain),
        replicas=group(cp * dp, tp, domain),
        shards=group(shards, tp, domain),
        copies=group(layout.replicas / shards, tp * shards, domain),
        next_stage=where(stage * layout.pp > domain, 1.0, 0.0),
        ends=group(where(layout.pp > 1, 2.0, 1.0), where(stage * layout.pp > domain, domain, 1.0), domain),
        all=group(stage * layout.pp, 1.0, domain),
    )


class LayerTraffic(NamedTuple):
    """Seconds on the wire of one micro-batch over all layers on one rank of the whole depth, and calls of the host."""

    tensor: Seconds
    """Forward; the backward pass has as much."""
    context: Seconds
    """Forward, not yet hidden behind attention; the backward pass has twice as much, with Ulysses as much."""
    expert: Seconds
    calls: Count


def layer_traffic(job: Job, layout: Layout, there: Setting, who: Neighbours, tokens: Count) -> LayerTraffic:
    """Traffic inside the layers, forward."""
    wires, zero = there.wires, 0.0 * tokens
    tensor, context, expert, calls = zero, zero, zero, zero
    once = _whole_again(ELEMENT_BYTES * there.model.hidden * tokens, layout, who.tensor, wires)
    for work in there.model.layers:
        blocks, routed = work.collectives * 1.0, 0.0
        if any_of(work.experts):
            expert = expert + work.times * _expert(work, job, layout, there, who, tokens)
            shared = any(product.part == "shared_experts" for product in work.products)
            blocks, routed = blocks - (0.0 if shared else 1.0), 1.0
        tensor = tensor + work.times * blocks * once
        context = context + work.times * _context(work, layout, wires, who, tokens)
        calls = calls + work.times * (
            where(layout.tp > 1, blocks * (1.0 + layout.sp), 0.0)
            + where(layout.ep > 1, 2.0 * routed, 0.0)
            + where(layout.cp > 1, 1.0, 0.0)
        )
    return LayerTraffic(tensor * job.engine.tensor_exposure, context, expert * job.engine.expert_exposure, calls)


def _whole_again(hidden: Bytes, layout: Layout, who: Group, wires: Wires) -> Seconds:
    """What one tensor-parallel block waits for: with sequence parallelism gathered before and scattered after it."""
    if layout.sp is False:
        return all_reduce(hidden, who, wires)
    split = all_gather(hidden, who, wires) + reduce_scatter(hidden, who, wires)
    return split if layout.sp is True else where(layout.sp, split, all_reduce(hidden, who, wires))


def _expert(work: LayerWork, job: Job, layout: Layout, there: Setting, who: Neighbours, tokens: Count) -> Seconds:
    """Dispatch and combine: every rank sends its tokens' copies to the experts' ranks and takes them back.

    With tensor parallelism inside an expert its ranks gather the copies first and add the outputs up.
    """
    copies = ELEMENT_BYTES * work.dispatched * tokens / layout.tp * job.expert_load
    sent = where(there.rates.casts, copies / ELEMENT_BYTES, copies)  # combined in 16 bit all the same
    wires = there.wires
    there_and_back = all_to_all(sent, who.expert, wires) + all_to_all(copies, who.expert, wires)
    gathered = copies * layout.etp
    return (
        there_and_back
        + all_gather(gathered, who.expert_tensor, wires)
        + reduce_scatter(gathered, who.expert_tensor, wires)
    )


def _context(work: LayerWork, layout: Layout, wires: Wires, who: Neighbours, tokens: Count) -> Seconds:
    """Keys and values of the other ranks, or the exchange of heads for tokens.

        ring         cp-1 times its own keys and values to the neighbour
        all-gather   all keys and values at once
        Ulysses      queries, keys, values and outputs, all to all

    Leaves out the state that a recurrence hands on.
    """
    if not any_of(work.score_heads):
        return 0.0 * tokens  # recurrences hand on a state only
    queries = added(one.inputs for one in work.products if one.rows and one.part == "attention")
    both = added(one.kv_outputs for one in work.products)
    kv = where(both, both, 2.0 * queries) / minimum(layout.tp * 1.0, work.kv_heads * 1.0)
    if layout.context_kind == "ulysses":
        return all_to_all(ELEMENT_BYTES * (2.0 * queries / layout.tp + kv) * tokens, who.context, wires)
    return all_gather(ELEMENT_BYTES * kv * tokens * layout.cp, who.context, wires)


def vocabulary_traffic(there: Setting, who: Neighbours, tokens: Count) -> Seconds:
    """Seconds for each micro-batch: the embedding's rows gathered, the head's input gradient and the loss reduced."""
    hidden = ELEMENT_BYTES * there.model.hidden * tokens
    loss = LOSS_REDUCTIONS * all_reduce(LOSS_BYTES * tokens, who.tensor, there.wires)
    return all_reduce(hidden, who.tensor, there.wires) * 2.0 + loss


def hop(layout: Layout, there: Setting, who: Mesh, tokens: Count) -> Seconds:
    """Seconds to hand one micro-batch's activations to the next stage.

    Every tensor-parallel rank sends its part, and they gather it on the other side where it is whole (scatter-gather:
    narayanan-2021, section 4.1; DeepSpeed's pipe_partitioned is the same).
    """
    activations = ELEMENT_BYTES * there.model.hidden * tokens
    sent = send(activations / layout.tp, who.next_stage, there.wires)
    if layout.sp is not True:
        sent = sent + where(layout.sp, 0.0, all_gather(activations, who.tensor, there.wires))
    return where(layout.pp > 1, sent, 0.0 * tokens)


class DataTraffic(NamedTuple):
    """Seconds on the wire between replicas."""

    each_forward: Seconds
    """Weights gathered for each forward pass (ZeRO 3)."""
    each_backward: Seconds
    """Weights gathered again and gradients scattered, for each backward pass (ZeRO 2 and 3)."""
    each_step: Seconds
    """Once an optimiser step."""


def data_traffic(
    job: Job, layout: Layout, there: Setting, who: Mesh, held: RankParameters, trained: Scalar
) -> DataTraffic:
    """Traffic of gradients and weights of one rank's part of the model.

        ZeRO 0   all-reduce of the gradients
        ZeRO 1   reduce-scatter of the gradients, all-gather of the weights
        ZeRO 2   the same, scattered after every micro-batch; with a pipeline once, after the last
        ZeRO 3   all-gather before forward and backward, reduce-scatter after, of every micro-batch

    An engine whose ranks own whole tensors under ZeRO 1 all-reduces the gradients, and each owner sends its weights.
    `trained` is the share of parameters with gradients. With HSDP the copies' gradients are added up besides.
    Sources: zero-2020, section 7; internevo for whole tensors.
    """
    wires, zero = there.wires, 0.0 * (held.dense + layout.dp)
    forward, backward, step = zero, zero, zero
    reduce = job.engine.reduce_bytes
    weight = job.training.base_bytes if job.training.adapters else ELEMENT_BYTES
    units = there.model.layer_count / layout.pp  # FSDP gathers layer by layer: each call has its latency
    copies = (
        (held.dense + held.embedding + held.head, who.shards, who.copies),
        (held.routed, who.expert_replicas, None),
    )
    for parameters, shards, replicas in copies:
        gradients, weights = parameters * reduce * trained, parameters * weight
        scatter, gather = reduce_scatter(gradients, shards, wires), all_gather(weights, shards, wires)
        both = all_reduce(gradients, shards, wires)
        renewed = all_gather(weights * trained, shards, wires) if job.training.adapters else gather
        stage = layout.zero
        often = where(layout.pp > 1, 0.0, 1.0)
        if any_of(stage >= ZERO_WEIGHTS):
            each_way = units * all_gather(weights / units, shards, wires)
            back = units * reduce_scatter(gradients / units, shards, wires)
            forward = forward + where(stage >= ZERO_WEIGHTS, each_way, zero)
            backward = backward + where(stage >= ZERO_WEIGHTS, each_way + back, zero)
        backward = backward + where(stage == 2, scatter * often, zero)
        once = where(
            stage == 0,
            both,
            where(stage == 1, scatter + renewed, where(stage == 2, renewed + scatter * (1.0 - often), zero)),
        )
        if replicas is not None:
            once = once + all_reduce(gradients / layout.shards, replicas, wires)
        if any_of(job.engine.whole_tensors):
            everybody = who.expert_replicas if replicas is None else who.replicas
            in_turn = (
                all_reduce(gradients, everybody, wires)
                + renewed
                + _each_owner(layout, there, shards, routed=replicas is None)
            )
            once = where((stage == 1) & (job.engine.whole_tensors > 0), where(parameters > 0.0, in_turn, zero), once)
        step = step + once
    return DataTraffic(forward, backward, step)


def _each_owner(layout: Layout, there: Setting, shards: Group, *, routed: bool) -> Seconds:
    """What it takes longer that each owner of whole tensors sends its weights by itself than that all gather them.

        (min(n, tensors) - 1) · t(0)    for the time t(0) of a message without bytes round the ring

    of n ranks: the bytes are the same, but the hops of all broadcasts add up. The tensors are the experts' matrices or
    a layer's others, as they are multiplied, with its norms. Leaves out those of the ends, which are three at most.
    """
    tensors = added(work.times * _tensors(work, layout, routed=routed) for work in there.model.layers) / layout.pp
    owners = minimum(shards.ranks, tensors)
    return maximum(owners - 1.0, 0.0) * all_gather(0.0 * owners, shards, there.wires)


def _tensors(work: LayerWork, layout: Layout, *, routed: bool) -> Count:
    """Tensors of a layer on one rank that its experts have, or that all else has."""
    matrices = sum(product.routed is routed for product in work.products)
    return matrices * (work.experts / layout.ep) if routed else matrices + NORM_TENSORS


def tied_traffic(job: Job, there: Setting, who: Mesh, held: RankParameters) -> Seconds:
    """Seconds to add up the gradients of a tied embedding that stands on the first and on the last stage."""
    if job.training.adapters or not any_of(there.model.tied):
        return 0.0 * held.embedding
    return there.model.tied * all_reduce(held.embedding * job.engine.reduce_bytes, who.ends, there.wires)


def exposed(beside: Seconds, traffic: Seconds) -> Seconds:
    """Seconds of traffic that computation beside it does not hide: √(c² + t²) - c.

    The two never overlap perfectly: whole gaps remain where neither waits for the other.
    Source: measured-runs, whose best exponent is about 1.9.

    >>> exposed(3.0, 4.0)
    2.0
    """
    return hypotenuse(beside, traffic) - beside
