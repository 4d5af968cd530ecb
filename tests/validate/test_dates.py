"""The year of a run: what people write, and what an engine's releases of a year are."""

from __future__ import annotations

import math

import msgspec
import pytest

from cardyears.catalogue.load import load
from cardyears.machine.engine import EXPOSURES, RATES, TIMES
from cardyears.resolve.engines import engine
from cardyears.validate.compare import compared
from cardyears.validate.dates import year_of
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs

YEARS = {
    "2025": 2025.5,
    "2025-01": 2025 + 0.5 / 12,
    "2024-12-31": 2025 - 0.5 / 12,
    "2024/7": 2024 + 6.5 / 12,
    "2023-07..2024-04": (2023 + 6.5 / 12 + 2024 + 3.5 / 12) / 2,
    "": None,
    "soon": None,
    "99999": None,
    "0007": None,
    "2025-13": 2025.5,
    **dict.fromkeys(("25.07.01", "v25.07", "nemo 25.07.00"), 2025 + 6.5 / 12),
    **dict.fromkeys(("2024.07", "2024\u201307", "07/2024", "15.07.2024", "07/15/2024", "20240715"), 2024 + 6.5 / 12),
    **dict.fromkeys(("Jul 2024", "15 July 2024", "July 15th, 2024", "2024 jul", "2024-07-15T09:30"), 2024 + 6.5 / 12),
    "03/04/2024": 2024.5,
    "May 2024 to Jul 2025": (2024 + 4.5 / 12 + 2025 + 6.5 / 12) / 2,
    **dict.fromkeys(("Jul-2024", "15-Jul-2024", "Jul. 2024"), 2024 + 6.5 / 12),
    **dict.fromkeys(
        ("2023-07/2024-04", "2023-07..2024-04", "07/2023-04/2024"), (2023 + 6.5 / 12 + 2024 + 3.5 / 12) / 2
    ),
    **dict.fromkeys(("20.05.24", "17.03.25", "25.12.23"), None),
    **dict.fromkeys(("nova 2024", "2024 decoder run"), 2024.5),
    "99.05": None,
    "12.10": None,
    "torch 2.5.1": None,
    "march": None,
}


@pytest.mark.parametrize("words", YEARS)
def test_years_as_people_write_them(words: str) -> None:
    assert year_of(words) == pytest.approx(YEARS[words])


def test_releases_get_faster_by_the_gain_and_no_more_than_was_measured() -> None:
    row = load().engines["megatron-bridge"]
    first, mean, last = row.years
    at = {year: engine("megatron-bridge", row, year) for year in (None, first - 5, first, mean, last, last + 5)}
    assert at[None] == at[last] == at[last + 5]
    assert at[first - 5] == at[first]
    assert at[mean].product_factor == row.product_factor
    faster = math.exp(row.yearly_gain * (last - first))
    for name in RATES:
        assert getattr(at[last], name) == pytest.approx(getattr(at[first], name) * faster)
    for name in TIMES:
        assert getattr(at[last], name) == pytest.approx(getattr(at[first], name) / faster)
    for name in EXPOSURES:
        assert getattr(at[last], name) <= getattr(at[first], name) <= 1.0


def test_a_run_is_predicted_by_the_releases_of_its_year() -> None:
    made = [one for one in problems(load_runs(), load())[0] if one.engine == "megatron-bridge"]
    seen = {one.year for one in made}
    assert len(seen) > 5
    first = min(made, key=lambda one: one.year or 9e9)
    earlier, later = compared([first], load())[0], compared([_dated(first, "2026-08")], load())[0]
    assert later.predicted_s < earlier.predicted_s


def _dated(problem: Problem, date: str) -> Problem:
    return msgspec.structs.replace(problem, measured=msgspec.structs.replace(problem.measured, date=date))
