"""How unlike two runs are: the more, the less a measurement of the one says about the other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from cardyears.case import Job
from cardyears.catalogue.load import Catalogue
from cardyears.layout.shard import layer_works
from cardyears.machine.device import Device
from cardyears.work.architecture import Architecture
from cardyears.work.params import total_parameters

DEVICE, FAMILY, ENGINE, METHOD, PRECISION, EXPERTS = 1.0, 1.5, 1.5, 2.0, 1.0, 2.0
"""Distance of another device of the same family, of another family besides, engine, method or precision, and of a
mixture of experts to a dense model: a factor of e in size is 1, one in number of devices or length a half. Assumed;
errors on runs that were left out of the fit grow with it (docs/accuracy.md)."""
FARTHEST = 99.0


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
    size = math.log(float(total_parameters(arch)))
    return Place(
        engine, device.key, device.family, method, precision, mixture(arch), size, math.log(devices), math.log(length)
    )


def mixture(arch: Architecture) -> bool:
    """Whether tokens choose among experts."""
    return any(work.experts for work in layer_works(arch))


def place_of(job: Job, precision: str) -> Place:
    """The place of a step that is asked about."""
    return place(
        job.architecture, job.engine.key, job.cluster.device, job.training.method, precision, job.cluster.count,
        float(job.seq_len),
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


def measured_places(catalogue: Catalogue) -> list[Place]:
    """Where runs were measured."""
    family = {key: row.family for key, row in catalogue.accelerators.items()}
    return [
        Place(
            row.engine, row.device, family.get(row.device, row.device), row.method, row.precision, row.experts,
            math.log(row.parameters), math.log(row.devices), math.log(row.seq_len),
        )
        for row in catalogue.measured
    ]  # fmt: skip


def nearest(one: Place, others: Iterable[Place]) -> float:
    """Distance of the nearest of them."""
    return min((distance(one, other) for other in others), default=FARTHEST)
