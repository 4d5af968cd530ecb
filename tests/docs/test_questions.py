"""What the page of questions says, asserted through the API: the numbers on it may move, the answers may not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import cardyears

PAGE = (Path(__file__).parents[2] / "docs" / "questions.md").read_text(encoding="utf-8")
STORIES = (
    *(1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24, 25, 27, 28),
    *(29, 30, 31, 32, 33, 34, 37),
)

DAY, HOUR = 86_400, 3_600


@pytest.mark.parametrize("story", STORIES)
def test_the_page_answers_the_question_with_a_command(story: int) -> None:
    section = re.search(rf"^## {story}\. .*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert "```console\n$ cardyears " in section[0]


@pytest.mark.parametrize(
    ("story", "model", "machine", "method", "overall"),
    [
        (1, "gpt-3.5", "RTX 4070 Ti", "pretrain", "no"),
        (2, "nanogpt", "RTX 3060", "pretrain", "yes"),
        (3, "gpt2", "RTX 2080 Ti", "pretrain", "yes"),
        (4, "nanochat", "24GB GPU", "pretrain", "yes"),
        (5, "gpt2-medium", "4GB GPU", "full", "no"),
        (5, "gpt2-medium", "6GB GPU", "full", "unlikely"),
        (11, "llama-2-7b", "A100-80GB", "full", "no"),
        (12, "llama-2-7b", "RTX 3090", "qlora", "yes"),
        (12, "llama-2-7b", "RTX 3090", "lora", "yes"),
        (12, "llama-2-7b", "RTX 3090", "full", "no"),
        (22, "50M", "RTX 3090", "pretrain", "yes"),
    ],
)
def test_the_verdict_is(story: int, model: str, machine: str, method: str, overall: str) -> None:
    assert cardyears.check(model, on=machine, method=method).verdict.overall == overall


def test_1_memory_and_computation_both_lack_and_no_saving_rescues_it() -> None:
    found = cardyears.check("gpt-3.5", on="RTX 4070 Ti", duration="1y", utilization="90%")
    assert (found.verdict.fits, found.verdict.fast_enough, found.verdict.connected_enough) == ("no", "no", "yes")
    assert {rung.verdict for rung in found.ladder} == {"no"}
    assert {one.method for one in found.alternatives} == {"pretrain", "full", "lora", "qlora"}


def test_1_a_card_year_is_276_such_years_short_by_the_naive_sum() -> None:
    found = cardyears.check("gpt-3.5", on="RTX 4070 Ti", duration="1y", utilization="90%")
    assert found.naive is not None
    assert round(found.naive.card_years) == 276
    assert found.naive.by_accident


def test_2_nanogpts_own_run_takes_months_and_ten_billion_tokens_days() -> None:
    whole, fewer = (cardyears.check("nanogpt", on="RTX 3060", tokens=tokens).time_s for tokens in (None, "10B"))
    assert whole is not None
    assert fewer is not None
    assert 60 * DAY < whole.mid < 365 * DAY
    assert 2 * DAY < fewer.mid < 20 * DAY


def test_3_a_card_without_bf16_trains_in_fp16() -> None:
    found = cardyears.check("gpt2", on="RTX 2080 Ti")
    assert "fp16" in next(one.reason for one in found.assumptions if one.key == "peak")


def test_5_an_8_bit_optimiser_makes_it_fit_on_6_gb() -> None:
    found = cardyears.check("gpt2-medium", on="6GB GPU", method="full", assume={"recipe": "adamw-8bit"})
    assert found.verdict.fits in {"yes", "probably"}


def test_6_one_card_of_8_gb_or_less_is_enough_for_two_sequences() -> None:
    found = cardyears.need("gpt2-medium", method="full", micro_batch=2)
    assert all(one.devices == 1 for one in found.options[:5])
    assert min(one.peak_memory_bytes.mid for one in found.options) < 8.6e9


def test_10_methods_differ_tenfold_in_memory() -> None:
    full, lora, qlora = (
        cardyears.check("llama-7b", on="4GB GPU", method=method, micro_batch=1).memory
        for method in ("full", "lora", "qlora")
    )
    assert full is not None
    assert lora is not None
    assert qlora is not None
    assert full.required_bytes.mid > 10 * qlora.required_bytes.mid
    assert lora.required_bytes.mid > 2 * qlora.required_bytes.mid
    assert 100e9 < full.required_bytes.mid < 130e9


def test_10_no_single_card_below_100_gb_fine_tunes_all_of_it() -> None:
    found = cardyears.need("llama-7b", method="full")
    assert all(one.peak_memory_bytes.mid > 100e9 for one in found.options if one.devices == 1)


def test_11_the_optimiser_is_why_and_8_bit_adam_fits() -> None:
    memory = cardyears.check("llama-2-7b", on="A100-80GB", method="full").memory
    assert memory is not None
    assert memory.ledger["optimizer"] + memory.ledger["master_weights"] > memory.available_bytes * 0.9
    small = cardyears.check("llama-2-7b", on="A100-80GB", method="full", assume={"recipe": "adamw-8bit"})
    assert small.verdict.overall == "probably"


def test_22_a_50m_model_takes_hours() -> None:
    time = cardyears.check("50M", on="RTX 3090").time_s
    assert time is not None
    assert HOUR < time.low < time.high < 12 * HOUR


def test_25_the_8_counts_hardware_flop_a_third_more() -> None:
    conventions = cardyears.flops("gpt-3").conventions
    assert conventions["narayanan-hfu"] / conventions["palm"] == pytest.approx(4 / 3, abs=0.01)


def test_25_narayanans_plan_is_plausible_in_model_flop() -> None:
    found = cardyears.audit(params="175B", tokens="300B", device="A100", devices=1024, wall_hours="34 days")
    assert (found.verdict, found.plausibility) == ("yes", "plausible")
    assert found.implied_mfu is not None
    assert found.implied_mfu.mid == pytest.approx(0.336, abs=0.005)


def test_29_seven_percent_is_low() -> None:
    found = cardyears.audit(params="355M", tokens="1B", device="RTX 3090", wall_hours="120h")
    assert (found.verdict, found.plausibility) == ("probably", "low")
    assert found.implied_mfu is not None
    assert found.implied_mfu.mid == pytest.approx(0.07, abs=0.005)


def test_30_a_geforce_card_has_half_the_peak_with_fp32_accumulate() -> None:
    peaks = cardyears.devices("rtx-4090").rows[0]["peak_tflop_s"]
    assert peaks["bf16"] * 2 == pytest.approx(peaks["fp16-fp16acc"])


def test_31_6nd_is_3_14e23_and_each_convention_is_near() -> None:
    found = cardyears.flops("gpt-3")
    assert found.conventions["6n"] * found.tokens == pytest.approx(3.143e23, rel=1e-3)
    assert "2 + 2 + 4 = 8" in cli_text("flops gpt-3 --explain")


def test_33_the_hours_differ_little_and_the_price_much() -> None:
    low = cardyears.audit(params="175B", tokens="300B", device="V100", wall_hours="355y", usd="4.6M")
    high = cardyears.audit(
        params="175B", tokens="300B", device="V100", devices=10_000, wall_hours="14.8 days", usd="12M"
    )
    assert (low.verdict, low.plausibility) == ("yes", "plausible")
    assert (high.verdict, high.plausibility) in {("yes", "plausible"), ("probably", "low")}
    assert low.implied_mfu is not None
    assert high.implied_mfu is not None
    assert low.implied_mfu.mid / high.implied_mfu.mid == pytest.approx(1.14, abs=0.02)
    assert any("$1.48 an hour" in finding for finding in low.findings)
    assert any("$3.38 an hour" in finding for finding in high.findings)


def test_37_5_3_hours_take_more_than_the_peak() -> None:
    found = cardyears.audit(params="1B", tokens="1B", device="A100", device_hours=5.3)
    assert (found.verdict, found.plausibility) == ("no", "impossible")
    assert found.usual_device_s is not None
    assert found.usual_device_s.low > 5.3 * HOUR


def cli_text(line: str) -> str:
    """What a command prints, as the pages show it."""
    section = PAGE.split(f"$ cardyears {line}\n")[1]
    return section.split("```")[0]


def test_the_article_is_wrong_from_scratch_and_right_for_fine_tuning() -> None:
    for size in ("3B", "7B", "10B"):
        scratch = cardyears.check(size, on="RTX 4070 Ti", utilization="40%")
        assert (scratch.verdict.fits, scratch.verdict.fast_enough) == ("no", "no")
        tuned = cardyears.check(size, on="RTX 4070 Ti", utilization="40%", method="qlora")
        assert tuned.verdict.overall in {"yes", "probably"}


def test_the_article_takes_a_peak_rate_for_35_years() -> None:
    found = cardyears.audit(flop="3.14e23", device="A100", devices=1, wall_hours="35y")
    assert (found.verdict, found.plausibility) == ("no", "implausible")


def test_14_no_way_that_we_know_gives_300_gb_for_70b() -> None:
    assert {one.value for one in cardyears.reconcile("llama-2-70b", "300GB", "500GB").readings} == {500e9}


def test_16_both_figures_have_a_reading() -> None:
    found = cardyears.reconcile("llama-7b", "153GB", "59GB")
    assert {one.value for one in found.readings} == set(found.figures)


def test_23_the_head_takes_two_fifths_or_more() -> None:
    found = cardyears.flops(str(Path(__file__).parents[2] / "docs" / "examples" / "wide-vocabulary.toml"))
    assert found.parts["head"] * 3 / found.per_token_flop > 0.4


def test_32_kaplans_count_has_neither_embedding_nor_head() -> None:
    found = cardyears.flops("gpt2", seq_len=1_024)
    assert found.conventions["kaplan"] / found.conventions["palm"] < 0.61


# What one layout gives.

GOOD = ("yes", "probably")


def in_all(found: Any) -> float:
    """Tokens per second of all devices."""
    speed: float = found.tokens_per_s_per_device.mid * found.layout["devices"]
    return speed


STATE = ("weights", "gradients", "master_weights", "optimizer")


def test_8_sixteen_a10_do_not_hold_the_state_of_70b() -> None:
    lean = "zero=3,recompute=full,chunked_loss"
    found = cardyears.estimate("llama-2-70b", on="16x A10", method="full", layout=lean)
    state = sum(found.memory_ledger.get(line, 0.0) for line in STATE)
    assert found.fits == "no"
    assert found.layout["zero"] == 3
    assert state > 2 * found.available_bytes
    assert found.waiting_share > 0.3


def test_9_a_finer_sharding_holds_less_and_only_the_finest_fits() -> None:
    found = [
        cardyears.estimate("gpt-neox-20b", on="8x A100-80GB", method="full", layout=f"zero={stage},recompute=full")
        for stage in (1, 2, 3)
    ]
    one, two, three = (each.peak_memory_bytes.mid for each in found)
    assert one > two > three
    assert found[0].fits not in GOOD
    assert found[2].fits in GOOD
    assert found[2].step_time_s.mid < 1.3 * found[0].step_time_s.mid


def test_13_adapters_of_70b_fit_on_eight_cards_of_48_gb_and_all_weights_do_not() -> None:
    lora, qlora, full = (
        cardyears.estimate("llama-2-70b", on="8x RTX A6000", method=method, micro_batch=1)
        for method in ("lora", "qlora", "full")
    )
    assert lora.fits in GOOD
    assert qlora.fits in GOOD
    assert full.fits == "no"
    assert cardyears.params("llama-2-70b").total * 2 > lora.available_bytes


def test_15_the_state_and_not_the_sequence_fills_two_a800() -> None:
    lean = "zero=3,recompute=full,chunked_loss"
    found = cardyears.estimate("llama-2-13b", on="2x A800", method="full", layout=lean)
    ledger = found.memory_ledger
    state = sum(ledger.get(line, 0.0) for line in STATE)
    assert found.fits not in GOOD
    assert found.layout["micro_batch"] == 1
    assert state > found.available_bytes > 10 * ledger["activations"]
    assert cardyears.estimate("llama-2-13b", on="2x A800", method="lora").fits in GOOD


def test_17_a_mixture_needs_all_its_experts_in_four_bits_and_thin_adapters() -> None:
    asked = {"on": "RTX 3090", "layout": "recompute=full"}
    thin = cardyears.estimate("qwen3-30b-a3b", method="qlora", assume={"rank": "4"}, **asked)
    wide = cardyears.estimate("qwen3-30b-a3b", method="qlora", **asked)
    half = cardyears.estimate("qwen3-30b-a3b", method="lora", **asked)
    assert thin.fits != "no"
    assert thin.peak_memory_bytes.mid < wide.peak_memory_bytes.mid < half.peak_memory_bytes.mid
    assert half.memory_ledger["weights"] > 2 * half.available_bytes


def test_19_a_small_mac_holds_1b_and_a_large_one_is_filled_by_activations() -> None:
    assert cardyears.estimate("tinyllama", on="M2 8GB", method="lora").fits in GOOD
    many, again, one = (
        cardyears.estimate("llama-2-7b", on="M2 Ultra 64GB", method="lora", layout=layout)
        for layout in ("micro_batch=4", "micro_batch=4,recompute=full", "micro_batch=1")
    )
    assert many.fits not in GOOD
    assert many.memory_ledger["activations"] > many.memory_ledger["weights"]
    assert again.fits in GOOD
    assert one.fits in GOOD


def test_21_88_hours_are_several_times_too_many() -> None:
    found = cardyears.estimate(
        "llama-7b", on="RTX 3090", method="lora", seq_len=512, layout="micro_batch=4,global_batch=128,recompute=full"
    )
    padded = 3 * 52_002 * 512
    assert found.fits in GOOD
    assert padded / found.tokens_per_s_per_device.low < 88 * HOUR / 2


def test_24_a_step_of_491520_tokens_is_a_matter_of_computing() -> None:
    layout = "micro_batch=12,global_batch=480,compile"
    found = cardyears.estimate("gpt2", on="8x A100-40GB", seq_len=1_024, layout=layout)
    assert found.layout["global_batch"] * 1_024 == 491_520
    assert found.waiting_share < 0.1
    assert 0.2 < found.step_time_s.mid < 0.8
    ledger = found.time_ledger
    assert ledger["head"] + ledger["memory_bound"] > 0.25 * found.step_time_s.mid


def test_27_one_h100_holds_70b_in_four_bits_only_and_takes_hours() -> None:
    found = cardyears.estimate("llama-2-70b", on="H100", method="qlora")
    assert found.fits in GOOD
    assert cardyears.estimate("llama-2-70b", on="H100", method="lora").fits == "no"
    assert HOUR < 20e6 / found.tokens_per_s_per_device.mid < DAY


def test_28_cards_that_take_turns_are_as_fast_as_one() -> None:
    def tuned(on: str, layout: str, precision: str | None = None) -> float:
        layout = f"{layout},micro_batch=1,recompute=full"
        return in_all(cardyears.estimate("llama-2-7b", on=on, method="lora", layout=layout, precision=precision))

    one, turns, replicas = (
        tuned("RTX 4090", "global_batch=1"),
        tuned("2x RTX 4090", "pp=2,global_batch=1"),
        tuned("2x RTX 4090", "global_batch=2"),
    )
    assert turns < 1.15 * one
    assert replicas > 1.5 * one
    ampere = tuned("RTX 3090", "global_batch=1")
    assert tuned("4x TITAN RTX", "pp=4,global_batch=1", "fp32") < ampere
    assert tuned("4x TITAN RTX", "global_batch=4") > ampere


def test_18_70b_fits_four_a6000_with_qlora_sharded() -> None:
    found = cardyears.plan("llama-2-70b", on="4x RTX A6000", method="qlora")
    assert found.best["fits"] == "yes"
    assert "zero=3" in found.best["line"]
    assert cardyears.plan("llama-2-70b", on="4x RTX A6000", method="full").best["fits"] == "no"


def test_34_the_best_of_all_layouts_is_found_and_zero_3_alone_comes_near() -> None:
    found = cardyears.plan("llama-3-70b", on="64x H100", global_batch=512)
    assert found.legal > 10_000
    alone = next(one for one in found.obvious if one.name == "ZeRO-3 (FSDP) alone")
    assert alone.fits
    assert alone.slower is not None
    assert 1.0 <= alone.slower < 1.2
