"""Decoders with latent attention, most of them with experts, as a table: DeepSeek's and those that followed.

Defaults are those of the published implementation (transformers), which a config may leave out.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardyears.resolve.huggingface.decoder import decoder
from cardyears.resolve.huggingface.experts import dense, routed
from cardyears.resolve.huggingface.family import Family, Routing, like, sizes
from cardyears.resolve.huggingface.latent import compressed, hyper_connected, latent, sparse
from cardyears.resolve.huggingface.mixtures import DEEPSEEK
from cardyears.resolve.huggingface.uncommon import longcat

LATENT = Family(
    read=decoder,
    mixers=latent,
    channels=routed,
    routing=DEEPSEEK,
    qkv_bias="attention_bias",
    output_bias="attention_bias",
)
V3_RANKS = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
V3_SIZES = sizes(
    61,
    7168,
    128,
    128,
    18_432,
    129_280,
    experts=256,
    top_k=8,
    expert_ffn=2048,
    shared_experts=1,
    dense_layers=3,
    q_lora_rank=1536,
    **V3_RANKS,
)
DEEPSEEK_V3 = like(LATENT, V3_SIZES)
TABLE: Mapping[str, Family] = {
    "deepseek_v2": like(
        LATENT,
        sizes(
            32,
            4096,
            32,
            None,
            11_008,
            102_400,
            experts=64,
            expert_ffn=1407,
            shared_experts=2,
            dense_layers=0,
            q_lora_rank=1536,
            **V3_RANKS,
        ),
        mlp_bias="mlp_bias",
    ),
    "deepseek_v3": DEEPSEEK_V3,
    "kimi_k2": DEEPSEEK_V3,
    "deepseek_v32": like(
        DEEPSEEK_V3, {**V3_SIZES, "index_n_heads": 64, "index_head_dim": 128, "index_topk": 2048}, mixers=sparse
    ),
    "glm_moe_dsa": like(
        DEEPSEEK_V3,
        sizes(
            78,
            6144,
            64,
            64,
            12_288,
            154_880,
            experts=256,
            top_k=8,
            expert_ffn=2048,
            shared_experts=1,
            dense_layers=3,
            q_lora_rank=2048,
            kv_lora_rank=512,
            qk_rope_head_dim=64,
            qk_nope_head_dim=192,
            v_head_dim=256,
            index_n_heads=32,
            index_head_dim=128,
            index_topk=2048,
        ),
        mixers=sparse,
    ),
    "glm4_moe_lite": like(
        DEEPSEEK_V3,
        sizes(
            47,
            2048,
            20,
            20,
            10_240,
            154_880,
            experts=64,
            top_k=4,
            expert_ffn=1536,
            shared_experts=1,
            dense_layers=1,
            q_lora_rank=768,
            kv_lora_rank=512,
            qk_rope_head_dim=64,
            qk_nope_head_dim=192,
            v_head_dim=256,
        ),
    ),
    "minicpm3": like(
        LATENT,
        sizes(
            62,
            2560,
            40,
            40,
            6400,
            73_448,
            tied=True,
            q_lora_rank=768,
            kv_lora_rank=256,
            qk_rope_head_dim=32,
            qk_nope_head_dim=64,
        ),
        channels=dense,
        routing=None,
        mlp_bias="mlp_bias",
    ),
    "youtu": like(
        LATENT,
        sizes(32, 2048, 16, 16, 6144, 128_256, tied=True, q_lora_rank=1536, **V3_RANKS),
        channels=dense,
        routing=None,
    ),
    "longcat_flash": like(
        LATENT,
        sizes(
            28,
            6144,
            64,
            None,
            12_288,
            131_072,
            experts=512,
            top_k=12,
            expert_ffn=2048,
            zero_expert_num=256,
            q_lora_rank=1536,
            **V3_RANKS,
        ),
        read=longcat,
    ),
    "deepseek_v4": like(
        LATENT,
        sizes(
            43,
            4096,
            64,
            1,
            None,
            129_280,
            head_dim=512,
            experts=256,
            top_k=6,
            expert_ffn=2048,
            shared_experts=1,
            sliding_window=128,
            q_lora_rank=1024,
            o_groups=8,
            o_lora_rank=1024,
            index_n_heads=64,
            index_head_dim=128,
            index_topk=512,
        ),
        read=hyper_connected,
        mixers=compressed,
        mlp_bias="mlp_bias",
        routing=Routing(shared="expert_ffn"),
    ),
}
"""Decoders with latent attention by `model_type`."""
