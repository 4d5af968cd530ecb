"""Which coefficients of engines and chips do the measured runs show? A robust fit of step times, with priors.

    python tools/fit_steps.py
    python tools/fit_steps.py --held-out    how far off it is on runs that it was not fitted on; writes nothing
    python tools/fit_steps.py --refit       the same by whole fits without a fifth, and without each large source;
                                            writes what it found into docs/examples/refit.json

Starts from ``tools/priors.toml`` (what a coefficient would be without any run, how sure that is, and which engines are
alike), fits all of them jointly on the runs that ship with the product, and writes them into ``engines.toml`` and
``sustained.toml``. The error of a run is the logarithm of predicted over measured step time; errors beyond 10 % weigh
less and less (Huber), each source has a limited weight, and coefficients that few runs show stay where others of their
kind are. Deterministic.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from cardyears.catalogue.compile import DATA
from cardyears.catalogue.load import load
from held_out import Fitted, HeldOut, fold, left_out, source, summary
from held_out_report import EXAMPLES
from step_intervals import write_intervals
from step_model import HUBER, SHARES, Array, Model, Row, coefficients, load_priors, precision, robust, rows_of

Mask = NDArray[np.bool_]
ROUNDS, ENOUGH = 20, 3e-3


def fit(
    model: Model, tightness: Array, *, start: Array | None = None, rounds: int = ROUNDS, say: bool = True
) -> Fitted:
    """The coefficients' logarithms over their priors: Gauss-Newton with Huber weights and priors."""
    theta = np.zeros(len(model.every)) if start is None else start
    base = model.predict(theta)
    for number in range(rounds):
        slopes = model.jacobian(theta, base)
        pull = robust(model.weight, base)
        left = slopes.T @ (pull[:, None] * slopes) + tightness
        right = -slopes.T @ (pull * base) - tightness @ theta
        move = np.clip(np.linalg.solve(left, right), -0.4, 0.4)
        before, theta, base = _loss(model, base, theta, tightness), theta + move, model.predict(theta + move)
        while _loss(model, base, theta, tightness) > before and np.abs(move).max() > 1e-3:
            move = move / 2
            theta = theta - move
            base = model.predict(theta)
        if say:
            loss, error = _loss(model, base, theta, tightness), np.abs(np.expm1(base))
            print(f"round {number + 1}: loss {loss:.1f}, median {np.median(error):.3f}")
        if np.abs(move).max() < ENOUGH:
            break
    return Fitted(model, theta, base, model.jacobian(theta, base), tightness)


def _loss(model: Model, base: Array, theta: Array, tightness: Array) -> float:
    size = np.abs(base) / HUBER
    each = np.where(size < 1, size**2 / 2, size - 0.5)
    return float((model.weight * each).sum() + theta @ tightness @ theta / 2)


def write(fitted: Fitted) -> None:
    """Put the fitted numbers into the catalogue's files, in place."""
    model = fitted.model
    runs = Counter(f"engines.{row.engine}" for row in model.rows) + Counter(
        f"sustained.{row.chip}" for row in model.rows
    )
    values = model.values(fitted.theta)
    for section in ("engines", "sustained"):
        path = DATA / f"{section}.toml"
        text = path.read_text(encoding="utf-8")
        for (owner, field), value in values.items():
            if owner.startswith(f"{section}."):
                table = owner.split(".", 1)[1]
                text = _put(text, table, field, f"{min(1.0, value) if field in SHARES else value:.4g}")
                text = _put(text, table, "kind", '"measured"' if runs[owner] else '"assumed"')
                if section == "sustained":
                    text = _put(text, table, "runs", str(runs[owner]))
        if section == "engines":
            for key, years in model.years.items():
                text = _put(text, key, "years", str(list(years)))
        path.write_text(text, encoding="utf-8")


def _put(text: str, table: str, field: str, value: str) -> str:
    """The text with one field of one table changed."""
    name = re.escape(f'["{table}"]' if "." in table else f"[{table}]")
    if "." not in value and value.isdigit() and field != "runs":
        value += ".0"
    changed, count = re.subn(rf"({name}\n(?:[^\[\n].*\n)*?{field} = ).*", rf"\g<1>{value}", text)
    if count != 1:
        raise SystemExit(f"{table}.{field} stands {count} times in the file")
    return changed


def held_out(fitted: Fitted) -> None:
    """Print the errors on runs that were left out: a fifth at a time, and a source at a time."""
    rows = list(fitted.model.rows)
    for name, found in (("five folds", left_out(fitted, fold)), ("one source left out", left_out(fitted, source))):
        print(f"{name}: {_said(summary(rows, found))}")


REFIT = EXAMPLES / "refit.json"
LARGE_SOURCE = 60
"""Runs of a source that is left out of a whole fit."""


def refit(fitted: Fitted) -> None:
    """Print what whole fits without some runs say of them, beside what `held_out` says without fitting again."""
    rows = list(fitted.model.rows)
    many = Counter(source(row) for row in rows)
    large = {name for name, count in many.items() if count >= LARGE_SOURCE}
    said = {}
    for name, group in (("five folds", fold), ("each large source left out", source)):
        out = np.array([group is fold or source(row) in large for row in rows])
        some = [row for row, one in zip(rows, out, strict=True) if one]
        whole, quick = without(fitted, group, out)[out], left_out(fitted, group)[out]
        print(f"{name}: {_said(summary(some, whole))}")
        print(f"  without fitting again: {_said(summary(some, quick))}")
        apart = float(np.median(np.abs(whole - quick)))
        print(f"  median difference of a run's two errors: {apart:.2%}")
        said[group.__name__] = {
            "whole": summary(some, whole).errors.median, "quick": summary(some, quick).errors.median, "apart": apart,
        }  # fmt: skip
    REFIT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def without(fitted: Fitted, group: Callable[[Row], Hashable], wanted: Mask) -> Array:
    """Errors of the wanted runs by whole fits, each without a group of them; nan for the others."""
    model = fitted.model
    weight, groups = model.weight, [group(row) for row in model.rows]
    found = np.full(len(groups), np.nan)
    for one in dict.fromkeys(name for name, want in zip(groups, wanted, strict=True) if want):
        out = np.array([other == one for other in groups])
        model.weight = np.where(out, 0.0, weight)
        found[out] = fit(model, fitted.precision, start=fitted.theta, say=False).error[out]
    model.weight = weight
    return found


def _said(one: HeldOut) -> str:
    found = one.errors
    return (
        f"{found.runs} runs, median {found.median:.1%}, 90th percentile {found.p90:.1%}, bias {found.bias:+.1%}, "
        f"median of sources' medians {one.median_of_sources:.1%}"
    )


def fitted_on_all(*, say: bool = True) -> Fitted:
    """The fit on all runs that ship."""
    priors, catalogue = load_priors(), load()
    every = coefficients(priors)
    model = Model(rows_of(catalogue, priors["sustained"]), every, catalogue)
    if say:
        print(f"{len(model.rows)} runs, {len(every)} coefficients")
    return fit(model, precision(every, priors), say=say)


def main(*, quickly: bool, wholly: bool) -> None:
    """Fit and write, or fit and leave runs out."""
    fitted = fitted_on_all()
    if quickly:
        held_out(fitted)
    if wholly:
        refit(fitted)
    if not (quickly or wholly):
        write(fitted)
        write_intervals(fitted)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held-out", action="store_true", help="leave runs out and compare; write nothing")
    parser.add_argument("--refit", action="store_true", help="leave runs out of whole fits")
    asked = parser.parse_args()
    main(quickly=asked.held_out, wholly=asked.refit)
