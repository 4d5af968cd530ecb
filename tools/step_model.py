"""What do the coefficients of engines and chips predict for the measured runs? Rows, coefficients, and their model."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from cardyears.case import Job
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.many import Task, step_seconds
from cardyears.estimate.setting import setting
from cardyears.machine.engine import Engine
from cardyears.machine.silicon import Silicon
from cardyears.resolve.silicon import EVERY_FAMILY, silicon
from cardyears.validate.compare import clocked_step, engines, estimable, job, measured_step
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs

Array = NDArray[np.float64]

PRIORS = Path(__file__).with_name("priors.toml")
HUBER = 0.10
"""Error, in the logarithm, beyond which a run pulls no harder."""
STEP = -0.02
"""Of the differences, in the logarithm: downwards, as shares stop at 1."""
UNDATED = 2025.0
"""Year of an engine that no run shows: its gain moves nothing."""
WEAK, UNSURE = 0.25, 0.3
"""Weight of a run of weak quality, and of one whose batch is not stated."""
MOST_OF_A_TABLE = 120.0
"""Runs of one source, on one node or across nodes, beyond which their weight no longer adds up."""

ENGINE_FIELDS = {
    "product_factor": "product_factor",
    "grouped_loss": "grouped_loss",
    "attention_factor": "attention_factor",
    "memory_bound_factor": "memory_bound_factor",
    "kernel_us": "kernel_s",
    "collective_us": "collective_s",
    "routing_us": "routing_s",
    "step_ms": "step_s",
    "gradient_exposure": "gradient_exposure",
    "tensor_exposure": "tensor_exposure",
    "expert_exposure": "expert_exposure",
    "loss_passes": "loss_passes",
    "chunked_loss_passes": "chunked_loss_passes",
    "optimizer_passes": "optimizer_passes",
    "yearly_gain": "yearly_gain",
}
"""Coefficients of an engine: their key in the catalogue and their field in the sums."""
CHIP_FIELDS = {"products": "sustained", "attention": "sustained_attention"}
GAINS = ("fp8", "mxfp8", "nvfp4")
"""Coefficients of a chip: what it keeps of a lower precision's gain."""
SHARES = ("gradient_exposure", "tensor_exposure", "expert_exposure")
_SCALE = {"kernel_us": 1e-6, "routing_us": 1e-6, "collective_us": 1e-6, "step_ms": 1e-3}


class Row(NamedTuple):
    """One run of the fit."""

    problem: Problem
    measured: float
    engine: str
    chip: str
    weight: float

    @property
    def good(self) -> bool:
        """Whether errors are scored on it: of good quality, and timed. A printed rate of FLOP is only fitted on."""
        return self.problem.measured.quality == "good" and clocked_step(self.problem) is not None


class Coefficient(NamedTuple):
    """One number to fit: whose, which, where it starts, how far it may go (standard deviation of its logarithm)."""

    owner: str
    field: str
    prior: float
    sigma: float


def load_priors() -> dict[str, Any]:
    """The priors' file."""
    return tomllib.loads(PRIORS.read_text(encoding="utf-8"))


def rows_of(catalogue: Catalogue, sustained: Mapping[str, object]) -> list[Row]:
    """The runs with a speed, weighted."""
    found = []
    made, _ = problems(load_runs(), catalogue)
    for problem in made:
        measured = measured_step(problem)
        if measured is None or not estimable(problem):
            continue
        weight = (WEAK if problem.measured.quality == "weak" else 1.0) * (
            UNSURE if problem.assumes("micro_batch", "accumulation") else 1.0
        )
        device = problem.device
        chip = device.key if device.key in sustained else device.family if device.family in sustained else EVERY_FAMILY
        found.append(Row(problem, measured, problem.engine, chip, weight))
    mass: dict[tuple[str, bool], float] = {}
    for row in found:
        mass[_table(row)] = mass.get(_table(row), 0.0) + row.weight
    return [row._replace(weight=row.weight * min(1.0, MOST_OF_A_TABLE / mass[_table(row)])) for row in found]


def years_of(rows: Sequence[Row], key: str) -> tuple[float, float, float]:
    """First, mean and last year of an engine's runs, each weighing what it weighs in the fit."""
    dated = [(row.problem.year, row.weight) for row in rows if row.engine == key]
    known = [(year, weight) for year, weight in dated if year is not None]
    if not known:
        return (UNDATED,) * 3
    mean = sum(year * weight for year, weight in known) / sum(weight for _, weight in known)
    first, last = min(year for year, _ in known), max(year for year, _ in known)
    return round(first, 2), round(min(max(mean, first), last), 2), round(last, 2)


def _table(row: Row) -> tuple[str, bool]:
    """What shares a limited weight: a source's runs on one node, and its runs across nodes."""
    return row.problem.measured.source, row.problem.cluster.nodes > 1


def coefficients(priors: Mapping[str, Any]) -> list[Coefficient]:
    """All numbers to fit, from the priors' file."""
    sigma = priors["sigma"]
    return [
        Coefficient(f"{section}.{owner}", field, float(value), sigma[field])
        for section in ("engines", "sustained")
        for owner, table in priors[section].items()
        for field, value in table.items()
    ]


def covariance(every: Sequence[Coefficient], priors: Mapping[str, Any]) -> Array:
    """How coefficients go together before any run is seen: engines of one kind are alike, and all engines a little.

    An engine that no run shows is then what its kind shows; one that many show is itself. Chips likewise.
    """
    kind = {f"engines.{engine}": name for name, members in priors["kinds"].items() for engine in members}
    alike = priors["alike"]
    spread = np.zeros((len(every), len(every)))
    for i, one in enumerate(every):
        for j, other in enumerate(every):
            if one.field != other.field or one.owner.split(".")[0] != other.owner.split(".")[0]:
                continue
            together = alike["all"] ** 2 + alike["kind"] ** 2 * (kind.get(one.owner, "") == kind.get(other.owner, ""))
            spread[i, j] = one.sigma**2 * ((i == j) + together * (one.field not in alike["not"]))
    return spread


def precision(every: Sequence[Coefficient], priors: Mapping[str, Any]) -> Array:
    """The inverse of the prior's covariance."""
    return np.linalg.inv(covariance(every, priors)).astype(np.float64)


def robust(weight: Array, error: Array) -> Array:
    """Weight of each run at its error: Huber's."""
    pull: Array = weight / np.maximum(np.abs(error) / HUBER, 1.0) / HUBER**2
    return pull


class Model:
    """Predicted log step times of all rows for given coefficients."""

    def __init__(
        self,
        rows: Sequence[Row],
        every: Sequence[Coefficient],
        catalogue: Catalogue,
        years: Mapping[str, tuple[float, float, float]] | None = None,
    ) -> None:
        """`years` of each engine's releases are those of the rows where nobody says."""
        self.rows, self.every = rows, every
        self.years = years or {key: years_of(rows, key) for key in catalogue.engines}
        self.known = {
            key: msgspec.structs.replace(one, years=self.years[key]) for key, one in engines(catalogue).items()
        }
        self.catalogue = catalogue
        self.at = {(one.owner, one.field): index for index, one in enumerate(every)}
        self.jobs = [job(row.problem, catalogue, self.known[row.engine]) for row in rows]
        self.sigma = np.array([one.sigma for one in every])
        self.weight = np.array([row.weight for row in rows])

    def values(self, theta: Array) -> dict[tuple[str, str], float]:
        """The coefficients, by owner and field."""
        return {key: self.every[at].prior * math.exp(theta[at]) for key, at in self.at.items()}

    def predict(self, theta: Array) -> Array:
        """Log of predicted over measured step time."""
        layouts = [row.problem.layout for row in self.rows]
        jobs = zip(self.fitted_jobs(theta), layouts, strict=True)
        predicted = step_seconds([Task(one, layout, setting(one, layout.precision)) for one, layout in jobs])
        found: Array = np.log(predicted / np.array([row.measured for row in self.rows]))
        return found

    def engines(self, theta: Array) -> dict[str, Engine]:
        """All engines with these coefficients, as in their mean year."""
        values = self.values(theta)
        return {key: self._engine(key, one, values) for key, one in self.known.items()}

    def fitted_jobs(self, theta: Array) -> Iterator[Job]:
        """The rows' jobs with these coefficients."""
        values, made = self.values(theta), self.engines(theta)
        chips: dict[tuple[str, str], Silicon] = {}
        dated: dict[tuple[str, float | None], Engine] = {}
        for row, task in zip(self.rows, self.jobs, strict=True):
            key = (row.problem.device.key, row.chip)
            if key not in chips:
                chips[key] = self._chip(row, values)
            year = row.problem.year
            if (row.engine, year) not in dated:
                dated[row.engine, year] = made[row.engine].of_year(year)
            yield msgspec.structs.replace(task, engine=dated[row.engine, year], silicon=chips[key])

    def _engine(self, key: str, one: Engine, values: Mapping[tuple[str, str], float]) -> Engine:
        changed = {
            name: values[f"engines.{key}", field] * _SCALE.get(field, 1.0)
            for field, name in ENGINE_FIELDS.items()
            if (f"engines.{key}", field) in values
        }
        changed |= {name: min(1.0, changed[name]) for name in SHARES if name in changed}
        return msgspec.structs.replace(one, **changed)

    def _chip(self, row: Row, values: Mapping[tuple[str, str], float]) -> Silicon:
        device = row.problem.device
        chip, owner = silicon(device, self.catalogue), f"sustained.{row.chip}"
        rows = self.catalogue.silicon
        alone = (rows.get(device.key) or rows.get(device.family) or rows[EVERY_FAMILY]).gain
        gain = {str(name): gained * values.get((owner, name), 1.0) for name, gained in alone.items()}
        changed = {name: values[owner, field] for field, name in CHIP_FIELDS.items()}
        return msgspec.structs.replace(chip, gain=gain, **changed)

    def jacobian(self, theta: Array, base: Array) -> Array:
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
