"""A config that leaves everything out is the published implementation's default, to the single parameter.

Counts: transformers 5.23.0, the class of each model type with its default config on the meta device, tied as it ties.
"""

import pytest

from cardyears.base.errors import CardyearsError
from cardyears.resolve.huggingface import deepseek, dense, gemma, mixtures
from cardyears.resolve.huggingface.families import FAMILIES, SAME, found
from cardyears.work.params import total_parameters

DEFAULTS = {
    "afmoe": 19_232_600_000,
    "apertus": 6_979_596_352,
    "arcee": 4_022_766_080,
    "biogpt": 346_763_264,
    "bitnet": 2_741_155_840,
    "bloom": 16_156_544,
    "codegen": 6_050_882_784,
    "cohere": 34_980_831_232,
    "cohere2": 34_980_831_232,
    "cwm": 32_581_097_472,
    "deepseek_v3": 671_026_404_352,
    "deepseek_v32": 671_877_929_216,
    "deepseek_v4": 284_325_869_015,
    "ernie4_5": 360_748_032,
    "ernie4_5_moe": 21_825_437_888,
    "exaone4": 9_429_069_824,
    "exaone_moe": 28_550_639_616,
    "falcon": 6_921_720_704,
    "flex_olmo": 33_270_665_216,
    "gemma": 8_537_680_896,
    "gemma2": 2_614_341_888,
    "gemma3_text": 2_628_658_432,
    "gemma3n_text": 6_835_235_568,
    "gemma4_text": 5_077_177_856,
    "glm": 9_399_951_360,
    "glm4": 9_400_279_040,
    "glm4_moe_lite": 29_943_390_976,
    "glm_moe_dsa": 743_911_199_232,
    "gpt2": 124_439_808,
    "gpt_bigcode": 111_446_784,
    "gpt_neo": 1_315_575_808,
    "gpt_neox": 20_554_567_680,
    "gpt_oss": 116_829_156_672,
    "gptj": 6_050_882_784,
    "granite": 6_738_415_616,
    "granite_swa": 2_144_463_840,
    "granitemoe": 37_039_116_288,
    "granitemoe_swa": 37_039_117_312,
    "granitemoeshared": 37_039_116_288,
    "helium": 2_172_643_840,
    "hy_v3": 295_033_528_320,
    "hyperclovax": 6_738_677_760,
    "internlm3": 8_804_241_408,
    "jais2": 8_090_401_280,
    "llama": 6_738_415_616,
    "llama4_text": 107_769_861_120,
    "mellum": 12_149_923_072,
    "mimo_v2_flash": 308_778_768_832,
    "minicpm3": 4_073_875_968,
    "minimax_m2": 228_689_748_992,
    "minimax_m3_vl_text": 447_186_441_216,
    "ministral3": 8_489_553_920,
    "mistral": 7_241_732_096,
    "mixtral": 46_702_792_704,
    "mpt": 1_311_213_568,
    "nanochat": 256_573_440,
    "olmo": 6_888_095_744,
    "olmo2": 6_888_624_128,
    "olmo3": 6_888_624_128,
    "olmoe": 13_361_612_800,
    "openai-gpt": 116_534_784,
    "opt": 125_239_296,
    "persimmon": 9_397_175_296,
    "phi": 1_418_270_720,
    "phi3": 3_821_079_552,
    "phimoe": 41_872_793_600,
    "qwen2": 12_049_846_272,
    "qwen2_moe": 14_315_784_192,
    "qwen3": 12_049_461_248,
    "qwen3_moe": 15_350_731_776,
    "seed_oss": 28_921_040_896,
    "smollm3": 3_075_098_624,
    "solar_open": 102_651_793_408,
    "stablelm": 2_795_443_200,
    "starcoder2": 3_030_371_328,
    "vaultgemma": 2_614_222_080,
    "xglm": 564_463_616,
    "youtu": 1_961_560_064,
}
NOT_IN_TRANSFORMERS = {
    "baichuan", "chatglm", "exaone", "internlm", "internlm2", "kimi_k2", "mimo", "minicpm", "minimax_m3",
    "nemotron-nas", "qwen", "step3p5", "step3p7",
}  # fmt: skip
WITHOUT_DEFAULT = {
    "dbrx", "deepseek_v2", "dots1", "glm4_moe", "hunyuan_v1_dense", "hunyuan_v1_moe", "longcat_flash", "ministral",
    "nemotron",
}  # fmt: skip
"""The implementation builds no model of its default, or (LongCat) holds gates of experts that compute nothing."""


@pytest.mark.parametrize(("kind", "count"), DEFAULTS.items())
def test_the_default_of_each_family_is_counted_exactly(kind, count):
    assert total_parameters(found({"model_type": kind}, "config.json", "default").architecture) == count


def test_every_family_has_its_default_counted_or_says_why_not():
    assert {*dense.TABLE, *mixtures.TABLE, *deepseek.TABLE, *gemma.TABLE} == set(
        DEFAULTS
    ) | NOT_IN_TRANSFORMERS | WITHOUT_DEFAULT


def test_what_was_left_out_is_said():
    notes = found({"model_type": "llama", "hidden_size": 4096}, "config.json", "default").notes
    assert [note.key for note in notes] == ["config"]
    assert "num_hidden_layers = 32" in notes[0].value
    assert "hidden_size" not in notes[0].value


def test_longcat_is_counted_as_published_without_gates_of_idle_experts():
    arch = found({"model_type": "longcat_flash"}, "config.json", "LongCat-Flash").architecture
    assert round(total_parameters(arch) / 1e9) == 561  # "560B" of the report; transformers holds 741B
    assert arch.layer_count == 56


@pytest.mark.parametrize(("other", "family"), SAME.items())
def test_other_names_lead_to_a_family(other, family):
    assert family in FAMILIES
    assert other not in FAMILIES


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_refuses_a_negative_layer_count(kind):
    with pytest.raises(CardyearsError):
        found({"model_type": kind, "num_hidden_layers": -1, "num_layers": -1}, "config.json", "default")
