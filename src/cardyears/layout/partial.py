"""How does a layout of which little is said become a whole one? Degrees that follow from others, then defaults."""

from __future__ import annotations

from typing import Any

import msgspec

from cardyears.case import Precision
from cardyears.layout.layout import ZERO_WEIGHTS, ContextKind, Layout, Offload, OffloadTo, Schedule
from cardyears.layout.options import DUALPIPE_BATCHES
from cardyears.layout.site import Site
from cardyears.work.activations import AttentionKernel, Recompute

FEWEST_CHUNKS = 2
"""Virtual stages of an interleaved schedule of which nothing more is said."""


class PartialLayout(msgspec.Struct, frozen=True, kw_only=True):
    """A layout as far as it is said; None: not said. The fields are those of `Layout`, and the global batch."""

    tp: int | None = None
    sp: bool | None = None
    pp: int | None = None
    virtual_stages: int | None = None
    schedule: Schedule | None = None
    dp: int | None = None
    cp: int | None = None
    context_kind: ContextKind | None = None
    balanced: bool | None = None
    ep: int | None = None
    etp: int | None = None
    zero: int | None = None
    shard_group: int | None = None
    micro_batch: int | None = None
    global_batch: int | None = None
    accumulation: int | None = None
    recompute: Recompute | None = None
    recompute_every: int | None = None
    kernel: AttentionKernel | None = None
    chunked_loss: bool | None = None
    dropout: bool | None = None
    compiled: bool | None = None
    graphs: bool | None = None
    overlap: bool | None = None
    expert_overlap: bool | None = None
    offload: Offload | None = None
    offload_to: OffloadTo | None = None
    precision: Precision | None = None


def filled(said: PartialLayout, site: Site, defaults: Layout) -> Layout:
    """The layout with all that was not said; its dp and accumulation are broken numbers where nothing whole follows.

    dp = devices / (tp·pp·cp), accumulation = global batch / (micro-batch·dp); without a batch, as few micro-batches
    as the schedule takes. What else follows: several chunks mean an interleaved schedule, a shard group or weights
    or an NVMe to offload to mean ZeRO 3, a choice of layers means full recomputation.

    >>> from cardyears.layout.site import Shape
    >>> ground = Site(shape=Shape(126), devices=16_384, per_node=8, seq_len=8_192, global_batch=2_048)
    >>> found = filled(PartialLayout(tp=8, pp=16), ground, Layout())
    >>> found.dp, found.accumulation
    (128, 16)
    """
    taken: dict[str, Any] = {
        key: value
        for key in said.__struct_fields__
        if key != "global_batch" and (value := getattr(said, key)) is not None
    }
    usual: dict[str, Any] = {
        "virtual_stages": FEWEST_CHUNKS if said.schedule == "interleaved" else defaults.virtual_stages,
        "schedule": "interleaved" if (said.virtual_stages or 1) > 1 else defaults.schedule,
        "zero": ZERO_WEIGHTS if _needs_sharded_weights(said, site) else defaults.zero,
        "recompute": "full" if said.recompute_every else defaults.recompute,
    }
    layout: Layout = msgspec.structs.replace(defaults, **{**usual, **taken})
    if said.dp is None:
        layout = msgspec.structs.replace(layout, dp=_quotient(site.devices, layout.tp * layout.pp * layout.cp))
    return _with_batch(layout, said, site)


def _needs_sharded_weights(said: PartialLayout, site: Site) -> bool:
    weights_leave = said.offload == "optimizer+weights" and not site.adapters
    return said.shard_group is not None or weights_leave or said.offload_to == "nvme"


def _with_batch(layout: Layout, said: PartialLayout, site: Site) -> Layout:
    """Micro-batch and accumulation, as far as they follow from the global batch."""
    batch = site.global_batch
    if said.accumulation is None:
        steps = _fewest(layout) if batch is None else _quotient(batch, layout.micro_batch * layout.dp)
        return msgspec.structs.replace(layout, accumulation=steps)
    if batch is not None and said.micro_batch is None:
        each = _quotient(batch, said.accumulation * layout.dp)
        if each == int(each):
            return msgspec.structs.replace(layout, micro_batch=int(each))
    return layout


def _fewest(layout: Layout) -> Any:
    """Micro-batches with which every stage of the pipeline has one to work on."""
    return layout.pp * (DUALPIPE_BATCHES if layout.schedule == "dualpipe" else 1)


def _quotient(number: Any, divisor: Any) -> Any:
    """The whole quotient where there is one, else the broken one.

    >>> _quotient(16, 4), _quotient(16, 3) > 5
    (4, True)
    """
    return number // divisor if number % divisor == 0 else number / divisor
