"""Public claims, right and wrong, and what the program says of them."""

from __future__ import annotations

import pytest

from cardyears import audit, check, params
from cardyears.base.units import DAY, YEAR
from cardyears.estimate import campaign
from cardyears.machine.energy import rent_usd
from support.published import GPT3_FLOP, card, claimed_mfu, run

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
