"""Which layers see what: windows, chunks, chosen positions, experts between dense layers, shared keys."""

import pytest

from cardyears.resolve.huggingface.families import found
from cardyears.work.flops import attention_core_flop
from cardyears.work.mixers import NOTHING, Attention, LatentAttention

SMALL = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 6, "vocab_size": 100, "head_dim": 16}


def layers(config):
    arch = found({**SMALL, **config}, "config.json", "small").architecture
    return [layer for layer, times in arch.layers for _ in range(times)]


def windows(config):
    return [layer.mixer.window for layer in layers(config)]


WINDOWS = {
    "Llama sees everything": ({"model_type": "llama"}, [None] * 6),
    "Mistral slides everywhere": ({"model_type": "mistral", "num_key_value_heads": 2, "sliding_window": 8}, [8] * 6),
    "Mistral 0.3 has no window": (
        {"model_type": "mistral", "num_key_value_heads": 2, "sliding_window": None},
        [None] * 6,
    ),
    "Qwen has a window that it does not use": (
        {"model_type": "qwen2", "num_key_value_heads": 2, "sliding_window": 8, "use_sliding_window": False},
        [None] * 6,
    ),
    "Qwen slides in later layers": (
        {
            "model_type": "qwen2", "num_key_value_heads": 2, "sliding_window": 8, "use_sliding_window": True,
            "max_window_layers": 4,
        },
        [None] * 4 + [8] * 2,
    ),
    "Gemma 2 alternates": ({"model_type": "gemma2", "sliding_window": 8}, [8, None] * 3),
    "Gemma 3 has five in six": ({"model_type": "gemma3_text", "sliding_window": 8}, [8] * 5 + [None]),
    "an old key for the pattern": (
        {"model_type": "gemma3_text", "sliding_window": 8, "sliding_window_pattern": 3},
        [8, 8, None] * 2,
    ),
    "a list decides": (
        {
            "model_type": "olmo3", "sliding_window": 8,
            "layer_types": ["full_attention"] * 4 + ["sliding_attention"] * 2,
        },
        [None] * 4 + [8] * 2,
    ),
    "letters decide": (
        {"model_type": "exaone4", "num_key_value_heads": 2, "sliding_window": 8, "sliding_window_pattern": "LG"},
        [8, None] * 3,
    ),
    "gpt-oss begins with a window": ({"model_type": "gpt_oss", "num_key_value_heads": 2}, [128, None] * 3),
    "GPT-Neo repeats a list": (
        {"model_type": "gpt_neo", "window_size": 8, "attention_types": [[["global", "local"], 2], [["local"], 2]]},
        [None, 8, None, 8, 8, 8],
    ),
    "Llama 4 chunks where it rotates": (
        {"model_type": "llama4_text", "num_key_value_heads": 2, "attention_chunk_size": 8},
        [8, 8, 8, None, 8, 8],
    ),
    "MiMo counts the token itself": (
        {
            "model_type": "mimo_v2_flash", "num_key_value_heads": 1, "swa_num_key_value_heads": 2,
            "sliding_window_size": 128, "hybrid_layer_pattern": [0, 1, 1, 1, 1, 0],
        },
        [None, 129, 129, 129, 129, None],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("config", "expected"), WINDOWS.values(), ids=WINDOWS)
def test_each_layer_has_its_window(config, expected):
    assert windows(config) == expected


EXPERTS = {
    "Mixtral has them everywhere": ({"model_type": "mixtral", "num_key_value_heads": 2}, "EEEEEE"),
    "DeepSeek begins dense": ({"model_type": "deepseek_v3", "first_k_dense_replace": 2}, "DDEEEE"),
    "a frequency list": (
        {"model_type": "mimo_v2_flash", "num_key_value_heads": 2, "moe_layer_freq": [0, 1, 0, 1, 1, 1]},
        "DEDEEE",
    ),
    "Qwen takes every second but one": (
        {"model_type": "qwen3_moe", "decoder_sparse_step": 2, "mlp_only_layers": [1]},
        "DDDEDE",
    ),
    "Maverick interleaves": (
        {"model_type": "llama4_text", "num_key_value_heads": 2, "interleave_moe_layer_step": 2},
        "DEDEDE",
    ),
    "ERNIE has a span": (
        {"model_type": "ernie4_5_moe", "moe_layer_start_index": 2, "moe_layer_end_index": 4},
        "DDEEED",
    ),
    "Step names them": ({"model_type": "step3p5", "num_key_value_heads": 2, "moe_layers_enum": "3,5"}, "DDDEDE"),
    "a list decides": ({"model_type": "glm4_moe_lite", "mlp_layer_types": ["dense", "sparse"] * 3}, "DEDEDE"),
}


@pytest.mark.parametrize(("config", "expected"), EXPERTS.values(), ids=EXPERTS)
def test_each_layer_has_its_experts_or_none(config, expected):
    kinds = "".join("E" if hasattr(layer.channel, "top_k") else "D" for layer in layers(config))
    assert kinds == expected


def test_a_chunk_does_not_slide():
    chunked = Attention(2, 2, 8, window=8, blocks=True)
    # Two whole blocks of 8 and one of 4: 8 · 8 + 8 · 8 + 4 · 4 = 144 pairs of 20 tokens, 4 · 16 FLOP each.
    assert chunked.core_flop(20, causal=False) == pytest.approx(4 * 16 * 144 / 20)
    assert chunked.core_flop(20, causal=True) == pytest.approx(2 * 16 * 144 / 20)
    assert chunked.core_flop(4, causal=False) == Attention(2, 2, 8).core_flop(4, causal=False)


def test_a_value_narrower_than_its_key_costs_less():
    narrow = layers({"model_type": "mimo_v2_flash", "num_key_value_heads": 1, "v_head_dim": 8, "head_dim": 16})[0].mixer
    assert narrow.core_flop(100, causal=False) == 2 * 4 * (16 + 8) * 100


def test_sparse_attention_costs_the_chosen_positions_and_the_indexers_scores():
    config = {"model_type": "deepseek_v32", "index_topk": 64, "index_n_heads": 2, "index_head_dim": 8}
    sizes = {"kv_lora_rank": 16, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8, "q_lora_rank": 16}
    mixer = layers({**config, **sizes})[0].mixer
    dense = LatentAttention(4, 16, 4, 8, 8, 16)
    indexer = 2 * 2 * 8 * 1_024
    assert mixer.core_flop(1_024, causal=False) == dense.core_flop(64, causal=False) + indexer


def test_layers_may_take_over_an_earlier_choice():
    config = {
        "model_type": "glm_moe_dsa", "indexer_types": ["full", "full", "shared", "shared", "full", "shared"],
        "kv_lora_rank": 16, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8, "q_lora_rank": 16,
    }  # fmt: skip
    own = [layer.mixer.indexer is not None for layer in layers(config)]
    assert own == [True, True, False, False, True, False]
    assert {layer.mixer.window for layer in layers(config)} == {2_048}


def test_deepseek_v4_grows_with_the_window_then_with_compressed_entries():
    config = {"model_type": "deepseek_v4", "compress_ratios": [0, 128, 4, 0, 128, 4], "o_groups": 2}
    sliding, heavy, chosen = (layer.mixer for layer in layers(config)[:3])
    assert sliding.core_flop(128, causal=False) == sliding.core_flop(10**6, causal=False)
    per_entry = 4 * 4 * 16
    assert heavy.core_flop(12_800, causal=False) == per_entry * (128 + 100)
    assert chosen.core_flop(10**6, causal=False) == per_entry * (128 + 512) + 2 * 64 * 128 * 250_000


def test_the_last_layers_of_gemma_share_keys():
    config = {"model_type": "gemma3n_text", "num_key_value_heads": 2, "num_kv_shared_layers": 2}
    assert [layer.mixer.keys for layer in layers(config)] == ["own"] * 4 + ["shared"] * 2


def test_a_searched_block_may_have_no_attention_or_no_mlp():
    none = {"no_op": True, "n_heads_in_group": None, "ffn_mult": None}
    blocks = [
        {"attention": {"no_op": False, "n_heads_in_group": 2}, "ffn": {"no_op": False, "ffn_mult": 2.0}},
        {"attention": none, "ffn": {"no_op": False, "ffn_mult": 1.0}},
        {"attention": {"no_op": False, "n_heads_in_group": 4}, "ffn": none},
    ]
    first, second, third = layers({"model_type": "nemotron-nas", "num_hidden_layers": 3, "block_configs": blocks})
    assert (first.mixer.kv_heads, first.channel.width, first.norms) == (2, 256, 2)
    assert (second.mixer, second.norms) == (NOTHING, 1)
    assert (third.mixer.kv_heads, third.channel, third.norms) == (1, NOTHING, 1)


def test_an_architecture_with_windows_costs_less_than_one_without():
    wide = found({**SMALL, "model_type": "gemma3_text", "sliding_window": 10**6}, "config.json", "wide").architecture
    narrow = found({**SMALL, "model_type": "gemma3_text", "sliding_window": 64}, "config.json", "narrow").architecture
    assert attention_core_flop(narrow, 4_096, causal=False) == pytest.approx(
        attention_core_flop(wide, 4_096, causal=False) * (5 * 64 + 4_096) / (6 * 4_096)
    )


def test_equal_neighbours_are_one_kind():
    arch = found({**SMALL, "model_type": "gemma3_text"}, "config.json", "small").architecture
    assert [times for _, times in arch.layers] == [5, 1]


def test_a_table_of_positions_bounds_the_sequence():
    gpt = {**SMALL, "n_positions": 1_024, "head_dim": None}
    assert found({**gpt, "model_type": "gpt2"}, "config.json", "bounded").longest == 1_024
    assert found({**gpt, "model_type": "opt"}, "config.json", "bounded").longest == 1_024
    assert found({**SMALL, "model_type": "llama"}, "config.json", "free").longest is None
