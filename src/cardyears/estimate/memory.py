"""Does it fit? The memory ledger of the fullest rank, at its peak.

The fullest rank is on the first pipeline stage (most micro-batches in flight), on the second (more layers where
stages are uneven) or on the last (the logits). Everything broadcasts over the layout's numbers, the micro-batch and
the sequence length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import any_of, maximum, where
from cardyears.base.ledger import Ledger, added
from cardyears.estimate.buffers import communication, gathered, largest_layer_parameters, logits
from cardyears.estimate.held import Place, Sharing, places, sharing, state
from cardyears.layout.layout import ZERO_WEIGHTS, Layout
from cardyears.layout.shard import RankParameters, adapter_share, model_work, rank_parameters
from cardyears.machine.engine import PLAIN_HABITS, MemoryHabits
from cardyears.work.activations import activation_gradients, activations, ends
from cardyears.work.architecture import Architecture
from cardyears.work.state import Recipe, Training

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Count, Scalar

CONTEXT_BYTES = PLAIN_HABITS.context_bytes


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

    The peak is the largest of four moments, not their sum:

        loss       state + everything kept + logits, when the backward pass starts
        backward   state + what is kept + the layer that is being computed again
        end        state + the first layer, when all gradients are there
        update     state + the optimiser's temporaries, when activations are gone

    and in each of them what is gathered over the ranks (`communication`), the framework's `context` and the
    allocator's `reserve`. The first two have gradients only where they stay from step to step: in an engine's own
    buffers, or from micro-batch to micro-batch.
    Sources: korthikanti-2022 (activations), zero-2020 (state), pytorch-memory.

    >>> memory(LLAMA2_7B, Training("full"), Layout(recompute="full"), 2_048).total / 1e9
    108.8...
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
    108.8...
    """
    block = block or kept(arch, training, layout, seq_len, micro_batch, habits)
    share = 1.0 + habits.reserve_share
    found = [
        held.total + added(passing.values()) * share for held, passing in _at(arch, training, layout, habits, block, at)
    ]
    return maximum(*found) + habits.context_bytes


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
    layer: Count
    """Weights of the largest layer."""


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
    fused = habits.fused or layout.compiled is True
    saved = activations(
        arch, tokens, seq_len, recompute=layout.recompute, kernel=layout.kernel, tp=tp, sp=layout.sp, etp=etp,
        dropout=layout.dropout, recompute_every=layout.recompute_every * 1.0, fused=fused,
        needed_only=habits.needed_only or layout.compiled is True,
    )  # fmt: skip
    around = ends(arch, tokens, tp=tp, sp=layout.sp, dropout=layout.dropout, fused=fused)
    adapters = 0.0 * tp
    if training.adapters:
        adapters = training.adapter_parameters(arch) * adapter_share(model_work(arch), layout)
    return Kept(
        held=rank_parameters(model_work(arch), layout),
        adapters=adapters,
        activations=saved["activations"],
        again=saved.get("recomputed_layer", 0.0 * tokens),
        gradients=activation_gradients(
            arch, tokens, seq_len, kernel=layout.kernel, tp=tp, sp=layout.sp, etp=etp, fused=fused
        ),
        embedding=around["embedding"],
        head=around["head"],
        logits=logits(arch, layout, tokens, habits),
        gathered=gathered(arch, training, layout, habits),
        layer=largest_layer_parameters(arch, layout),
    )


def _moments(
    arch: Architecture, training: Training, layout: Layout, habits: MemoryHabits, block: Kept, at: Sequence[Place] = ()
) -> list[Ledger]:
    """The ledgers of the moments and ranks between which the peak lies."""
    return [
        held.plus(
            {**passing, "reserve": added(passing.values()) * habits.reserve_share, "context": habits.context_bytes}
        )
        for held, passing in _at(arch, training, layout, habits, block, at)
    ]


def _at(
    arch: Architecture, training: Training, layout: Layout, habits: MemoryHabits, block: Kept, at: Sequence[Place] = ()
) -> Iterator[tuple[Ledger, dict[str, Bytes]]]:
    """The moments of every rank that may be the fullest: its state, and what is there beside it."""
    shared = sharing(layout)
    for place in at or places(arch, layout):
        yield from _on_rank(place, arch, training, layout, habits, block, shared)


def _on_rank(
    place: Place, arch: Architecture, training: Training, layout: Layout, habits: MemoryHabits, block: Kept,
    shared: Sharing,
) -> Iterator[tuple[Ledger, dict[str, Bytes]]]:  # fmt: skip
    held = state(arch, training, layout, habits, block.held, block.adapters, place, shared)
    early = held if habits.keeps_gradients else _before(held, layout)
    sent = communication(training, layout, habits, held, block.gathered)
    outside = block.embedding * place.first * place.flight + block.head * place.last
    layers = block.activations * place.layers * place.flight
    layer = {"recomputed_layer": block.again, "activation_gradients": block.gradients, "communication": sent}
    on_way = _on_way(training, habits, block, place)
    yield early, {"activations": layers * _copies(training, layout, habits) + outside, **layer, **on_way}
    if place.last:
        yield early, {"activations": layers + outside, "logits": block.logits, "communication": sent, **on_way}
    if not habits.keeps_gradients:
        yield held, {"activations": block.activations / float(arch.layer_count) + outside, **layer}
    recipe = training.trained
    # Whole layers are given back before the update; buckets stay.
    bucket = where(layout.zero >= ZERO_WEIGHTS, 0.0 * sent, sent)
    yield held, {"update": _updated(held, recipe) * recipe.temporaries, "communication": bucket}


def _before(held: Ledger, layout: Layout) -> Ledger:
    """The state before the first gradients are there."""
    gradients = held["gradients"]
    return Ledger({**held, "gradients": where(layout.accumulation > 1, gradients, 0.0 * gradients)})


def _copies(training: Training, layout: Layout, habits: MemoryHabits) -> Scalar:
    """Times that the inputs of layers which are computed again are there at the end of the backward pass."""
    if not training.adapters or layout.recompute != "full":
        return 1.0
    return where(layout.zero >= ZERO_WEIGHTS, habits.boundary_copies, 1.0)


def _on_way(training: Training, habits: MemoryHabits, block: Kept, place: Place) -> dict[str, Bytes]:
    """16-bit gradients of the head's and one layer's weights, before they are added to the engine's buffers."""
    if training.adapters or not habits.passing_gradient_bytes:
        return {}
    head = (block.held.head + 0.0) * place.last
    return {"passing_gradients": habits.passing_gradient_bytes * (block.layer + head)}


def _updated(held: Ledger, recipe: Recipe) -> Count:
    """Parameters that this rank updates: those whose moments it has, or its gradients where there are no moments."""
    return held["optimizer"] / recipe.moments if recipe.moments else held["gradients"] / recipe.gradient
