"""Random decoders with one MLP for every token."""

from __future__ import annotations

from random import Random

from oracle.draw import Config, Draw, base, coin, layered, own_head_dim, pattern, plain, sliding, switches, without


def _qwen2(r: Random) -> Config:
    fields = {**base(r, (3, 6)), **sliding(r), "use_sliding_window": coin(r)}
    return {**fields, "max_window_layers": r.randint(0, fields["num_hidden_layers"])}


def _qwen3(r: Random) -> Config:
    return {**_qwen2(r), **own_head_dim(r), **switches(r, "attention_bias")}


def _gemma4(r: Random) -> Config:
    fields = layered()(r)
    fields["layer_types"] = [*pattern(r, 4, "sliding_attention", "full_attention"), "full_attention"]
    fields["num_hidden_layers"] = 5
    more = {"global_head_dim": r.choice((64, 128)), "vocab_size_per_layer_input": fields["vocab_size"]}
    return {**fields, **more, "hidden_size_per_layer_input": r.choice((0, 32, 64))}


def _gpt2(r: Random) -> Config:
    heads = r.choice((3, 4, 6))
    return {
        "n_layer": r.randint(2, 5),
        "n_head": heads,
        "n_embd": heads * r.choice((32, 64)),
        "n_inner": r.choice((None, 512, 800)),
        "n_positions": r.choice((256, 512)),
        "vocab_size": r.randrange(512, 4096),
        "tie_word_embeddings": coin(r),
        **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0),
    }


def _gptj(r: Random) -> Config:
    return {**_gpt2(r), "rotary_dim": 32, "tie_word_embeddings": False}


def _gpt_neo(r: Random) -> Config:
    fields = without(base(r), "num_key_value_heads", "num_attention_heads", "num_hidden_layers", "head_dim")
    heads, pairs = r.choice((2, 4)), r.randint(1, 3)
    return {
        **fields,
        "hidden_size": 64 * heads,
        "num_heads": heads,
        "num_layers": 2 * pairs,
        "window_size": 48,
        "attention_types": [[["global", "local"], pairs]],
        "max_position_embeddings": 256,
    }


def _neox(r: Random) -> Config:
    return {**without(base(r), "num_key_value_heads"), **switches(r, "attention_bias", "use_parallel_residual")}


def _opt(r: Random) -> Config:
    fields = without(base(r), "num_key_value_heads", "intermediate_size")
    narrow = r.choice((fields["hidden_size"], 64))
    flags = switches(r, "do_layer_norm_before", "enable_bias", "layer_norm_elementwise_affine")
    return {
        **fields,
        **flags,
        "ffn_dim": r.randrange(256, 1025, 32),
        "word_embed_proj_dim": narrow,
        "max_position_embeddings": 256,
    }


def _bloom(r: Random) -> Config:
    heads = r.choice((3, 4, 6))
    common = without(_gpt2(r), "n_embd", "n_inner", "n_positions")
    return {**common, "n_head": heads, "hidden_size": 64 * heads}


def _falcon(r: Random) -> Config:
    fields = without(base(r), "num_key_value_heads", "intermediate_size")
    flags = switches(r, "new_decoder_architecture", "alibi", "bias", "multi_query", "parallel_attn")
    if flags["new_decoder_architecture"]:
        flags |= {
            "parallel_attn": True,
            "num_kv_heads": fields["num_attention_heads"] // 2,
            "num_ln_in_parallel_attn": r.choice((1, 2)),
        }
    return {**fields, **flags, "ffn_hidden_size": r.randrange(256, 1025, 32)}


def _smollm3(r: Random) -> Config:
    return {**layered("attention_bias", "mlp_bias", free=False)(r), "use_sliding_window": True}


def _mpt(r: Random) -> Config:
    heads = r.choice((4, 8))
    width = {"d_model": heads * r.choice((32, 64)), "n_heads": heads, "n_layers": r.randint(2, 5)}
    return {**width, "expansion_ratio": r.choice((2, 4)), "vocab_size": r.randrange(512, 4096)}


FAMILIES: dict[str, Draw] = {
    "llama": plain("attention_bias", "mlp_bias"),
    "mistral": plain(window=True),
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma": plain("attention_bias"),
    "gemma2": layered("attention_bias"),
    "gemma3_text": layered("attention_bias"),
    "gemma4_text": _gemma4,
    "phi": plain("qk_layernorm", free=False),
    "phi3": plain(free=False, window=True),
    "gpt2": _gpt2,
    "gptj": _gptj,
    "gpt_neo": _gpt_neo,
    "gpt_neox": _neox,
    "gpt_bigcode": lambda r: {**_gpt2(r), **switches(r, "multi_query")},
    "opt": _opt,
    "bloom": _bloom,
    "falcon": _falcon,
    "mpt": _mpt,
    "starcoder2": plain("use_bias", free=False, window=True),
    "olmo": plain("attention_bias", free=False),
    "olmo2": plain("attention_bias", free=False),
    "olmo3": layered("attention_bias", free=False),
    "granite": plain("attention_bias", "mlp_bias", free=False),
    "cohere": plain("use_qk_norm", "attention_bias", free=False),
    "cohere2": layered("attention_bias"),
    "stablelm": plain("use_qkv_bias", "qk_layernorm", "use_parallel_residual", free=False),
    "smollm3": _smollm3,
    "nemotron": plain("attention_bias", "mlp_bias"),
    "exaone4": layered(),
    "glm": plain("attention_bias"),
    "glm4": plain("attention_bias"),
}
