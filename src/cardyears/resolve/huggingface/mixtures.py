"""Decoders with experts and grouped-query attention, as a table: what each has beside the sizes in its configs.

Defaults are those of the published implementation (transformers), which a config may leave out.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardyears.resolve.huggingface.dense import BARE, EXAONE4_SIZES, QWEN2
from cardyears.resolve.huggingface.experts import routed
from cardyears.resolve.huggingface.family import Family, Routing, like, sizes
from cardyears.resolve.huggingface.uncommon import dbrx, mimo_v2, minimax_m3, step

WIDE = Routing(width="ffn")
"""Experts everywhere, whose width is the config's `intermediate_size`."""
DEEPSEEK = Routing(place="leading", shared="shared_experts")
QWEN = Routing(place="step")

MIXTRAL = like(
    BARE, sizes(32, 4096, 32, 8, 14_336, 32_000, experts=8, top_k=2), channels=routed, routing=WIDE, window="all"
)
BIASED = like(MIXTRAL, {}, qkv_bias="attention_bias", output_bias="attention_bias", window="none")
GRANITE_SIZES = sizes(32, 4096, 32, None, 11_008, 32_000, experts=8, top_k=2)
STEP_SIZES = sizes(
    45, 4096, 64, 8, 11_264, 128_815, head_dim=128, experts=288, top_k=8, expert_ffn=1280, share_expert_dim=1280
)
STEP = like(
    BIASED,
    STEP_SIZES,
    read=step,
    mlp_bias="mlp_bias",
    qk_norm="head",
    gate="head",
    window="stated",
    routing=Routing(place="named", shared="share_expert_dim"),
)
MINIMAX_M3 = like(
    BARE,
    sizes(
        60,
        6144,
        64,
        4,
        3072,
        200_064,
        head_dim=128,
        experts=128,
        top_k=4,
        shared_intermediate_size=3072,
        dense_intermediate_size=12_288,
        index_heads=4,
        index_dim=128,
        index_block=128,
        index_blocks=16,
    ),
    read=minimax_m3,
    qk_norm="head",
    routing=Routing(
        place="leading", width="ffn", shared="shared_intermediate_size", dense_width="dense_intermediate_size"
    ),
)

TABLE: Mapping[str, Family] = {
    "mixtral": MIXTRAL,
    "qwen2_moe": like(
        QWEN2,
        sizes(
            24,
            2048,
            16,
            16,
            5632,
            151_936,
            experts=60,
            top_k=4,
            expert_ffn=1408,
            shared_expert_intermediate_size=5632,
            qkv_bias=True,
            sliding_window=4096,
            use_sliding_window=False,
            max_window_layers=28,
        ),
        qkv_bias="qkv_bias",
        window="early",
        channels=routed,
        routing=Routing(place="step", shared="shared_expert_intermediate_size", shared_gate=True),
    ),
    "qwen3_moe": like(
        BIASED,
        sizes(
            24,
            2048,
            32,
            4,
            6144,
            151_936,
            experts=128,
            top_k=8,
            expert_ffn=768,
            sliding_window=4096,
            use_sliding_window=False,
        ),
        qk_norm="head",
        window="all",
        routing=QWEN,
    ),
    "olmoe": like(BIASED, sizes(16, 2048, 16, None, 2048, 50_304, experts=64, top_k=8), qk_norm="hidden"),
    "flex_olmo": like(BIASED, sizes(32, 4096, 32, None, 11_008, 100_352, experts=7, top_k=5), qk_norm="hidden"),
    "dbrx": like(
        BARE, sizes(24, 2048, 16, 1, 3584, 32_000, experts=4, top_k=1), read=dbrx, channels=routed, routing=WIDE
    ),
    "granitemoe": like(BIASED, GRANITE_SIZES),
    "granitemoeshared": like(BIASED, GRANITE_SIZES, routing=Routing(width="ffn", shared="shared_intermediate_size")),
    "granitemoe_swa": like(
        BIASED,
        {**GRANITE_SIZES, "sliding_window": 128, "window_pattern": 4},
        window="first",
        sinks=True,
        routing=Routing(width="ffn", shared="shared_intermediate_size"),
    ),
    "gpt_oss": like(
        BIASED,
        sizes(
            36,
            2880,
            64,
            8,
            2880,
            201_088,
            head_dim=64,
            experts=128,
            top_k=4,
            sliding_window=128,
            window_pattern=2,
            attention_bias=True,
        ),
        window="pattern",
        sinks=True,
        routing=Routing(width="ffn", router_bias=True, bias=True),
    ),
    "llama4_text": like(
        BIASED,
        sizes(
            48,
            5120,
            40,
            8,
            8192,
            202_048,
            head_dim=128,
            experts=16,
            top_k=1,
            attention_chunk_size=8192,
            intermediate_size_mlp=16_384,
        ),
        window="rotated",
        routing=Routing(place="interleaved", width="ffn", shared="ffn", dense_width="intermediate_size_mlp"),
    ),
    "minimax_m2": like(
        MIXTRAL,
        sizes(62, 3072, 48, 8, 1536, 200_064, head_dim=128, experts=256, top_k=8),
        window="none",
        qk_norm="hidden",
    ),
    "minimax_m3": MINIMAX_M3,
    "minimax_m3_vl_text": MINIMAX_M3,
    "mimo_v2_flash": like(
        BIASED,
        sizes(
            48,
            4096,
            64,
            4,
            16_384,
            152_576,
            head_dim=192,
            v_head_dim=128,
            experts=256,
            top_k=8,
            expert_ffn=2048,
            dense_layers=1,
            sliding_window=129,
            add_swa_attention_sink_bias=True,
        ),
        read=mimo_v2,
        output_bias=False,
        routing=DEEPSEEK,
    ),
    "step3p5": STEP,
    "step3p7": STEP,
    "phimoe": like(
        BIASED,
        sizes(32, 4096, 32, 8, 6400, 32_064, experts=16, top_k=2),
        norm_vectors=2,
        head_bias="lm_head_bias",
        window="all",
    ),
    "glm4_moe": like(
        BIASED,
        sizes(
            46, 4096, 96, 8, 10_944, 151_552, experts=128, top_k=8, expert_ffn=1408, shared_experts=1, dense_layers=1
        ),
        output_bias=False,
        qk_norm="head",
        qk_norm_if="use_qk_norm",
        routing=DEEPSEEK,
    ),
    "ernie4_5_moe": like(
        BIASED,
        sizes(28, 2560, 20, 4, 12_288, 103_424, experts=64, top_k=6, expert_ffn=1536, shared_experts=2, tied=True),
        qkv_bias="use_bias",
        output_bias="use_bias",
        mlp_bias="use_bias",
        head_bias="use_bias",
        routing=Routing(place="span", shared="shared_experts", correction=True),
    ),
    "exaone_moe": like(
        BARE,
        {**EXAONE4_SIZES, "experts": 64, "top_k": 8, "expert_ffn": 1024, "shared_experts": 1, "dense_layers": 1},
        window="pattern",
        qk_norm="head",
        channels=routed,
        routing=DEEPSEEK,
    ),
    "dots1": like(
        BIASED,
        sizes(62, 4608, 32, 32, 10_944, 152_064, expert_ffn=1408, sliding_window=4096, max_window_layers=62),
        qk_norm="head",
        window="late",
        routing=DEEPSEEK,
    ),
    "solar_open": like(
        BIASED,
        sizes(48, 4096, 64, 8, None, 196_608, head_dim=128, experts=128, top_k=8, expert_ffn=1280, shared_experts=1),
        output_bias=False,
        routing=Routing(shared="shared_experts"),
    ),
    "hy_v3": like(
        BIASED,
        sizes(
            80,
            4096,
            64,
            8,
            13_312,
            120_832,
            head_dim=128,
            experts=192,
            top_k=8,
            expert_ffn=1536,
            shared_experts=1,
            dense_layers=1,
        ),
        mlp_bias="mlp_bias",
        qk_norm="head",
        routing=DEEPSEEK,
    ),
    "afmoe": like(
        BIASED,
        sizes(
            32,
            2048,
            16,
            None,
            6144,
            200_192,
            head_dim=128,
            experts=64,
            top_k=6,
            expert_ffn=1408,
            shared_experts=2,
            dense_layers=1,
            sliding_window=1024,
            window_pattern=4,
        ),
        norms=4,
        qk_norm="head",
        gate="width",
        window="pattern",
        routing=Routing(place="leading", shared="shared_experts", correction=True),
    ),
    "hunyuan_v1_moe": like(
        BIASED,
        sizes(32, 4096, 32, None, 11_008, 290_943, experts=1, top_k=1),
        qk_norm="head",
        routing=Routing(width="ffn", shared="ffn"),
    ),
    "mellum": like(
        BIASED,
        sizes(28, 2304, 32, 4, 7168, 98_304, head_dim=128, experts=64, top_k=8, expert_ffn=896, sliding_window=1024),
        qk_norm="head",
        window="stated",
        routing=Routing(),
    ),
}
"""Mixtures of experts with grouped-query attention, by `model_type`."""
