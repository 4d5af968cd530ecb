"""Which layout of plain replicas fits, with the least computed again and the least sharded?

Looks at every combination of ZeRO stage, recomputation and chunked loss, then for the largest micro-batch. Tensor,
pipeline, context and expert parallelism are the search's: `search.search`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from cardyears.base.ledger import Ledger
from cardyears.estimate.memory import memory, peak_bytes
from cardyears.layout.layout import ZERO_WEIGHTS, Layout
from cardyears.machine.engine import PLAIN_HABITS, MemoryHabits
from cardyears.work.activations import Recompute
from cardyears.work.architecture import Architecture
from cardyears.work.state import Training

LARGEST_MICRO_BATCH = 64
"""Sequences per device and step beyond which a device is long busy."""
SEVERAL = 2
"""Micro-batches of a step where nobody says: from two on, gradients stay from one to the next."""

_SAVING: tuple[tuple[Recompute, bool], ...] = (
    ("none", False),
    ("selective-norms", False),
    ("full", False),
    ("full", True),
)
"""(recomputation, chunked loss): from the fastest to the smallest."""
_STAGES: tuple[int, ...] = (0, 1, 2, 3)


class Fit(msgspec.Struct, frozen=True):
    """A layout and the memory ledger of its fullest rank; the smallest one if none fits."""

    layout: Layout
    ledger: Ledger
    fits: bool


def fit(
    arch: Architecture,
    training: Training,
    seq_len: int,
    devices: int,
    limits: Sequence[float],
    *,
    micro_batch: int | None = None,
    global_batch: int | None = None,
    habits: MemoryHabits = PLAIN_HABITS,
    host_bytes: float = 0.0,
) -> Fit:
    """The first layout whose peak is within a limit, in bytes on each device.

    `limits` are tried from the first to the last. Order of layouts: ZeRO 0 to 3 (only with several devices), within
    each from no recomputation to full with a chunked loss; then the largest power of two of sequences that still fits.
    A stated `micro_batch` is kept. Where the host has `host_bytes` for each device, the optimiser's state moves there
    before it is said that nothing fits.
    """
    first = float(micro_batch or 1)
    times = _times(global_batch, devices, first)
    layouts = [*_layouts(devices, times), *_offloaded(arch, training, devices, host_bytes, times)]
    peaks = [float(peak_bytes(arch, training, layout, seq_len, first, habits)) for layout in layouts]
    for limit in limits:
        for layout, peak in zip(layouts, peaks, strict=True):
            if peak <= limit:
                most = micro_batch or _most(
                    arch, training, layout, seq_len, limit, _largest(global_batch, devices), habits
                )
                return _found(arch, training, layout, seq_len, most, habits, fits=True)
    return _found(arch, training, layouts[-1], seq_len, int(first), habits, fits=False)


def _times(global_batch: int | None, devices: int, micro_batch: float) -> int:
    """Micro-batches of a step."""
    return SEVERAL if global_batch is None else max(1, round(global_batch / (devices * micro_batch)))


def _layouts(devices: int, times: int) -> Iterator[Layout]:
    for zero in _STAGES if devices > 1 else _STAGES[:1]:
        for recompute, chunked in _SAVING:
            yield Layout(dp=devices, zero=zero, recompute=recompute, chunked_loss=chunked, accumulation=times)


def _offloaded(arch: Architecture, training: Training, devices: int, host_bytes: float, times: int) -> Iterator[Layout]:
    """The smallest layout with the optimiser's state on the host, if that has room for it."""
    state = training.state(arch)
    moved = (float(state["optimizer"]) + float(state.get("master_weights", 0.0))) / devices
    if not training.adapters and moved <= host_bytes:
        zero = ZERO_WEIGHTS if devices > 1 else 0
        yield Layout(
            dp=devices, zero=zero, recompute="full", chunked_loss=True, offload="optimizer", accumulation=times
        )


def _largest(global_batch: int | None, devices: int) -> int:
    return LARGEST_MICRO_BATCH if not global_batch else min(LARGEST_MICRO_BATCH, max(1, global_batch // devices))


def _most(
    arch: Architecture,
    training: Training,
    layout: Layout,
    seq_len: int,
    limit: float,
    largest: int,
    habits: MemoryHabits,
) -> int:
    """The largest power of two of sequences whose peak is within the limit; one is known to be."""
    batch = 1
    while batch * 2 <= largest and peak_bytes(arch, training, layout, seq_len, batch * 2.0, habits) <= limit:
        batch *= 2
    return batch


def _found(
    arch: Architecture,
    training: Training,
    layout: Layout,
    seq_len: int,
    batch: int,
    habits: MemoryHabits,
    *,
    fits: bool,
) -> Fit:
    chosen = msgspec.structs.replace(layout, micro_batch=batch)
    return Fit(chosen, memory(arch, training, chosen, seq_len, habits=habits), fits)
