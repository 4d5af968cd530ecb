"""What is a layout judged against? The counts that degrees must divide: of the model, the machine and the batch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from cardyears.case import Method
from cardyears.work.architecture import Architecture
from cardyears.work.channels import Experts
from cardyears.work.mixers import Parallel
from cardyears.work.shared import SharedAttention, SharedMlp


class Shape(msgspec.Struct, frozen=True):
    """Counts of a model that a degree of parallelism must divide, each once, in the order of the layers."""

    layers: int
    heads: tuple[int, ...] = ()
    """Of queries; of keys and values too where a mixer's state has its own (gated delta nets)."""
    kv_heads: tuple[int, ...] = ()
    """Of attention; those that come from an earlier layer are left out."""
    widths: tuple[int, ...] = ()
    """Of dense and shared MLPs and of recurrent mixers."""
    experts: tuple[int, ...] = ()
    expert_widths: tuple[int, ...] = ()


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where a layout must fit."""

    shape: Shape
    devices: int
    per_node: int
    seq_len: int
    method: Method = "pretrain"
    engine: str = ""
    """Key of the training engine; empty: any."""
    global_batch: int | None = None
    """Sequences in one optimiser step; None: whatever the layout makes."""

    @property
    def adapters(self) -> bool:
        """Whether the model's own weights stay as they are."""
        return self.method in ("lora", "qlora")


def site(
    arch: Architecture,
    *,
    devices: int,
    per_node: int,
    seq_len: int,
    method: Method = "pretrain",
    engine: str = "",
    global_batch: int | None = None,
) -> Site:
    """The site of one model on so many devices.

    >>> from cardyears.work.architecture import LLAMA3_8B
    >>> site(LLAMA3_8B, devices=8, per_node=8, seq_len=8_192).shape
    Shape(layers=32, heads=(32,), kv_heads=(8,), widths=(14336,), experts=(), expert_widths=())
    """
    return Site(
        shape=shape(arch),
        devices=devices,
        per_node=per_node,
        seq_len=seq_len,
        method=method,
        engine=engine,
        global_batch=global_batch,
    )


@lru_cache(maxsize=1024)
def shape(arch: Architecture) -> Shape:
    """The counts of a model.

    >>> from cardyears.work.architecture import GPT3_175B
    >>> shape(GPT3_175B).heads
    (96,)
    """
    mixers = [part for layer, _ in arch.each_kind() for part in _inside(layer.mixer)]
    channels = [part for layer, _ in arch.each_kind() for part in _inside(layer.channel)]
    experts = [channel for channel in channels if isinstance(channel, Experts)]
    dense = [channel for channel in channels if not isinstance(channel, Experts)]
    own = [mixer for mixer in mixers if getattr(mixer, "keys", "own") != "shared"]
    return Shape(
        layers=arch.layer_count,
        heads=_counts(mixers, "heads", "key_heads", "value_heads"),
        kv_heads=_counts(own, "kv_heads"),
        widths=_counts(mixers, "width", "inner") + _counts(dense, "width") + _counts(experts, "shared_width"),
        experts=_counts(experts, "count"),
        expert_widths=_counts(experts, "width"),
    )


def _inside(part: object) -> Iterator[object]:
    """A mixer or channel as it is, or those that it is made of."""
    if isinstance(part, Parallel):
        for member in part.members:
            yield from _inside(member)
    elif isinstance(part, SharedAttention):
        yield part.attention
    elif isinstance(part, SharedMlp):
        yield part.mlp
    else:
        yield part


def _counts(parts: list[object] | list[Experts], *names: str) -> tuple[int, ...]:
    found = (int(getattr(part, name, 0)) for part in parts for name in names)
    return tuple(dict.fromkeys(count for count in found if count))
