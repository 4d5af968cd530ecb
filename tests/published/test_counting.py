"""FLOP and parameters as each published convention counts them; runs that break naive counting.

Every expected value is written as its source prints it; the program's value is rounded to that.
"""

from __future__ import annotations

import pytest

from cardyears import flops, params
from cardyears.answer.claims import implied_mfu
from cardyears.base.units import HOUR
from cardyears.work.architecture import plain_decoder
from cardyears.work.flops import model_flop
from cardyears.work.params import matmul_parameters, total_parameters
from support.published import card, claimed_mfu

# GPT-3's training FLOP by convention: 300B tokens, T = 2,048

GPT3_TRAINING = [("kaplan", "3.131e+23"), ("6n", "3.143e+23"), ("palm", "3.229e+23"), ("narayanan-hfu", "4.30e+23")]


@pytest.mark.parametrize(("convention", "printed"), GPT3_TRAINING)
def test_gpt_3_takes_as_many_flop_as_each_convention_says(convention: str, printed: str) -> None:
    found = flops("gpt-3", tokens="300B", seq_len=2_048)
    digits = len(printed.partition("e")[0].partition(".")[2])
    assert f"{found.conventions[convention] * found.tokens:.{digits}e}" == printed


def test_the_total_is_counted_in_the_convention_of_palm() -> None:
    assert f"{flops('gpt-3', tokens='300B', seq_len=2_048).total_flop:.3e}" == "3.229e+23"


# GFLOP per trained token, and in brackets over 6·matmul parameters + 12·L·h·q·T, as the table prints them.
# kaplan-2020 sections 2.1 and table 1; palm-2022 app. B; megatron-core; chinchilla-2022 app. F; llm-foundry;
# narayanan-2021 eq. 3.

MODELS = (("gpt-3", 2_048), ("gpt-2", 1_024), ("llama-3-8b", 8_192))
CONVENTION_TABLE = {
    "6n": (("1,048", "0.97"), ("0.747", "0.87"), ("48.2", "0.83")),
    "kaplan": (("1,044", "0.97"), ("0.510", "0.60"), ("41.9", "0.72")),
    "kaplan-attention": (("1,058", "0.98"), ("0.566", "0.66"), ("48.3", "0.83")),
    "palm": (("1,076", "1.00"), ("0.854", "1.00"), ("57.9", "1.00")),
    "megatron": (("1,062", "0.99"), ("0.798", "0.93"), ("51.5", "0.89")),
    "chinchilla": (("1,080", "1.00"), ("1.087", "1.27"), ("61.1", "1.06")),
    "llm-foundry-hfu": (("1,435", "1.33"), ("1.15", ""), ("81.4", "1.41")),
    "narayanan-hfu": (("1,434", "1.33"), ("1.06", ""), ("", "")),
}
CELLS = [
    (convention, *MODELS[column], gflop, ratio)
    for convention, row in CONVENTION_TABLE.items()
    for column, (gflop, ratio) in enumerate(row)
]


@pytest.mark.parametrize(("convention", "model", "seq_len", "gflop"), [cell[:4] for cell in CELLS if cell[3]])
def test_a_token_costs_as_much_as_each_convention_says(convention: str, model: str, seq_len: int, gflop: str) -> None:
    found = flops(model, tokens=1e9, seq_len=seq_len).conventions[convention]
    assert f"{found / 1e9:,.{len(gflop.partition('.')[2])}f}" == gflop


@pytest.mark.parametrize(("convention", "model", "seq_len", "ratio"), [(*c[:3], c[4]) for c in CELLS if c[4]])
def test_conventions_differ_as_far_as_the_table_says(convention: str, model: str, seq_len: int, ratio: str) -> None:
    found = flops(model, tokens=1e9, seq_len=seq_len)
    assert f"{found.conventions[convention] / found.per_token_flop:.2f}" == ratio


# Parameters: GPT-3 from its shapes (Brown 2020, table 2.1); GPT-2 small as published, and nanoGPT's bias-free form

GPT2_SMALL = {"layers": 12, "hidden": 768, "heads": 12, "vocab": 50_257, "ffn": 3_072, "gated": False, "tied": True}
GPT2_VARIANTS = [
    ("as published", True, 1_024, 124_439_808),
    ("without positions", True, 0, 123_653_376),
    ("bias-free", False, 1_024, 124_337_664),
    ("bias-free, without positions", False, 0, 123_551_232),
]


def test_gpt_3_has_174_6_billion_parameters() -> None:
    assert f"{params('gpt-3').total / 1e9:.1f}" == "174.6"


@pytest.mark.parametrize(("variant", "bias", "positions", "count"), GPT2_VARIANTS)
def test_gpt_2_small_has_exactly_as_many_parameters(variant: str, *, bias: bool, positions: int, count: int) -> None:
    arch = plain_decoder(variant, **GPT2_SMALL, bias=bias, positions=positions, norm_vectors=1 + bias)  # type: ignore[arg-type]
    assert total_parameters(arch) == count


@pytest.mark.parametrize(("name", "count"), [("gpt-2", 124_439_808), ("nanogpt-gpt2-unpadded", 124_337_664)])
def test_the_catalogue_has_gpt_2_small_in_both_forms(name: str, count: int) -> None:
    assert params(name).total == count


# A measured run that breaks naive counting: nanochat, depth 12, 286M parameters, RTX 4070, 55,660 tokens/s.
# Its value embeddings hold parameters that no matrix product uses.

NANOCHAT_D12 = plain_decoder(
    "nanochat d12", layers=12, hidden=768, heads=6, vocab=32_768, ffn=3_072, gated=False, norm_vectors=0
)
NANOCHAT_TOKENS_PER_S = 55_660


def test_by_its_total_parameters_nanochat_would_run_at_164_percent_of_the_peak() -> None:
    found = claimed_mfu(params=286e6, tokens=NANOCHAT_TOKENS_PER_S, device="RTX 4070", device_hours=1 / HOUR)
    assert f"{found:.0%}" == "164%"


def test_only_110_million_parameters_of_nanochat_pass_through_a_matrix_product() -> None:
    assert f"{matmul_parameters(NANOCHAT_D12) / 1e6:.0f}" == "110"


def test_by_its_matmul_parameters_nanochat_runs_below_the_peak() -> None:
    flop = float(model_flop(NANOCHAT_D12, 2_048)) * NANOCHAT_TOKENS_PER_S
    assert 0.5 < implied_mfu(flop, 1, card("rtx-4070").peak("bf16").value, 1.0) < 1


# A 286M-parameter depth-12 nanochat on an RTX 4070 (58.3 TFLOP/s) at 55,660 tokens/s. Source: numbers of the model's
# own log; its value embeddings are looked up and cost no FLOP.
NANOCHAT_TOKENS_S, RTX_4070_PEAK = 55_660.0, 58.3e12


def test_nanochats_286m_would_run_above_the_cards_peak_by_naive_counting() -> None:
    total = params("nanochat-d12").total
    assert round(total / 1e6) == 286
    assert round(6 * total * NANOCHAT_TOKENS_S / RTX_4070_PEAK, 2) == 1.64


def test_only_110m_of_nanochats_parameters_pass_through_a_matrix_product() -> None:
    assert round(params("nanochat-d12").matmul / 1e6) == 110
    assert flops("nanochat-d12").per_token_flop * NANOCHAT_TOKENS_S / RTX_4070_PEAK < 0.9
