"""The coefficients that ship are what the tool fits: a fit on a few of the runs finds nearly the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from cardyears.catalogue.load import load

EVERY = 6
"""One run of so many is fitted on."""
WORSE = 0.035
"""By how much the median error of all may rise with so few: what the others bring."""


@pytest.fixture(scope="module")
def model() -> Any:
    from step_model import Model, coefficients, load_priors, rows_of

    priors = load_priors()
    rows = [row for row in rows_of(load(), priors["sustained"]) if row.good]
    years = {key: row.years for key, row in load().engines.items()}
    return Model(rows, coefficients(priors), load(), years)


def shipped(model: Any) -> Any:
    """The coefficients of the catalogue as logarithms over their priors."""
    found = []
    for one in model.every:
        section, key = one.owner.split(".", 1)
        found.append(np.log(float(getattr(getattr(load(), section)[key], one.field)) / one.prior))
    return np.array(found)


def median_error(model: Any, theta: Any) -> float:
    return float(np.median(np.abs(np.expm1(model.predict(theta)))))


def test_the_model_of_the_fit_predicts_what_the_product_does(model: Any) -> None:
    from cardyears.validate.compare import compared

    predicted = model.predict(shipped(model))
    own = {
        one.problem.measured.id: np.log(one.predicted_s / one.measured_s)
        for one in compared([row.problem for row in model.rows], load())
    }
    for row, value in zip(model.rows, predicted, strict=True):
        assert value == pytest.approx(own[row.problem.measured.id], abs=2e-3)


def test_a_fit_on_few_runs_is_nearly_as_good_on_all(model: Any) -> None:
    from fit_steps import fit
    from step_model import Model, load_priors, precision

    few = Model(model.rows[::EVERY], model.every, load())
    fitted = fit(few, precision(model.every, load_priors()), rounds=6, say=False)
    assert median_error(model, fitted.theta) < median_error(model, shipped(model)) + WORSE
