"""The published numbers that the program must reproduce, each computed under its stated assumptions.

A year is 365 days. Every expected value is written as its source prints it; the program's value is rounded to that.
"""

from __future__ import annotations

from typing import Any

import pytest

from cardyears import audit, check, flops, params
from cardyears.answer.claims import implied_mfu
from cardyears.answer.judgement import energy_lines
from cardyears.base.units import DAY, GB, HOUR, TB, TERA, YEAR
from cardyears.catalogue.load import load
from cardyears.catalogue.schema import RunRow
from cardyears.estimate import campaign
from cardyears.estimate.memory import sharded_state, state_only, zero3_traffic
from cardyears.machine.device import Device
from cardyears.machine.energy import energy_kwh, rent_usd
from cardyears.resolve.defaults import DEFAULTS
from cardyears.resolve.devices import device
from cardyears.work.architecture import GPT3_175B, plain_decoder
from cardyears.work.flops import model_flop
from cardyears.work.params import matmul_parameters, total_parameters
from cardyears.work.state import RECIPES, full_state

CARD = "RTX 4070 Ti"
GPT3_FLOP = 3.14e23
"""Brown et al. 2020, table D.1."""
GPT3_TOKENS = 300e9


def card(key: str) -> Device:
    return device(key, load().accelerators[key])


def run(key: str) -> RunRow:
    return load().runs[key]


def claimed_mfu(**claim: Any) -> float:
    """The share of peak that a claim implies, in the middle of the conventions."""
    found = audit(**claim).implied_mfu
    assert found is not None
    return found.mid


# What one card gives

TENSOR_CORES = {"rtx-4090": 512, "rtx-4070-ti": 240}
BOOST_GHZ = {"rtx-4090": 2.52, "rtx-4070-ti": 2.61}
"""NVIDIA, Ada architecture white paper, appendix A, and the card's data sheet."""


def test_one_card_gives_1_1379e21_flop_in_a_year_at_90_percent_of_its_fp32_rate() -> None:
    found = check("gpt-3", on=CARD, duration="1y", utilization="90%", peak="fp32").available_flop
    assert found is not None
    assert f"{found.mid:.4e}" == "1.1379e+21"


def test_the_same_card_gives_2_276e21_flop_at_90_percent_of_its_bf16_rate() -> None:
    found = check("gpt-3", on=CARD, duration="1y", utilization="90%", peak="bf16").available_flop
    assert found is not None
    assert f"{found.mid:.3e}" == "2.276e+21"


def test_the_training_peak_of_the_card_is_80_2_tflop_s_in_bf16() -> None:
    assert card("rtx-4070-ti").training_dtype == "bf16"
    assert f"{card('rtx-4070-ti').peak('bf16').value / TERA:.1f}" == "80.2"


def test_the_training_peak_scales_from_the_rtx_4090_by_tensor_cores_and_clock() -> None:
    cores = TENSOR_CORES["rtx-4070-ti"] / TENSOR_CORES["rtx-4090"]
    clock = BOOST_GHZ["rtx-4070-ti"] / BOOST_GHZ["rtx-4090"]
    assert f"{card('rtx-4090').peak('bf16').value * cores * clock / TERA:.1f}" == "80.2"


def test_the_whole_bf16_peak_for_a_year_is_2_529e21_flop() -> None:
    found = check("gpt-3.5", on=CARD, duration="1y", utilization="100%").available_flop
    assert found is not None
    assert f"{found.mid:.3e}" == "2.529e+21"


def test_even_the_whole_peak_is_0_81_percent_of_gpt_3() -> None:
    found = check("gpt-3.5", on=CARD, duration="1y", utilization="100%").share
    assert found is not None
    assert f"{found.mid:.2%}" == "0.81%"


def test_no_optimisation_rescues_gpt_3_on_one_card_as_the_last_rung_says() -> None:
    last = check("gpt-3.5", on=CARD, duration="1y").ladder[-1]
    assert (last.key, last.verdict) == ("whole-peak", "no")


def test_a_card_year_takes_2497_kwh_at_the_cards_285_w() -> None:
    energy = energy_lines(check("gpt-3", on=CARD, duration="1y").subject.case, YEAR)
    assert energy is not None
    assert f"{energy['cards']:.0f}" == "2497"


def test_the_energy_of_a_card_year_counts_the_rated_board_power_alone() -> None:
    board = card("rtx-4070-ti").board_w
    assert board is not None
    assert f"{energy_kwh(YEAR, board.value):.0f}" == "2497"


# The share of GPT-3 that a card-year covers

ROUNDED_FLOP = 1.14e21
"""As it is usually rounded before it is divided."""


def rounded_utilization() -> float:
    """The share of the fp32 peak at which a year gives exactly the rounded FLOP."""
    return ROUNDED_FLOP / (card("rtx-4070-ti").peak("fp32").value * YEAR)


def test_1_14e21_flop_are_0_3631_percent_of_gpt_3() -> None:
    found = check("gpt-3.5", on=CARD, duration="1y", utilization=rounded_utilization(), peak="fp32").share
    assert found is not None
    assert f"{found.mid:.4%}" == "0.3631%"


def test_gpt_3_takes_275_4_card_years_at_1_14e21_flop_a_year() -> None:
    found = check("gpt-3.5", on=CARD, duration="1y", utilization=rounded_utilization(), peak="fp32").card_years
    assert found is not None
    assert f"{found.mid:.1f}" == "275.4"


def test_gpt_3_takes_276_0_card_years_from_the_unrounded_flop() -> None:
    found = check("gpt-3.5", on=CARD, duration="1y", utilization="90%", peak="fp32").card_years
    assert found is not None
    assert f"{found.mid:.1f}" == "276.0"


def test_90_percent_of_the_fp32_rate_equals_an_mfu_of_0_45_in_bf16() -> None:
    naive = check("gpt-3.5", on=CARD, duration="1y", utilization="90%").naive
    assert naive is not None
    assert f"{naive.equal_mfu:.2f}" == "0.45"


def test_the_fp32_sum_is_about_right_by_accident() -> None:
    naive = check("gpt-3.5", on=CARD, duration="1y", utilization="90%").naive
    assert naive is not None
    assert naive.by_accident


# GPT-3 on other machines: (device, dtype, TFLOP/s of one device, years)
# 31.91 and 70.9: 100 % and 45 % of the A100's 312 TFLOP/s. 355.6 and 663.8: Lambda 2020, "Demystifying GPT-3".

ON_ONE_DEVICE = [
    ("A100", "bf16", 312.0, "31.91"),
    ("A100", "bf16", 312.0 * 0.45, "70.9"),
    ("V100", "fp16", 28.0, "355.6"),
    ("Quadro RTX 8000", "fp16", 15.0, "663.8"),
]


@pytest.mark.parametrize(("name", "dtype", "tflop_s", "years"), ON_ONE_DEVICE)
def test_gpt_3_on_one_device_takes_the_published_years(name: str, dtype: str, tflop_s: float, years: str) -> None:
    machine = check("gpt-3.5", on=name).subject.case.cluster.device
    found = check("gpt-3.5", on=name, peak=dtype, utilization=tflop_s * TERA / machine.peak(dtype).value).time_s
    assert found is not None
    assert f"{found.mid / YEAR:.{len(years.partition('.')[2])}f}" == years


def test_gpt_3_on_one_v100_costs_4_67_million_dollars_at_1_50_an_hour() -> None:
    share = 28 * TERA / card("v100-sxm-32gb").peak("fp16").value
    found = check("gpt-3.5", on="V100", utilization=share, assume={"rent": "1.50"}).cost_usd
    assert found is not None
    assert f"{found.mid / 1e6:.2f}" == "4.67"


def test_35_years_on_one_a100_take_91_2_percent_of_its_peak() -> None:
    found = claimed_mfu(flop=GPT3_FLOP, device="A100", devices=1, wall_hours=35 * YEAR / HOUR)
    assert f"{found:.1%}" == "91.2%"


def test_the_claim_of_35_years_stands_beside_the_answer_as_implausible() -> None:
    claims = {one.name: one for one in check("gpt-3.5", on=CARD).claims}
    found = claims["35 years on a single A100 (video)"]
    assert (f"{found.implied_mfu:.1%}", found.plausibility) == ("91.2%", "implausible")


# Published runs


def hyperclova_flop() -> float:
    """Bahdanau 2022: 6·N·D of 82B parameters on 150B tokens."""
    row = run("hyperclova-82b")
    assert row.parameters is not None
    assert row.tokens is not None
    found = audit(params=row.parameters, tokens=row.tokens).implied_flop
    assert found is not None
    return found


def test_hyperclova_takes_2_674_days_at_the_whole_peak_of_1024_a100() -> None:
    peak = card("a100-sxm-80gb").peak("bf16").value
    assert f"{campaign.training_time(hyperclova_flop(), peak, 1_024) / DAY:.3f}" == "2.674"


def hyperclova_mfu() -> float:
    row = run("hyperclova-82b")
    assert row.wall_days is not None
    return claimed_mfu(
        params=row.parameters,
        tokens=row.tokens,
        device=row.device,
        devices=row.devices,
        wall_hours=row.wall_days * DAY / HOUR,
    )


def test_the_13_4_days_of_hyperclova_mean_an_mfu_of_20_0_percent() -> None:
    assert f"{hyperclova_mfu():.1%}" == "20.0%"


def test_the_13_4_days_of_hyperclova_mean_62_2_tflop_s_on_each_device() -> None:
    rate = campaign.attained_rate(card("a100-sxm-80gb").peak("bf16").value, hyperclova_mfu(), 1.0)
    assert f"{rate / TERA:.1f}" == "62.2"


NARAYANAN_FLOP = 8 * 175e9 * GPT3_TOKENS
"""Narayanan 2021, eq. 4: 8·T·P, with the forward pass computed twice."""


def test_gpt_3_takes_33_9_days_on_1024_a100_at_140_tflop_s_each() -> None:
    assert f"{campaign.training_time(NARAYANAN_FLOP, 140 * TERA, 1_024) / DAY:.1f}" == "33.9"


def test_gpt_3_takes_95_1_gpu_years_at_140_tflop_s() -> None:
    assert f"{campaign.card_years(NARAYANAN_FLOP, 140 * TERA):.1f}" == "95.1"


def test_gpt_3s_own_run_took_405_v100_years() -> None:
    hours = run("gpt-3-175b").device_hours
    assert hours is not None
    assert f"{hours * HOUR / YEAR:.0f}" == "405"


def test_gpt_3s_own_run_attained_an_mfu_of_19_6_percent() -> None:
    row = run("gpt-3-175b")
    assert row.wall_days is not None
    found = claimed_mfu(flop=row.flop, device=row.device, devices=row.devices, wall_hours=row.wall_days * DAY / HOUR)
    assert f"{found:.1%}" == "19.6%"


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


# Memory


def test_the_training_state_of_175b_parameters_is_2_8_tb() -> None:
    assert f"{state_only(175e9, RECIPES['adamw']) / TB:.1f}" == "2.8"


def test_the_state_lines_of_gpt_3_add_up_to_2_8_tb() -> None:
    memory = check("gpt-3", on=CARD).memory
    assert memory is not None
    lines = ("weights", "gradients", "master_weights", "optimizer")
    assert f"{sum(memory.ledger[line] for line in lines) / TB:.1f}" == "2.8"


def test_the_weights_of_175b_parameters_alone_are_350_gb() -> None:
    assert f"{175e9 * RECIPES['adamw'].weight / GB:.0f}" == "350"


def test_the_state_of_gpt_3_over_275_cards_is_10_2_gb_on_each() -> None:
    state = full_state(GPT3_175B, RECIPES["adamw"])
    assert f"{sharded_state(state, 3, 275).total / GB:.1f}" == "10.2"


def test_memory_alone_nearly_fits_on_275_cards() -> None:
    state = full_state(GPT3_175B, RECIPES["adamw"])
    assert sharded_state(state, 3, 275).total < card("rtx-4070-ti").memory.value


def test_the_state_of_one_billion_parameters_is_16_gb() -> None:
    assert f"{state_only(1e9, RECIPES['adamw']) / GB:.0f}" == "16"


def test_one_billion_parameters_do_not_fit_on_a_card_of_12_gb() -> None:
    assert check("1B", on=CARD).verdict.fits == "no"


def test_an_8_bit_optimiser_can_make_one_billion_parameters_fit_on_12_gb() -> None:
    assert check("1B", on=CARD, assume={"recipe": "adamw-8bit"}).verdict.fits == "probably"


def test_zero_3_moves_1_05_tb_for_each_card_and_step_of_gpt_3() -> None:
    assert f"{zero3_traffic(total_parameters(GPT3_175B)) / TB:.2f}" == "1.05"


# From scratch on one RTX 4070 Ti: 20 tokens for each parameter, 6·N·D, 32 TFLOP/s attained (40 % of 80.2)

FROM_SCRATCH = [(124e6, DAY, "0.7"), (1e9, DAY, "43"), (3e9, DAY, "391"), (7e9, YEAR, "5.8"), (10e9, YEAR, "11.9")]


def test_40_percent_of_the_cards_peak_are_32_tflop_s() -> None:
    rate = campaign.attained_rate(card("rtx-4070-ti").peak("bf16").value, 0.40, 1.0)
    assert f"{rate / TERA:.0f}" == "32"


@pytest.mark.parametrize(("parameters", "unit", "printed"), FROM_SCRATCH)
def test_training_from_scratch_takes_as_long_as_the_article_leaves_out(
    parameters: float, unit: float, printed: str
) -> None:
    tokens = DEFAULTS["tokens_per_parameter"].value * parameters
    flop = audit(params=parameters, tokens=tokens).implied_flop
    assert flop is not None
    digits = len(printed.partition(".")[2])
    assert f"{campaign.training_time(flop, 32 * TERA, 1) / unit:.{digits}f}" == printed


@pytest.mark.parametrize("model", ["7B", "10B"])
def test_seven_to_ten_billion_parameters_do_not_train_from_scratch_in_a_year(model: str) -> None:
    assert check(model, on=CARD, duration="1y").verdict.fast_enough == "no"


def test_seven_billion_parameters_can_be_fine_tuned_within_days() -> None:
    assert check("llama-2-7b", on=CARD, duration="7d", method="qlora").verdict.overall in ("yes", "probably")


# Tokens


def test_3_14e23_flop_with_175b_parameters_mean_300b_tokens() -> None:
    each = audit(params=175e9, tokens=1.0).implied_flop
    assert each is not None
    assert f"{GPT3_FLOP / each / 1e9:.1e}" == "3.0e+02"


def test_a_trillion_tokens_would_be_1_05e24_flop() -> None:
    found = audit(params="175B", tokens="1T").implied_flop
    assert found is not None
    assert f"{found:.2e}" == "1.05e+24"


# Wrong public claims


def test_12_flop_for_each_parameter_and_token_are_twice_what_training_takes() -> None:
    found = audit(params="175B", tokens="300B", flop=6.3e23, flop_per_param_token=12)
    assert found.implied_flop is not None
    assert f"{6.3e23 / found.implied_flop:.1f}" == "2.0"


def test_the_finding_on_12_flop_names_the_6_of_training() -> None:
    findings = audit(params="175B", tokens="300B", flop=6.3e23, flop_per_param_token=12).findings
    assert any("counts 12 FLOP" in one and "takes 6 (2 forward, 4 backward)" in one for one in findings)


def test_the_finding_on_6_3e23_flop_names_6nd() -> None:
    findings = audit(params="175B", tokens="300B", flop=6.3e23, flop_per_param_token=12).findings
    assert any("6.30 × 10²³ FLOP; 6·N·D is 3.15 × 10²³ FLOP" in one for one in findings)


def test_10000_years_on_an_a100_imply_that_the_card_is_idle() -> None:
    assert audit("about 10,000 years on an A100", flop=GPT3_FLOP).plausibility == "overstated"


def test_gpt_3_takes_below_a_hundred_years_on_an_a100_and_not_10000() -> None:
    usual = audit("about 10,000 years on an A100", flop=GPT3_FLOP).usual_device_s
    assert usual is not None
    assert usual.mid < 100 * YEAR


SEVEN_B = "7B on 2T tokens: 84 quintillion FLOP, 104 A100-days, $7,500"


def test_7b_on_2t_tokens_are_8_4e22_flop() -> None:
    found = audit(SEVEN_B).implied_flop
    assert found is not None
    assert f"{found:.1e}" == "8.4e+22"


def test_84_quintillion_flop_are_a_thousandth_of_what_7b_on_2t_tokens_take() -> None:
    assert any("1,000 times as much" in one for one in audit(SEVEN_B).findings)


def seven_b_at_peak_s() -> float:
    found = audit(SEVEN_B).implied_flop
    assert found is not None
    return campaign.training_time(found, card("a100-sxm-80gb").peak("bf16").value, 1)


def test_7b_on_2t_tokens_take_3116_a100_days_at_the_whole_peak() -> None:
    assert f"{seven_b_at_peak_s() / DAY:.0f}" == "3116"


def test_7b_on_2t_tokens_cost_224_thousand_dollars_at_3_an_hour() -> None:
    assert f"{rent_usd(seven_b_at_peak_s(), 3.0) / 1e3:.0f}" == "224"


def test_104_a100_days_for_7b_on_2t_tokens_are_impossible() -> None:
    assert audit(SEVEN_B).plausibility == "impossible"


@pytest.mark.parametrize("machine", ["8GB GPU", "16GB GPU"])
@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_llama_70b_does_not_fine_tune_in_8_to_16_gb(machine: str, method: str) -> None:
    assert check("llama-2-70b", on=machine, method=method).verdict.fits == "no"


# "1.3M GPU-hours on 24k GPUs is 53 hours": Llama 3 8B on 15T tokens, clusters of 24,576 H100 (Meta 2024)


def test_1_3_million_device_hours_over_24576_devices_are_53_hours_as_a_division() -> None:
    hours = run("llama-3-8b").device_hours
    assert hours is not None
    assert f"{hours / 24_576:.0f}" == "53"


def test_53_hours_are_no_schedule_as_device_hours_add_up_many_jobs() -> None:
    findings = audit(device_hours="1.3M", devices=24_576).findings
    assert any("2.2 days" in one and "many jobs" in one for one in findings)


def test_1_3_million_device_hours_imply_an_mfu_of_15_6_percent() -> None:
    row = run("llama-3-8b")
    found = claimed_mfu(
        params=params("llama-3-8b").total, tokens=row.tokens, device=row.device, device_hours=row.device_hours
    )
    assert f"{found:.1%}" == "15.6%"


def test_1_3_million_device_hours_are_more_than_the_training_takes() -> None:
    row = run("llama-3-8b")
    found = audit(params=row.parameters, tokens=row.tokens, device=row.device, device_hours=row.device_hours)
    assert found.plausibility == "low"


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
