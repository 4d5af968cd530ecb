"""A machine on which nothing is lost, so that times are FLOP over peak and bytes over bandwidth to the last digit."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from cardyears.base.sourced import Sourced
from cardyears.case import Job
from cardyears.catalogue.load import load
from cardyears.machine.cluster import Cluster, Link
from cardyears.machine.device import Device
from cardyears.machine.engine import MemoryHabits
from cardyears.machine.host import Host
from cardyears.machine.products import ProductCurve
from cardyears.machine.silicon import Silicon
from cardyears.resolve.engines import engine
from cardyears.work.architecture import Architecture
from cardyears.work.state import RECIPES, Training

PEAK = 1e15
"""FLOP/s."""
MEMORY = 1e12
"""Bytes/s of the device's memory, unless a test takes another."""
INSIDE, BETWEEN = 2.0**38, 2.0**35
"""Bytes/s of one direction of one device."""
NO_HABITS = MemoryHabits(context_bytes=0.0, reserve_share=0.0, logit_bytes=8.0, bucket_elements=0.0)
FREE = {
    "product_factor": 1.0, "attention_factor": 1.0, "memory_bound_factor": 1.0, "kernel_s": 0.0, "collective_s": 0.0,
    "routing_s": 0.0, "grouped_loss": 1.0,
    "step_s": 0.0, "gradient_exposure": 1.0, "tensor_exposure": 1.0, "expert_exposure": 1.0, "reduce_bytes": 2.0,
    "loss_passes": 0.0, "chunked_loss_passes": 0.0, "optimizer_passes": 1.0, "compiled": False, "stops_early": False,
    "adds_apart": False, "adds_first": False, "whole_tensors": False,
    "pads_vocabulary": True,
    "memory": NO_HABITS,
}  # fmt: skip


def sourced(value: float, unit: str) -> Sourced:
    return Sourced(value, unit, "assumed", "made-up", "2026-11-24")


def _ideal(
    arch: Architecture,
    *,
    method: str = "pretrain",
    recipe: str = "adamw",
    seq_len: int = 2_048,
    devices: int = 64,
    per_node: int = 8,
    moved: float = MEMORY,
    between: float | None = BETWEEN,
    document: float | None = None,
    usable_bytes: float = math.inf,
    **costs: Any,
) -> Job:
    device = Device(
        "ideal", "Ideal", "ideal", sourced(80e9, "B"), {"bf16": sourced(PEAK, "FLOP/s")}, sourced(moved, "B/s")
    )
    wire = Link("wire", "Wire", sourced(INSIDE, "B/s"))
    far = Link("far", "Far", sourced(between, "B/s")) if between else None
    lossless = ProductCurve(share=1.0, depth=0.0, fill=0.0, floor_s=0.0)
    usual = engine("megatron-core", load().engines["megatron-core"])
    return Job(
        architecture=arch,
        training=Training(method, RECIPES[recipe]),
        seq_len=float(seq_len),
        cluster=Cluster(device, devices, per_node, wire, far),
        silicon=Silicon(family="ideal", products=lossless, attention_share=1.0, bandwidth_share=1.0),
        engine=msgspec.structs.replace(usual, **{**FREE, **costs}),
        host=Host(link=1e10, memory=2e10, capacity=1e11, disk=5e9),
        document=document,
        usable_bytes=usable_bytes,
    )


@pytest.fixture
def ideal() -> Any:
    """Makes a job on the lossless machine: `ideal(arch, seq_len=..., devices=..., moved=memory bandwidth, ...)`."""
    return _ideal
