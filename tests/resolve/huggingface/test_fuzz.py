"""Ten thousand mutated configs: each is counted or refused with a sentence; nothing else ever happens."""

import copy
import json
import random
import time

from cardyears.base.errors import CardyearsError
from cardyears.resolve.huggingface.families import FAMILIES, found
from cardyears.resolve.huggingface.fields import NAMES
from cardyears.resolve.huggingface.read import parsed
from cardyears.work.activations import activations
from cardyears.work.flops import forward_flop
from cardyears.work.params import parameters, prediction_parameters

MUTANTS = 10_000
SIZES = {"layers": 4, "hidden": 64, "heads": 4, "kv_heads": 2, "ffn": 128, "vocab": 100, "experts": 4, "top_k": 2}
VALUES = (
    None, True, False, 0, 1, 2, 3, 7, 64, -1, 1.5, 1e300, float("inf"), 10**9, 10**12, 10**400, "", "4096", "full",
    "LLLG", "text", [], {}, [1, 2], [0, 1, 1, 0], ["full_attention"] * 4, ["dense", "sparse", "dense", "sparse"],
    {"model_type": "llama"}, [[["global", "local"], 2]], {"a": {"b": [1]}}, "سطر", "{x:flop}",
)  # fmt: skip
KEYS = sorted(
    {key for keys in NAMES.values() for key in keys}
    | {key for family in FAMILIES.values() for key in family.defaults}
    | {
        "architectures", "attention_other_setting", "attention_types", "attn_config", "block_configs",
        "compress_ratios", "ffn_config", "hybrid_layer_pattern", "index_topk_pattern", "indexer_types", "layer_types",
        "mlp_layer_types", "mlp_only_layers", "model_type", "moe_layer_freq", "moe_layers", "moe_layers_enum",
        "no_rope_layers", "peft_type", "per_layer_config", "quantization_config", "sparse_attention_config",
        "text_config", "vision_config",
    }
)  # fmt: skip


def seeds():
    """A small config of each family, by the first and by the last name of each size."""
    for kind in sorted(FAMILIES):
        for which in (0, -1):
            yield {"model_type": kind, **{NAMES[name][which]: value for name, value in SIZES.items()}}


def mutated(config, chance):
    config = copy.deepcopy(config)
    for _ in range(chance.randint(1, 4)):
        key = chance.choice(KEYS if chance.random() < 0.5 else list(config) or KEYS)
        match chance.randrange(4):
            case 0:
                config.pop(key, None)
            case 1:
                config = {"model_type": chance.choice(("llava", "gemma3", "new")), "text_config": config}
            case _:
                config[key] = copy.deepcopy(chance.choice(VALUES))
    return config


def damaged(text, chance):
    """The text as it is, cut off, or with characters exchanged."""
    if chance.random() < 0.85:
        return text
    if chance.random() < 0.5:
        return text[: chance.randrange(len(text))]
    at = chance.randrange(len(text))
    return text[:at] + chance.choice('{}[]",:0-eN\0 ') + text[at + 1 :]


def test_nothing_but_a_sentence_or_a_count_comes_of_a_mutated_config():
    chance, configs, counted = random.Random(3), list(seeds()), 0
    refused: list[CardyearsError] = []
    start = time.process_time()
    for _ in range(MUTANTS):
        text = damaged(json.dumps(mutated(chance.choice(configs), chance)), chance)
        try:
            one = found(parsed(text, "config.json"), "config.json", "mutant")
            assert parameters(one.architecture).total > 0
            assert prediction_parameters(one.architecture) >= 0
            assert forward_flop(one.architecture, 1_000).total > 0
            activations(one.architecture, 1_000, 1_000, recompute="selective")
            counted += 1
        except CardyearsError as error:
            refused.append(error)
    assert all(str(error.rule) and str(error.remedy) and "\n" not in str(error) for error in refused)
    assert counted > MUTANTS / 10
    assert time.process_time() - start < 20
