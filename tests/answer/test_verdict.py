"""Three findings, the worst of which is the verdict; each is a quantity against its limit."""

from __future__ import annotations

import itertools

import pytest

from cardyears import check
from cardyears.answer.verdict import Finding, Verdict, Verdicts, within
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.base.units import DAY, YEAR
from cardyears.catalogue.load import load
from cardyears.estimate.held import state_only
from cardyears.estimate.memory import CONTEXT_BYTES
from cardyears.work.state import RECIPES

CARD = "RTX 4070 Ti"


def verdicts(fits: Verdict, fast: Verdict, connected: Verdict) -> Verdicts:
    return Verdicts(*(Finding(one, Text("")) for one in (fits, fast, connected)))


# The verdict is the worst of the three

WORST_FIRST = ["no", "unknown", "unlikely", "probably", "yes"]


@pytest.mark.parametrize(("worse", "better"), list(itertools.combinations_with_replacement(WORST_FIRST, 2)))
def test_the_worse_of_two_findings_is_the_verdict(worse: str, better: str) -> None:
    assert verdicts(Verdict(better), Verdict(worse), Verdict.YES).overall.value == worse


@pytest.mark.parametrize("order", list(itertools.permutations((Verdict.YES, Verdict.NO, Verdict.UNKNOWN))))
def test_it_does_not_matter_which_of_the_three_is_the_worst(order: tuple[Verdict, Verdict, Verdict]) -> None:
    assert verdicts(*order).overall is Verdict.NO


def test_three_yeses_are_a_yes() -> None:
    assert verdicts(Verdict.YES, Verdict.YES, Verdict.YES).overall is Verdict.YES


def test_every_outcome_has_a_sentence_of_its_own() -> None:
    assert len({verdict.sentence for verdict in Verdict}) == len(Verdict)


# A quantity of 8 to 12, 10 in the middle, against limits at and beside its edges

EDGES = [
    (12.0, "yes"),
    (11.999, "probably"),
    (10.0, "probably"),
    (9.999, "unlikely"),
    (8.0, "unlikely"),
    (7.999, "no"),
    (0.0, "no"),
    (float("inf"), "yes"),
]


@pytest.mark.parametrize(("limit", "outcome"), EDGES)
def test_a_quantity_keeps_a_limit_that_it_just_reaches(limit: float, outcome: str) -> None:
    assert within(Interval(8.0, 10.0, 12.0), limit).value == outcome


@pytest.mark.parametrize(("limit", "outcome"), [(10.0, "yes"), (9.999, "no")])
def test_an_exact_quantity_is_never_likely_or_unlikely(limit: float, outcome: str) -> None:
    assert within(Interval.exact(10.0), limit).value == outcome


# The time allowed is such a limit


@pytest.mark.parametrize(("end", "outcome"), [("high", "yes"), ("mid", "probably"), ("low", "unlikely")])
def test_a_time_allowed_that_just_reaches_an_end_of_the_time_needed(end: str, outcome: str) -> None:
    needed = check("gpt-2", on=CARD).time_s
    assert needed is not None
    assert check("gpt-2", on=CARD, duration=getattr(needed, end) * 1.000001).verdict.fast_enough == outcome


def test_less_time_than_even_the_optimistic_end_is_a_no() -> None:
    needed = check("gpt-2", on=CARD).time_s
    assert needed is not None
    assert check("gpt-2", on=CARD, duration=needed.low * 0.999).verdict.fast_enough == "no"


# One device needs no link; the traffic between several is not judged yet


def test_a_single_device_is_connected_enough() -> None:
    assert check("gpt-3", on=CARD).verdict.connected_enough == "yes"


def test_devices_on_a_switch_are_connected_enough_and_cards_at_home_are_not() -> None:
    assert check("llama-3-8b", on="8x H100").verdict.connected_enough == "yes"
    at_home = check("llama-3-8b", on="64x RTX 4090 over 100Mb/s home internet").verdict
    assert at_home.connected_enough == "no"


def test_links_between_devices_without_a_figure_are_unknown() -> None:
    assert check("gpt-2", on="2x H200 NVL").verdict.connected_enough == "unknown"


def test_a_no_is_said_although_the_links_are_unknown() -> None:
    assert check("gpt-3", on="2x RTX 4070 Ti", duration="1y").verdict.overall == "no"


# An undisclosed model does not fit only if its smallest published reading does not


def smallest_reading() -> float:
    return min(one.parameters for one in load().models["gpt-3.5"].readings if one.parameters)


def test_a_card_too_small_for_the_smallest_reading_is_a_no() -> None:
    found = check("gpt-3.5", on=CARD)
    assert found.memory is not None
    assert state_only(smallest_reading(), RECIPES["adamw"]) + CONTEXT_BYTES > found.memory.available_bytes
    assert found.verdict.fits == "no"


def test_cards_that_hold_the_smallest_reading_are_not_a_no() -> None:
    found = check("gpt-3.5", on="8x H100")
    assert found.memory is not None
    assert state_only(smallest_reading(), RECIPES["adamw"]) / 8 + CONTEXT_BYTES < found.memory.available_bytes
    assert found.verdict.fits == "unlikely"


def test_a_known_model_of_the_same_shape_is_a_no_there() -> None:
    assert check("gpt-3", on="8x H100").verdict.fits == "no"


def test_the_memory_of_an_undisclosed_model_starts_at_its_smallest_reading() -> None:
    found = check("gpt-3.5", on=CARD).memory
    assert found is not None
    assert found.required_bytes.low == state_only(smallest_reading(), RECIPES["adamw"]) + CONTEXT_BYTES


def test_a_model_without_any_readable_shape_may_fit_or_not() -> None:
    assert check("gpt-4", on=CARD).verdict.fits == "unknown"


def test_the_flop_of_an_undisclosed_model_are_a_range() -> None:
    assert isinstance(check("gpt-3.5", on=CARD).required_flop, Interval)


def test_the_flop_of_a_known_model_are_a_number() -> None:
    assert isinstance(check("gpt-3", on=CARD).required_flop, float)


# A budget is part of being fast enough


def rented(budget: float | None = None) -> str:
    return check("gpt-2", on="H100", tokens="10B", duration="1y", budget=budget).verdict.fast_enough


def cost() -> Interval:
    found = check("gpt-2", on="H100", tokens="10B", duration="1y").cost_usd
    assert found is not None
    return found


def test_without_a_budget_time_alone_decides() -> None:
    assert rented() == "yes"


@pytest.mark.parametrize(
    ("end", "factor", "outcome"),
    [("high", 1.01, "yes"), ("mid", 1.01, "probably"), ("low", 1.01, "unlikely"), ("low", 0.99, "no")],
)
def test_a_budget_turns_what_is_in_time_into(end: str, factor: float, outcome: str) -> None:
    assert rented(getattr(cost(), end) * factor) == outcome


def test_a_large_budget_does_not_make_a_late_training_early() -> None:
    assert check("gpt-3", on="H100", duration="1y", budget=1e12).verdict.fast_enough == "no"


def test_the_reason_names_the_budget_where_it_decides() -> None:
    found = check("gpt-2", on="H100", tokens="10B", duration="1y", budget=0.01).verdict
    assert found.why["fast_enough"].endswith("$0.01 allowed")


def test_a_budget_without_a_price_leaves_the_answer_open() -> None:
    found = check("gpt-2", on="Gaudi 2", tokens="1B", duration="1y", budget="$1000")
    assert found.cost_usd is None
    assert found.verdict.fast_enough == "unknown"


def test_a_card_of_ones_own_costs_electricity_and_wear() -> None:
    lines = check("gpt-2", on=CARD, tokens="1B").cost_lines_usd
    assert lines is not None
    assert set(lines) == {"electricity", "wear_of_purchase"}


def test_the_cost_of_a_rented_device_is_its_rent_for_the_time() -> None:
    found = check("gpt-2", on="H100", tokens="10B", assume={"rent": "2.00"})
    assert found.cost_usd is not None
    assert found.time_s is not None
    assert found.cost_usd.mid == pytest.approx(found.time_s.mid / 3_600 * 2)


def test_energy_grows_with_the_time_needed() -> None:
    short, long = (check("gpt-2", on=CARD, tokens=tokens).energy_kwh for tokens in ("1B", "2B"))
    assert short is not None
    assert long is not None
    assert long.mid == pytest.approx(2 * short.mid)


def test_a_duty_cycle_of_a_half_takes_twice_the_time() -> None:
    whole, half = (check("gpt-2", on=CARD, tokens="1B", duty=duty).time_s for duty in (1.0, 0.5))
    assert whole is not None
    assert half is not None
    assert half.mid == pytest.approx(2 * whole.mid)


def test_a_year_that_is_not_named_is_taken_to_be_the_time_allowed() -> None:
    found = check("gpt-3", on=CARD)
    assert found.available_flop == check("gpt-3", on=CARD, duration=YEAR).available_flop
    assert found.available_flop != check("gpt-3", on=CARD, duration=DAY).available_flop
