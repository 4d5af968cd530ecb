"""Does it fit? The memory ledger of one rank, at its peak.

Follows data parallelism, ZeRO, micro-batch, recomputation, the attention kernel and the loss. The other axes of
`Layout` come with the step ledgers. Everything broadcasts over the number of tokens and the sequence length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardyears.base.broadcast import any_of, maximum, where
from cardyears.base.ledger import Ledger
from cardyears.base.units import GIB
from cardyears.layout.layout import Layout
from cardyears.work.activations import activations, logits
from cardyears.work.architecture import Architecture
from cardyears.work.params import layer_linears, lora_parameters, total_parameters
from cardyears.work.state import Recipe, Training

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Scalar

CONTEXT_BYTES = 0.55 * GIB
"""CUDA context, cuBLAS workspaces and loaded kernels of one PyTorch process. Source: pytorch-memory."""
RESERVE_SHARE = 0.05
"""Blocks that the caching allocator holds and cannot give out, as a share of all it holds. Source: pytorch-memory."""
BUCKET_ELEMENTS = 5e8
"""Gradients that ZeRO 1 and 2 reduce at once. Source: deepspeed (reduce_bucket_size)."""


ZERO_WEIGHTS = 3
"""The ZeRO stage that shards the weights themselves, as FSDP does."""
_SHARDED_FROM_STAGE = {"optimizer": 1, "master_weights": 1, "gradients": 2, "weights": ZERO_WEIGHTS}
"""The ZeRO stage from which each line is sharded (Rajbhandari 2020, figure 1)."""


def sharded_state(state: Ledger, zero: int, shards: Scalar) -> Ledger:
    """The state that one rank holds under a ZeRO stage.

    >>> from cardyears.work.state import full_state
    >>> sharded_state(full_state(GPT3_175B, RECIPES["adamw"]), 3, 275).total / 1e9
    10.15...
    """
    return Ledger(
        {name: value / shards if zero >= _SHARDED_FROM_STAGE[name] else value for name, value in state.items()}
    )


def largest_layer_parameters(arch: Architecture) -> float:
    """Parameters of the largest unit that FSDP gathers at once: a layer, or the embedding.

    >>> largest_layer_parameters(LLAMA2_7B) / 1e6
    202.3...
    """
    layers = (
        sum(linear.held * linear.weights for linear in layer_linears(layer, arch.hidden))
        for layer, _ in arch.each_kind()
    )
    return float(max(arch.vocab * arch.embedding_width, *layers))


def memory(
    arch: Architecture, training: Training, layout: Layout, seq_len: Scalar, *, micro_batch: Scalar | None = None
) -> Ledger:
    """Bytes on one rank at its peak; the lines add up.

    The peak is the largest of three moments, not their sum:

        loss       state + everything kept + logits, when the backward pass starts
        backward   state + what is kept + the layer that is being computed again
        update     state + the optimiser's temporaries, when activations are gone

    and in each of them what is gathered over the ranks (`communication`), the framework's `context` and the
    allocator's `reserve`. Gradients are kept from step to step, as accumulation needs them.
    Sources: korthikanti-2022 (activations), zero-2020 (state), pytorch-memory.

    >>> memory(LLAMA2_7B, Training("full"), Layout(recompute="full"), 2_048).total / 1e9
    114.9...
    """
    moments = _moments(arch, training, layout, seq_len, layout.micro_batch if micro_batch is None else micro_batch)
    peak, *others = moments
    for moment in others:
        later = moment.total > peak.total
        peak = Ledger({name: where(later, moment.get(name, 0.0), peak.get(name, 0.0)) for name in {**peak, **moment}})
    return Ledger({name: value for name, value in peak.items() if any_of(value)})


def peak_bytes(arch: Architecture, training: Training, layout: Layout, seq_len: Scalar, micro_batch: Scalar) -> Bytes:
    """The total of `memory` alone, for those who look at many layouts.

    >>> peak_bytes(LLAMA2_7B, Training("full"), Layout(recompute="full"), 2_048, 1) / 1e9
    114.9...
    """
    return maximum(*(moment.total for moment in _moments(arch, training, layout, seq_len, micro_batch)))


def _moments(
    arch: Architecture, training: Training, layout: Layout, seq_len: Scalar, micro_batch: Scalar
) -> list[Ledger]:
    """The ledgers of the moments between which the peak lies: loss, backward, update."""
    tokens = micro_batch * seq_len * 1.0
    held = sharded_state(training.state(arch), layout.zero, layout.shards)
    kept = dict(activations(arch, tokens, seq_len, recompute=layout.recompute, kernel=layout.kernel))
    again = kept.pop("recomputed_layer", 0.0)
    if layout.dp > 1 and layout.zero:
        held = held.plus({"communication": _communication(arch, training, layout.zero)})
    updated = held["gradients"] / training.trained.gradient * training.trained.temporaries
    moments = [
        held.plus(kept).plus({"logits": logits(arch, tokens, chunked=layout.chunked_loss)}),
        held.plus(kept).plus({"recomputed_layer": again}),
        held.plus({"update": updated}),
    ]
    return [moment.plus({"reserve": moment.total * RESERVE_SHARE, "context": CONTEXT_BYTES}) for moment in moments]


def _communication(arch: Architecture, training: Training, zero: int) -> float:
    """Bytes of what is gathered or reduced at once: a bucket of gradients, or the layer in use and the next (ZeRO-3).

    Plain replicas (ZeRO 0) reduce the gradients where they lie, as PyTorch does with gradient_as_bucket_view. Leaves
    out the communication library's own buffers.
    """
    if zero == ZERO_WEIGHTS:
        return 2 * largest_layer_parameters(arch) * training.recipe.weight
    trained = lora_parameters(arch, training.rank) if training.adapters else total_parameters(arch)
    return min(trained, BUCKET_ELEMENTS) * training.trained.gradient


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
