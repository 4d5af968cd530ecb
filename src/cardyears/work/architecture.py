"""What is a model made of? Layers of a token mixer and a channel mixer, an embedding and a head.

A layer is one mixer (attention) and one channel mixer (MLP or experts). An architecture is a list of layers with
repeats, so hybrids need no case of their own. This file knows no training and no hardware.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec


class Attention(msgspec.Struct, frozen=True, tag="attention"):
    """Multi-head, grouped-query or multi-query attention, over everything or a sliding window."""

    heads: int
    kv_heads: int
    head_dim: int
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: str = "none"
    """none; head: one scale per head dimension; hidden: one per dimension of all heads."""
    window: int | None = None
    sinks: bool = False

    @property
    def q_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of all key heads (or all value heads) together."""
        return self.kv_heads * self.head_dim


class LatentAttention(msgspec.Struct, frozen=True, tag="latent"):
    """Multi-head latent attention: q, k and v through low-rank bottlenecks (DeepSeek-V2, section 2.1)."""

    heads: int
    kv_rank: int
    rope_dim: int
    nope_dim: int
    value_dim: int
    q_rank: int | None = None
    window: int | None = None

    @property
    def qk_dim(self) -> int:
        """Width of one head's query and key: the rotary part and the other."""
        return self.rope_dim + self.nope_dim


class Mlp(msgspec.Struct, frozen=True, tag="mlp"):
    """A dense MLP of two matrices, or three when gated."""

    width: int
    gated: bool
    bias: bool = False

    @property
    def matrices(self) -> int:
        """Weight matrices of hidden x width."""
        return 3 if self.gated else 2


class Experts(msgspec.Struct, frozen=True, tag="experts"):
    """A router, `count` routed experts of which each token takes `top_k`, and shared ones that all tokens take."""

    count: int
    top_k: int
    width: int
    gated: bool
    shared_width: int = 0
    shared_gate: bool = False
    router_bias: bool = False
    bias: bool = False

    @property
    def matrices(self) -> int:
        """Weight matrices of hidden x width in each expert."""
        return 3 if self.gated else 2


Mixer: TypeAlias = "Attention | LatentAttention"
Channel: TypeAlias = "Mlp | Experts"


class Layer(msgspec.Struct, frozen=True):
    """One decoder layer."""

    mixer: Mixer
    channel: Channel
    norms: int = 2


class Architecture(msgspec.Struct, frozen=True):
    """A decoder: embedding, layers, final norm, head.

    >>> GPT2_SMALL.layer_count
    12
    """

    name: str
    hidden: int
    vocab: int
    layers: tuple[tuple[Layer, int], ...]
    """Pairs of a layer and how many times it comes, in order."""
    tied: bool = False
    positions: int = 0
    """Rows of the learned position table."""
    norm_vectors: int = 1
    """Learned vectors per norm: 1 RMSNorm, 2 LayerNorm with bias, 0 without parameters."""
    embedding_norm: bool = False
    head_bias: bool = False

    @property
    def layer_count(self) -> int:
        """Layers in all."""
        return sum(times for _, times in self.layers)

    def each_kind(self) -> Iterator[tuple[Layer, int]]:
        """Every kind of layer once, with its count; kinds that come again are merged."""
        counts: dict[Layer, int] = {}
        for layer, times in self.layers:
            counts[layer] = counts.get(layer, 0) + times
        return iter(counts.items())


def plain_decoder(
    name: str,
    *,
    layers: int,
    hidden: int,
    heads: int,
    vocab: int,
    ffn: int,
    kv_heads: int | None = None,
    gated: bool = True,
    bias: bool = False,
    tied: bool = False,
    positions: int = 0,
    norm_vectors: int = 1,
) -> Architecture:
    """A dense decoder of equal layers, as most are.

    `bias` puts a bias on every linear layer but the head.
    """
    mixer = Attention(heads, kv_heads or heads, hidden // heads, qkv_bias=bias, output_bias=bias)
    layer = Layer(mixer, Mlp(ffn, gated, bias))
    return Architecture(
        name, hidden, vocab, ((layer, layers),), tied=tied, positions=positions, norm_vectors=norm_vectors
    )


GPT2_SMALL = plain_decoder(
    "GPT-2 small",
    layers=12,
    hidden=768,
    heads=12,
    vocab=50_257,
    ffn=3_072,
    gated=False,
    bias=True,
    tied=True,
    positions=1_024,
    norm_vectors=2,
)
"""Radford et al. 2019 as published, for examples in docstrings; the catalogue has its own row."""

GPT3_175B = plain_decoder(
    "GPT-3 175B",
    layers=96,
    hidden=12_288,
    heads=96,
    vocab=50_257,
    ffn=49_152,
    gated=False,
    bias=True,
    tied=True,
    positions=2_048,
    norm_vectors=2,
)
"""Brown et al. 2020, table 2.1, for examples in docstrings."""

LLAMA2_7B = plain_decoder("Llama 2 7B", layers=32, hidden=4_096, heads=32, vocab=32_000, ffn=11_008)
"""Touvron et al. 2023, for examples in docstrings."""

LLAMA3_8B = plain_decoder("Llama 3 8B", layers=32, hidden=4_096, heads=32, kv_heads=8, vocab=128_256, ffn=14_336)
"""Llama team 2024, table 3, for examples in docstrings."""
