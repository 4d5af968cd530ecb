"""State-space models and hybrids with attention, as a table: what each family has beside the sizes in its configs.

Defaults are those of the published implementation (transformers), which a config may leave out.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardyears.resolve.huggingface.decoder import decoder
from cardyears.resolve.huggingface.experts import dense, experts, mlp, routed
from cardyears.resolve.huggingface.family import Family, Routing, like, sizes
from cardyears.resolve.huggingface.fields import Fields
from cardyears.resolve.huggingface.latent import latent_attention
from cardyears.resolve.huggingface.recurrent import (
    alternating,
    delta_net,
    every,
    falcon_h1,
    full_indexed,
    indexed,
    jamba,
    kimi_delta,
    lightning,
    mamba,
    mamba2,
    marked,
    olmo_delta,
    one_based,
    only_states,
    periodic,
    repeated,
    rwkv_time,
    short_convolution,
    throughout,
)
from cardyears.resolve.huggingface.uneven import ZAMBA2_LAYERS, lfm2, nemotron, never_tied, xlstm, zamba2
from cardyears.work.channels import Channel, Mlp
from cardyears.work.mixers import NOTHING
from cardyears.work.rwkv import RwkvChannel


def nothing(fields: Fields, family: Family, layers: int) -> list[Channel]:  # noqa: ARG001 - one of several readers
    """No channel mixer: the mixer is the whole layer."""
    return [NOTHING] * layers


def jamba_channels(fields: Fields, family: Family, layers: int) -> list[Channel]:
    """Experts once in a period, at an offset; one expert is a plain MLP."""
    period, offset = fields.whole("expert_layer_period", 2), fields.whole("expert_layer_offset", 1, least=0)
    plain = mlp(fields, family)
    assert family.routing is not None
    sparse = experts(fields, family, family.routing) if fields.whole("experts") > 1 else plain
    return [sparse if i % period == offset else plain for i in range(layers)]


def granite_channels(fields: Fields, family: Family, layers: int) -> list[Channel]:
    """Experts beside an MLP that all tokens take; without experts that MLP alone."""
    if fields.whole("experts", least=0):
        return routed(fields, family, layers)
    return [Mlp(fields.whole("shared_intermediate_size"), gated=True)] * layers


def qwen_channels(fields: Fields, family: Family, layers: int) -> list[Channel]:
    """Experts in every so-manieth layer, or none if there are none."""
    return routed(fields, family, layers) if fields.whole("experts", least=0) else dense(fields, family, layers)


def half_mlp(fields: Fields, family: Family, layers: int) -> list[Channel]:
    """RecurrentGemma's gated MLP: `intermediate_size` counts gate and up together."""
    return [Mlp(fields.whole("ffn") // 2, family.gated, bias=True)] * layers


def lfm2_mlp(fields: Fields, family: Family, layers: int) -> list[Channel]:
    """Two thirds of the stated width, rounded up, unless the file says that it is exact. Source: LFM2 2025."""
    width = fields.whole("block_ff_dim", fields.whole("ffn"))
    if fields.flag("block_auto_adjust_ff_dim", default=True):
        step = fields.whole("block_multiple_of", 256)
        width = int(fields.fraction("block_ffn_dim_multiplier", 1.0) * int(2 * width / 3))
        width = -(-width // step) * step
    return [Mlp(width, family.gated)] * layers


def rwkv_channels(fields: Fields, family: Family, layers: int) -> list[Channel]:  # noqa: ARG001 - one of several readers
    """RWKV's channel mixing, four times the hidden width unless the file says otherwise."""
    hidden = fields.whole("hidden")
    return [RwkvChannel(hidden, fields.optional("ffn") or 4 * hidden)] * layers


MAMBA = Family(
    read=decoder,
    mixers=throughout(mamba),
    channels=nothing,
    norms=1,
    defaults={"layers": 32, "hidden": 768, "vocab": 50_280, "state": 16, "tied": True},
)
STATES = {"state_heads": 128, "state": 256, "state_groups": 1, "state_chunk": 256}
BAMBA = Family(
    read=decoder,
    mixers=alternating(indexed, mamba2),
    channels=dense,
    defaults=sizes(32, 4096, 32, 8, 14_336, 128_000, **STATES),
    qkv_bias="attention_bias",
    output_bias="attention_bias",
    mlp_bias="mlp_bias",
)
DELTA = {
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "head_dim": 256,
}
MOE = {"expert_ffn": 512, "shared_expert_intermediate_size": 512}
QWEN3_5 = Family(
    read=decoder,
    mixers=alternating(every, delta_net),
    channels=dense,
    defaults=sizes(32, 4096, 16, 4, 12_288, 248_320, **DELTA),
    qkv_bias="attention_bias",
    output_bias="attention_bias",
    qk_norm="head",
    gate="query",
)
QWEN3_5_MOE = like(
    QWEN3_5,
    sizes(40, 2048, 16, 2, None, 248_320, experts=256, top_k=8, **DELTA, **MOE),
    channels=routed,
    routing=Routing(shared="shared_expert_intermediate_size", shared_gate=True),
)
LFM2 = Family(
    read=lfm2,
    mixers=alternating(full_indexed, short_convolution),
    channels=lfm2_mlp,
    defaults=sizes(32, 2560, 32, 8, 12_288, 65_536, conv_kernel=3, tied=True),
    qk_norm="head",
)
MINIMAX = Family(
    read=decoder,
    mixers=alternating(marked, lightning),
    channels=routed,
    routing=Routing(width="ffn"),
    defaults=sizes(32, 4096, 32, 8, 14_336, 32_000, experts=8, top_k=2),
)

TABLE: Mapping[str, Family] = {
    "mamba": MAMBA,
    "falcon_mamba": MAMBA,
    "mamba2": like(
        MAMBA,
        {"layers": 64, "hidden": 4096, "vocab": 32_768, **STATES, "state": 128, "state_groups": 8},
        mixers=throughout(mamba2),
    ),
    "jamba": Family(
        read=decoder,
        mixers=alternating(periodic, jamba),
        channels=jamba_channels,
        routing=Routing(width="ffn"),
        defaults=sizes(32, 4096, 32, 8, 14_336, 65_536, state=16, experts=16, top_k=2),
    ),
    "zamba2": Family(
        read=zamba2,
        defaults=sizes(
            ZAMBA2_LAYERS,
            2560,
            32,
            None,
            None,
            32_000,
            **{**STATES, "state_heads": 8, "state": 64},
            num_mem_blocks=1,
            adapter_rank=128,
            tied=True,
        ),
        mlp_bias="add_bias_linear",
    ),
    "bamba": BAMBA,
    "falcon_h1": like(BAMBA, {**BAMBA.defaults, "mamba_d_ssm": 1024}, mixers=throughout(falcon_h1)),
    "granitemoehybrid": like(
        BAMBA,
        sizes(32, 4096, 32, None, 11_008, 32_000, experts=8, top_k=2, shared_intermediate_size=1024, **STATES),
        mixers=alternating(only_states, mamba2),
        channels=granite_channels,
        routing=Routing(width="ffn", shared="shared_intermediate_size"),
        mlp_bias=False,
    ),
    "nemotron_h": Family(
        read=nemotron,
        defaults={
            **sizes(4, 4096, 32, 8, 21_504, 131_072, head_dim=128, experts=8, top_k=2, expert_ffn=7688),
            **STATES,
            "state": 128,
            "state_groups": 8,
            "state_head_dim": 64,
            "state_chunk": 128,
            "moe_shared_expert_intermediate_size": 7688,
        },
        gated=False,
        mlp_bias="mlp_bias",
        norms=1,
    ),
    "recurrent_gemma": Family(
        read=decoder,
        mixers=repeated,
        channels=half_mlp,
        defaults=sizes(26, 2560, 10, None, 7680, 256_000, attention_window_size=2048, tied=True),
        qkv_bias="attention_bias",
        output_bias=True,
    ),
    "qwen3_next": like(
        QWEN3_5,
        sizes(48, 2048, 16, 2, 5632, 151_936, experts=512, top_k=10, **DELTA, **MOE),
        channels=qwen_channels,
        routing=Routing(place="step", shared="shared_expert_intermediate_size", shared_gate=True),
    ),
    "qwen3_5_text": QWEN3_5,
    "qwen3_5_moe_text": QWEN3_5_MOE,
    "minimax": MINIMAX,
    "minimax_text_01": MINIMAX,
    "lfm2": LFM2,
    "lfm2_moe": like(
        LFM2,
        sizes(
            32,
            2048,
            32,
            8,
            7168,
            65_536,
            conv_kernel=3,
            tied=True,
            experts=32,
            top_k=4,
            expert_ffn=1792,
            dense_layers=2,
        ),
        channels=routed,
        routing=Routing(place="leading"),
    ),
    "olmo_hybrid": like(
        QWEN3_5,
        sizes(32, 3840, 30, None, 11_008, 100_352),
        mixers=alternating(every, olmo_delta),
        qk_norm="hidden",
        gate="none",
    ),
    "kimi_linear": Family(
        read=never_tied,
        mixers=alternating(one_based, kimi_delta, latent_attention),
        channels=routed,
        routing=Routing(place="leading", shared="shared_experts"),
        defaults=sizes(
            27,
            2304,
            32,
            32,
            9216,
            163_840,
            experts=256,
            top_k=8,
            expert_ffn=1024,
            shared_experts=1,
            dense_layers=1,
            kv_lora_rank=512,
            qk_rope_head_dim=64,
            qk_nope_head_dim=128,
            v_head_dim=128,
        ),
        qkv_bias="attention_bias",
    ),
    "rwkv": Family(
        read=decoder,
        mixers=throughout(rwkv_time),
        channels=rwkv_channels,
        norm_vectors=2,
        embedding_norm=True,
        defaults={"layers": 32, "hidden": 4096, "vocab": 50_277, "ffn": None},
    ),
    "xlstm": Family(read=xlstm, defaults={"layers": 32, "hidden": 4096, "heads": 8, "vocab": 50_304}),
}
