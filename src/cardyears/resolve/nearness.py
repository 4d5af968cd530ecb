"""How unlike two runs are: the more, the less a measurement of the one says about the other.

And how far off runs like one were that were left out of the fit: what to expect of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cardyears.case import Job
from cardyears.catalogue.load import Catalogue
from cardyears.layout.shard import layer_works
from cardyears.machine.calibration import RunKind
from cardyears.machine.device import Device
from cardyears.work.architecture import Architecture
from cardyears.work.params import total_parameters

DEVICE, FAMILY, ENGINE, METHOD, PRECISION, EXPERTS = 1.0, 1.5, 1.5, 2.0, 1.0, 2.0
"""Distance of another device of the same family, of another family besides, engine, method or precision, and of a
mixture of experts to a dense model: a factor of e in size is 1, one in number of devices or length a half. Assumed;
errors on runs that were left out of the fit grow with it (docs/accuracy.md)."""
FARTHEST = 99.0
REACH, HELD = 0.8, 0.5
"""Distance over which what a run's error says of another falls to 1/e, and runs' worth of what is held before of any
run, of any by its engine, and of any of its method and kind of model besides. Chosen for the least interval score of
left-out runs, on these same runs. Source: measured-runs."""


class Place(NamedTuple):
    """What makes runs alike."""

    engine: str
    device: str
    family: str
    method: str
    precision: str
    experts: bool
    size: float
    """Logarithms of parameters, devices and sequence length."""
    devices: float
    length: float


def place(
    arch: Architecture, engine: str, device: Device, method: str, precision: str, devices: float, length: float
) -> Place:
    """The place of one run."""
    return Place(
        engine, device.key, device.family, method, precision, mixture(arch), _size(arch), math.log(devices),
        math.log(length),
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _size(arch: Architecture) -> float:
    return math.log(float(total_parameters(arch)))


@lru_cache(maxsize=1024)
def mixture(arch: Architecture) -> bool:
    """Whether tokens choose among experts."""
    return any(work.experts for work in layer_works(arch))


def place_of(job: Job, precision: str) -> Place:
    """The place of a step that is asked about."""
    return place(
        job.architecture, job.engine.key, job.cluster.device, job.training.method, precision, job.cluster.count,
        float(job.seq_len),
    )  # fmt: skip


def place_of_kind(one: RunKind, catalogue: Catalogue) -> Place:
    """The place of runs of one kind."""
    row = catalogue.accelerators.get(one.device)
    return Place(
        one.engine, one.device, row.family if row else one.device, one.method, one.precision, one.experts,
        math.log(one.parameters), math.log(one.devices), math.log(one.seq_len),
    )  # fmt: skip


def distance(one: Place, other: Place) -> float:
    """How unlike two runs are; 0 for the same model on the same machine by the same engine.

    >>> here = Place("nemo", "h100", "h100", "pretrain", "bf16", False, 22.0, 2.0, 8.0)
    >>> distance(here, here), distance(here, here._replace(precision="fp8", devices=4.0))
    (0.0, 2.0)
    """
    away = abs(one.size - other.size) + abs(one.devices - other.devices) / 2.0 + abs(one.length - other.length) / 2.0
    if one.device != other.device:
        away += DEVICE + FAMILY * (one.family != other.family)
    away += ENGINE * (one.engine != other.engine) + METHOD * (one.method != other.method)
    return away + PRECISION * (one.precision != other.precision) + EXPERTS * (one.experts != other.experts)


class Ground(NamedTuple):
    """A place where a source measured runs, and how far off they were when they were left out of the fit."""

    place: Place
    source: str
    runs: float
    error: float
    """Mean, without its sign, of the logarithms."""


class Near(NamedTuple):
    """What is known of runs near a place."""

    away: float
    """Distance of the nearest."""
    error: float
    """How far off runs like it were."""


@lru_cache(maxsize=4)
def measured_grounds(catalogue: Catalogue) -> tuple[Ground, ...]:
    """Where runs were measured, and how far off each was."""
    return tuple(Ground(place_of_kind(row, catalogue), row.source, row.runs, row.error) for row in catalogue.measured)


@lru_cache(maxsize=64)
def measured_gaps(catalogue: Catalogue, here: Place) -> tuple[float, ...]:
    """Distance of everything that was measured."""
    return tuple(distance(here, other.place) for other in measured_grounds(catalogue))


@lru_cache(maxsize=256)
def _usual(catalogue: Catalogue, engine: str, method: str, *, experts: bool) -> float:
    """How far off measured runs of such an engine, method and kind of model are in the middle."""
    return usual_error(measured_grounds(catalogue), engine, method, experts=experts)


def near_measured(catalogue: Catalogue, here: Place) -> Near:
    """What `near` says of everything that was measured."""
    usual = _usual(catalogue, here.engine, here.method, experts=here.experts)
    return _near(measured_gaps(catalogue, here), measured_grounds(catalogue), usual)


def near(one: Place, grounds: Sequence[Ground]) -> Near:
    """How near the nearest measured run is, and how far off runs like it were: theirs counts the more, the nearer.

        w = Σ runs·exp(−distance/REACH) of a source,   error = (HELD·usual + Σ √w·e)/(HELD + Σ √w)

    for e the mean error of a source so weighed, and what is usual of such an engine, method and kind of model.

    >>> here = Place("nemo", "h100", "h100", "pretrain", "bf16", False, 22.0, 2.0, 8.0)
    >>> known = near(here, [Ground(here, "one", 9, 0.05), Ground(here._replace(device="x"), "other", 1, 0.4)])
    >>> known.away, round(known.error, 3)
    (0.0, 0.107)
    """
    usual = usual_error(grounds, one.engine, one.method, experts=one.experts)
    return _near([distance(one, other.place) for other in grounds], grounds, usual)


def _near(gaps: Sequence[float], grounds: Sequence[Ground], usual: float) -> Near:
    told = _by_source(grounds, [other.runs * math.exp(-gap / REACH) for other, gap in zip(grounds, gaps, strict=True)])
    return Near(min(gaps, default=FARTHEST), (told.off + HELD * usual) / (told.weight + HELD))


def usual_error(grounds: Sequence[Ground], engine: str, method: str, *, experts: bool) -> float:
    """How far off runs by such an engine, method and kind of model are in the middle; 0 without runs.

    (HELD·usual + Σ √runs·e)/(HELD + Σ √runs), over the engine's sources, where the usual is that of all sources; then
    over those of them of the method, where it is the engine's; then over those of like models besides. Every source
    weighs as the root of its runs.
    """
    every = _by_source(grounds, [other.runs for other in grounds])
    usual = every.off / every.weight if every.weight else 0.0
    by_engine = [other.place.engine == engine for other in grounds]
    by_method = [one and other.place.method == method for one, other in zip(by_engine, grounds, strict=True)]
    alike = [one and other.place.experts == experts for one, other in zip(by_method, grounds, strict=True)]
    for kin in (by_engine, by_method, alike):
        own = _by_source(grounds, [other.runs * one for other, one in zip(grounds, kin, strict=True)])
        usual = (own.off + HELD * usual) / (own.weight + HELD)
    return usual


class _Told(NamedTuple):
    """What sources say together: their weights, and their errors so weighed."""

    weight: float
    off: float


def _by_source(grounds: Sequence[Ground], weights: Sequence[float]) -> _Told:
    """Sources together, each weighing as the root of what its runs weigh."""
    mass: dict[str, float] = {}
    off: dict[str, float] = {}
    for one, weight in zip(grounds, weights, strict=True):
        mass[one.source] = mass.get(one.source, 0.0) + weight
        off[one.source] = off.get(one.source, 0.0) + weight * one.error
    some = [name for name in mass if mass[name] > 0.0]
    return _Told(
        math.fsum(math.sqrt(mass[name]) for name in some), math.fsum(off[name] / math.sqrt(mass[name]) for name in some)
    )
