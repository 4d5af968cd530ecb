"""Random decoders with state-space, linear-attention and recurrent layers."""

from __future__ import annotations

from random import Random

from oracle.draw import Config, Draw, base, coin, own_head_dim, pattern, routed, switches, without
from oracle.draw_mixtures import experts_everywhere, shared_expert, shared_width, sparse_step


def _delta(r: Random) -> Config:
    """Gated delta-rule layers among full attention."""
    keys = r.choice((2, 4))
    fields = {**base(r, (4, 7)), **own_head_dim(r)}
    return {
        **fields,
        "layer_types": pattern(r, fields["num_hidden_layers"], "linear_attention", "full_attention"),
        "linear_num_key_heads": keys,
        "linear_num_value_heads": keys * r.choice((1, 2)),
        "linear_key_head_dim": r.choice((32, 64)),
        "linear_value_head_dim": r.choice((32, 64)),
        "linear_conv_kernel_dim": r.choice((2, 4)),
    }


def _qwen3_next(r: Random) -> Config:
    return {**_delta(r), **routed(r, "num_experts"), **shared_expert(r), **sparse_step(r)}


def _qwen3_5_moe(r: Random) -> Config:
    return {**without(_delta(r), "intermediate_size"), **routed(r, "num_experts"), **shared_expert(r)}


def _mamba2_keys(r: Random, hidden: int) -> Config:
    """Mamba-2's sizes under the names that Granite, Bamba and Falcon-H1 share."""
    return {
        "mamba_expand": 2,
        "mamba_n_heads": hidden // 16,
        "mamba_d_head": 32,
        "mamba_d_state": r.choice((16, 32)),
        "mamba_n_groups": r.choice((1, 2)),
        "mamba_d_conv": r.choice((2, 4)),
        **switches(r, "mamba_proj_bias"),
        **switches(r, "mamba_conv_bias"),
    }


def _granite_hybrid(r: Random) -> Config:
    fields = {**experts_everywhere(shared_width)(r), "num_hidden_layers": 5}
    kinds = pattern(r, 5, "mamba", "attention")
    experts = {} if coin(r) else {"num_local_experts": 0, "num_experts_per_tok": 0}
    return {**fields, **_mamba2_keys(r, fields["hidden_size"]), **experts, "layer_types": kinds}


def _bamba(r: Random) -> Config:
    fields = {**base(r, (4, 6)), **switches(r, "attention_bias", "mlp_bias")}
    places = sorted(r.sample(range(fields["num_hidden_layers"]), 2))
    return {**fields, **_mamba2_keys(r, fields["hidden_size"]), "attn_layer_indices": places}


def _falcon_h1(r: Random) -> Config:
    fields = {**base(r), **switches(r, "attention_bias", "mlp_bias", "mamba_rms_norm", "projectors_bias")}
    heads = r.choice((4, 8))
    own = {"mamba_d_ssm": heads * 32, "mamba_n_heads": heads, "mamba_d_head": 32}
    return {**fields, **_mamba2_keys(r, fields["hidden_size"]), **own, "head_dim": r.choice((32, 64))}


def _mamba(r: Random) -> Config:
    return {
        "num_hidden_layers": r.randint(2, 5),
        "hidden_size": 64 * r.randint(2, 6),
        "vocab_size": 1000,
        "state_size": r.choice((8, 16)),
        "conv_kernel": r.choice((2, 4)),
        "expand": r.choice((1, 2)),
        "time_step_rank": r.choice(("auto", 12)),
        **switches(r, "use_bias", "use_conv_bias", "tie_word_embeddings"),
        **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0),
    }


def _mamba2(r: Random) -> Config:
    fields = without(_mamba(r), "time_step_rank")
    heads = fields["hidden_size"] * fields["expand"] // 32
    return {**fields, "num_heads": heads, "head_dim": 32, "n_groups": r.choice((1, 2)), "chunk_size": 16}


def _jamba(r: Random) -> Config:
    period, every = r.choice((2, 3, 4)), r.choice((1, 2))
    return {
        **base(r, (4, 7)),
        **routed(r, "num_experts"),
        "attn_layer_period": period,
        "attn_layer_offset": r.randrange(period),
        "expert_layer_period": every,
        "expert_layer_offset": r.randrange(every),
        "mamba_d_state": r.choice((8, 16)),
        "mamba_dt_rank": r.choice(("auto", 12)),
        **switches(r, "mamba_proj_bias", "mamba_conv_bias"),
    }


def _zamba2(r: Random) -> Config:
    fields = base(r, (5, 8))
    fields["num_key_value_heads"] = fields["num_attention_heads"]
    kinds = ["hybrid" if i and coin(r) else "mamba" for i in range(fields["num_hidden_layers"])]
    kinds[2] = "hybrid"
    return {
        # Untied, the implementation shares neither the embedding nor the blocks, which no published model does.
        **fields,
        "tie_word_embeddings": True,
        "layers_block_type": kinds,
        "n_mamba_heads": fields["hidden_size"] // 16,
        "adapter_rank": 24,
        "num_mem_blocks": r.choice((1, 2)),
        "mamba_d_state": r.choice((16, 32)),
        "use_mem_rope": coin(r),
        **switches(r, "use_shared_attention_adapter", "add_bias_linear", "use_conv_bias"),
    }


def _nemotron_h(r: Random) -> Config:
    kinds = pattern(r, r.randint(4, 8), "M", "*", "-", "E")
    return {
        **without(base(r), "num_hidden_layers"),
        "num_hidden_layers": len(kinds),
        "hybrid_override_pattern": "".join(kinds),
        "head_dim": r.choice((32, 64)),
        "mamba_num_heads": r.choice((4, 8)),
        "mamba_head_dim": 32,
        "ssm_state_size": 16,
        "n_groups": 2,
        "n_routed_experts": 8,
        "num_experts_per_tok": r.randint(1, 3),
        "n_shared_experts": 1,
        "moe_intermediate_size": 96,
        "moe_shared_expert_intermediate_size": 32 * r.randint(1, 6),
        "moe_latent_size": r.choice((None, 64)),
        **switches(r, "attention_bias", "mlp_bias", "use_bias"),
    }


def _recurrent_gemma(r: Random) -> Config:
    fields = base(r, (3, 7))
    heads = fields["num_attention_heads"]
    kinds = r.choice((["recurrent", "recurrent", "attention"], ["recurrent", "attention"], ["attention", "recurrent"]))
    more = {"lru_width": heads * r.choice((32, 64)), "block_types": kinds, "attention_window_size": 64}
    return {**fields, **more, "tie_word_embeddings": True}


def _rwkv(r: Random) -> Config:
    hidden = 32 * r.randint(4, 12)
    wide = {"attention_hidden_size": r.choice((hidden, 256)), "intermediate_size": r.choice((None, 640))}
    return {"num_hidden_layers": r.randint(2, 5), "hidden_size": hidden, "vocab_size": 1000, **wide}


def _xlstm(r: Random) -> Config:
    heads = r.choice((2, 4))
    sizes = {"hidden_size": heads * 64, "num_hidden_layers": r.randint(2, 4), "num_heads": heads, "vocab_size": 1000}
    return {**sizes, "ffn_proj_factor": r.choice((2.0, 2.667)), "ffn_round_up_to_multiple_of": 64}


def _minimax(r: Random) -> Config:
    fields = {**base(r, (3, 6)), **routed(r), "block_size": 16, "head_dim": r.choice((32, 64))}
    return {**fields, "layer_types": pattern(r, fields["num_hidden_layers"], "linear_attention", "full_attention")}


FAMILIES: dict[str, Draw] = {
    "qwen3_next": _qwen3_next,
    "qwen3_5_text": _delta,
    "qwen3_5_moe_text": _qwen3_5_moe,
    "granitemoehybrid": _granite_hybrid,
    "mamba": _mamba,
    "mamba2": _mamba2,
    "falcon_mamba": _mamba,
    "jamba": _jamba,
    "zamba2": _zamba2,
    "bamba": _bamba,
    "nemotron_h": _nemotron_h,
    "falcon_h1": _falcon_h1,
    "recurrent_gemma": _recurrent_gemma,
    "rwkv": _rwkv,
    "xlstm": _xlstm,
    "minimax": _minimax,
}
