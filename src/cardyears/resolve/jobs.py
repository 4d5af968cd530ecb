"""What is one training step? Model, training, machine and engine put together, for a layout to be laid on."""

from __future__ import annotations

from cardyears.case import Job
from cardyears.catalogue.load import Catalogue
from cardyears.layout.shard import layer_works
from cardyears.machine.cluster import Cluster
from cardyears.machine.engine import Engine
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.hosts import host
from cardyears.resolve.silicon import silicon
from cardyears.resolve.spreads import memory_spread
from cardyears.work.architecture import Architecture
from cardyears.work.state import Training


def job(
    arch: Architecture,
    training: Training,
    seq_len: float,
    machine: Cluster,
    engine: Engine,
    catalogue: Catalogue,
    assumed: Assumed,
    *,
    usable_share: float = 1.0,
    named: bool = False,
) -> Job:
    """The job, with the host and the attained shares of the device's family.

    `named` says that the engine is known and not taken for the usual one.
    """
    experts = any(work.experts for work in layer_works(arch))
    return Job(
        architecture=arch,
        training=training,
        seq_len=float(seq_len),
        cluster=machine,
        silicon=silicon(machine.device, catalogue),
        engine=engine,
        host=host(machine, assumed),
        usable_bytes=machine.device.memory.value * usable_share,
        document=assumed.take("document_tokens") if assumed.stated("document_tokens") else None,
        useful_tokens=assumed.take("useful_tokens") if assumed.stated("useful_tokens") else 1.0,
        expert_load=assumed.take("expert_load") if experts else 1.0,
        memory_spread=memory_spread(catalogue, training.method, engine.key if named else None),
        calibration=catalogue.calibration,
    )
