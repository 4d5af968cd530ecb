"""From a published shape to an architecture, and from a size alone to a sensible modern decoder."""

from __future__ import annotations

import math
from itertools import groupby

from cardyears.catalogue.schema import ShapeRow
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Experts, Mlp
from cardyears.work.mixers import Attention, LatentAttention, Mixer
from cardyears.work.params import total_parameters

_NORM_VECTORS = {"rmsnorm": 1, "layernorm": 2, "layernorm-no-bias": 1, "none": 0}


def architecture(name: str, shape: ShapeRow) -> Architecture:
    """The layers of a shape, in order, equal neighbours merged."""
    kinds = groupby((_windowed(shape, index), _sparse(shape, index)) for index in range(shape.layers))
    layers = [
        (Layer(_mixer(shape, windowed=windowed), _channel(shape, sparse=sparse), shape.norms_per_layer), len(list(run)))
        for (windowed, sparse), run in kinds
    ]
    return Architecture(
        name,
        shape.hidden,
        shape.vocab,
        tuple(layers),
        tied=shape.tied,
        positions=shape.positions,
        norm_vectors=_NORM_VECTORS[shape.norm],
        embedding_norm=shape.embedding_norm,
        head_bias=shape.head_bias,
        fused=shape.fused,
    )


def _windowed(shape: ShapeRow, index: int) -> bool:
    """Whether a layer attends to a window: all but every `global_every`-th."""
    return shape.window is not None and (shape.global_every is None or (index + 1) % shape.global_every != 0)


def _sparse(shape: ShapeRow, index: int) -> bool:
    """Whether a layer has experts: from `dense_layers` on, every `expert_every`-th."""
    return bool(shape.experts) and index >= shape.dense_layers and (index + 1) % shape.expert_every == 0


def _mixer(shape: ShapeRow, *, windowed: bool) -> Mixer:
    window = shape.window if windowed else None
    if shape.latent is not None:
        latent = shape.latent
        return LatentAttention(
            shape.heads, latent.kv_rank, latent.rope_dim, latent.nope_dim, latent.value_dim, latent.q_rank, window
        )
    return Attention(
        shape.heads,
        shape.kv_heads or shape.heads,
        shape.head_dim or shape.hidden // shape.heads,
        qkv_bias=shape.qkv_bias,
        output_bias=shape.output_bias,
        qk_norm=shape.qk_norm,
        window=window,
        sinks=shape.attention_sinks,
    )


def _channel(shape: ShapeRow, *, sparse: bool) -> Channel:
    if not sparse:
        return Mlp(shape.ffn, shape.gated, shape.mlp_bias)
    return Experts(
        shape.experts,
        shape.top_k,
        shape.expert_ffn,
        shape.gated,
        shared_width=shape.shared_ffn or shape.shared_experts * shape.expert_ffn,
        shared_gate=shape.shared_gate,
        router_bias=shape.router_bias,
        bias=shape.expert_bias,
    )


GENERIC_VOCAB = 32_000
"""Llama's tokenizer: the commonest vocabulary of open decoders up to 2023."""
SMALL_VOCAB = 4_096
"""For models below 30 million parameters, which a larger embedding would eat up (TinyStories trains such ones)."""


def generic_decoder(parameters: float) -> Architecture:
    """A Llama-like decoder of about so many parameters.

    Rotary embedding, RMSNorm, gated MLP of 8/3 the width, 32,000 tokens of vocabulary; the head is tied below a
    billion parameters, keys and values are grouped by four above three billion. Width over depth grows from about
    64 at 100 million to 128 at 7 billion, as in GPT-2, Pythia and Llama. Of all widths the shape nearest to the wanted
    size and to that proportion is taken.

    >>> arch = generic_decoder(6.74e9)
    >>> arch.hidden, arch.layer_count, round(total_parameters(arch) / 1e9, 1)
    (4096, 37, 6.8)
    """
    head_dim, step = (64, 1) if parameters < 1e8 else (64, 2) if parameters < 1e9 else (128, 4)
    likely = (parameters * _usual_aspect(parameters) / 12) ** (1 / 3) / head_dim  # N = 12·L·d² and d/L = aspect
    first, last = int(likely * 0.6 / step) * step, int(likely * 1.5) + step
    shapes = (_llama_like(parameters, heads, head_dim) for heads in range(max(step, first), last + 1, step))
    return min((arch for arch in shapes if arch is not None), key=lambda arch: _unfitness(arch, parameters))


def _unfitness(arch: Architecture, parameters: float) -> float:
    """How far a shape is from the wanted size, and, an eighth as important, from the usual proportion."""
    aspect = arch.hidden / arch.layer_count
    return 8 * abs(total_parameters(arch) / parameters - 1) + abs(aspect / _usual_aspect(parameters) - 1)


def _usual_aspect(parameters: float) -> float:
    """Width over depth of published decoders of a size: GPT-2 small 64, Llama 7B 128, Llama 3.1 405B 130."""
    return 128 * min(1.6, math.pow(parameters / 7e9, 0.16))


def _llama_like(parameters: float, heads: int, head_dim: int) -> Architecture | None:
    """The shape of this width whose depth comes nearest to the wanted size; None if one layer is already too much."""
    hidden = heads * head_dim
    step = 256 if hidden >= 1_024 else 64
    ffn = max(step, round(hidden * 8 / 3 / step) * step)
    layer = Layer(Attention(heads, heads // 4 if parameters > 3e9 else heads, head_dim), Mlp(ffn, gated=True))
    vocab = GENERIC_VOCAB if parameters >= 3e7 else SMALL_VOCAB

    def shape(layers: int) -> Architecture:
        return Architecture("generic", hidden, vocab, ((layer, layers),), tied=parameters < 1e9)

    one, two = total_parameters(shape(1)), total_parameters(shape(2))
    layers = round((parameters - one) / (two - one)) + 1
    if layers < 1:
        return shape(1) if hidden == head_dim else None
    return shape(layers)
