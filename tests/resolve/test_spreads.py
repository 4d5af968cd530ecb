"""How sure an estimated step time is: wider the farther the nearest measured run, widest where no engine is named."""

from __future__ import annotations

import math
import statistics

import pytest

from cardyears.base.interval import Interval
from cardyears.catalogue.load import load
from cardyears.machine.calibration import Calibration, Kept
from cardyears.resolve.nearness import FARTHEST, Ground, Near, Place, distance, measured_grounds, near, usual_error
from cardyears.resolve.spreads import DENSE, EXPERTS, UNNAMED, spread_at, step_spread

HERE = Place("megatron-core", "h100-sxm-80gb", "h100", "pretrain", "bf16", False, 22.8, 2.1, 9.0)


@pytest.mark.parametrize(
    ("change", "away"),
    [
        ({"device": "h100-nvl-94gb"}, 1.0),
        ({"device": "a100-sxm-80gb", "family": "a100"}, 2.5),
        ({"engine": "torchtitan"}, 1.5),
        ({"method": "lora"}, 2.0),
        ({"precision": "fp8"}, 1.0),
        ({"experts": True}, 2.0),
        ({"size": 23.8}, 1.0),
        ({"devices": 4.1}, 1.0),
        ({"length": 7.0}, 1.0),
    ],
)
def test_each_difference_takes_a_run_farther_away(change: dict[str, object], away: float) -> None:
    other = HERE._replace(**change)  # type: ignore[arg-type]
    assert distance(HERE, other) == distance(other, HERE) == pytest.approx(away, rel=1e-12)


def test_what_was_measured_is_at_no_distance_and_nothing_is_farthest_of_all() -> None:
    grounds = measured_grounds(load())
    assert len(grounds) > 1_000
    assert near(grounds[0].place, grounds).away == 0.0
    assert near(HERE, []) == (FARTHEST, 0.0)


def test_runs_that_were_far_off_are_expected_to_be_so_again_and_the_more_sources_the_surer() -> None:
    good, bad = (Ground(HERE, "one", 10, error) for error in (0.03, 0.3))
    usual = Ground(HERE._replace(engine="other", device="other", family="other"), "another", 100, 0.1)
    quiet, loud = (near(HERE, [one, usual]).error for one in (good, bad))
    assert 0.03 < quiet < 0.1 < loud < 0.3
    assert near(HERE, [bad, bad._replace(source="two"), usual]).error > loud
    others = HERE._replace(engine="a third", size=HERE.size + 9.0)
    assert near(others, [bad, usual]).error < loud
    assert near(others, [bad, usual]).error == near(others, [usual, bad]).error


def test_what_an_engine_method_and_kind_of_model_were_off_by_is_expected_of_their_other_runs() -> None:
    usual = Ground(HERE._replace(engine="other", device="other", family="other"), "another", 100, 0.1)
    far = HERE._replace(size=HERE.size + 9.0)
    alike = [
        near(far, [Ground(HERE._replace(**change), "one", 10, 0.4), usual]).error  # type: ignore[arg-type]
        for change in ({}, {"experts": True}, {"method": "lora"}, {"engine": "a third"})
    ]
    assert alike == sorted(alike, reverse=True)
    assert alike[0] > 0.35
    assert alike[-1] < 0.25


def test_what_is_usual_is_a_mean_of_what_was_measured() -> None:
    grounds = [Ground(HERE, "one", 9, 0.05), Ground(HERE._replace(engine="other"), "two", 4, 0.3)]
    assert usual_error([], "any", "any", experts=False) == 0.0
    assert usual_error(grounds, "none", "any", experts=False) == pytest.approx((3 * 0.05 + 2 * 0.3) / 5, rel=1e-12)
    assert 0.05 < usual_error(grounds, HERE.engine, HERE.method, experts=HERE.experts) < 0.06


def width(known: Near, *, experts: bool) -> float:
    wide = spread_at(load(), HERE._replace(experts=experts), known, named=True)
    return wide.high / wide.low


@pytest.mark.parametrize("experts", [False, True])
@pytest.mark.parametrize("error", [0.02, 0.07, 0.4])
def test_intervals_never_narrow_with_the_distance(error: float, *, experts: bool) -> None:
    widths = [width(Near(away, error), experts=experts) for away in (0.0, 0.7, 1.0, 2.0, 3.9, 5.0, 50.0)]
    assert widths == sorted(widths)
    assert math.log(widths[-1]) > 1.3 * math.log(widths[0])


@pytest.mark.parametrize("experts", [False, True])
def test_intervals_widen_with_the_errors_of_runs_like_it(*, experts: bool) -> None:
    widths = [width(Near(0.5, error), experts=experts) for error in (0.01, 0.05, 0.1, 0.2, 0.5)]
    assert widths == sorted(widths)
    row = load().steps[EXPERTS if experts else DENSE]
    assert spread_at(load(), HERE._replace(experts=experts), Near(0.0, row.error), named=True) == Interval(
        row.low, 1.0, row.high
    )


def test_a_run_that_was_measured_is_surer_than_one_of_its_kind_unlike_all() -> None:
    grounds = measured_grounds(load())
    some = [one.place for one in grounds[::20] if not one.place.experts]
    unlike = [one._replace(device="new", family="new", size=30.0) for one in some]
    wide, wider = ([math.log(width(near(one, grounds), experts=False)) for one in places] for places in (some, unlike))
    # Some runs are known to be farther off than is usual for their engine, so not every one is surer.
    assert statistics.mean(one < other for one, other in zip(wide, wider, strict=True)) > 0.75
    assert statistics.median(wider) > 1.2 * statistics.median(wide)


def test_an_engine_that_is_not_named_widens_it() -> None:
    for away in (0.0, 1.0, 3.0, 10.0):
        known = Near(away, 0.07)
        one, other = (spread_at(load(), HERE, known, named=named) for named in (True, False))
        assert other.low <= one.low < 1.0 < one.high <= other.high
    assert spread_at(load(), HERE, Near(0.0, 0.02), named=False).low == load().steps[UNNAMED].low


def test_a_calibration_says_what_it_leaves() -> None:
    left = Interval(0.9, 1.0, 1.1)
    mine = load().with_rows({}, Calibration(step_spread=left))
    assert step_spread(mine, HERE, named=False) == left


def test_what_a_calibration_leaves_holds_near_its_runs_and_the_usual_far_away() -> None:
    kept = Kept(
        engine=HERE.engine, device=HERE.device, method=HERE.method, precision=HERE.precision, experts=False,
        parameters=math.exp(HERE.size), devices=round(math.exp(HERE.devices)), seq_len=round(math.exp(HERE.length)),
        rows=9, slower=1.0,
    )  # fmt: skip
    left = Interval(0.9, 1.0, 1.1)
    mine = load().with_rows({}, Calibration(step_spread=left, kept=(kept,), rows=9))
    assert step_spread(mine, HERE, named=True).high == pytest.approx(left.high, rel=0.01)
    far = HERE._replace(engine="maxtext", device="tpu-v5e", family="tpu", method="lora", size=27.0)
    assert step_spread(mine, far, named=True).high == pytest.approx(step_spread(load(), far, named=True).high, rel=0.02)
