"""What does one rank hold only for a moment? Gathered layers, buckets, logits, gradients on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardyears.base.broadcast import maximum, minimum, where
from cardyears.base.ledger import Ledger
from cardyears.layout.layout import ZERO_WEIGHTS, Layout
from cardyears.layout.shard import layer_works, padded_vocabulary
from cardyears.machine.engine import MemoryHabits
from cardyears.work.activations import CHUNK_TOKENS
from cardyears.work.architecture import Architecture
from cardyears.work.state import BF16_BYTES, Training

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Scalar

SCATTER_BYTES = 4.0
"""A gradient in fp32 where it enters the reduction (FSDP2's reduce_dtype). Source: torchtitan."""


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


def logits(arch: Architecture, layout: Layout, tokens: Scalar, habits: MemoryHabits) -> Bytes:
    """Bytes of the logits and their gradient at the peak, on a rank that has the head."""
    rows = minimum(tokens, float(CHUNK_TOKENS)) if layout.chunked_loss else tokens
    return rows * padded_vocabulary(arch.vocab, layout) / layout.tp * habits.logit_bytes


def gathered(arch: Architecture, training: Training, layout: Layout, habits: MemoryHabits) -> Bytes:
    """What ZeRO 3 has whole: the layers in use, embedding and head, and one layer's gradients on their way."""
    layer = largest_layer_parameters(arch, layout)
    weight = training.base_bytes if training.adapters else BF16_BYTES
    rows = padded_vocabulary(arch.vocab, layout) / layout.tp
    tables = rows * float(arch.embedding_width) * (1.0 if arch.tied else 2.0)
    reduced = 0.0 if training.adapters else training.trained.gradient + SCATTER_BYTES
    return layer * (habits.gathered_layers * weight + reduced) + tables * BF16_BYTES


def communication(training: Training, layout: Layout, habits: MemoryHabits, state: Ledger, gathered: Bytes) -> Bytes:
    """What is gathered or reduced at once: a bucket of gradients, or whole layers (ZeRO 3).

    Plain replicas (ZeRO 0) reduce the gradients where they lie, or a copy of them. Leaves out the communication
    library's own buffers.
    """
    many = layout.replicas > 1
    bucket = minimum(state["gradients"], habits.bucket_elements * training.trained.gradient)
    some = where(layout.zero >= ZERO_WEIGHTS, gathered + 0.0 * bucket, bucket)
    copied = state["gradients"] * habits.replica_buckets
    return where(many, where(layout.zero > 0, some, copied), 0.0 * bucket)
