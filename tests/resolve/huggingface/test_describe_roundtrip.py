"""What the error for an unknown family prints counts, read back, what the known family counts."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from cardyears.catalogue.schema import ShapeRow
from cardyears.resolve.huggingface.describe import shape_toml
from cardyears.resolve.huggingface.families import found
from cardyears.resolve.models import checked
from cardyears.work.params import total_parameters

MIXTRAL: dict[str, Any] = {
    "model_type": "mixtral",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14_336,
    "vocab_size": 32_000,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
LLAMA: dict[str, Any] = {**MIXTRAL, "model_type": "llama", "num_local_experts": None, "num_experts_per_tok": None}


@pytest.mark.parametrize("config", [MIXTRAL, LLAMA], ids=["experts", "dense"])
def test_a_described_config_counts_as_its_family_does(config: dict[str, Any]) -> None:
    import msgspec

    shape = msgspec.convert(tomllib.loads(shape_toml(config, "mine"))["shape"], ShapeRow)
    known = found(config, "config.json", "mine").architecture
    assert total_parameters(checked("mine", shape)) == total_parameters(known)
