"""Which layers of a config carry a state, and how wide is it? State spaces, linear attention, short convolutions.

Most families that have them lay them by a list of words, one for each layer; the words differ, their meaning does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from msgspec import structs

from cardyears.base.errors import Contradiction
from cardyears.base.text import Text
from cardyears.resolve.huggingface.attention import FULL, grouped_query
from cardyears.resolve.huggingface.family import Family
from cardyears.resolve.huggingface.fields import Fields
from cardyears.work.linear_attention import GatedDeltaNet, LightningAttention, MatrixLstm
from cardyears.work.mixers import Mixer, Parallel
from cardyears.work.recurrent import GatedRecurrence, Mamba, Mamba2, ShortConvolution
from cardyears.work.rwkv import RwkvTime

LINEAR = "linear_attention"
WORDS: Mapping[str, str] = {
    FULL: FULL,
    "attention": FULL,
    "sliding_attention": FULL,
    LINEAR: LINEAR,
    "mamba": LINEAR,
    "recurrent": LINEAR,
    "conv": LINEAR,
}
"""What lists of layers call a layer with attention, and one with a state."""

Kinds: TypeAlias = Callable[[Fields, int], Sequence[str]]
MixerOf: TypeAlias = Callable[[Fields, Family], Mixer]


def alternating(kinds: Kinds, state: MixerOf, attention: MixerOf = grouped_query) -> Callable[..., list[Mixer]]:
    """A reader of mixers: one with a state or attention, as the config's list says, or by a family's rule."""

    def read(fields: Fields, family: Family, layers: int) -> list[Mixer]:
        stated = fields.words("kinds", tuple(WORDS), layers)
        words = kinds(fields, layers) if stated is None else [WORDS[word] for word in stated]
        readers = {LINEAR: state, FULL: attention}
        mixers = {word: readers[word](fields, family) for word in sorted(set(words))}
        return [mixers[word] for word in words]

    return read


def throughout(state: MixerOf) -> Callable[..., list[Mixer]]:
    """A reader of mixers: the same in every layer."""

    def read(fields: Fields, family: Family, layers: int) -> list[Mixer]:
        return [state(fields, family)] * layers

    return read


def only_states(fields: Fields, layers: int) -> list[str]:  # noqa: ARG001 - other rules read the config
    """No attention unless a list says so."""
    return [LINEAR] * layers


def every(fields: Fields, layers: int) -> list[str]:
    """Attention in every `full_attention_interval`-th layer. Source: Qwen3-Next."""
    interval = fields.whole("full_attention_interval", 4)
    return [LINEAR if (i + 1) % interval else FULL for i in range(layers)]


def periodic(fields: Fields, layers: int) -> list[str]:
    """Attention once in a period, at an offset. Source: Jamba 2024, section 2."""
    period, offset = fields.whole("attn_layer_period", 8), fields.whole("attn_layer_offset", 4, least=0)
    return [FULL if i % period == offset else LINEAR for i in range(layers)]


def indexed(fields: Fields, layers: int) -> list[str]:
    """Attention in the layers that a list of numbers names. Source: Bamba 2024."""
    named = fields.wholes("attn_layer_indices") or ()
    return [FULL if i in named else LINEAR for i in range(layers)]


def full_indexed(fields: Fields, layers: int) -> list[str]:
    """Attention in the layers that a list of numbers names, everywhere without one. Source: LFM2 2025."""
    named = fields.wholes("full_attn_idxs")
    return [FULL if named is None or i in named else LINEAR for i in range(layers)]


def marked(fields: Fields, layers: int) -> list[str]:
    """Attention where a list has a 1; without one in every other layer from the first on. Source: MiniMax-01 2025."""
    marks = fields.wholes("attn_type_list", layers) or [(i + 1) % 2 for i in range(layers)]
    return [FULL if mark else LINEAR for mark in marks]


def one_based(fields: Fields, layers: int) -> list[str]:
    """Attention in the layers that a nested list of numbers from 1 names. Source: Kimi Linear 2025."""
    named = fields.section("linear_attn_config").wholes("full_attn_layers")
    if named is None:
        return [FULL if i and i % 4 == 0 else LINEAR for i in range(layers)]
    return [FULL if i + 1 in named else LINEAR for i in range(layers)]


def repeated(fields: Fields, family: Family, layers: int) -> list[Mixer]:
    """Gated recurrences and windowed attention in a pattern of words that repeats. Source: Griffin 2024."""
    words = fields.words("kinds", tuple(WORDS), len(fields.listed("kinds", None) or ())) or ("recurrent",) * 2 + (FULL,)
    window = fields.whole("attention_window_size")
    attention = structs.replace(grouped_query(fields, family), window=window)
    kinds: dict[str, Mixer] = {LINEAR: gated_recurrence(fields), FULL: attention}
    return [kinds[WORDS[words[i % len(words)]]] for i in range(layers)]


def expanded(fields: Fields) -> int:
    """Channels of a state space: the hidden width times the expansion."""
    return int(fields.whole("hidden") * fields.fraction("state_expand", 2))


def mamba(fields: Fields, family: Family) -> Mamba:  # noqa: ARG001 - one of several readers
    """Selective state space; its channels stand in the file or follow from the expansion."""
    return _mamba(fields, fields.optional("intermediate_size") or expanded(fields))


def jamba(fields: Fields, family: Family) -> Mamba:  # noqa: ARG001 - one of several readers
    """Selective state space with norms of Δ, B and C."""
    return structs.replace(_mamba(fields, expanded(fields)), norms=True)


def _mamba(fields: Fields, inner: int) -> Mamba:
    rank = fields.value("step_rank")
    return Mamba(
        inner,
        fields.whole("state"),
        math.ceil(fields.whole("hidden") / 16) if rank in (None, "auto") else fields.whole("step_rank"),
        kernel=fields.whole("conv_kernel", 4),
        bias=fields.flag("state_bias"),
        conv_bias=fields.flag("conv_bias", default=True),
    )


def mamba2(fields: Fields, family: Family) -> Mamba2:  # noqa: ARG001 - one of several readers
    """State-space duality: as many heads as the file says, over the expanded width."""
    return _mamba2(fields, expanded(fields))


def falcon_h1(fields: Fields, family: Family) -> Parallel:
    """Attention and state space side by side; a width of its own, the norm by choice. Source: Falcon-H1 2025."""
    state = structs.replace(
        _mamba2(fields, fields.optional("mamba_d_ssm") or expanded(fields)),
        out_bias=fields.flag("projectors_bias"),
        gated_norm=fields.flag("mamba_rms_norm"),
    )
    return Parallel((grouped_query(fields, family), state))


def nemotron_state(fields: Fields, family: Family) -> Mamba2:  # noqa: ARG001 - one of several readers
    """State-space duality whose heads give its width."""
    return _mamba2(fields, fields.whole("state_heads") * fields.whole("state_head_dim"))


def _mamba2(fields: Fields, inner: int) -> Mamba2:
    heads = fields.whole("state_heads")
    stated = fields.value("state_head_dim")
    dim = fields.whole("state_head_dim") if isinstance(stated, int) else inner // heads
    if heads * dim != inner:
        raise Contradiction(
            Text(
                "{file}: {key} = {heads:integer} heads of {dim:integer} are not {inner:integer} channels.",
                file=fields.file,
                key=fields.key("state_heads"),
                heads=heads,
                dim=dim,
                inner=inner,
            ),
            Text("Mend one of them."),
        )
    bias = fields.flag("state_bias")
    return Mamba2(
        heads,
        dim,
        fields.whole("state"),
        groups=fields.whole("state_groups"),
        kernel=fields.whole("conv_kernel", 4),
        chunk=fields.whole("state_chunk"),
        bias=bias,
        out_bias=bias,
        conv_bias=fields.flag("conv_bias", default=True),
    )


def delta_net(fields: Fields, family: Family) -> GatedDeltaNet:  # noqa: ARG001 - one of several readers
    """The gated delta rule of Qwen3-Next and Qwen3.5."""
    key_heads, value_heads = fields.whole("linear_num_key_heads"), fields.whole("linear_num_value_heads")
    fields.divides("linear_num_key_heads", key_heads, "linear_num_value_heads", value_heads)
    dims = fields.whole("linear_key_head_dim"), fields.whole("linear_value_head_dim")
    return GatedDeltaNet(key_heads, value_heads, *dims, kernel=fields.whole("conv_kernel", 4))


def olmo_delta(fields: Fields, family: Family) -> GatedDeltaNet:  # noqa: ARG001 - one of several readers
    """OLMo Hybrid's: as many heads as attention, keys of three quarters of the width, values twice as wide."""
    heads = fields.whole("heads")
    key_heads = fields.whole("linear_num_key_heads", heads)
    value_heads = fields.whole("linear_num_value_heads", heads)
    fields.divides("linear_num_key_heads", key_heads, "linear_num_value_heads", value_heads)
    key = fields.whole("linear_key_head_dim", max(1, int(0.75 * fields.whole("hidden") / key_heads)))
    value = fields.whole("linear_value_head_dim", 2 * key)
    return GatedDeltaNet(key_heads, value_heads, key, value, kernel=fields.whole("conv_kernel", 4))


def kimi_delta(fields: Fields, family: Family) -> GatedDeltaNet:  # noqa: ARG001 - one of several readers
    """Kimi Linear's: a decay for each channel, gates of low rank; sizes in an object of their own."""
    own = fields.section("linear_attn_config")
    heads = own.whole("num_heads", fields.whole("linear_num_heads", 32))
    dim = own.whole("head_dim", fields.whole("linear_head_dim", 128))
    kernel = own.whole("short_conv_kernel_size", fields.whole("conv_kernel", 4))
    return GatedDeltaNet(heads, heads, dim, dim, kernel, gate_rank=dim)


def lightning(fields: Fields, family: Family) -> LightningAttention:  # noqa: ARG001 - one of several readers
    """MiniMax-01's linear attention: as many heads as attention has, all with keys of their own."""
    return LightningAttention(fields.whole("heads"), fields.head_dim(), fields.whole("block_size", 256))


def gated_recurrence(fields: Fields) -> GatedRecurrence:
    """Griffin's recurrence, with a gate matrix for each of attention's heads."""
    width, heads = fields.optional("lru_width") or fields.whole("hidden"), fields.whole("heads")
    fields.divides("heads", heads, "lru_width", width)
    return GatedRecurrence(width, heads, fields.whole("conv_kernel", 4))


def short_convolution(fields: Fields, family: Family) -> ShortConvolution:  # noqa: ARG001 - one of several readers
    """LFM2's convolution over the hidden width."""
    return ShortConvolution(fields.whole("hidden"), fields.whole("conv_kernel"), bias=fields.flag("conv_bias"))


def rwkv_time(fields: Fields, family: Family) -> RwkvTime:  # noqa: ARG001 - one of several readers
    """RWKV's time mixing, as wide as the hidden state unless the file says otherwise."""
    hidden = fields.whole("hidden")
    return RwkvTime(hidden, fields.optional("attention_hidden_size") or hidden)


def matrix_lstm(fields: Fields, family: Family) -> MatrixLstm:  # noqa: ARG001 - one of several readers
    """XLSTM's matrix memory; keys and values are fractions of the hidden width."""
    hidden, heads = fields.whole("hidden"), fields.whole("heads")
    keys = int(hidden * fields.fraction("qk_dim_factor", 0.5))
    values = int(hidden * fields.fraction("v_dim_factor", 1))
    for width in (keys, values):
        fields.divides("heads", heads, "hidden", width)
    return MatrixLstm(heads, keys, values, fields.whole("chunk_size", 64), bias=fields.flag("use_bias"))
