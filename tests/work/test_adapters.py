"""Adapters of experts: all are held and trained, a token passes through those of its own experts."""

from __future__ import annotations

import cardyears
from cardyears.catalogue.load import load
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.models import model
from cardyears.work.flops import finetune_flop
from cardyears.work.params import active_lora_parameters, lora_parameters


def test_a_token_passes_through_the_adapters_of_its_own_experts_only() -> None:
    arch = model("qwen3-30b-a3b", load(), Assumed({})).architecture
    assert arch is not None
    assert active_lora_parameters(arch, 16) < lora_parameters(arch, 16) / 5
    with_adapters = finetune_flop(arch, 4_096, active_lora_parameters(arch, 16))
    assert with_adapters / finetune_flop(arch, 4_096, 0.0) < 1.05


def test_no_more_than_half_of_random_figures_find_a_reading() -> None:
    figures = [5e9 * 400 ** (step / 50) for step in range(50)]
    hits = [bool(cardyears.reconcile("llama-7b", figure).readings) for figure in figures]
    assert sum(hits) <= len(hits) / 2
