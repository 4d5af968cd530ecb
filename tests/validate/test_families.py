"""Families of measured layouts: whether the estimate chooses well among them."""

from __future__ import annotations

import pytest

from cardyears.catalogue.load import load
from cardyears.validate.compare import compared, measured_step
from cardyears.validate.families import Family, choice, families, rank_correlation
from cardyears.validate.read import problems
from cardyears.validate.runs import load_runs

VTRAIN = "vtrain-validation"


@pytest.fixture(scope="module")
def found() -> list[Family]:
    return families(compared(problems(load_runs(), load())[0], load(), measured_step))


def test_equal_values_share_their_rank() -> None:
    assert rank_correlation([1.0, 1.0, 2.0], [1.0, 1.0, 2.0]) == pytest.approx(1.0)
    assert rank_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == 0.0


def test_no_regret_is_below_zero_nor_above_the_spread(found: list[Family]) -> None:
    assert all(0.0 <= one.regret <= one.spread - 1.0 + 1e-12 for one in found)
    assert all(-1.0 <= one.order <= 1.0 + 1e-12 for one in found)


def test_among_vtrains_layouts_the_choice_costs_little(found: list[Family]) -> None:
    """Calculon's regret on them is up to 4.5 %, its rank correlation 0.43 to 0.97."""
    among = choice([one for one in found if one.source == VTRAIN])
    assert among.families == 4  # one for each model: their vocabularies are the same whatever the tensor degree
    assert among.regret < 0.02
    assert among.order > 0.82
