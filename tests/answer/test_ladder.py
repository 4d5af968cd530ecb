"""Each known saving on top of those before it, and whether it turns the answer."""

from __future__ import annotations

import math

import pytest

from cardyears import check
from cardyears.answer.ladder import ladder
from cardyears.api.results import RungResult
from cardyears.base.units import YEAR
from cardyears.catalogue.load import load
from cardyears.question.question import read_question
from cardyears.resolve.resolve import resolve

CARD = "RTX 4070 Ti"


def rungs(model: str = "gpt-3", on: str = CARD, **said: str) -> dict[str, RungResult]:
    return {one.key: one for one in check(model, on=on, **said).ladder}  # type: ignore[arg-type]


def test_the_rungs_go_from_fp32_to_the_whole_peak() -> None:
    assert list(rungs()) == ["fp32", "bf16", "flash", "adamw-8bit", "sharding", "fp8", "whole-peak"]


def test_no_rung_takes_more_card_years_than_the_one_before() -> None:
    years = [one.card_years for one in rungs().values()]
    assert years == sorted(years, reverse=True)


def test_tensor_cores_double_the_rate_and_leave_the_state_alone() -> None:
    found = rungs()
    assert found["bf16"].memory_bytes == found["fp32"].memory_bytes
    assert found["fp32"].card_years / found["bf16"].card_years == pytest.approx(2, rel=0.01)


def test_flash_attention_saves_time_and_memory() -> None:
    found = rungs()
    assert found["flash"].card_years < found["bf16"].card_years
    assert found["flash"].memory_bytes < found["bf16"].memory_bytes


def test_an_8_bit_optimiser_saves_memory_and_no_time() -> None:
    found = rungs()
    assert found["adamw-8bit"].memory_bytes < found["flash"].memory_bytes
    assert found["adamw-8bit"].card_years == found["flash"].card_years


def test_flash_attention_is_what_the_answer_counts_on() -> None:
    found = check("gpt-3", on=CARD, duration="1y")
    assert found.card_years is not None
    assert rungs()["flash"].card_years == pytest.approx(found.card_years.mid)


def test_sharding_is_over_as_many_cards_as_the_time_asks_for() -> None:
    found = rungs(duration="1y")["sharding"]
    assert f"over {math.ceil(found.card_years):,} cards" in found.label


def test_sharding_names_the_traffic_of_each_step() -> None:
    assert "every step each moves 1.05 TB" in rungs()["sharding"].brings


def test_sharding_does_not_say_yes_while_links_are_not_judged() -> None:
    assert rungs("gpt-2")["sharding"].verdict == "unknown"


def test_a_share_of_the_state_that_is_too_large_for_the_card_is_a_no() -> None:
    assert rungs("gpt-3", duration="10y")["sharding"].verdict == "no"


def test_fp8_is_a_rung_only_where_the_card_has_it() -> None:
    assert "fp8" not in rungs(on="RTX 3090")


def test_a_card_without_bf16_climbs_by_fp16() -> None:
    assert "fp16" in rungs(on="V100")


def test_gpt_3_is_out_of_reach_on_every_rung() -> None:
    assert {one.verdict for one in rungs(duration="1y").values()} == {"no"}


def test_the_last_rung_says_what_even_the_whole_peak_gives() -> None:
    last = rungs("gpt-3.5", duration="1y")["whole-peak"]
    assert last.brings == "even 100 % of the bf16 peak, without a pause, gives 0.805 % of what is needed"


def test_the_whole_peak_takes_the_card_years_of_the_peak_itself() -> None:
    case = resolve(read_question("gpt-3.5", on=CARD), load())
    assert case.rate is not None
    assert rungs("gpt-3.5")["whole-peak"].card_years == pytest.approx(
        case.workload.flop.mid / case.rate.peak.mid / YEAR
    )


def test_a_small_model_is_in_reach_on_the_first_rung() -> None:
    assert rungs("gpt-2", tokens="1B", duration="1y")["fp32"].verdict == "yes"


def test_a_billion_parameters_come_into_reach_with_an_8_bit_optimiser() -> None:
    found = rungs("1.1B", on="16GB GPU", duration="1y")
    assert (found["flash"].verdict, found["adamw-8bit"].verdict) == ("no", "yes")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("several devices", {"model": "gpt-3", "on": "8x H100"}),
        ("a device without a peak", {"model": "gpt-3", "on": "GB10"}),
        ("a model without a shape", {"model": "gpt-4", "on": CARD}),
        ("fine-tuning", {"model": "llama-2-7b", "on": CARD, "method": "qlora"}),
    ],
)
def test_there_is_no_ladder_for(question: str, said: dict[str, str]) -> None:
    assert ladder(resolve(read_question(**said), load())) == []  # type: ignore[arg-type]
