"""Which engine runs the training? A named one, or the usual one for the method and the machine."""

from __future__ import annotations

from cardyears.base.errors import UnknownName, listed
from cardyears.base.text import Text
from cardyears.base.units import GIB
from cardyears.case import Method
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import EngineRow
from cardyears.machine.cluster import Cluster
from cardyears.machine.engine import Engine, MemoryHabits
from cardyears.resolve.defaults import Assumed

_MICRO, _MILLI = 1e-6, 1e-3


def engine(key: str, row: EngineRow, year: float | None = None) -> Engine:
    """An engine as the sums know it, as it was in a year; None: as its last release that was measured is."""
    habits = MemoryHabits(
        context_bytes=row.context_gib * GIB,
        reserve_share=row.reserve_share,
        logit_bytes=row.logit_bytes,
        fused=row.fused,
        boundary_copies=row.boundary_copies,
        bucket_elements=row.bucket_elements,
        replica_buckets=row.replica_buckets,
        gathered_layers=row.gathered_layers,
        idle_share=row.idle_share,
        idle_logits=row.idle_logits,
        needed_only=row.needed_only,
        passing_gradient_bytes=row.passing_gradient_bytes,
        low_precision_copies=row.low_precision_copies,
        keeps_gradients=row.keeps_gradients,
    )
    same = ("name", "recipe", "product_factor", "grouped_loss", "attention_factor", "memory_bound_factor",
            "gradient_exposure", "tensor_exposure", "expert_exposure", "reduce_bytes", "loss_passes",
            "chunked_loss_passes", "optimizer_passes", "yearly_gain", "years",
            "compiled", "compiled_gain", "stops_early", "adds_apart", "adds_first",
            "whole_tensors", "pads_vocabulary", "flash", "sp", "axes", "kind", "source")  # fmt: skip
    mean = Engine(
        key=key,
        kernel_s=row.kernel_us * _MICRO,
        collective_s=row.collective_us * _MICRO,
        routing_s=row.routing_us * _MICRO,
        step_s=row.step_ms * _MILLI,
        memory=habits,
        year=row.years[1],
        **{name: getattr(row, name) for name in same},
    )
    return mean.of_year(year)


MANY_DEVICES = 16
"""From here on layers are usually split over devices, which plain FSDP engines do not do."""


def usual_engine(method: Method, machine: Cluster) -> tuple[str, Text]:
    """The key of the engine that people mostly take for such a training, and why."""
    vendor = machine.device.family
    if vendor.startswith("tpu"):
        return "maxtext", Text("what TPU trainings are mostly run with")
    if vendor.startswith("gaudi"):
        return "optimum-habana", Text("what Gaudi trainings are mostly run with")
    if vendor.startswith("apple"):
        return "mlx", Text("what Apple devices are mostly trained with")
    if method != "pretrain":
        return "hf-trainer-fused", Text("what fine-tuning is mostly done with; --engine names another")
    if machine.count >= MANY_DEVICES:
        return "megatron-core", Text("what pretraining on many devices is mostly run with; --engine names another")
    return "plain-torch", Text("what small pretraining is mostly run with; --engine names another")


def find_engine(name: str | None, method: Method, machine: Cluster, catalogue: Catalogue, assumed: Assumed) -> Engine:
    """The named engine, or the usual one with its reason among the assumptions."""
    if name is not None:
        try:
            match = find(name, catalogue.engines, "engines")
        except UnknownName as error:
            raise UnknownName(error.rule, Text("Take one of {names}.", names=listed(catalogue.engines))) from error
        return engine(match.key, catalogue.engines[match.key])
    key, reason = usual_engine(method, machine)
    assumed.filled("engine", catalogue.engines[key].name, kind="assumed", source="measured-runs", reason=reason)
    return engine(key, catalogue.engines[key])
