"""How many bytes does the forward pass keep for the backward pass?

Derived from what each operator saves, in bf16, for one token; a layer's bytes are a sum over its operators. This
file knows no hardware and no sharding.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from cardyears.base.broadcast import minimum
from cardyears.base.ledger import Ledger
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.mixers import ACTIVATION_BYTES, FP32_BYTES

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Scalar

Recompute = Literal["none", "selective", "full"]
AttentionKernel = Literal["flash", "eager"]

EAGER_BYTES_PER_SCORE = 5
"""Softmax output and dropout output (2 each) and dropout mask (1) for each head and pair of positions.
Source: korthikanti-2022, section 4.1."""


def _layer_bytes(layer: Layer, hidden: int) -> tuple[int, int]:
    """Bytes per token that one layer saves: (what selective recomputation keeps, what it computes again)."""
    mixer_kept, mixer_cheap = layer.mixer.saved_bytes()
    channel_kept, channel_cheap = layer.channel.saved_bytes(hidden)
    norms = ACTIVATION_BYTES * layer.norms * hidden
    # A norm saves its input; its output is the saved input of the product behind it.
    return norms + mixer_kept + channel_kept, norms + mixer_cheap + channel_cheap


@lru_cache(maxsize=4096)
def _bytes_per_token(arch: Architecture) -> tuple[float, float, float, float]:
    """Over all layers: kept, cheap, layer inputs; and the largest layer whole."""
    kept = cheap = largest = 0.0
    for layer, times in arch.each_kind():
        layer_kept, layer_cheap = _layer_bytes(layer, arch.hidden)
        kept, cheap = kept + times * layer_kept, cheap + times * layer_cheap
        largest = max(largest, layer_kept + layer_cheap)
    return kept, cheap, float(ACTIVATION_BYTES * arch.hidden * arch.layer_count), largest


def eager_score_bytes(arch: Architecture, seq_len: Scalar) -> Bytes:
    """Bytes per token that attention without a flash kernel keeps more: 5·a·T for each layer of a heads.

    Source: korthikanti-2022, eq. 1 (its 5·a·s²·b for each layer).

    >>> eager_score_bytes(GPT3_175B, 2_048) / 96 / (12_288 * 34)
    2.35...
    """
    heads = sum(times * layer.mixer.score_heads for layer, times in arch.each_kind())
    return EAGER_BYTES_PER_SCORE * heads * seq_len


def activations(
    arch: Architecture, tokens: Scalar, seq_len: Scalar, *, recompute: Recompute, kernel: AttentionKernel = "flash"
) -> Ledger:
    """Bytes kept for the backward pass of one micro-batch of so many tokens.

    none       everything that the operators save
    selective  what matrix products and attention save; norms, activation functions and the eager score matrix
               are computed again
    full       the layers' inputs, and the layer that is being computed again

    Leaves out the logits (`logits`). Source: korthikanti-2022, section 4, operator by operator.

    >>> activations(LLAMA2_7B, 2_048, 2_048, recompute="none").total / 2**30
    9.38...
    """
    kept, cheap, inputs, largest = _bytes_per_token(arch)
    scores = eager_score_bytes(arch, seq_len) if kernel == "eager" else 0.0
    if recompute == "none":
        return Ledger(activations=tokens * (kept + cheap + scores))
    # What is computed again is there for one layer at a time.
    again = tokens * (largest + scores / arch.layer_count)
    if recompute == "selective":
        return Ledger(activations=tokens * kept, recomputed_layer=again)
    return Ledger(activations=tokens * inputs, recomputed_layer=again)


LOGIT_BYTES = 2 * FP32_BYTES
"""The logits in fp32 for the loss, and their fp32 gradient; a 16-bit copy is freed before the gradient is made."""
CHUNK_TOKENS = 1_024
"""Rows that a chunked cross-entropy holds at once (torchtune's and Liger's order of size)."""


def logits(arch: Architecture, tokens: Scalar, *, chunked: bool = False) -> Bytes:
    """Bytes of the logits and their gradient at the peak: 8·V for each token.

    A chunked cross-entropy holds a chunk of tokens at a time and never the whole.

    >>> logits(LLAMA3_8B, 8_192) / 2**30
    7.82...
    """
    if not chunked:
        return tokens * arch.vocab * LOGIT_BYTES
    return minimum(tokens, CHUNK_TOKENS) * float(arch.vocab * LOGIT_BYTES)
