"""The published numbers that the program must reproduce, each computed under its stated assumptions.

A year is 365 days. Every expected value is written as its source prints it; the program's value is rounded to that.
"""

from __future__ import annotations

import pytest

from cardyears import audit, check
from cardyears.answer.judgement import energy_lines
from cardyears.base.units import DAY, GB, HOUR, TB, TERA, YEAR
from cardyears.estimate import campaign
from cardyears.estimate.held import sharded_state, state_only, zero3_traffic
from cardyears.machine.energy import energy_kwh
from cardyears.resolve.defaults import DEFAULTS
from cardyears.work.architecture import GPT3_175B
from cardyears.work.params import total_parameters
from cardyears.work.state import RECIPES, full_state
from support.published import CARD, GPT3_FLOP, card, claimed_mfu, run

GPT3_TOKENS = 300e9


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
