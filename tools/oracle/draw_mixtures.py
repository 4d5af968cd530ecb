"""Random mixtures of experts, with grouped and with latent attention."""

from __future__ import annotations

from random import Random

from oracle.draw import (
    Config,
    Draw,
    base,
    coin,
    layered,
    own_head_dim,
    pattern,
    plain,
    routed,
    sliding,
    switches,
    without,
)


def _mixtral(r: Random) -> Config:
    return {**plain(window=coin(r))(r), **routed(r)}


def sparse_step(r: Random) -> Config:
    """Which layers have experts, in Qwen's keys."""
    return {"decoder_sparse_step": r.randint(1, 2), "mlp_only_layers": r.choice(([], [0], [1]))}


def shared_expert(r: Random) -> Config:
    """Widths of routed and shared experts, in Qwen's keys."""
    return {"moe_intermediate_size": r.randrange(64, 257, 32), "shared_expert_intermediate_size": 32 * r.randint(1, 9)}


def _qwen2_moe(r: Random) -> Config:
    return {**base(r), **routed(r, "num_experts"), **sparse_step(r), **shared_expert(r), **switches(r, "qkv_bias")}


def _qwen3_moe(r: Random) -> Config:
    expert = {"moe_intermediate_size": r.randrange(64, 257, 32)}
    free = {**own_head_dim(r), **switches(r, "attention_bias")}
    return {**base(r), **free, **routed(r, "num_experts"), **sparse_step(r), **expert}


def shared_width(r: Random) -> Config:
    """Width of the shared experts, in Granite's and MiniMax's key."""
    return {"shared_intermediate_size": 32 * r.randint(2, 9)}


def experts_everywhere(*more: Draw) -> Draw:
    """Experts in every layer, and what else a family draws."""

    def draw(r: Random) -> Config:
        fields = {**base(r), **routed(r), **switches(r, "attention_bias")}
        for one in more:
            fields |= one(r)
        return fields

    return draw


def _dbrx(r: Random) -> Config:
    heads = r.choice((4, 8))
    return {
        "d_model": 32 * heads,
        "n_heads": heads,
        "n_layers": r.randint(2, 4),
        "vocab_size": 1000,
        "attn_config": {"kv_n_heads": r.choice((1, 2, 4)), "rope_theta": 10000.0, "clip_qkv": 8},
        "ffn_config": {"ffn_hidden_size": 32 * r.randint(4, 9), "moe_num_experts": 4, "moe_top_k": r.randint(1, 3)},
    }


def _latent(r: Random) -> Config:
    """DeepSeek's attention and experts."""
    fields = base(r, (3, 5))
    fields["num_key_value_heads"] = fields["num_attention_heads"]
    return {
        **fields,
        "q_lora_rank": r.choice((64, 96)),
        "kv_lora_rank": r.choice((48, 64)),
        "qk_nope_head_dim": 32,
        "qk_rope_head_dim": r.choice((16, 32)),
        "v_head_dim": r.choice((32, 48)),
        "n_routed_experts": 8,
        "n_shared_experts": r.randint(1, 2),
        "num_experts_per_tok": r.randint(1, 3),
        "n_group": 1,
        "topk_group": 1,
        "moe_intermediate_size": 32 * r.randint(2, 6),
        "first_k_dense_replace": r.randint(0, 2),
        **switches(r, "attention_bias"),
    }


def _deepseek_v2(r: Random) -> Config:
    return {**_latent(r), "topk_method": "greedy", **({"q_lora_rank": None} if coin(r) else {})}


def _indexed(r: Random) -> Config:
    return {**_latent(r), "index_n_heads": r.choice((2, 4)), "index_head_dim": 64, "index_topk": 512}


def _deepseek_v4(r: Random) -> Config:
    fields = without(base(r, (3, 5)), "intermediate_size")
    ratios = [r.choice((0, 4, 128)) for _ in range(fields["num_hidden_layers"])]
    return {
        **fields,
        "num_attention_heads": 2 * r.randint(1, 3),  # two output groups share them evenly
        "num_key_value_heads": 1,
        "head_dim": 64,
        "qk_rope_head_dim": 16,
        "compress_ratios": ratios,
        "o_groups": 2,
        "o_lora_rank": 32,
        "q_lora_rank": 64,
        "index_n_heads": 4,
        "index_head_dim": 32,
        "index_topk": 64,
        "n_routed_experts": 8,
        "num_experts_per_tok": r.randint(1, 3),
        "n_shared_experts": 1,
        "moe_intermediate_size": 96,
        "num_hash_layers": r.randint(0, 2),
        "hc_mult": r.choice((2, 4)),
        "sliding_window": 64,
    }


def _gpt_oss(r: Random) -> Config:
    return {**layered()(r), **routed(r), "attention_bias": True}


def _glm4_moe(r: Random) -> Config:
    moe = without(_latent(r), "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    return {**moe, **base(r, (3, 5)), "head_dim": r.choice((32, 64)), **switches(r, "use_qk_norm", "attention_bias")}


def _llama4(r: Random) -> Config:
    fields = {**base(r, (4, 7)), **own_head_dim(r), **routed(r), "intermediate_size_mlp": 32 * r.randint(4, 20)}
    places = {"interleave_moe_layer_step": r.randint(1, 2), "attention_chunk_size": r.choice((32, 40))}
    return {**fields, **places, **switches(r, "attention_bias", "use_qk_norm")}


def _minimax_m2(r: Random) -> Config:
    return {**base(r), **own_head_dim(r), **routed(r), "rotary_dim": 32}


def _minimax_m3(r: Random) -> Config:
    fields = {**base(r, (3, 6)), **own_head_dim(r), **routed(r), "rotary_dim": 32, **shared_width(r)}
    layers = fields["num_hidden_layers"]
    return {
        **fields,
        "dense_intermediate_size": 32 * r.randint(4, 20),
        "index_n_heads": fields["num_key_value_heads"],
        "mlp_layer_types": pattern(r, layers, "dense", "sparse"),
        "index_head_dim": 32,
        "index_block_size": 32,
        "layer_types": pattern(r, layers, "full_attention", "minimax_m3_sparse"),
        "index_topk_blocks": 8,
    }


def _mimo_v2(r: Random) -> Config:
    """Sliding layers have twice the key heads, whatever the config says: so has the implementation."""
    fields = {**base(r, (3, 6)), "head_dim": 48, "v_head_dim": 32, "hidden_size": 256, **sliding(r)}
    layers, kv_heads = fields["num_hidden_layers"], fields["num_key_value_heads"]
    return {
        **fields,
        "n_routed_experts": 8,
        "num_experts_per_tok": r.randint(1, 3),
        "moe_intermediate_size": 96,
        "layer_types": pattern(r, layers, "sliding_attention", "full_attention"),
        "mlp_layer_types": pattern(r, layers, "dense", "sparse"),
        "n_group": 1,
        "topk_group": 1,
        "num_attention_heads": kv_heads * r.choice((2, 4)),
    }


FAMILIES: dict[str, Draw] = {
    "mixtral": _mixtral,
    "qwen2_moe": _qwen2_moe,
    "qwen3_moe": _qwen3_moe,
    "phimoe": experts_everywhere(lambda r: {"num_experts_per_tok": 2, **switches(r, "lm_head_bias")}),
    "olmoe": experts_everywhere(lambda r: routed(r, "num_experts")),
    "granitemoe": experts_everywhere(),
    "granitemoeshared": experts_everywhere(shared_width),
    "dbrx": _dbrx,
    "deepseek_v2": _deepseek_v2,
    "deepseek_v3": _latent,
    "kimi_k2": _latent,
    "deepseek_v32": _indexed,
    "deepseek_v4": _deepseek_v4,
    "glm4_moe": _glm4_moe,
    "glm_moe_dsa": _indexed,
    "gpt_oss": _gpt_oss,
    "llama4_text": _llama4,
    "minimax_m2": _minimax_m2,
    "minimax_m3_vl_text": _minimax_m3,
    "mimo_v2_flash": _mimo_v2,
}
