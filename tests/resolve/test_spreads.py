"""How sure an estimated step time is: wider the farther the nearest measured run, widest where no engine is named."""

from __future__ import annotations

import pytest

from cardyears.base.interval import Interval
from cardyears.catalogue.load import load
from cardyears.machine.calibration import Calibration
from cardyears.resolve.nearness import FARTHEST, Place, distance, measured_places, nearest
from cardyears.resolve.spreads import UNNAMED, class_of, spread_at, step_spread

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
    places = measured_places(load())
    assert len(places) > 1_000
    assert nearest(places[0], places) == 0.0
    assert nearest(HERE, []) == FARTHEST


@pytest.mark.parametrize("experts", [False, True])
def test_intervals_never_narrow_with_the_distance(*, experts: bool) -> None:
    rows = load().steps
    widths = [
        (row := class_of(rows, away, experts=experts)).high / row.low for away in (0.0, 0.7, 1.0, 2.0, 3.9, 5.0, 50.0)
    ]
    assert widths == sorted(widths)


def test_an_engine_that_is_not_named_widens_it() -> None:
    for away in (0.0, 1.0, 3.0, 10.0):
        one, other = (spread_at(load(), away, experts=False, named=named) for named in (True, False))
        assert other.low <= one.low < 1.0 < one.high <= other.high
    assert spread_at(load(), 0.0, experts=False, named=False).low == load().steps[UNNAMED].low


def test_a_calibration_says_what_it_leaves() -> None:
    left = Interval(0.9, 1.0, 1.1)
    mine = load().with_rows({}, Calibration(step_spread=left))
    assert step_spread(mine, HERE, named=False) == left
