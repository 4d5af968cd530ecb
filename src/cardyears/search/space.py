"""Which layouts are there to choose from? Every legal combination of the axes that an engine has, as arrays.

Numbers (degrees, micro-batch, ZeRO stage) run along arrays; words (schedule, recomputation) are the same for a whole
array. The space is built by crossing one axis after the other and dropping at once what cannot be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cardyears.layout.layout import Layout, Schedule
from cardyears.layout.legal import legal
from cardyears.layout.site import Site
from cardyears.work.activations import Recompute

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Table = dict[str, NDArray[np.float64]]

CHUNK = 8_192
"""Layouts that are evaluated at once: their arrays stay in the cache."""
LARGEST_MICRO_BATCH = 64
"""Sequences per device and step beyond which a device is long busy."""
LONG_SEQUENCE = 32_768
"""Tokens from which on context parallelism is worth a look."""
SCHEDULES: tuple[Schedule, ...] = ("1f1b", "interleaved", "zero-bubble")
RECOMPUTES: tuple[Recompute, ...] = ("none", "selective-norms", "full")
DEGREES = ("tp", "pp", "cp", "virtual_stages", "ep", "zero", "shard_group", "micro_batch")


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """The values of every axis."""

    tp: tuple[int, ...] = (1,)
    pp: tuple[int, ...] = (1,)
    cp: tuple[int, ...] = (1,)
    virtual_stages: tuple[int, ...] = (1,)
    ep: tuple[int, ...] = (1,)
    zero: tuple[int, ...] = (0,)
    micro_batch: tuple[int, ...] = (1,)
    schedule: tuple[Schedule, ...] = ("1f1b",)
    recompute: tuple[Recompute, ...] = ("none",)
    fixed: Layout = Layout()
    """Everything that is not searched."""


def divisors(number: int) -> tuple[int, ...]:
    """What divides a number, ascending.

    >>> divisors(12)
    (1, 2, 3, 4, 6, 12)
    """
    small = [one for one in range(1, int(number**0.5) + 1) if number % one == 0]
    return tuple(sorted({*small, *(number // one for one in small)}))


def space(ground: Site, axes: Sequence[str], usual: Layout, *, domain: int) -> Space:
    """The space of one model on one cluster for an engine that has these axes.

    Tensor parallelism reaches as far as the fast link, context parallelism is looked at for long sequences only,
    micro-batches are powers of two.
    """
    shape, devices = ground.shape, ground.devices
    parts = divisors(devices)
    reach = min(domain, devices)
    heads = shape.heads or (1,)
    tp = tuple(one for one in parts if one <= reach and all(count % one == 0 for count in heads))
    pp = tuple(one for one in parts if one <= shape.layers)
    experts = shape.experts
    return Space(
        tp=tp if "tp" in axes else (1,),
        pp=pp if "pp" in axes else (1,),
        cp=tuple(one for one in parts if one <= 64) if "cp" in axes and ground.seq_len >= LONG_SEQUENCE else (1,),
        virtual_stages=tuple(range(1, 17)) if "pp" in axes else (1,),
        ep=divisors(experts[0]) if experts and "ep" in axes else (1,),
        zero=(0, 1, 2, 3) if devices > 1 else (0,),
        micro_batch=tuple(2**power for power in range(7)),
        schedule=SCHEDULES if "pp" in axes else ("1f1b",),
        recompute=RECOMPUTES,
        fixed=usual,
    )


class Part(NamedTuple):
    """Legal layouts with the same words, and which of them share a block of tensor, context and expert ranks."""

    layouts: Layout
    blocks: Layout
    """One layout for each different block."""
    block_of: NDArray[np.intp]
    """For each layout the index of its block."""

    @property
    def size(self) -> int:
        """How many layouts."""
        return len(self.block_of)

    def chunks(self) -> Iterator[tuple[Layout, NDArray[np.intp]]]:
        """Layouts and their blocks' indices, so many at once that their arrays stay in the cache."""
        for start in range(0, self.size, CHUNK):
            rows = slice(start, start + CHUNK)
            yield taken(self.layouts, rows), self.block_of[rows]


BLOCK = ("tp", "cp", "ep", "micro_batch")
"""What makes a block: nothing inside the layers depends on another axis."""


def parts(room: Space, ground: Site) -> Iterator[Part]:
    """All legal layouts, words by words; numbers are arrays."""
    import numpy as np

    for schedule in room.schedule:
        table = _table(room, ground, schedule)
        if not len(table["tp"]):
            continue
        found = msgspec.structs.replace(room.fixed, schedule=schedule, recompute=room.recompute[0], **table)
        fine = np.broadcast_to(legal(found, ground), len(table["tp"]))
        if not fine.any():
            continue
        found = taken(found, fine)
        columns = np.stack([getattr(found, name) for name in BLOCK])
        _, first, block_of = np.unique(columns, axis=1, return_index=True, return_inverse=True)
        for recompute in room.recompute:
            words = msgspec.structs.replace(found, recompute=recompute)
            yield Part(words, taken(words, first), block_of.reshape(-1))


def taken(layout: Layout, which: Any) -> Layout:
    """Some of many layouts: a mask, an index or indices."""
    fields = {
        name: getattr(layout, name)[which]
        for name in (*DEGREES, "dp", "accumulation")
        if getattr(getattr(layout, name), "ndim", 0)
    }
    return msgspec.structs.replace(layout, **fields)


def spread(block: Any, which: Any) -> Any:
    """What was computed for each block, for each of the layouts that `which` assigns to one."""
    if isinstance(block, tuple):
        return type(block)(*(spread(one, which) for one in block))
    return block[which] if getattr(block, "ndim", 0) else block


def _table(room: Space, ground: Site, schedule: Schedule) -> Table:
    """Every combination of numbers whose degrees multiply to the devices and whose batch divides."""
    import numpy as np

    table: Table = {"tp": np.asarray(room.tp, float)}
    pipelines = [one for one in room.pp if one > 1] if schedule != "1f1b" else list(room.pp)
    table = _crossed(table, "pp", pipelines)
    table = _crossed(table, "cp", room.cp)
    rest = ground.devices / (table["tp"] * table["pp"] * table["cp"])
    table = _kept({**table, "dp": rest}, rest == np.floor(rest))
    chunks = [one for one in room.virtual_stages if one > 1] if schedule == "interleaved" else [1]
    table = _crossed(table, "virtual_stages", chunks)
    table = _kept(table, table["pp"] * table["virtual_stages"] <= ground.shape.layers + 2.0)
    table = _crossed(table, "ep", room.ep)
    table = _crossed(table, "zero", room.zero)
    table = _kept(table, (table["zero"] == 0) | (table["dp"] * table["cp"] > 1))
    table = _crossed(table, "micro_batch", room.micro_batch)
    if ground.global_batch is None:
        steps = np.maximum(table["pp"], 1.0)
        return {**table, "accumulation": steps}
    steps = ground.global_batch / (table["micro_batch"] * table["dp"])
    return _kept({**table, "accumulation": steps}, (steps == np.floor(steps)) & (steps >= 1.0))


def _crossed(table: Table, name: str, values: Sequence[float]) -> Table:
    """Every row with every value of one more column."""
    import numpy as np

    size, many = len(next(iter(table.values()))), len(values)
    wide = {key: np.repeat(column, many) for key, column in table.items()}
    return {**wide, name: np.tile(np.asarray(values, float), size)}


def _kept(table: Table, which: Any) -> Table:
    """The rows of a mask."""
    return {name: column[which] for name, column in table.items()}
