"""Which assumptions move the answer most, each moved alone."""

from __future__ import annotations

import pytest

from cardyears import check
from cardyears.answer.sensitivity import PARTIAL_DUTY, Lever, levers
from cardyears.catalogue.load import load
from cardyears.question.question import read_question
from cardyears.resolve.resolve import resolve

CARD = "RTX 4070 Ti"


def found(model: str = "gpt-3", on: str = CARD, **said: str) -> dict[str, Lever]:
    return {one.key: one for one in levers(resolve(read_question(model, on=on, **said), load()))}  # type: ignore[arg-type]


def card_years(**said: str) -> float:
    years = check("gpt-3", on=CARD, **said).card_years  # type: ignore[arg-type]
    assert years is not None
    return years.mid


def test_the_strongest_lever_comes_first() -> None:
    swings = [one.swing for one in found().values()]
    assert swings == sorted(swings, reverse=True)


def test_a_lever_goes_from_few_card_years_to_many() -> None:
    assert all(one.low_card_years < one.high_card_years for one in found("gpt-3.5").values())


def test_a_known_model_hangs_on_tokens_mfu_and_duty() -> None:
    assert set(found()) == {"tokens", "mfu", "duty"}


def test_an_undisclosed_model_hangs_on_the_flop_that_it_needs() -> None:
    assert set(found("gpt-3.5")) == {"required_flop", "mfu", "duty"}


def test_a_stated_share_stands_beside_the_measured_one() -> None:
    assert set(found(utilization="90%")) == {"tokens", "utilization", "duty"}


def test_a_generic_card_hangs_on_how_fast_such_cards_are() -> None:
    assert "peak" in found(on="12GB GPU")


def test_a_named_card_does_not() -> None:
    assert "peak" not in found()


def test_half_or_twice_the_tokens_are_half_or_twice_the_card_years() -> None:
    lever = found()["tokens"]
    assert (lever.low_card_years, lever.high_card_years) == pytest.approx((card_years() / 2, card_years() * 2))


def test_the_lever_of_the_mfu_ends_at_the_measured_shares() -> None:
    share, lever = load().shares["geforce-ada"], found()["mfu"]
    assert lever.swing == pytest.approx(share.high / share.low)


def test_the_lever_of_a_stated_share_reaches_the_share_that_was_stated() -> None:
    assert found(utilization="5%")["utilization"].high_card_years == pytest.approx(card_years(utilization="5%"))


def test_the_lever_of_the_duty_goes_from_the_whole_calendar_to_a_part() -> None:
    lever = found(duty="80%")["duty"]
    assert lever.low_card_years == pytest.approx(card_years())
    assert lever.swing == pytest.approx(1 / PARTIAL_DUTY)


def test_a_stated_mfu_is_no_lever() -> None:
    case = resolve(read_question("gpt-3", on=CARD, assume={"mfu": "40%"}), load())
    assert "mfu" not in {one.key for one in levers(case)}


def test_a_device_without_a_peak_has_no_levers() -> None:
    assert found(on="GB10") == {}


def test_the_answer_shows_no_more_than_three() -> None:
    assert len(check("gpt-3", on="12GB GPU").levers) == 3


def test_levers_are_named_with_their_ends() -> None:
    assert str(found()["duty"].what) == "duty cycle: 100 % or 50 % of the calendar"
