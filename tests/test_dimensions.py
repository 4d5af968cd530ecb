"""Do the units of each sum cancel as they should? Quantities with units go through the functions that take floats.

The sums themselves carry no units. Their constants (seconds in a year, joules in a kWh) get theirs here.
"""

from __future__ import annotations

from typing import Any

import pint
import pytest

from cardyears.answer.claims import implied_mfu
from cardyears.base.units import HOUR, KWH, YEAR
from cardyears.estimate import campaign
from cardyears.estimate.held import sharded_state, state_only, zero3_traffic
from cardyears.machine import energy
from cardyears.work.activations import activations, logits
from cardyears.work.architecture import GPT2_SMALL, GPT3_175B
from cardyears.work.flops import attention_core_flop, model_flop
from cardyears.work.state import RECIPES, Recipe, full_state

units: Any = pint.UnitRegistry()
for definition in ("FLOP = [work]", "byte_ = [data]", "USD = [money]", "token = [text]", "parameter = [model]"):
    units.define(definition)

FLOP, RATE = 3.14e23 * units.FLOP, 312e12 * units.FLOP / units.second
TIME, POWER, MONEY = 86_400 * units.second, 285 * units.watt, 1.5 * units.USD


def has(quantity: Any, dimension: str) -> bool:
    """Whether a quantity is of that dimension."""
    return bool(quantity.check(dimension))


@pytest.fixture(autouse=True)
def _constants_with_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "YEAR", YEAR * units.second)
    monkeypatch.setattr("cardyears.machine.energy.KWH", KWH * units.joule)
    monkeypatch.setattr("cardyears.machine.energy.HOUR", HOUR * units.second)


def test_an_attained_rate_is_flop_per_time() -> None:
    assert has(campaign.attained_rate(RATE, 0.45, 1.0), "[work] / [time]")


def test_a_training_time_is_a_time() -> None:
    assert has(campaign.training_time(FLOP, RATE, 8.0), "[time]")


def test_a_training_time_is_the_same_in_any_unit_of_time() -> None:
    found: Any = campaign.training_time(FLOP, RATE.to("FLOP / year"), 1.0)
    assert found.to("second").magnitude == pytest.approx(campaign.training_time(FLOP, RATE, 1.0).magnitude)


def test_card_years_are_a_number() -> None:
    assert has(campaign.card_years(FLOP, RATE), "[]")


def test_available_flop_are_flop() -> None:
    assert has(campaign.available_flop(RATE, 8.0, TIME), "[work]")


def test_energy_is_a_number_of_kwh() -> None:
    assert has(energy.energy_kwh(TIME, POWER, host_factor=1.25, pue=1.1), "[]")


def test_a_kwh_has_the_joules_that_the_sum_takes_it_to_have() -> None:
    found: Any = energy.energy_kwh(TIME, POWER)
    assert (TIME * POWER).to("kWh").magnitude == pytest.approx(found.to("").magnitude)


def test_rent_is_money() -> None:
    assert has(energy.rent_usd(TIME, MONEY), "[money]")


def test_wear_is_money() -> None:
    assert has(energy.depreciation_usd(TIME, MONEY, 4 * units.year), "[money]")


def test_an_implied_mfu_is_a_number() -> None:
    assert has(implied_mfu(FLOP, 1, RATE, TIME), "[]")


def test_the_state_of_a_model_is_data() -> None:
    each: Any = units.byte_ / units.parameter
    recipe = Recipe("adamw", "", 2 * each, 2 * each, 4 * each, 8 * each, "")
    assert has(state_only(175e9 * units.parameter, recipe), "[data]")


def test_the_traffic_of_zero_3_is_data() -> None:
    assert has(zero3_traffic(175e9 * units.parameter, 2 * units.byte_ / units.parameter), "[data]")


def test_a_share_of_the_state_is_data() -> None:
    state = full_state(GPT3_175B, RECIPES["adamw"]).times(1 * units.byte_)
    assert has(sharded_state(state, 3, 275).total, "[data]")


def test_activations_are_so_many_bytes_for_each_token() -> None:
    kept = activations(GPT2_SMALL, 1_024 * units.token, 1_024, recompute="none").total
    assert has(kept, "[text]")


def test_logits_are_so_many_bytes_for_each_token() -> None:
    assert has(logits(GPT2_SMALL, 1_024 * units.token), "[text]")


def test_the_attention_core_grows_with_the_length_of_the_sequence() -> None:
    assert has(attention_core_flop(GPT2_SMALL, 1_024 * units.token, causal=True), "[text]")


def test_flop_of_matrix_products_and_of_the_attention_core_are_one_quantity() -> None:
    each = 1 * units.FLOP / units.token
    total = model_flop(GPT2_SMALL, 1_024) * each * (1e9 * units.token)
    assert has(campaign.training_time(total, RATE, 1.0), "[time]")
