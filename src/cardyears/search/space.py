"""Which layouts are there to choose from? Every legal combination of the axes that an engine has, as grids.

Words (schedule, recomputation, kernel) are the same for a whole grid; numbers run along its three axes: rows of
degrees and micro-batches, ways to shard, virtual stages. What depends on one axis alone is computed along it alone:
NumPy spreads it over the others. Rows are built by crossing one degree after the other and dropping at once what
cannot be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cardyears.case import Precision
from cardyears.layout.layout import ZERO_OPTIMIZER, ZERO_WEIGHTS, Layout, Schedule
from cardyears.layout.legal import legal
from cardyears.layout.rules import END_CHUNKS
from cardyears.layout.site import Site

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Table = dict[str, NDArray[np.float64]]

LARGEST_MICRO_BATCH = 64
"""Sequences per device and step beyond which a device is long busy."""
LARGEST_CONTEXT = 64
"""Context-parallel ranks beyond which nobody has gone."""
MOST_CHUNKS = 16
"""Virtual stages of one rank beyond which nobody has gone."""
LONG_SEQUENCE = 32_768
"""Tokens from which on context parallelism is worth a look where time is short."""
NODES_OF_A_COPY = (1, 8)
"""Nodes that one sharded copy may span under HSDP, beside all of them."""
WORDS: dict[str, tuple[Any, ...]] = {
    "schedule": ("1f1b", "interleaved", "zero-bubble"),
    "recompute": ("none", "selective-norms", "full"),
}
"""Words that are searched unless closed; the first of a layout's own words stands for all others."""
OPENED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "kernel": ("kernel", ("flash", "eager")),
    "compile": ("compiled", (False, True)),
    "graphs": ("graphs", (False, True)),
    "chunked_loss": ("chunked_loss", (False, True)),
    "overlap": ("overlap", (True, False)),
    "sp": ("sp", (True, False)),
    "context_kind": ("context_kind", ("ring", "ulysses", "all-gather")),
    "offload": ("offload", ("none", "optimizer", "optimizer+weights")),
    "dualpipe": ("schedule", (*WORDS["schedule"], "dualpipe")),
    "recompute": ("recompute", ("none", "selective", "selective-norms", "selective-products", "full")),
    "recompute_every": ("recompute_every", (1, 2, 3, 4)),
    "precision": ("precision", ()),
}
"""Switches that a search leaves as the engine has them unless they are opened: their field and its values. Precisions
are those of the device."""
ROWS = ("tp", "pp", "cp", "dp", "ep", "etp", "micro_batch", "accumulation")
BLOCK = ("tp", "cp", "ep", "etp", "micro_batch")
"""What makes a block: nothing inside the layers depends on another number."""


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """The values of every axis."""

    tp: tuple[int, ...] = (1,)
    pp: tuple[int, ...] = (1,)
    cp: tuple[int, ...] = (1,)
    ep: tuple[int, ...] = (1,)
    etp: tuple[int, ...] = (1,)
    zero: tuple[int, ...] = (0,)
    shard_nodes: tuple[int, ...] = ()
    """Nodes that one sharded copy spans (HSDP); all of them is always looked at."""
    micro_batch: tuple[int, ...] = (1,)
    virtual_stages: tuple[int, ...] = (1,)
    words: tuple[Layout, ...] = (Layout(),)
    """Everything that is a word, once for each combination."""
    domain: int = 1
    """Devices that the fast link joins."""

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Schedules of the pipeline, each once."""
        return tuple(dict.fromkeys(one.schedule for one in self.words))


def divisors(number: int) -> tuple[int, ...]:
    """What divides a number, ascending.

    >>> divisors(12)
    (1, 2, 3, 4, 6, 12)
    """
    small = [one for one in range(1, math.isqrt(number) + 1) if number % one == 0]
    return tuple(sorted({*small, *(number // one for one in small)}))


def space(
    ground: Site,
    axes: Sequence[str],
    usual: Layout,
    *,
    domain: int,
    opened: Sequence[str] = (),
    brief: bool = False,
    precisions: Sequence[Precision] = (),
) -> Space:
    """The space of one model on one cluster for an engine that has these axes.

    Tensor parallelism reaches as far as the fast link or the node, micro-batches are powers of two. A `brief` space
    leaves out what seldom wins: expert-tensor parallelism, HSDP, and context parallelism of short sequences.
    """
    shape, devices = ground.shape, ground.devices
    parts = divisors(devices)
    reach = min(max(domain, ground.per_node), devices)
    experts, pipeline = shape.experts, "pp" in axes and devices > 1
    many = experts and "ep" in axes and devices > 1
    cut = "cp" in axes and (not brief or ground.seq_len >= LONG_SEQUENCE)
    return Space(
        tp=tuple(one for one in parts if one <= reach) if "tp" in axes else (1,),
        pp=tuple(one for one in parts if one <= shape.layers) if pipeline else (1,),
        cp=tuple(one for one in parts if one <= LARGEST_CONTEXT) if cut else (1,),
        ep=divisors(math.gcd(*experts)) if many else (1,),
        etp=tuple(one for one in parts if one <= reach) if many and not brief else (1,),
        zero=(0, 1, 2, 3) if devices > 1 else (0,),
        shard_nodes=NODES_OF_A_COPY if devices > domain and not brief else (),
        micro_batch=tuple(2**power for power in range(LARGEST_MICRO_BATCH.bit_length())),
        virtual_stages=tuple(range(2, MOST_CHUNKS + 1)),
        words=words(usual, opened, pipeline=pipeline, precisions=precisions),
        domain=domain,
    )


def words(
    usual: Layout, opened: Sequence[str] = (), *, pipeline: bool = True, precisions: Sequence[Precision] = ()
) -> tuple[Layout, ...]:
    """Every combination of words; switches that are not opened stay as they usually are.

    >>> len(words(Layout())), len(words(Layout(), ["chunked_loss", "offload"])), len(words(Layout(), pipeline=False))
    (9, 54, 3)
    """
    values = dict(WORDS)
    for name in opened:
        field, options = OPENED[name] if name != "precision" else (name, tuple(precisions))
        values[field] = tuple(dict.fromkeys((getattr(usual, field), *options))) if field != "compiled" else options
    if not pipeline:
        values["schedule"] = ("1f1b",)
    found = (
        msgspec.structs.replace(usual, **dict(zip(values, chosen, strict=True))) for chosen in product(*values.values())
    )
    return tuple(one for one in found if one.recompute_every == 1 or one.recompute == "full")


class Part(NamedTuple):
    """A grid of layouts with the same words: rows by ways to shard by virtual stages."""

    layouts: Layout
    legal: NDArray[np.bool_]
    """Which of the grid's layouts are legal."""
    block_of: NDArray[np.intp]
    """For each row the index of its block."""

    @property
    def size(self) -> int:
        """How many of them are legal."""
        return int(self.legal.sum())

    def rows(self, which: Any) -> Part:
        """Some rows: a slice, a mask or indices."""
        return Part(taken(self.layouts, which), self.legal[which], self.block_of[which])

    def chunks(self, cells: int) -> Iterator[Part]:
        """Rows of about so many layouts at once, so that their arrays stay in the cache."""
        many = max(1, cells // max(1, self.legal[0].size))
        for start in range(0, len(self.legal), many):
            yield self.rows(slice(start, start + many))

    def one(self, cell: int) -> Layout:
        """One layout of the grid by its flat index, with whole numbers."""
        import numpy as np

        row, sharding, chunk = np.unravel_index(cell, self.legal.shape)
        at = (row, sharding, chunk)
        numbers = {}
        for name in (*ROWS, "zero", "shard_group", "virtual_stages"):
            value = getattr(self.layouts, name)
            if getattr(value, "ndim", 0):
                value = value[tuple(0 if size == 1 else index for size, index in zip(value.shape, at, strict=True))]
            numbers[name] = None if value is None else int(value)
        layout = msgspec.structs.replace(self.layouts, **numbers)
        whole = layout.shard_group is None or layout.zero == 0 or layout.shard_group == layout.replicas
        return msgspec.structs.replace(layout, shard_group=None) if whole else layout


def blocks(room: Space, ground: Site) -> Layout:
    """Every block of tensor, context and expert ranks with its micro-batch, along one axis."""
    import numpy as np

    table: Table = {"tp": np.asarray(room.tp, float)}
    for name in BLOCK[1:]:
        table = _crossed(table, name, getattr(room, name))
        if name == "cp":
            table = _kept(table, ground.devices % (table["tp"] * table["cp"]) == 0)
        if name == "etp":
            table = _kept(table, ground.devices % (table["ep"] * table["etp"]) == 0)
    fine = np.ones(len(table["tp"]), bool)
    for counts, name in ((ground.shape.heads, "tp"), (ground.shape.widths, "tp"), (ground.shape.expert_widths, "etp")):
        if counts:
            fine &= math.gcd(*counts) % table[name] == 0
    if ground.global_batch is not None:
        fine &= ground.global_batch % table["micro_batch"] == 0
    return msgspec.structs.replace(room.words[0], **_kept(table, fine))


def parts(room: Space, ground: Site, inside: Layout) -> Iterator[Part]:
    """All legal layouts, words by words, as grids over the rows that these blocks make."""
    for schedule in room.schedules:
        for stages, chunks in _pipelines(room, ground, schedule):
            rows, block_of = _rows(ground, inside, schedule, stages)
            if not len(block_of):
                continue
            kinds = [one for one in room.words if one.schedule == schedule]
            last: tuple[Any, ...] = ()
            for kind in kinds:
                deciding = _deciding(kind)
                if deciding != last:
                    part = _grid(room, ground, kind, rows, block_of, chunks)
                    last = deciding
                if len(part.block_of):
                    names = (*ROWS, "zero", "shard_group", "virtual_stages")
                    numbers = {name: getattr(part.layouts, name) for name in names}
                    yield part._replace(layouts=msgspec.structs.replace(kind, **numbers))


def _deciding(kind: Layout) -> tuple[Any, ...]:
    """The words on which it depends what is legal."""
    return kind.sp, kind.kernel, kind.context_kind, kind.offload, kind.recompute_every, kind.recompute == "full"


def _pipelines(room: Space, ground: Site, schedule: Schedule) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Numbers of stages that go into one grid, and the chunks that its stages may have."""
    if schedule != "interleaved":
        yield room.pp if schedule == "1f1b" else tuple(one for one in room.pp if one > 1), (1,)
        return
    for stages in room.pp:
        chunks = tuple(one for one in room.virtual_stages if stages * one <= ground.shape.layers + END_CHUNKS)
        if stages > 1 and chunks:
            yield (stages,), chunks


def _rows(ground: Site, inside: Layout, schedule: Schedule, stages: Sequence[int]) -> tuple[Table, NDArray[np.intp]]:
    """Every block with every number of stages whose degrees multiply to the devices and whose batch divides."""
    import numpy as np

    table: Table = {name: np.asarray(getattr(inside, name)) for name in BLOCK}
    table["block"] = np.arange(len(table["tp"]), dtype=float)
    table = _crossed(table, "pp", stages)
    table["dp"] = ground.devices / (table["tp"] * table["pp"] * table["cp"])
    ranks = table["dp"] * table["cp"] * table["tp"]
    table = _kept(table, (table["dp"] == np.floor(table["dp"])) & (ranks % (table["ep"] * table["etp"]) == 0))
    if ground.global_batch is None:
        table["accumulation"] = table["pp"] * (2.0 if schedule == "dualpipe" else 1.0)
    else:
        table["accumulation"] = ground.global_batch / (table["micro_batch"] * table["dp"])
    steps = table["accumulation"]
    table = _kept(table, (steps == np.floor(steps)) & (steps >= 1.0))
    return table, table.pop("block").astype(np.intp)


def _grid(
    room: Space, ground: Site, kind: Layout, rows: Table, block_of: NDArray[np.intp], chunks: Sequence[int]
) -> Part:
    """Rows by ways to shard by chunks, and which of them are legal; rows without any are left out."""
    import numpy as np

    columns = {name: rows[name][:, None, None] for name in ROWS}
    stages = np.asarray(chunks, float)[None, None, :]
    base = msgspec.structs.replace(kind, virtual_stages=stages, **columns)
    replicas = columns["dp"] * columns["cp"]
    zero, group, fine = [], [], []
    whole = np.asarray(room.zero, float)[None, :, None]
    plain = msgspec.structs.replace(base, zero=whole)
    size = (len(block_of), len(room.zero), len(chunks))
    fine.append(np.broadcast_to(legal(plain, ground) & ((whole == 0) | (replicas > 1)), size))
    zero.append(whole)
    group.append(np.broadcast_to(replicas, (*size[:2], 1)))
    sharded = [one for one in room.zero if ZERO_OPTIMIZER <= one <= ZERO_WEIGHTS]
    for nodes in room.shard_nodes if sharded else ():
        spanned = np.maximum(np.floor(room.domain * nodes / columns["tp"]), 1.0)
        some = np.asarray(sharded, float)[None, :, None]
        split = msgspec.structs.replace(base, zero=some, shard_group=spanned)
        size = (len(block_of), len(sharded), len(chunks))
        fine.append(np.broadcast_to(legal(split, ground) & (spanned > 1) & (spanned < replicas), size))
        zero.append(some)
        group.append(np.broadcast_to(np.minimum(spanned, replicas), (*size[:2], 1)))
    found = msgspec.structs.replace(base, zero=np.concatenate(zero, axis=1), shard_group=np.concatenate(group, axis=1))
    sound = np.concatenate(fine, axis=1)
    return Part(found, sound, block_of).rows(sound.any(axis=(1, 2)))


def taken(layout: Layout, which: Any) -> Layout:
    """Some rows of a grid of layouts: a mask, a slice or indices."""
    fields = {}
    for name in (*ROWS, "zero", "shard_group", "virtual_stages"):
        value = getattr(layout, name)
        if getattr(value, "ndim", 0) and value.shape[0] > 1:
            fields[name] = value[which]
    return msgspec.structs.replace(layout, **fields)


def spread(block: Any, which: Any) -> Any:
    """What was computed for each block, for each of the rows that `which` assigns to one."""
    if isinstance(block, tuple):
        return type(block)(*(spread(one, which) for one in block))
    return block[which][:, None, None] if getattr(block, "ndim", 0) else block


def _crossed(table: Table, name: str, values: Sequence[float]) -> Table:
    """Every row with every value of one more column."""
    import numpy as np

    size, many = len(next(iter(table.values()))), len(values)
    wide = {key: np.repeat(column, many) for key, column in table.items()}
    return {**wide, name: np.tile(np.asarray(values, float), size)}


def _kept(table: Table, which: Any) -> Table:
    """The rows of a mask."""
    return {name: column[which] for name, column in table.items()}
