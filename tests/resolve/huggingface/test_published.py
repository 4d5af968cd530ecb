"""Published configs, counted to the single parameter: the files of ../shared/hf_configs, and models built here.

The files' counts are transformers 5.23.0 on the meta device (index.csv). Where it counts a vision tower, which is no
part of the decoder, the tower's own count (the same oracle, by module) is taken off.
"""

import csv
import time
from pathlib import Path

import pytest

from cardyears.resolve.huggingface.families import found
from cardyears.resolve.huggingface.read import read
from cardyears.work.flops import model_flop
from cardyears.work.params import active_parameters, prediction_parameters, total_parameters

SHARED = Path(__file__).resolve().parents[4] / "shared" / "hf_configs"
INDEX = SHARED / "index.csv"
ROWS = list(csv.DictReader(INDEX.read_text(encoding="utf-8").splitlines())) if INDEX.exists() else []
needs_shared = pytest.mark.skipif(not ROWS, reason="../shared/hf_configs is not here")

VISION = {
    "google--gemma-4-26B-A4B.json": 569_548_080 + 3_244_032,
    "moonshotai--Kimi-K2.5.json": 416_866_032 + 54_277_888,
    # The oracle took the default vocabulary of 128,815 instead of the file's 128,896, twice 4,096 wide.
    "stepfun-ai--Step-3.7-Flash.json": 1_955_848_960 + 25_165_824 - 2 * 4_096 * (128_896 - 128_815),
}
NOT_IN_TRANSFORMERS = {
    "MiniMaxAI--MiniMax-M3.json": 426_174_565_632,  # as transformers' minimax_m3_vl_text counts the same sizes
    "nvidia--Llama-3_3-Nemotron-Super-49B-v1.json": 49_867_145_216,  # the checkpoint's own total
}


def decoder(file):
    return found(read(SHARED / file), file, file).architecture


@needs_shared
@pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])
def test_every_published_file_is_counted_exactly(row):
    file, counted = row["file"], row["transformers_5_23_meta_params"]
    expected = int(counted) - VISION.get(file, 0) if counted else NOT_IN_TRANSFORMERS[file]
    assert total_parameters(decoder(file)) == expected


PUBLISHED_ACTIVE = {
    "Qwen--Qwen3-235B-A22B.json": 22e9,
    "Qwen--Qwen3-30B-A3B.json": 3.3e9,
    "databricks--dbrx-base.json": 36e9,
    "deepseek-ai--DeepSeek-V3.json": 37e9,
    "deepseek-ai--DeepSeek-V4-Pro.json": 49e9,
    "google--gemma-4-26B-A4B.json": 3.8e9,
    "meta-llama--Llama-4-Maverick-17B-128E-Instruct.json": 17e9,
    "mistralai--Mixtral-8x22B-v0.1.json": 39e9,
    "mistralai--Mixtral-8x7B-v0.1.json": 12.9e9,
    "moonshotai--Kimi-K2-Instruct.json": 32e9,
    "microsoft--Phi-mini-MoE-instruct.json": 2.4e9,
    "stepfun-ai--Step-3.7-Flash.json": 11e9,
}
"""As the makers round them on the model cards."""


@needs_shared
@pytest.mark.parametrize(("file", "active"), PUBLISHED_ACTIVE.items())
def test_active_parameters_are_as_published(file, active):
    assert active_parameters(decoder(file)) == pytest.approx(active, rel=0.03)


@needs_shared
def test_prediction_layers_are_counted_apart():
    # DeepSeek-V3 report, 2.2 and 4.2: one layer, 11.5 billion of its own beside the shared embedding and head.
    assert prediction_parameters(decoder("deepseek-ai--DeepSeek-V3.json")) == pytest.approx(11.5e9, rel=0.01)
    both = decoder("XiaomiMiMo--MiMo-7B-Base.json")
    assert (total_parameters(both) + prediction_parameters(both)) / 1e9 == pytest.approx(7.83, abs=0.005)
    assert prediction_parameters(decoder("Qwen--Qwen3-8B.json")) == 0


@needs_shared
def test_a_thousand_configs_are_counted_in_a_second():
    files = [SHARED / row["file"] for row in ROWS]
    start = time.process_time()
    for i in range(1_000):
        arch = found(read(files[i % len(files)]), "config.json", str(i)).architecture  # a new name defeats the caches
        total_parameters(arch)
        model_flop(arch, 4_096)
    assert time.process_time() - start < 1


LLAMA_3_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "vocab_size": 128256,
}
KNOWN = {
    "Llama 3 8B": (LLAMA_3_8B, 8_030_261_248),
    "Pythia 1.4B": (
        {
            "model_type": "gpt_neox", "hidden_size": 2048, "intermediate_size": 8192, "num_attention_heads": 16,
            "num_hidden_layers": 24, "vocab_size": 50304, "tie_word_embeddings": False,
        },
        1_414_647_808,
    ),
    "OPT 350M": (
        {
            "model_type": "opt", "hidden_size": 1024, "ffn_dim": 4096, "num_attention_heads": 16,
            "num_hidden_layers": 24, "word_embed_proj_dim": 512, "do_layer_norm_before": False,
            "max_position_embeddings": 2048, "vocab_size": 50272,
        },
        331_196_416,
    ),
    "BLOOM 560M": (
        {"model_type": "bloom", "n_embed": 1024, "n_layer": 24, "num_attention_heads": 16, "vocab_size": 250880},
        559_214_592,
    ),
    "Gemma 2 2B": ({"model_type": "gemma2"}, 2_614_341_888),
    "StarCoderBase 1B": (
        {
            "model_type": "gpt_bigcode", "n_embd": 2048, "n_head": 16, "n_layer": 24, "n_inner": 8192,
            "n_positions": 8192, "vocab_size": 49152, "multi_query": True,
        },
        1_137_207_296,
    ),
    "Falcon 7B": (
        {
            "model_type": "falcon", "hidden_size": 4544, "num_attention_heads": 71, "num_hidden_layers": 32,
            "vocab_size": 65024, "multi_query": True, "parallel_attn": True, "bias": False,
        },
        6_921_720_704,
    ),
    "GPT-J 6B": ({"model_type": "gptj"}, 6_050_882_784),
    "SmolLM3 3B": ({"model_type": "smollm3"}, 3_075_098_624),
    "Qwen 7B, the first": ({"model_type": "qwen", "kv_channels": 128, "intermediate_size": 22016}, 7_721_324_544),
    "ChatGLM3 6B": (
        {
            "model_type": "chatglm", "num_layers": 28, "hidden_size": 4096, "ffn_hidden_size": 13696,
            "num_attention_heads": 32, "multi_query_group_num": 2, "kv_channels": 128, "padded_vocab_size": 65024,
            "add_qkv_bias": True,
        },
        6_243_584_000,
    ),
    "EXAONE 3.5 7.8B": (
        {
            "model_type": "exaone", "num_layers": 32, "hidden_size": 4096, "intermediate_size": 14336,
            "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 102400,
        },
        7_818_448_896,
    ),
    "Gemma 3 4B, its text decoder": (
        {
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
                "num_hidden_layers": 34, "sliding_window": 1024,
            },
            "vision_config": {"model_type": "siglip_vision_model"},
        },
        3_880_263_168,
    ),
}  # fmt: skip
"""Totals of the published checkpoints."""


@pytest.mark.parametrize(("config", "count"), KNOWN.values(), ids=KNOWN)
def test_models_that_everybody_knows(config, count):
    assert total_parameters(found(config, "config.json", "known").architecture) == count


def test_a_multimodal_config_says_that_its_text_decoder_is_counted():
    notes = found(KNOWN["Gemma 3 4B, its text decoder"][0], "config.json", "Gemma 3 4B").notes
    assert "the text decoder is counted" in str(notes[0].reason)


def test_a_quantised_config_is_counted_as_before_and_says_so():
    config = {**LLAMA_3_8B, "quantization_config": {"bits": 4, "quant_method": "gptq"}}
    one = found(config, "config.json", "quantised")
    assert total_parameters(one.architecture) == 8_030_261_248
    assert [note.key for note in one.notes] == ["quantization"]


def test_the_outer_config_decides_whether_the_head_is_tied():
    inner = {key: value for key, value in LLAMA_3_8B.items() if key != "tie_word_embeddings"}
    outer = {"model_type": "llava", "text_config": inner, "tie_word_embeddings": True}
    assert found(outer, "config.json", "tied").architecture.tied


def test_a_class_name_stands_for_a_missing_model_type():
    config = {key: value for key, value in LLAMA_3_8B.items() if key != "model_type"}
    one = found({**config, "architectures": ["LlamaForCausalLM"]}, "config.json", "old")
    assert total_parameters(one.architecture) == 8_030_261_248
