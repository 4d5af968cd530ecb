"""What is a model made of? Layers of a token mixer and a channel mixer, an embedding and a head.

A layer is one mixer (attention) and one channel mixer (MLP or experts). An architecture is a list of layers with
repeats, so hybrids need no case of their own. This file knows no training and no hardware.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cardyears.work.channels import Channel, Mlp
from cardyears.work.linear import Linear
from cardyears.work.mixers import Attention, Mixer


class Layer(msgspec.Struct, frozen=True):
    """One decoder layer."""

    mixer: Mixer
    channel: Channel
    norms: int = 2
    """Norms over the hidden width: one before attention and one before the MLP, unless a family has others."""
    beside: tuple[Linear, ...] = ()
    """Matrices beside the two mixers: hyper-connections, per-layer inputs, a prediction layer's way in."""
    scales: int = 0
    """Learned numbers that stand by themselves: layer scales, norms of another width."""

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """All its weight matrices."""
        return (*self.mixer.linears(hidden), *self.channel.linears(hidden), *self.beside)


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
    layer_norms: bool = False
    """Whether norms of one vector are LayerNorms without bias."""
    alibi: bool = False
    """Whether positions are slopes on the scores, without rotary embedding or table."""
    embedding_norm: bool = False
    head_bias: bool = False
    final_norm: bool = True
    table_width: int = 0
    """Width of embedding and head; 0: the hidden width. OPT-350M projects from a narrower one."""
    beside: tuple[Linear, ...] = ()
    """Matrices outside the layers, embedding and head."""
    scales: int = 0
    """Learned numbers outside the layers that stand by themselves."""
    looked_up: int = 0
    """Parameters of further tables, such as Gemma 3n's embedding for each layer."""
    fused: tuple[str, ...] = ()
    """Matrices that the implementation holds as one, keys of `linear.FUSED`: they share an adapter."""
    prediction: tuple[tuple[Layer, int], ...] = ()
    """Multi-token-prediction layers, which no total counts: `prediction_parameters` does."""

    @property
    def embedding_width(self) -> int:
        """Width of the embedding's and the head's rows."""
        return self.table_width or self.hidden

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


def prediction_layer(layer: Layer, hidden: int) -> Layer:
    """A multi-token-prediction layer: a decoder layer behind a projection of state and next token's embedding.

    Norms of both before it and one of the output; embedding and head are the model's. Source: deepseek-v3-2024, 2.2.
    """
    way_in = Linear("prediction", "way_in", 2 * hidden, hidden)
    return msgspec.structs.replace(layer, norms=layer.norms + 3, beside=(*layer.beside, way_in))


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
