"""What of a layer is one rank's: parameters add up over the ranks, and to the published totals on one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardyears.catalogue.load import load
from cardyears.layout.layout import Layout
from cardyears.layout.shard import adapter_share, layer_works, model_work, padded_vocabulary, rank_parameters
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.huggingface.families import found
from cardyears.resolve.models import model
from cardyears.work.architecture import GPT2_SMALL, GPT3_175B, LLAMA2_7B, LLAMA3_8B, Architecture, Layer
from cardyears.work.channels import Experts, Mlp
from cardyears.work.mixers import NOTHING, Attention, LatentAttention, Parallel
from cardyears.work.params import matmul_parameters, total_parameters
from cardyears.work.recurrent import Mamba
from cardyears.work.shared import SharedAttention, SharedMlp

HYBRIDS = Path(__file__).parents[1] / "resolve" / "hybrids.jsonl"
WIDE = Attention(20, 4, 128)


def stack(name: str, *layers: Layer, hidden: int = 2_560) -> Architecture:
    return Architecture(name, hidden, 32_000, tuple((layer, 2) for layer in layers))


ODD = (
    stack("latent experts", Layer(WIDE, Experts(64, 4, 1_024, gated=False, latent=1_024, shared_width=512))),
    stack("one expert", Layer(WIDE, Experts(1, 1, 1_024, gated=True))),
    stack(
        "shared block",
        Layer(
            SharedAttention(Attention(32, 32, 160), 2_560, owner=True), SharedMlp(Mlp(10_240, gated=True), True, 128)
        ),
        Layer(
            SharedAttention(Attention(32, 32, 160), 2_560, owner=False), SharedMlp(Mlp(10_240, gated=True), False, 128)
        ),
    ),
    stack("mamba", Layer(Mamba(5_120, 16, 160), NOTHING, norms=1)),
    stack("side by side", Layer(Parallel((WIDE, Mamba(5_120, 16, 160))), Mlp(4_096, gated=True))),
    stack("low rank", Layer(LatentAttention(16, 512, 64, 128, 128, q_rank=1_536), Mlp(4_096, gated=True))),
)


def held(arch: Architecture, **fields: Any) -> float:
    parts = rank_parameters(model_work(arch), Layout(**fields))
    return float(parts.dense + parts.routed + parts.embedding + parts.head)


# One rank


def test_one_rank_holds_every_model_of_the_catalogue_whole() -> None:
    catalogue = load()
    shapes = [model(key, catalogue, Assumed({})).architecture for key in catalogue.models]
    wrong = [arch.name for arch in shapes if arch is not None and held(arch) != total_parameters(arch)]
    assert wrong == []


def test_one_rank_holds_every_recorded_hybrid_whole() -> None:
    # Random small shapes of all state-space and hybrid families.
    _, *rows = [json.loads(line) for line in HYBRIDS.read_text(encoding="utf-8").splitlines()]
    shapes = [found(row, "config.json", "model").architecture for row in rows]
    wrong = [
        (arch.name, held(arch) / total_parameters(arch)) for arch in shapes if held(arch) != total_parameters(arch)
    ]
    assert wrong == []


@pytest.mark.parametrize("arch", ODD, ids=lambda arch: arch.name)
def test_one_rank_holds_an_odd_model_whole(arch: Architecture) -> None:
    assert held(arch) == total_parameters(arch)


@pytest.mark.parametrize(
    "arch", [GPT2_SMALL, LLAMA3_8B, *(arch for arch in ODD if arch.name != "shared block")], ids=lambda arch: arch.name
)
def test_products_multiply_every_matmul_parameter(arch: Architecture) -> None:
    used = 0.0
    for work in layer_works(arch):
        for product in work.products:
            inputs, outputs = product.shape(Layout())
            used += work.times * inputs * outputs * (work.top_k if product.routed else 1)
    assert used == matmul_parameters(arch) - arch.vocab * arch.embedding_width


# Many ranks


def test_matrices_are_divided_and_norms_are_not() -> None:
    norms = 65 * 4_096
    assert padded_vocabulary(LLAMA3_8B.vocab, Layout(tp=8)) == 129_024  # 126 times 8·128
    split = total_parameters(LLAMA3_8B) - norms + 2 * (129_024 - 128_256) * 4_096
    assert held(LLAMA3_8B, tp=8) == split / 8 + norms


def test_more_ranks_than_key_and_value_heads_hold_copies() -> None:
    for tp, divided in ((4, 4), (8, 8), (32, 8)):
        attention = next(one for one in layer_works(LLAMA3_8B)[0].products if one.kv_outputs)
        assert attention.shape(Layout(tp=tp)) == (4_096, 4_096 / tp + 2_048 / divided)


def test_row_split_matrices_divide_their_inputs() -> None:
    down = next(one for one in layer_works(LLAMA2_7B)[0].products if one.rows and one.part == "mlp")
    assert down.shape(Layout(tp=8)) == (11_008 / 8, 4_096)


def test_low_rank_ways_down_and_routers_are_whole() -> None:
    latent = layer_works(ODD[-1])[0].products
    assert [one.shape(Layout(tp=8)) for one in latent if one.whole] == [(2_560, 1_536 + 512 + 64)]
    router = next(one for one in layer_works(ODD[0])[0].products if one.part == "router")
    assert router.shape(Layout(tp=4)) == (2_560, 64)


def test_experts_are_dealt_out_and_split() -> None:
    arch = stack("mixture", Layer(WIDE, Experts(64, 4, 1_024, gated=True)))
    whole = rank_parameters(model_work(arch), Layout()).routed
    assert whole == 2 * 64 * 3 * 2_560 * 1_024
    assert rank_parameters(model_work(arch), Layout(dp=16, ep=8, etp=2)).routed == whole / 16
    assert rank_parameters(model_work(arch), Layout(tp=4)).routed == whole  # tensor parallelism does not split them


def test_all_ranks_together_hold_no_less_than_the_model() -> None:
    for arch in (GPT2_SMALL, LLAMA3_8B, *ODD):
        for tp in (2, 4):
            assert tp * held(arch, tp=tp) >= total_parameters(arch)
            assert held(arch, tp=tp) < total_parameters(arch)


@pytest.mark.parametrize(("tp", "rows"), [(1, 50_257), (2, 50_432), (8, 51_200)])
def test_the_vocabulary_is_padded_to_128_rows_on_each_rank(tp: int, rows: int) -> None:
    assert padded_vocabulary(GPT3_175B.vocab, Layout(tp=tp)) == rows


# Adapters


def test_one_rank_holds_all_adapters() -> None:
    every = [model_work(arch) for arch in (GPT2_SMALL, LLAMA3_8B, *ODD)]
    assert [adapter_share(model, Layout()) for model in every] == [1.0] * len(every)


def test_expert_parallelism_divides_the_experts_adapters() -> None:
    # Beside q, k, v, o of 20·128 and 4·128 a rank has 8 of 64 experts; gate and up share their input.
    arch = stack("mixture", Layer(WIDE, Experts(64, 4, 1_024, gated=True)))
    attention = (2_560 + 2_560 + 2 * 512) + (2_560 + 2_560)
    expert = (2_560 + 2 * 1_024) + (1_024 + 2_560)
    share = (attention + 8 * expert) / (attention + 64 * expert)
    assert adapter_share(model_work(arch), Layout(dp=8, ep=8)) == pytest.approx(share, rel=1e-12)


# Many layouts at once


@pytest.mark.parametrize("arch", [LLAMA3_8B, *ODD], ids=lambda arch: arch.name)
def test_arrays_give_the_bits_of_floats(arch: Architecture) -> None:
    degrees = [(1.0, 1.0), (2.0, 1.0), (4.0, 2.0), (16.0, 1.0)]
    tp, ep = (np.array(column) for column in zip(*degrees, strict=True))
    model, many = model_work(arch), Layout(tp=tp, ep=ep)
    together = (*rank_parameters(model, many), adapter_share(model, many))
    for place, (one, other) in enumerate(degrees):
        layout = Layout(tp=one, ep=other)
        alone = (*rank_parameters(model, layout), adapter_share(model, layout))
        assert [float(np.broadcast_to(np.asarray(value), 4)[place]) for value in together] == [float(v) for v in alone]
