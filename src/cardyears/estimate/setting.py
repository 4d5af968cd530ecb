"""What do a job's estimates share, whatever the layout? Its rates and wires, and its model in numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cardyears.layout.shard import ModelWork, model_work
from cardyears.machine.collectives import Wires, wires
from cardyears.machine.rates import Rates, rates

if TYPE_CHECKING:
    from cardyears.base.units import Count, Flop
    from cardyears.case import Job
    from cardyears.work.architecture import Architecture


class Core(NamedTuple):
    """FLOP per token of one layer's attention core, forward."""

    causal: Flop
    square: Flop


class Setting(NamedTuple):
    """What a job's estimates share, whatever the layout; numbers may be arrays (`estimate.many`)."""

    rates: Rates
    wires: Wires
    domain: Count
    """Devices that the fast link joins."""
    model: ModelWork
    cores: tuple[Core, ...]
    """One for each kind of layer, in the model's order."""
    adapters: Count
    """Trained parameters of all adapters; 0 where everything is trained."""


def setting(job: Job, precision: str) -> Setting:
    """Rates, wires and model of a job, made once for all its layouts."""
    arch, training = job.architecture, job.training
    return Setting(
        rates(job.cluster.device, job.silicon, job.engine, precision),
        wires(job.cluster),
        float(job.cluster.domain),
        model_work(arch),
        _cores(arch, job.attended_length),
        training.adapter_parameters(arch) * 1.0 if training.adapters else 0.0,
    )


@lru_cache(maxsize=1024)
def _cores(arch: Architecture, seen: float) -> tuple[Core, ...]:
    """The cores of every kind of layer, where a token attends among so many."""
    mixers = (layer.mixer for layer, _ in arch.each_kind())
    return tuple(Core(one.core_flop(seen, causal=True), one.core_flop(seen, causal=False)) for one in mixers)
