"""Does it fit? The memory ledger of the fullest rank, at its peak.

The fullest rank is on the first pipeline stage (most micro-batches in flight), on the second (more layers where
stages are uneven) or on the last (the logits). Everything broadcasts over the layout's numbers, the micro-batch and
the sequence length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import any_of, maximum, minimum, where
from cardyears.base.ledger import Ledger
from cardyears.layout.layout import ZERO_GRADIENTS, ZERO_OPTIMIZER, ZERO_WEIGHTS, Layout
from cardyears.layout.pipeline import in_flight, in_flight_last, in_flight_second, stages
from cardyears.layout.shard import RankParameters, adapter_share, layer_works, padded_vocabulary, rank_parameters
from cardyears.machine.engine import PLAIN_HABITS, MemoryHabits
from cardyears.work.activations import CHUNK_TOKENS, activation_gradients, activations, ends
from cardyears.work.architecture import Architecture
from cardyears.work.state import BF16_BYTES, Recipe, Training

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Count, Scalar

CONTEXT_BYTES = PLAIN_HABITS.context_bytes
_SHARDED_FROM_STAGE = {
    "optimizer": ZERO_OPTIMIZER,
    "master_weights": ZERO_OPTIMIZER,
    "gradients": ZERO_GRADIENTS,
    "weights": ZERO_WEIGHTS,
}
"""The ZeRO stage from which each line is sharded (Rajbhandari 2020, figure 1)."""
LOW_PRECISION_COPIES = {"fp8": 2.0, "mxfp8": 2.0, "nvfp4": 1.125}
"""Bytes for each weight of a product kept in low precision beside it: as it is and transposed, with nvfp4's block
scales. Source: transformer-engine."""
DUALPIPE_COPIES = 2.0
"""DualPipe holds weights and gradients of two stages: its own and its mirror's. Source: deepseek-v3-2024, table 3."""


SCATTER_BYTES = 4.0
"""A gradient in fp32 where it enters the reduction (FSDP2's reduce_dtype). Source: torchtitan."""


def sharded_state(state: Ledger, zero: Scalar, shards: Scalar) -> Ledger:
    """The state that one rank holds under a ZeRO stage.

    >>> from cardyears.work.state import full_state
    >>> sharded_state(full_state(GPT3_175B, RECIPES["adamw"]), 3, 275).total / 1e9
    10.15...
    """
    return Ledger(
        {name: where(zero >= _SHARDED_FROM_STAGE[name], value / shards, value) for name, value in state.items()}
    )


def largest_layer_parameters(arch: Architecture, layout: Layout) -> Scalar:
    """Parameters of the largest layer that FSDP gathers on one rank, with the rank's own experts.

    >>> largest_layer_parameters(LLAMA2_7B, Layout()) / 1e6
    202.3...
    """
    largest: Scalar = 0.0
    for work in layer_works(arch):
        weights: Scalar = 0.0
        for product in work.products:
            inputs, outputs = product.shape(layout)
            weights = weights + inputs * outputs * (work.experts / layout.ep if product.routed else product.held)
        largest = maximum(largest, weights)
    return largest


def memory(
    arch: Architecture,
    training: Training,
    layout: Layout,
    seq_len: Scalar,
    *,
    micro_batch: Scalar | None = None,
    habits: MemoryHabits = PLAIN_HABITS,
    at: Sequence[Place] = (),
) -> Ledger:
    """Bytes on the fullest rank at its peak; the lines add up.

    The peak is the largest of three moments, not their sum:

        loss       state + everything kept + logits, when the backward pass starts
        backward   state + what is kept + the layer that is being computed again
        update     state + the optimiser's temporaries, when activations are gone

    and in each of them what is gathered over the ranks (`communication`), the framework's `context` and the
    allocator's `reserve`. Gradients are kept from step to step, as accumulation needs them.
    `at` are the ranks that may be the fullest, where the stages are not alike (`mixed`).
    Sources: korthikanti-2022 (activations), zero-2020 (state), pytorch-memory.

    >>> memory(LLAMA2_7B, Training("full"), Layout(recompute="full"), 2_048).total / 1e9
    114.9...
    """
    block = kept(arch, training, layout, seq_len, micro_batch, habits)
    peak, *others = _moments(arch, training, layout, habits, block, at)
    for moment in others:
        later = moment.total > peak.total
        peak = Ledger({name: where(later, moment.get(name, 0.0), peak.get(name, 0.0)) for name in {**peak, **moment}})
    return Ledger({name: value for name, value in peak.items() if any_of(value)})


def peak_bytes(
    arch: Architecture,
    training: Training,
    layout: Layout,
    seq_len: Scalar,
    micro_batch: Scalar | None = None,
    habits: MemoryHabits = PLAIN_HABITS,
    block: Kept | None = None,
    at: Sequence[Place] = (),
) -> Bytes:
    """The total of `memory` alone, for those who look at many layouts; `block` may be made once for many of them.

    >>> peak_bytes(LLAMA2_7B, Training("full"), Layout(recompute="full"), 2_048, 1) / 1e9
    114.9...
    """
    block = block or kept(arch, training, layout, seq_len, micro_batch, habits)
    return maximum(*(one.total for one in _moments(arch, training, layout, habits, block, at)))


class Place(NamedTuple):
    """One rank that may be the fullest: its share of all layers, what it holds in flight, which ends it has."""

    layers: Scalar
    flight: Scalar
    first: Scalar
    last: bool


def _places(arch: Architecture, layout: Layout) -> Iterator[Place]:
    count = float(arch.layer_count)
    if not any_of(layout.pp != 1):
        yield Place(1.0, 1.0, first=1.0, last=True)
        return
    have, flight = stages(count, layout), in_flight(layout)
    alone = layout.pp <= 1
    yield Place(have.first / count, flight, first=1.0, last=False)
    yield Place(where(layout.pp > 2, have.middle, 0.0) / count, in_flight_second(layout), first=0.0, last=False)
    flight = where(alone, flight, in_flight_last(layout))
    yield Place(have.last / count, flight, first=where(alone, 1.0, 0.0), last=True)


class Kept(NamedTuple):
    """What a rank keeps that neither pipeline nor data parallelism changes: bytes and parameters of the whole depth."""

    held: RankParameters
    adapters: Scalar
    """Parameters of adapters; zero without."""
    activations: Bytes
    again: Bytes
    """Of a layer that is being computed again."""
    gradients: Bytes
    """Of one layer's activations."""
    embedding: Bytes
    head: Bytes
    """Kept around embedding and head."""
    logits: Bytes
    gathered: Bytes
    """Whole layers under ZeRO 3."""


def kept(
    arch: Architecture,
    training: Training,
    layout: Layout,
    seq_len: Scalar,
    micro_batch: Scalar | None = None,
    habits: MemoryHabits = PLAIN_HABITS,
) -> Kept:
    """What depends on tensor, context and expert parallelism and on the micro-batch alone."""
    batch = layout.micro_batch if micro_batch is None else micro_batch
    tokens = batch * seq_len * 1.0 / layout.cp
    tp, etp = layout.tp * 1.0, layout.etp * 1.0
    saved = activations(
        arch, tokens, seq_len, recompute=layout.recompute, kernel=layout.kernel, tp=tp, sp=layout.sp, etp=etp,
        dropout=layout.dropout, recompute_every=layout.recompute_every * 1.0, fused=habits.fused,
    )  # fmt: skip
    copies = habits.boundary_copies if layout.recompute == "full" else 1.0
    around = ends(arch, tokens, tp=tp, sp=layout.sp, dropout=layout.dropout, fused=habits.fused)
    adapters = 0.0 * tp
    if training.adapters:
        adapters = training.adapter_parameters(arch) * adapter_share(arch, layout)
    return Kept(
        held=rank_parameters(arch, layout),
        adapters=adapters,
        activations=saved["activations"] * copies,
        again=saved.get("recomputed_layer", 0.0 * tokens),
        gradients=activation_gradients(
            arch, tokens, seq_len, kernel=layout.kernel, tp=tp, sp=layout.sp, etp=etp, fused=habits.fused
        ),
        embedding=around["embedding"],
        head=around["head"],
        logits=_logits(arch, layout, tokens, habits),
        gathered=_gathered(arch, training, layout, habits),
    )


def _moments(
    arch: Architecture, training: Training, layout: Layout, habits: MemoryHabits, block: Kept, at: Sequence[Place] = ()
) -> list[Ledger]:
    """The ledgers of the moments and ranks between which the peak lies."""
    found = []
    for place in at or _places(arch, layout):
        state = _state(arch, training, layout, block, place)
        outside = block.embedding * place.first * place.flight + block.head * place.last
        lines = state.plus(
            {
                "activations": block.activations * place.layers * place.flight + outside,
                "communication": _communication(training, layout, habits, state, block.gathered),
            }
        )
        trained = training.trained
        found += [
            lines.plus({"recomputed_layer": block.again, "activation_gradients": block.gradients}),
            _without(lines, "activations").plus({"update": _updated(state, trained) * trained.temporaries}),
        ]
        if place.last:
            found.append(lines.plus({"logits": block.logits}))
    return [one.plus({"reserve": one.total * habits.reserve_share, "context": habits.context_bytes}) for one in found]


def _updated(state: Ledger, recipe: Recipe) -> Count:
    """Parameters that this rank updates: those whose moments it has, or its gradients where there are no moments."""
    return state["optimizer"] / recipe.moments if recipe.moments else state["gradients"] / recipe.gradient


def _without(ledger: Ledger, name: str) -> Ledger:
    return Ledger({line: value for line, value in ledger.items() if line != name})


def _state(arch: Architecture, training: Training, layout: Layout, block: Kept, place: Place) -> Ledger:
    """Weights, gradients, master copy and moments of one rank, after ZeRO and offload."""
    held = block.held
    dense, routed = held.dense * place.layers, held.routed * place.layers
    linear = held.dense_linear * place.layers
    table = held.embedding * place.first + held.head * place.last
    if arch.tied and place.last:
        table = table + held.embedding * (1.0 - place.first)  # the tied table stands on both ends
    around = _bytes(training, dense + table, linear, block.adapters * place.layers)
    experts = _bytes(training, routed, routed, 0.0 * routed)
    low = LOW_PRECISION_COPIES.get(layout.precision, 0.0)
    if low:
        around = around.plus({"weights": linear * low})
        experts = experts.plus({"weights": routed * low})
    # With a pipeline ZeRO 2 scatters once, after the last micro-batch: until then gradients are whole.
    late = (layout.pp > 1) & (layout.zero == ZERO_GRADIENTS)
    stage = where(late, ZERO_OPTIMIZER, layout.zero)
    state = sharded_state(around, stage, layout.shards * 1.0)
    state = state.plus(sharded_state(experts, stage, layout.expert_replicas))
    if layout.schedule == "dualpipe":
        more = DUALPIPE_COPIES - 1.0
        state = state.plus({"weights": state["weights"] * more, "gradients": state["gradients"] * more})
    if layout.offload == "none":
        return state
    gone = ["optimizer", "master_weights"] + (["weights"] if layout.offload == "optimizer+weights" else [])
    return Ledger({name: 0.0 * value if name in gone else value for name, value in state.items()})


def _bytes(training: Training, parameters: Scalar, linear: Scalar, adapters: Scalar) -> Ledger:
    """State of so many parameters, of which `linear` may be quantised; adapters stand with the dense part."""
    recipe = training.trained
    if not training.adapters:
        return Ledger(
            weights=parameters * recipe.weight,
            gradients=parameters * recipe.gradient,
            master_weights=parameters * recipe.master,
            optimizer=parameters * recipe.moments,
        )
    base = linear * training.base_bytes + (parameters - linear) * BF16_BYTES
    return Ledger(
        weights=base + adapters * recipe.weight,
        gradients=adapters * recipe.gradient,
        master_weights=adapters * recipe.master,
        optimizer=adapters * recipe.moments,
    )


def _logits(arch: Architecture, layout: Layout, tokens: Scalar, habits: MemoryHabits) -> Bytes:
    """Bytes of the logits and their gradient at the peak, on a rank that has the head."""
    rows = minimum(tokens, float(CHUNK_TOKENS)) if layout.chunked_loss else tokens
    return rows * padded_vocabulary(arch, layout) / layout.tp * habits.logit_bytes


def _gathered(arch: Architecture, training: Training, layout: Layout, habits: MemoryHabits) -> Bytes:
    """What ZeRO 3 has whole: the layers in use, embedding and head, and one layer's gradients on their way."""
    layer = largest_layer_parameters(arch, layout)
    tables = padded_vocabulary(arch, layout) / layout.tp * float(arch.embedding_width) * (1.0 if arch.tied else 2.0)
    reduced = 0.0 if training.adapters else training.trained.gradient + SCATTER_BYTES
    return layer * (habits.gathered_layers * BF16_BYTES + reduced) + tables * BF16_BYTES


def _communication(training: Training, layout: Layout, habits: MemoryHabits, state: Ledger, gathered: Bytes) -> Bytes:
    """What is gathered or reduced at once: a bucket of gradients, or whole layers (ZeRO 3).

    Plain replicas (ZeRO 0) reduce the gradients where they lie, as PyTorch does with gradient_as_bucket_view. Leaves
    out the communication library's own buffers.
    """
    many = layout.replicas > 1
    bucket = minimum(state["gradients"], habits.bucket_elements * training.trained.gradient)
    some = where(layout.zero >= ZERO_WEIGHTS, gathered + 0.0 * bucket, bucket)
    return where(many, where(layout.zero > 0, some, 0.0 * bucket), 0.0 * bucket)


def state_only(parameters: float, recipe: Recipe) -> Bytes:
    """Bytes of state of a model of which only the number of parameters is known: a lower bound of what it needs.

    >>> state_only(175e9, RECIPES["adamw"]) / 1e12
    2.8
    """
    return parameters * recipe.bytes_per_parameter


GRADIENT_AND_WEIGHT_PASSES = 3
"""ZeRO-3 gathers the weights forward and backward and scatters the gradients once (Rajbhandari 2020, section 7)."""


def zero3_traffic(parameters: float, bytes_per_weight: float = 2.0) -> Bytes:
    """Bytes that each rank sends (and receives) in one optimiser step under ZeRO-3, for many ranks.

        3 · 2 B · N

    Source: zero-2020, section 7.2.

    >>> zero3_traffic(174.6e9) / 1e12
    1.0476
    """
    return GRADIENT_AND_WEIGHT_PASSES * bytes_per_weight * parameters
