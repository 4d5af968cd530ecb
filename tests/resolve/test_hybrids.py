"""State-space models and hybrids: parameters as published and as transformers holds them, and bad configs of theirs.

The numbers of the tables and of `hybrids.jsonl` (random small shapes, five for each family) are the published
implementation's: transformers 5.23.0 with torch 2.13.0 on the meta device, tied weights counted once.
`make test-oracles` counts the file's again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cardyears.base.errors import CardyearsError, Contradiction, MissingFigure, UnreadableValue
from cardyears.resolve.huggingface import hybrids
from cardyears.resolve.huggingface.families import found
from cardyears.work.architecture import Architecture
from cardyears.work.flops import forward_flop
from cardyears.work.mixers import NOTHING, Parallel
from cardyears.work.params import (
    active_parameters,
    embedding_parameters,
    matmul_parameters,
    prediction_parameters,
    total_parameters,
)

Config = dict[str, Any]


def arch(config: Config) -> Architecture:
    return found(config, "config.json", "model").architecture


def sized(family: str, layers: int, hidden: int, vocab: int, **others: Any) -> Config:
    keys = {"num_hidden_layers": layers, "hidden_size": hidden, "vocab_size": vocab}
    return {"model_type": family, **keys, **others}


def with_heads(heads: int, kv_heads: int, ffn: int, **others: Any) -> Config:
    keys = {"num_attention_heads": heads, "num_key_value_heads": kv_heads, "intermediate_size": ffn}
    return {**keys, **others}


def hybrid_at(layers: int, *places: int) -> list[str]:
    return ["hybrid" if i in places else "mamba" for i in range(layers)]


NEMOTRON_8B = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"
NANO = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
NEMOTRON = {"mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8}
ZAMBA = {"mamba_d_state": 64, "num_mem_blocks": 2, "adapter_rank": 128}
GRANITE = {"mamba_d_state": 128, "mamba_d_head": 64, "mamba_n_groups": 1, "tie_word_embeddings": True}
GRANITE_LAYERS = ["attention" if i in (5, 15, 25, 35) else "mamba" for i in range(40)]
LFM2_PLACES = [2, 5, 8, 10, 12, 14]

# (name, config, parameters as transformers holds them, what its makers publish in billions: total, active)
# Active as published: Jamba and Granite with embeddings, Nemotron 3 "3.6B (3.2B without embeddings)".

PUBLISHED = [
    ("Mamba 130M", sized("mamba", 24, 768, 50_280), 129_135_360, 0.13, None),
    ("Mamba 2.8B", sized("mamba", 64, 2_560, 50_280), 2_768_345_600, 2.8, None),
    (
        "Falcon Mamba 7B",
        sized("falcon_mamba", 64, 4_096, 65_024, expand=16, intermediate_size=8_192, tie_word_embeddings=False),
        7_272_665_088,
        7.27,
        None,
    ),
    (
        "Mamba-2 2.7B",
        sized("mamba2", 64, 2_560, 50_288, num_heads=80, head_dim=64, n_groups=1, tie_word_embeddings=True),
        2_702_599_680,
        2.7,
        None,
    ),
    ("Codestral Mamba 7B", sized("mamba2", 64, 4_096, 32_768, num_heads=128, n_groups=8), 7_285_403_648, 7.29, None),
    (
        "Jamba 0.1",
        {**sized("jamba", 32, 4_096, 65_536), **with_heads(32, 8, 14_336, num_experts=16, num_experts_per_tok=2)},
        51_570_323_328,
        52,
        12,
    ),
    (
        "Jamba 1.5 Large",
        {**sized("jamba", 72, 8_192, 65_536), **with_heads(64, 8, 24_576, num_experts=16, num_experts_per_tok=2)},
        398_555_145_696,
        398,
        94,
    ),
    (
        "Zamba2 2.7B",
        {
            **sized("zamba2", 54, 2_560, 32_000, n_mamba_heads=80, **ZAMBA),
            **with_heads(32, 32, 10_240, layers_block_type=hybrid_at(54, 6, 12, 18, 24, 30, 36, 42, 47, 51)),
        },
        2_662_214_560,
        2.7,
        None,
    ),
    (
        "Zamba2 7B",
        {
            **sized("zamba2", 81, 3_584, 32_000, n_mamba_heads=112, mamba_ngroups=2, **ZAMBA),
            **with_heads(32, 32, 14_336, layers_block_type=hybrid_at(81, 6, *range(11, 78, 6))),
        },
        7_356_749_648,
        7.36,
        None,
    ),
    (
        "Bamba 9B",
        {
            **sized("bamba", 32, 4_096, 128_256, mamba_d_state=128, attn_layer_indices=[9, 18, 27]),
            **with_heads(32, 8, 14_336),
        },
        9_780_235_392,
        9.78,
        None,
    ),
    (
        "Nemotron-H 8B",
        {
            **sized("nemotron_h", 52, 4_096, 131_072, hybrid_override_pattern=NEMOTRON_8B),
            **with_heads(32, 8, 21_504, mamba_num_heads=128, **NEMOTRON),
        },
        8_100_852_736,
        8.1,
        None,
    ),
    (
        "Nemotron 3 Nano 30B",
        {
            **sized("nemotron_h", 52, 2_688, 131_072, hybrid_override_pattern=NANO),
            **with_heads(32, 2, 1_856, mamba_num_heads=64, **NEMOTRON),
            "n_routed_experts": 128,
            "num_experts_per_tok": 6,
            "moe_intermediate_size": 1_856,
            "moe_shared_expert_intermediate_size": 3_712,
        },
        31_577_937_344,
        31.6,
        3.6,
    ),
    (
        "Falcon-H1 0.5B",
        {
            **sized("falcon_h1", 36, 1_024, 32_784, mamba_d_ssm=1_536, mamba_n_heads=24, mamba_d_state=128),
            **with_heads(8, 2, 2_048, head_dim=64),
        },
        521_411_104,
        0.52,
        None,
    ),
    (
        "RecurrentGemma 2B",
        {**sized("recurrent_gemma", 26, 2_560, 256_000), **with_heads(10, 1, 15_360)},
        2_682_862_080,
        2.68,
        None,
    ),
    (
        "Granite 4.0 H Small",
        {
            **sized("granitemoehybrid", 40, 4_096, 100_352, layer_types=GRANITE_LAYERS, mamba_n_heads=128, **GRANITE),
            **with_heads(32, 8, 768, num_local_experts=72, num_experts_per_tok=10, shared_intermediate_size=1_536),
        },
        32_207_337_984,
        32,
        9,
    ),
    (
        "MiniMax-Text-01",
        {
            **sized("minimax_text_01", 80, 6_144, 200_064, attn_type_list=[*[0] * 7, 1] * 10),
            **with_heads(64, 8, 9_216, head_dim=128, num_local_experts=32, num_experts_per_tok=2),
        },
        456_089_655_296,
        456,
        48.4,
    ),
    (
        "LFM2 1.2B",
        {
            **sized("lfm2", 16, 2_048, 65_536, block_ff_dim=12_288, full_attn_idxs=LFM2_PLACES, tie_embedding=True),
            **with_heads(32, 8, 12_288),
        },
        1_170_340_608,
        1.17,
        None,
    ),
    ("RWKV-4 169M", sized("rwkv", 12, 768, 50_277), 169_342_464, 0.169, None),
    (
        "xLSTM 7B",
        {"model_type": "xlstm", "embedding_dim": 4_096, "num_blocks": 32, "num_heads": 8, "vocab_size": 50_304},
        6_865_424_896,
        6.87,
        None,
    ),
    ("Kimi Linear 48B", {"model_type": "kimi_linear"}, 49_133_074_464, 49, 3.5),
    ("Olmo Hybrid 7B", {"model_type": "olmo_hybrid"}, 7_430_870_688, 7.43, None),
    (
        "LFM2 8B-A1B",
        {
            **sized("lfm2_moe", 24, 2_048, 65_536),
            "layer_types": ["full_attention" if i in (2, 6, 10, 14, 18, 21) else "conv" for i in range(24)],
        },
        8_339_929_856,
        8.3,
        1.5,
    ),
]
NAMES = [name for name, *_ in PUBLISHED]


@pytest.mark.parametrize(("config", "parameters"), [case[1:3] for case in PUBLISHED], ids=NAMES)
def test_a_published_model_has_the_parameters_that_transformers_holds(config: Config, parameters: int) -> None:
    assert total_parameters(arch(config)) == parameters


@pytest.mark.parametrize(("config", "total", "active"), [(one[1], *one[3:]) for one in PUBLISHED], ids=NAMES)
def test_and_those_that_its_makers_publish(config: Config, total: float, active: float | None) -> None:
    model = arch(config)
    assert total_parameters(model) / 1e9 == pytest.approx(total, rel=0.02)
    if active is not None:
        assert active_parameters(model) / 1e9 == pytest.approx(active, rel=0.05)


def test_multi_token_prediction_stands_beside_the_total() -> None:
    """Nemotron 3 Super's and Ultra's prediction layers are an attention layer and one with experts."""
    config = {**dict(PUBLISHED[NAMES.index("Nemotron 3 Nano 30B")][1]), "num_nextn_predict_layers": 1}
    plain, ahead = arch(dict(PUBLISHED[NAMES.index("Nemotron 3 Nano 30B")][1])), arch(config)
    assert total_parameters(ahead) == total_parameters(plain)
    attention = 2_688 * 128 * (32 + 2 + 2 + 32)
    experts = 2_688 * (128 + 128 * 2 * 1_856 + 2 * 3_712)
    assert prediction_parameters(ahead) == attention + experts + 2 * 2_688 * 2_688 + 5 * 2_688


# Random small shapes, five for each family.

GOLDEN = Path(__file__).with_name("hybrids.jsonl")
MADE_BY, *LINES = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
SHAPES = [({key: value for key, value in line.items() if key != "parameters"}, line["parameters"]) for line in LINES]
IDS = [f"{config['model_type']}-{i % 5}" for i, (config, _) in enumerate(SHAPES)]


@pytest.mark.parametrize(("config", "parameters"), SHAPES, ids=IDS)
def test_a_random_shape_has_the_parameters_that_transformers_holds(config: Config, parameters: int) -> None:
    assert total_parameters(arch(config)) == parameters


def test_every_hybrid_family_has_random_shapes() -> None:
    assert {config["model_type"] for config, _ in SHAPES} == {*hybrids.TABLE} - {"minimax_text_01"}
    assert MADE_BY["transformers"] == "5.23.0"


@pytest.mark.parametrize(("config", "parameters"), SHAPES, ids=IDS)
def test_the_parts_of_a_random_shape_hold_together(config: Config, parameters: int) -> None:
    model = arch(config)
    assert 0 < active_parameters(model) <= parameters
    assert embedding_parameters(model) < parameters
    core = sum(times * layer.mixer.core_flop(64, causal=True) for layer, times in model.layers)
    forward = forward_flop(model, 64, causal=True).total
    assert float(forward) == pytest.approx(float(2 * matmul_parameters(model) + core))


@pytest.mark.parametrize("family", [name for name in hybrids.TABLE if name != "nemotron_h"])
def test_a_family_alone_reads_with_its_published_defaults(family: str) -> None:
    model = arch({"model_type": family})
    assert total_parameters(model) > 1e8
    assert model.layer_count >= 24


# What a layer is made of.


def test_nemotrons_layers_are_a_mixer_or_a_channel_mixer() -> None:
    model = arch(dict(PUBLISHED[NAMES.index("Nemotron-H 8B")][1]))
    assert model.layer_count == 52
    assert all((layer.mixer == NOTHING) != (layer.channel == NOTHING) for layer, _ in model.layers)


def test_falcon_h1_has_attention_and_state_in_every_layer() -> None:
    ((layer, times),) = arch({"model_type": "falcon_h1"}).layers
    assert times == 32
    assert isinstance(layer.mixer, Parallel)
    assert layer.mixer.score_heads == 32


def test_letters_and_words_say_the_same() -> None:
    words = [{"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}[letter] for letter in NANO]
    config = dict(PUBLISHED[NAMES.index("Nemotron 3 Nano 30B")][1])
    in_words = {key: value for key, value in config.items() if key != "hybrid_override_pattern"}
    assert arch({**in_words, "layers_block_type": words}).layers == arch(config).layers


def test_a_nested_text_config_is_the_model_that_counts() -> None:
    text = {"model_type": "qwen3_5_moe_text", "num_hidden_layers": 4}
    nested = {"model_type": "qwen3_5_moe", "tie_word_embeddings": True, "text_config": text, "vision_config": {}}
    assert total_parameters(arch(nested)) == total_parameters(arch({**text, "tie_word_embeddings": True}))


def test_an_older_name_of_the_tied_head_is_read() -> None:
    tied, untied = (arch({"model_type": "lfm2", "tie_embedding": said}) for said in (True, False))
    assert total_parameters(untied) - total_parameters(tied) == 65_536 * 2_560


def test_a_head_that_is_never_tied_is_counted_whatever_the_config_says() -> None:
    said = [{"model_type": "xlstm", "tie_word_embeddings": tied} for tied in (True, False)]
    assert len({total_parameters(arch(config)) for config in said}) == 1


# Bad configs: one clear sentence each.

BAD = [
    ({"model_type": "nemotron_h"}, MissingFigure, ["hybrid_override_pattern", "M-M*-ME"]),
    ({"model_type": "nemotron_h", "hybrid_override_pattern": "MXM"}, UnreadableValue, ["MXM", "pattern"]),
    ({"model_type": "nemotron_h", "hybrid_override_pattern": 7}, UnreadableValue, ["hybrid_override_pattern", "7"]),
    ({"model_type": "zamba2", "num_hidden_layers": 12}, MissingFigure, ["layers_block_type"]),
    (
        {"model_type": "zamba2", "num_hidden_layers": 2, "layers_block_type": ["mamba", "cobra"]},
        UnreadableValue,
        ["cobra", "hybrid"],
    ),
    ({"model_type": "mamba2", "num_heads": 100}, Contradiction, ["num_heads", "100", "8,192"]),
    ({"model_type": "falcon_h1", "mamba_d_ssm": 1_000}, Contradiction, ["mamba_n_heads", "1,000"]),
    ({"model_type": "qwen3_next", "linear_num_value_heads": 24}, Contradiction, ["linear_num_key_heads", "24"]),
    ({"model_type": "qwen3_next", "num_experts_per_tok": 600}, Contradiction, ["600", "512"]),
    ({"model_type": "recurrent_gemma", "lru_width": 1_001}, Contradiction, ["1,001"]),
    ({"model_type": "granitemoehybrid", "layer_types": ["mamba"]}, Contradiction, ["layer_types", "32"]),
    ({"model_type": "mamba", "expand": "two"}, UnreadableValue, ["expand", "two"]),
    ({"model_type": "mamba", "state_size": -16}, UnreadableValue, ["state_size", "-16"]),
    ({"model_type": "jamba", "attn_layer_period": 0}, UnreadableValue, ["attn_layer_period", "0"]),
    ({"model_type": "lfm2", "full_attn_idxs": [1], "conv_bias": "no"}, UnreadableValue, ["conv_bias", "no"]),
]


@pytest.mark.parametrize(("config", "error", "words"), BAD)
def test_a_bad_config_is_one_clear_sentence(config: Config, error: type[CardyearsError], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        arch(config)
    sentence = str(caught.value)
    assert sentence.startswith("config.json")
    assert all(word in sentence for word in words), sentence
