"""From a published shape to an architecture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from cardyears.catalogue.schema import ShapeRow
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Experts, Mlp
from cardyears.work.mixers import Attention, LatentAttention, Mixer

_NORM_VECTORS = {"rmsnorm": 1, "layernorm": 2, "layernorm-no-bias": 1, "none": 0}


def architecture(name: str, shape: ShapeRow) -> Architecture:
    """The layers of a shape, in order, equal neighbours merged."""
    layers = [
        (Layer(_mixer(shape, windowed=windowed), _channel(shape, sparse=sparse), shape.norms_per_layer), count)
        for windowed, sparse, count in _kinds(shape)
    ]
    return Architecture(
        name,
        shape.hidden,
        shape.vocab,
        tuple(layers),
        tied=shape.tied,
        positions=shape.positions,
        norm_vectors=_NORM_VECTORS[shape.norm],
        layer_norms=shape.norm == "layernorm-no-bias",
        alibi=shape.alibi,
        embedding_norm=shape.embedding_norm,
        head_bias=shape.head_bias,
        fused=shape.fused,
        looked_up=shape.value_embeddings * shape.vocab * _kv_width(shape),
    )


def _kinds(shape: ShapeRow) -> Iterator[tuple[bool, bool, int]]:
    """Whether layers attend to a window and have experts, and how many follow each other that do."""
    if shape.window is None and not shape.experts:
        yield False, False, shape.layers
        return
    every = ((_windowed(shape, index), _sparse(shape, index)) for index in range(shape.layers))
    for (windowed, sparse), run in groupby(every):
        yield windowed, sparse, len(list(run))


def _kv_width(shape: ShapeRow) -> int:
    """Width of all value heads together."""
    return (shape.kv_heads or shape.heads) * (shape.head_dim or shape.hidden // shape.heads)


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
