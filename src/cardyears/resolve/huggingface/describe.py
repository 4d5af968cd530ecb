"""How is a model described that no reader knows? As a TOML shape, filled in as far as its config allows."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cardyears.resolve.huggingface.fields import NAMES, Json

NEEDED = ("layers", "hidden", "heads", "ffn", "vocab")
OPTIONAL = ("kv_heads", "head_dim", "experts", "top_k", "expert_ffn", "shared_experts", "dense_layers")
"""Keys of a shape that are written only if the config has them. Names are the same in both."""
MORE = "# More keys: gated, positions, norm, norms_per_layer, qk_norm, qkv_bias, mlp_bias, window, global_every."


def shape_toml(config: Mapping[str, Json], name: str) -> str:
    """A TOML file that describes the model of a config.

    >>> print(shape_toml({"hidden_size": 1024, "n_layer": 24, "num_heads": 16, "vocab_size": 50_000}, "my-model"))
    name = "my-model"
    <BLANKLINE>
    [shape]
    layers = 24
    hidden = 1024
    heads = 16
    ffn = 0  # width of the MLP: fill it in
    vocab = 50000
    tied = false
    # More keys: gated, positions, norm, norms_per_layer, qk_norm, qkv_bias, mlp_bias, window, global_every.
    """
    lines = [f"name = {json.dumps(name, ensure_ascii=False)}", "", "[shape]"]
    for key in NEEDED:
        value = _whole(config, key)
        lines.append(f"{key} = {value}" if value else f"{key} = 0  # {_WHAT[key]}: fill it in")
    found = {key: value for key in OPTIONAL if (value := _whole(config, key))}
    if "experts" in found:  # a config without a width of its own for experts means the MLP's
        found.setdefault("expert_ffn", _whole(config, "ffn") or 0)
        found.setdefault("top_k", 1)
    lines += [f"{key} = {value}" for key, value in found.items()]
    tied = config.get("tie_word_embeddings")
    lines.append(f"tied = {'true' if tied is True else 'false'}")
    return "\n".join([*lines, *_latent(config), MORE])


_LATENT = {
    "q_rank": "q_lora_rank",
    "kv_rank": "kv_lora_rank",
    "rope_dim": "qk_rope_head_dim",
    "nope_dim": "qk_nope_head_dim",
    "value_dim": "v_head_dim",
}


def _latent(config: Mapping[str, Json]) -> list[str]:
    """The line of multi-head latent attention, if the config has its ranks."""
    sizes = [f"{key} = {value}" for key, name in _LATENT.items() if (value := _whole(config, name))]
    return [f"latent = {{ {', '.join(sizes)} }}"] if _whole(config, "kv_lora_rank") else []


_WHAT = {
    "layers": "decoder layers",
    "hidden": "hidden width",
    "heads": "attention heads",
    "ffn": "width of the MLP",
    "vocab": "tokens of the vocabulary",
}


def _whole(config: Mapping[str, Json], key: str) -> int | None:
    for name in NAMES.get(key, (key,)):
        value = config.get(name)
        if type(value) is int and 0 < value <= 1_000_000_000:
            return value
    return None
