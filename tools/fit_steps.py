"""Which coefficients of engines and chips do the measured runs show? A robust fit of step times, with priors.

    python tools/fit_steps.py
    python tools/fit_steps.py --held-out    how far off it is on sources that it was not fitted on; writes nothing

Starts from ``tools/priors.toml`` (what a coefficient would be without any run, and how sure that is), fits all of them
jointly on the runs that ship with the product, and writes them into ``engines.toml`` and ``sustained.toml``. The
error of a run is the logarithm of predicted over measured step time; errors beyond 10 % weigh less and less
(Huber), each source has a limited weight, and coefficients that few runs show stay at their prior. Deterministic.
"""

from __future__ import annotations

import argparse
import math
import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from cardyears.catalogue.compile import DATA
from cardyears.catalogue.load import Catalogue, load
from cardyears.estimate.step import setting, step
from cardyears.machine.engine import Engine
from cardyears.machine.silicon import Silicon
from cardyears.resolve.silicon import EVERY_FAMILY, silicon
from cardyears.validate.compare import engines, errors, job, measured_step
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs

PRIORS = Path(__file__).with_name("priors.toml")
HUBER, ROUNDS, STEP = 0.10, 12, 0.02
WEAK, UNSURE = 0.25, 0.3
"""Weight of a run of weak quality, and of one whose batch is not stated."""
MOST_OF_A_TABLE = 60.0
"""Runs of one source, on one node or across nodes, beyond which their weight no longer adds up."""

ENGINE_FIELDS = {
    "product_factor": "product_factor",
    "attention_factor": "attention_factor",
    "memory_bound_factor": "memory_bound_factor",
    "kernel_us": "kernel_s",
    "collective_us": "collective_s",
    "step_ms": "step_s",
    "gradient_exposure": "gradient_exposure",
    "tensor_exposure": "tensor_exposure",
    "expert_exposure": "expert_exposure",
    "loss_passes": "loss_passes",
    "chunked_loss_passes": "chunked_loss_passes",
    "optimizer_passes": "optimizer_passes",
}
"""Coefficients of an engine: their key in the catalogue and their field in the sums."""
CHIP_FIELDS = {"products": "sustained", "attention": "sustained_attention"}
SHARES = ("gradient_exposure", "tensor_exposure", "expert_exposure")


class Row(NamedTuple):
    """One run of the fit."""

    problem: Problem
    measured: float
    engine: str
    chip: str
    weight: float


class Coefficient(NamedTuple):
    """One number to fit: whose, which, where it starts, how far it may go (standard deviation of its logarithm)."""

    owner: str
    field: str
    prior: float
    sigma: float


def rows_of(catalogue: Catalogue, sustained: Mapping[str, float]) -> list[Row]:
    """The runs with a speed, weighted."""
    found = []
    made, _ = problems(load_runs(), catalogue)
    for problem in made:
        measured = measured_step(problem)
        if measured is None or (problem.step_s is not None and not problem.scores_speed):
            continue
        weight = (WEAK if problem.measured.quality == "weak" else 1.0) * (
            UNSURE if problem.assumes("micro_batch") or problem.assumes("accumulation") else 1.0
        )
        device = problem.device
        if device.bandwidth is None or device.training_dtype is None:
            continue
        chip = device.key if device.key in sustained else device.family if device.family in sustained else EVERY_FAMILY
        found.append(Row(problem, measured, problem.engine, chip, weight))
    mass: dict[tuple[str, bool], float] = {}
    for row in found:
        mass[_table(row)] = mass.get(_table(row), 0.0) + row.weight
    return [row._replace(weight=row.weight * min(1.0, MOST_OF_A_TABLE / mass[_table(row)])) for row in found]


def _table(row: Row) -> tuple[str, bool]:
    """What shares a limited weight: a source's runs on one node, and its runs across nodes."""
    return row.problem.measured.source, row.problem.cluster.nodes > 1


def coefficients(priors: Mapping[str, Mapping[str, object]]) -> list[Coefficient]:
    """All numbers to fit, from the priors' file."""
    sigma: Mapping[str, float] = priors["sigma"]  # type: ignore[assignment]
    return [
        Coefficient(f"{section}.{owner}", field, float(value), sigma[field])
        for section in ("engines", "sustained")
        for owner, table in priors[section].items()
        for field, value in table.items()  # type: ignore[attr-defined]
    ]


class Model:
    """Predicted log step times of all rows for given coefficients."""

    def __init__(self, rows: Sequence[Row], every: Sequence[Coefficient], catalogue: Catalogue) -> None:
        self.rows, self.every = rows, every
        self.known = engines(catalogue)
        self.catalogue = catalogue
        self.at = {(one.owner, one.field): index for index, one in enumerate(every)}
        self.jobs = [job(row.problem, catalogue, self.known) for row in rows]

    def predict(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of predicted over measured step time."""
        values = {key: self.every[at].prior * math.exp(theta[at]) for key, at in self.at.items()}
        made = {key: self._engine(key, one, values) for key, one in self.known.items()}
        out = np.empty(len(self.rows))
        chips: dict[tuple[str, str], Silicon] = {}
        for index, (row, task) in enumerate(zip(self.rows, self.jobs, strict=True)):
            key = (row.problem.device.key, row.chip)
            if key not in chips:
                chips[key] = self._chip(row, values)
            fitted = msgspec.structs.replace(task, engine=made[row.engine], silicon=chips[key])
            total = step(fitted, row.problem.layout, setting(fitted, row.problem.layout.precision)).total
            out[index] = math.log(float(total) / row.measured)
        return out

    def _engine(self, key: str, one: Engine, values: Mapping[tuple[str, str], float]) -> Engine:
        scale = {"kernel_us": 1e-6, "collective_us": 1e-6, "step_ms": 1e-3}
        changed = {
            name: values[f"engines.{key}", field] * scale.get(field, 1.0)
            for field, name in ENGINE_FIELDS.items()
            if (f"engines.{key}", field) in values
        }
        changed |= {name: min(1.0, changed[name]) for name in SHARES if name in changed}
        return msgspec.structs.replace(one, **changed)

    def _chip(self, row: Row, values: Mapping[tuple[str, str], float]) -> Silicon:
        chip = silicon(row.problem.device, self.catalogue)
        changed = {name: values[f"sustained.{row.chip}", field] for field, name in CHIP_FIELDS.items()}
        return msgspec.structs.replace(chip, **changed)

    def jacobian(self, theta: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives by differences: one coefficient of every engine at once, as a run has one engine and one chip."""
        derivative = np.zeros((len(self.rows), len(theta)))
        for section, part in (("engines", "engine"), ("sustained", "chip")):
            for field in dict.fromkeys(one.field for one in self.every if one.owner.startswith(section)):
                moved = theta.copy()
                for (owner, name), at in self.at.items():
                    if name == field and owner.startswith(f"{section}."):
                        moved[at] += STEP
                slope = (self.predict(moved) - base) / STEP
                for index, row in enumerate(self.rows):
                    place = self.at.get((f"{section}.{getattr(row, part)}", field))
                    if place is not None:
                        derivative[index, place] = slope[index]
        return derivative


def fit(model: Model, *, rounds: int = ROUNDS, say: bool = True) -> NDArray[np.float64]:
    """The coefficients' logarithms over their priors: Gauss-Newton with Huber weights and priors."""
    theta = np.zeros(len(model.every))
    sigma = np.array([one.sigma for one in model.every])
    weight = np.array([row.weight for row in model.rows])
    base = model.predict(theta)
    for number in range(rounds):
        slopes = model.jacobian(theta, base)
        robust = weight / np.maximum(np.abs(base) / HUBER, 1.0) / HUBER**2
        left = slopes.T @ (robust[:, None] * slopes) + np.diag(1 / sigma**2)
        right = -slopes.T @ (robust * base) - theta / sigma**2
        move = np.clip(np.linalg.solve(left, right), -0.4, 0.4)
        before, theta, base = _loss(base, theta, weight, sigma), theta + move, model.predict(theta + move)
        while _loss(base, theta, weight, sigma) > before and np.abs(move).max() > 1e-3:
            move = move / 2
            theta = theta - move
            base = model.predict(theta)
        if say:
            error = np.abs(np.expm1(base))
            print(f"round {number + 1}: loss {_loss(base, theta, weight, sigma):.1f}, median {np.median(error):.3f}")
        if np.abs(move).max() < 2e-3:
            break
    return theta


def _loss(
    base: NDArray[np.float64], theta: NDArray[np.float64], weight: NDArray[np.float64], sigma: NDArray[np.float64]
) -> float:
    size = np.abs(base) / HUBER
    each = np.where(size < 1, size**2 / 2, size - 0.5)
    return float((weight * each).sum() + ((theta / sigma) ** 2).sum() / 2)


def write(model: Model, theta: NDArray[np.float64]) -> None:
    """Put the fitted numbers into the catalogue's files, in place."""
    runs = Counter(f"engines.{row.engine}" for row in model.rows) + Counter(
        f"sustained.{row.chip}" for row in model.rows
    )
    for section in ("engines", "sustained"):
        path = DATA / f"{section}.toml"
        text = path.read_text(encoding="utf-8")
        for (owner, field), at in model.at.items():
            if owner.startswith(f"{section}."):
                value = model.every[at].prior * math.exp(theta[at])
                value = min(1.0, value) if field in SHARES else value
                text = _put(text, owner.split(".", 1)[1], field, f"{value:.4g}")
                if section == "sustained":
                    text = _put(text, owner.split(".", 1)[1], "runs", str(runs[owner]))
                    text = _put(text, owner.split(".", 1)[1], "kind", '"measured"' if runs[owner] else '"assumed"')
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


FOLDS = 4


def held_out(rows: Sequence[Row], every: Sequence[Coefficient], catalogue: Catalogue) -> None:
    """Fit four times, each time without a quarter of the sources, and print the errors on what was left out."""
    found: list[float] = []
    for fold in range(FOLDS):
        inside = [row for row in rows if _fold(row) != fold]
        outside = [row for row in rows if _fold(row) == fold]
        theta = fit(Model(inside, every, catalogue), say=False)
        predicted = Model(outside, every, catalogue).predict(theta)
        good = [row.problem.measured.quality == "good" for row in outside]
        found += [math.expm1(error) for error, fine in zip(predicted, good, strict=True) if fine]
    result = errors(found)
    print(f"{result.runs} runs of sources left out: median {result.median:.1%}, 90th percentile {result.p90:.1%}")


def _fold(row: Row) -> int:
    """Which quarter a source is in: by its name, so that it is the same every time."""
    return zlib.crc32(row.problem.measured.source.encode()) % FOLDS


def main(*, without: bool) -> None:
    """Fit and write, or fit without some and compare."""
    priors = tomllib.loads(PRIORS.read_text(encoding="utf-8"))
    catalogue = load()
    every = coefficients(priors)
    model = Model(rows_of(catalogue, priors["sustained"]), every, catalogue)
    print(f"{len(model.rows)} runs, {len(every)} coefficients")
    if without:
        held_out(model.rows, every, catalogue)
        return
    write(model, fit(model))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held-out", action="store_true", help="fit without some sources and compare; write nothing")
    main(without=parser.parse_args().held_out)
