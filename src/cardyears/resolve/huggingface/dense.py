"""Decoders with one MLP for every token, as a table: most families differ from Llama by a few traits.

Defaults are those of the published implementation (transformers), which a config may leave out.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardyears.resolve.huggingface.attention import grouped
from cardyears.resolve.huggingface.decoder import decoder
from cardyears.resolve.huggingface.experts import dense
from cardyears.resolve.huggingface.family import Family, like, sizes
from cardyears.resolve.huggingface.fields import Fields
from cardyears.resolve.huggingface.special import bigcode, falcon, gpt_neo, nemotron_nas, opt
from cardyears.work.channels import Channel, Mlp

LLAMA = Family(
    read=decoder,
    mixers=grouped,
    channels=dense,
    defaults=sizes(32, 4096, 32, None, 11_008, 32_000),
    qkv_bias="attention_bias",
    output_bias="attention_bias",
    mlp_bias="mlp_bias",
)
BARE = like(LLAMA, {}, qkv_bias=False, output_bias=False, mlp_bias=False)
"""Llama without a key for biases."""
MISTRAL = like(BARE, sizes(32, 4096, 32, 8, 14_336, 32_000, sliding_window=4096), window="all")
QWEN2 = like(
    BARE,
    sizes(32, 4096, 32, 32, 22_016, 151_936, sliding_window=4096, use_sliding_window=False, max_window_layers=28),
    qkv_bias=True,
    window="late",
)
GEMMA = like(LLAMA, sizes(28, 3072, 16, 16, 24_576, 256_000, head_dim=256, tied=True), mlp_bias=False)
GEMMA2_SIZES = sizes(26, 2304, 8, 4, 9216, 256_000, head_dim=256, tied=True, sliding_window=4096, window_pattern=2)
OLMO2 = like(LLAMA, sizes(32, 4096, 32, None, 11_008, 50_304), mlp_bias=False, qk_norm="hidden")
OLMO3_SIZES = {**OLMO2.defaults, "sliding_window": 4096, "window_pattern": 4}
COHERE = like(
    LLAMA,
    sizes(40, 8192, 64, None, 22_528, 256_000, tied=True),
    mlp_bias=False,
    norms=1,
    qk_norm="hidden",
    qk_norm_if="use_qk_norm",
)
GLM = like(
    LLAMA, sizes(40, 4096, 32, 2, 13_696, 151_552, head_dim=128, attention_bias=True), output_bias=False, mlp_bias=False
)
GPT2 = Family(
    read=decoder,
    mixers=grouped,
    channels=dense,
    defaults=sizes(12, 768, 12, None, None, 50_257, positions=1024, tied=True),
    norm_vectors=2,
    qkv_bias=True,
    output_bias=True,
    mlp_bias=True,
    gated=False,
    position_rows=0,
)
GPT_J = like(
    GPT2,
    sizes(28, 4096, 16, None, None, 50_400),
    qkv_bias=False,
    output_bias=False,
    head_bias=True,
    norms=1,
    position_rows=None,
)
EXAONE4_SIZES = sizes(32, 4096, 32, 32, 16_384, 102_400, sliding_window=4096, window_pattern=4)


def halves(fields: Fields, family: Family, layers: int) -> list[Channel]:
    """The first Qwen's gated MLP: `intermediate_size` counts gate and up together."""
    return [Mlp(fields.whole("ffn") // 2 or 1, family.gated)] * layers


def _sub_norms(fields: Fields) -> int:
    """BitNet's norms of what enters both output matrices."""
    return fields.whole("heads") * fields.head_dim() + fields.whole("ffn")


def _two(fields: Fields) -> int:  # noqa: ARG001 - the same for every config
    """The two slopes of xIELU."""
    return 2


TABLE: Mapping[str, Family] = {
    "llama": LLAMA,
    "mistral": MISTRAL,
    "ministral": MISTRAL,
    "ministral3": like(BARE, sizes(34, 4096, 32, 8, 14_336, 131_072, head_dim=128), window="all"),
    "qwen2": QWEN2,
    "mimo": like(QWEN2, {**QWEN2.defaults, "kv_heads": None}),
    "qwen3": like(
        QWEN2,
        {**QWEN2.defaults, "head_dim": 128},
        qkv_bias="attention_bias",
        output_bias="attention_bias",
        qk_norm="head",
    ),
    "gemma": GEMMA,
    "gemma2": like(GEMMA, GEMMA2_SIZES, norms=4, window="pattern"),
    "gemma3_text": like(
        GEMMA, {**GEMMA2_SIZES, "vocab": 262_208, "window_pattern": 6}, norms=4, window="pattern", qk_norm="head"
    ),
    "vaultgemma": like(GEMMA, GEMMA2_SIZES, window="pattern"),
    "gpt2": GPT2,
    "gpt_bigcode": like(GPT2, {**GPT2.defaults, "multi_query": True}, read=bigcode),
    "openai-gpt": like(GPT2, sizes(12, 768, 12, None, None, 40_478, positions=512, tied=True), final_norm=False),
    "gpt_neo": like(
        GPT2,
        sizes(24, 2048, 16, None, None, 50_257, positions=2048, tied=True, window_size=256),
        read=gpt_neo,
        qkv_bias=False,
    ),
    "gptj": GPT_J,
    "codegen": GPT_J,
    "gpt_neox": like(
        GPT2,
        sizes(44, 6144, 64, None, 24_576, 50_432, attention_bias=True),
        qkv_bias="attention_bias",
        output_bias="attention_bias",
        position_rows=None,
    ),
    "opt": like(
        GPT2,
        sizes(12, 768, 12, None, 3072, 50_272, positions=2048, tied=True, enable_bias=True),
        read=opt,
        qkv_bias="enable_bias",
        output_bias="enable_bias",
        mlp_bias="enable_bias",
        position_rows=2,
    ),
    "biogpt": like(GPT2, sizes(24, 1024, 16, None, 4096, 42_384, positions=1024, tied=True), position_rows=2),
    "xglm": like(GPT2, sizes(24, 1024, 16, None, 4096, 256_008, tied=True), position_rows=None),
    "bloom": like(
        GPT2, sizes(2, 64, 8, None, None, 250_880, tied=True), position_rows=None, embedding_norm=True, alibi=True
    ),
    "falcon": like(
        GPT2,
        sizes(32, 4544, 71, None, None, 65_024, tied=True, multi_query=True),
        read=falcon,
        qkv_bias="bias",
        output_bias="bias",
        mlp_bias="bias",
        position_rows=None,
    ),
    "mpt": like(
        GPT2,
        sizes(24, 2048, 16, None, None, 50_368, tied=True),
        norm_vectors=1,
        layer_norms=True,
        alibi=True,
        qkv_bias=False,
        output_bias=False,
        mlp_bias=False,
        position_rows=None,
    ),
    "starcoder2": like(
        GPT2,
        sizes(30, 3072, 24, 2, 12_288, 49_152, tied=True, use_bias=True),
        qkv_bias="use_bias",
        output_bias="use_bias",
        mlp_bias="use_bias",
        position_rows=None,
        window="all",
    ),
    "persimmon": like(
        GPT2,
        sizes(36, 4096, 64, None, 16_384, 262_144, qk_layernorm=True),
        position_rows=None,
        qk_norm="head-bias",
        qk_norm_if="qk_layernorm",
    ),
    "phi": like(
        GPT2,
        sizes(24, 2048, 32, None, 8192, 51_200),
        norms=1,
        head_bias=True,
        position_rows=None,
        qk_norm="head-bias",
        qk_norm_if="qk_layernorm",
    ),
    "phi3": like(BARE, sizes(32, 3072, 32, None, 8192, 32_064), window="all"),
    "olmo": like(LLAMA, sizes(32, 4096, 32, None, 11_008, 50_304), mlp_bias=False, norm_vectors=0),
    "olmo2": OLMO2,
    "olmo3": like(OLMO2, OLMO3_SIZES, window="pattern"),
    "granite": LLAMA,
    "granite_swa": like(
        LLAMA,
        sizes(24, 2560, 20, 4, 8192, 100_352, tied=True, sliding_window=128, window_pattern=4),
        window="first",
        sinks=True,
    ),
    "cohere": COHERE,
    "cohere2": like(
        COHERE, {**COHERE.defaults, "sliding_window": 4096, "window_pattern": 4}, window="pattern", qk_norm="none"
    ),
    "stablelm": like(
        BARE,
        sizes(32, 2560, 32, 32, 6912, 50_304),
        norm_vectors=2,
        norms_if=("use_parallel_residual", 1),
        qkv_bias="use_qkv_bias",
        qk_norm="hidden",
        qk_norm_if="qk_layernorm",
    ),
    "smollm3": like(
        LLAMA, sizes(36, 2048, 16, 4, 11_008, 128_256, tied=True, use_sliding_window=False), window="unrotated"
    ),
    "exaone4": like(BARE, EXAONE4_SIZES, window="pattern", qk_norm="head"),
    "exaone": like(BARE, sizes(32, 4096, 32, None, 16_384, 102_400)),
    "nemotron": like(LLAMA, sizes(32, 6144, 48, None, 24_576, 256_000), norm_vectors=2, gated=False),
    "nemotron-nas": like(LLAMA, sizes(32, 4096, 32, None, None, 128_256), read=nemotron_nas),
    "internlm": like(BARE, sizes(32, 4096, 32, None, 11_008, 103_168, bias=True), qkv_bias="bias", output_bias="bias"),
    "internlm2": like(BARE, sizes(32, 4096, 32, None, 11_008, 103_168, bias=True), qkv_bias="bias", output_bias="bias"),
    "internlm3": like(LLAMA, sizes(48, 4096, 32, 2, 10_240, 128_512, head_dim=128)),
    "minicpm": like(LLAMA, sizes(32, 4096, 32, None, 11_008, 32_000, tied=True)),
    "qwen": like(BARE, sizes(32, 4096, 32, None, 22_016, 151_936), channels=halves, qkv_bias=True),
    "chatglm": like(BARE, sizes(28, 4096, 32, 2, 13_696, 65_024, add_qkv_bias=True), qkv_bias="add_qkv_bias"),
    "baichuan": like(BARE, sizes(32, 4096, 32, None, 11_008, 64_000)),
    "glm": GLM,
    "glm4": like(GLM, GLM.defaults, norms=4),
    "helium": like(LLAMA, sizes(24, 2560, 20, 20, 7040, 48_000, head_dim=128), output_bias=False),
    "seed_oss": like(
        LLAMA,
        sizes(64, 4096, 80, 8, 27_648, 155_136, head_dim=128, attention_bias=True),
        output_bias="attention_out_bias",
    ),
    "arcee": like(LLAMA, sizes(32, 2560, 32, None, 18_432, 32_000), gated=False),
    "apertus": like(
        LLAMA, sizes(32, 4096, 32, None, 14_336, 131_072), mlp_bias=False, gated=False, qk_norm="head", scales=_two
    ),
    "bitnet": like(LLAMA, sizes(30, 2560, 20, 5, 6912, 128_256), mlp_bias=False, scales=_sub_norms),
    "cwm": like(
        BARE,
        sizes(64, 6144, 48, 8, 21_504, 128_256, head_dim=128, sliding_window=8192, window_pattern=4),
        mlp_bias="mlp_bias",
        window="first",
    ),
    "ernie4_5": like(
        BARE,
        sizes(18, 1024, 16, 2, 3072, 103_424, head_dim=128, tied=True),
        qkv_bias="use_bias",
        output_bias="use_bias",
        mlp_bias="use_bias",
    ),
    "hyperclovax": like(LLAMA, {**LLAMA.defaults, "use_post_norm": True}, norms_if=("use_post_norm", 4)),
    "hunyuan_v1_dense": like(LLAMA, sizes(32, 4096, 32, None, 11_008, 290_943), mlp_bias=False, qk_norm="head"),
    "jais2": like(
        LLAMA,
        sizes(32, 3328, 26, None, 26_624, 150_272, attention_bias=True, mlp_bias=True),
        norm_vectors=2,
        gated=False,
    ),
    "nanochat": like(LLAMA, sizes(12, 768, 6, None, 8192, 50_304), mlp_bias=False, gated=False, norm_vectors=0),
}
"""Dense decoders by `model_type`."""
