"""Parameters and FLOP of every family, as the published implementations hold and compute them.

`tests/oracles/golden.json` is counted by torch on transformers' own models (`tools/golden.py`), without cardyears.
FLOP are those of a batch of short sequences with eager attention, which computes the whole square and then masks it:
no window in the table is shorter than the sequence. Where torch's counter cannot be trusted (scans, delta rules,
lightning attention), the table has the weights that multiply a token's activations and no FLOP.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cardyears.resolve.huggingface.families import found
from cardyears.work.architecture import Architecture
from cardyears.work.flops import forward_flop, model_flop
from cardyears.work.params import matmul_parameters, total_parameters

GOLDEN = json.loads((Path(__file__).parent.parent / "oracles" / "golden.json").read_text(encoding="utf-8"))
MODELS: list[dict[str, Any]] = GOLDEN["models"]
LENGTH: int = GOLDEN["length"]
TOKENS: int = GOLDEN["batch"] * LENGTH


def architecture(model: dict[str, Any]) -> Architecture:
    return found(model["config"], "config.json", model["name"]).architecture


def counted(what: str) -> pytest.MarkDecorator:
    models = [model for model in MODELS if model[what] is not None]
    return pytest.mark.parametrize("model", models, ids=[model["name"] for model in models])


def test_the_table_has_at_least_110_architectures() -> None:
    assert len({json.dumps(model["config"], sort_keys=True) for model in MODELS}) >= 110


def test_most_of_the_table_has_flop() -> None:
    assert sum(model["training"] is not None for model in MODELS) >= 110


@counted("parameters")
def test_total_parameters_are_those_of_the_published_implementation_to_the_single_one(model: dict[str, Any]) -> None:
    assert total_parameters(architecture(model)) == model["parameters"]


@counted("weights")
def test_matmul_parameters_are_the_weights_that_multiply_a_token_in_the_published_implementation(
    model: dict[str, Any],
) -> None:
    assert matmul_parameters(architecture(model)) == model["weights"]


@counted("forward")
def test_forward_flop_of_the_whole_square_are_those_that_torch_counts(model: dict[str, Any]) -> None:
    ours = forward_flop(architecture(model), LENGTH, causal=False).total * TOKENS
    assert ours == pytest.approx(model["forward"], rel=1e-3)


@counted("training")
def test_model_flop_of_the_whole_square_are_those_that_torch_counts(model: dict[str, Any]) -> None:
    ours = model_flop(architecture(model), LENGTH, causal=False) * TOKENS
    assert ours == pytest.approx(model["training"], rel=1e-3)
