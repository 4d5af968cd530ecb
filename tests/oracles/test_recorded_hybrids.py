"""The random shapes of state-space models and hybrids that `make test` holds us to, counted again by transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

FILE = Path(__file__).parent.parent / "resolve" / "hybrids.jsonl"
_MADE_BY, *RECORDED = FILE.read_text(encoding="utf-8").splitlines()


@pytest.mark.filterwarnings("ignore")  # those of the oracle are not ours
@pytest.mark.parametrize("line", RECORDED)
def test_transformers_counts_the_shape_as_recorded(line: str) -> None:
    fields = json.loads(line)
    parameters = fields.pop("parameters")
    config = transformers.CONFIG_MAPPING[fields.pop("model_type")].from_dict(fields)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    assert sum(one.numel() for one in model.parameters()) == parameters
