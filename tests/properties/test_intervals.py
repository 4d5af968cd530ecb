"""Intervals and campaigns: what must hold whatever the numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cardyears.base.interval import Interval
from cardyears.base.units import YEAR
from cardyears.estimate import campaign
from cardyears.machine.calibration import Calibration, step_spread
from support.problems import amounts, few, whole

# Campaigns


@few
@given(amounts, amounts, whole(1, 100_000))
def test_card_years_are_the_time_of_all_devices_together(flop: float, rate: float, devices: int) -> None:
    time = campaign.training_time(flop, rate, float(devices))
    assert time * devices / YEAR == pytest.approx(campaign.card_years(flop, rate), rel=1e-12)


@few
@given(amounts, amounts, whole(1, 100_000))
def test_the_flop_available_in_the_time_needed_are_the_flop_required(flop: float, rate: float, devices: int) -> None:
    time = campaign.training_time(flop, rate, float(devices))
    assert campaign.available_flop(rate, float(devices), time) == pytest.approx(flop, rel=1e-12)


# Intervals

positive = st.floats(1e-20, 1e30)
spreads = st.floats(1, 1e6)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """Low, mid and high of a positive quantity."""
    mid = draw(positive)
    return Interval(mid / draw(spreads), mid, mid * draw(spreads))


def widths(interval: Interval) -> tuple[float, float]:
    """ln(mid/low) and ln(high/mid)."""
    return math.log(interval.mid / interval.low), math.log(interval.high / interval.mid)


@few
@given(intervals(), intervals())
def test_a_product_keeps_its_ends_around_its_middle(one: Interval, other: Interval) -> None:
    found = one * other
    assert found.low <= found.mid <= found.high


@few
@given(intervals(), intervals())
def test_the_middle_of_a_product_is_the_product_of_the_middles(one: Interval, other: Interval) -> None:
    assert (one * other).mid == one.mid * other.mid


@few
@given(intervals(), intervals())
def test_the_widths_of_a_product_add_in_quadrature(one: Interval, other: Interval) -> None:
    together = [math.hypot(*pair) for pair in zip(widths(one), widths(other), strict=True)]
    assert widths(one * other) == pytest.approx(tuple(together), abs=1e-9)


@few
@given(intervals(), intervals())
def test_a_quotient_swaps_the_ends_of_its_divisor(one: Interval, other: Interval) -> None:
    below, above = widths(other)
    together = math.hypot(widths(one)[0], above), math.hypot(widths(one)[1], below)
    assert widths(one / other) == pytest.approx(together, abs=1e-9)


@few
@given(intervals())
def test_the_inverse_of_the_inverse_is_the_interval(one: Interval) -> None:
    again = one.inverse().inverse()
    assert (again.low, again.mid, again.high) == pytest.approx((one.low, one.mid, one.high), rel=1e-12)


@few
@given(intervals(), positive)
def test_a_plain_number_changes_no_width(one: Interval, factor: float) -> None:
    assert widths(one * factor) == pytest.approx(widths(one), abs=1e-9)


@few
@given(positive, positive)
def test_exact_numbers_multiply_exactly(one: float, other: float) -> None:
    assert Interval.exact(one) * Interval.exact(other) == Interval.exact(one * other)


@few
@given(positive, positive, positive)
def test_ends_out_of_order_are_refused(one: float, other: float, third: float) -> None:
    assume(not one <= other <= third)
    with pytest.raises(ValueError, match="low <= mid <= high"):
        Interval(one, other, third)


# What a calibration leaves


@st.composite
def around_one(draw: st.DrawFn) -> Interval:
    """A spread of measured over predicted."""
    return Interval(1.0 / draw(st.floats(1.0, 50.0)), 1.0, draw(st.floats(1.0, 50.0)))


@few
@given(around_one(), around_one(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_runs_inside_of_the_usual_interval_never_widen_it(
    left: Interval, usual: Interval, share: float, at: float
) -> None:
    before = usual.low ** (1.0 - at) * usual.high**at
    found = step_spread(Calibration(step_spread=left), usual, share, before=min(max(before, usual.low), usual.high))
    assert usual.low <= found.low * (1.0 + 1e-12)
    assert found.high <= usual.high * (1.0 + 1e-12)


@few
@given(around_one(), around_one(), st.floats(0.0, 1.0), st.floats(1.01, 10.0))
def test_runs_outside_of_it_leave_what_the_calibration_says(
    left: Interval, usual: Interval, share: float, beyond: float
) -> None:
    mine = Calibration(step_spread=left)
    for before in (usual.high * beyond, usual.low / beyond, None):
        assert step_spread(mine, usual, share, before=before) == step_spread(mine, usual, share)


@few
@given(around_one(), around_one(), st.floats(0.0, 1.0))
def test_what_is_left_lies_between_the_calibrations_and_the_usual(
    left: Interval, usual: Interval, share: float
) -> None:
    found = step_spread(Calibration(step_spread=left), usual, share)
    assert min(left.low, usual.low) * (1 - 1e-12) <= found.low <= max(left.low, usual.low) * (1 + 1e-12)
    assert min(left.high, usual.high) * (1 - 1e-12) <= found.high <= max(left.high, usual.high) * (1 + 1e-12)
