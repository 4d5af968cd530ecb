"""Trainable parameters of LoRA, as PEFT itself lays its adapters on the published implementations.

Not here: families where PEFT itself leaves out matrices that were asked for (0.21 passes by the experts of gpt-oss
and Qwen1.5-MoE, and the shared and dense MLP of DeepSeek and GLM, when their names are those of fused experts).
"""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from peft import LoraConfig, get_peft_model

from cardyears.resolve.huggingface.families import found
from cardyears.work.params import Targets, lora_parameters
from golden import table
from oracle.measure import causal_model, read_config

TABLE = table()
ATTENTION = r".*self_attn\.(q|k|v|o)_proj"
GATED = r".*mlp\.(gate|up|down)_proj"

# A model of each kind, its modules of attention and of the MLP.
MODELS: dict[str, tuple[str, str]] = {
    "llama-3.2-1b": (ATTENTION, GATED),
    "qwen2.5-0.5b": (ATTENTION, GATED),
    "gpt-2-small": (r".*\.attn\.(c_attn|c_proj)", r".*\.mlp\.(c_fc|c_proj)"),
    "pythia-160m": (r".*\.attention\.(query_key_value|dense)", r".*\.mlp\.dense.*"),
    "mixtral-8x7b": (ATTENTION, r".*\.experts\.w[123]"),
    "qwen3-30b-a3b": (ATTENTION, r".*\.experts\.(gate|up|down)_proj"),
    "phi-4-mini": (r".*self_attn\.(qkv|o)_proj", r".*mlp\.(gate_up|down)_proj"),
    "opt-350m": (r".*self_attn\.(q|k|v|out)_proj", r".*\.fc[12]"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rank", [4, 8, 16, 64])
@pytest.mark.parametrize("targets", get_args(Targets))
@pytest.mark.parametrize("name", MODELS)
def test_adapters_have_the_trainable_parameters_that_peft_gives_them(name: str, targets: Targets, rank: int) -> None:
    attention, mlp = MODELS[name]
    modules = {"attention": attention, "mlp": mlp}.get(targets, targets)
    config = TABLE[name]["config"]
    with torch.device("meta"):
        model = causal_model(read_config(config))
        adapted = get_peft_model(model, LoraConfig(r=rank, task_type="CAUSAL_LM", target_modules=modules))
    theirs, _ = adapted.get_nb_trainable_parameters()
    ours = found(config, "config.json", name).architecture
    assert lora_parameters(ours, rank, targets) == theirs
