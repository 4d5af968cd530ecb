"""How does one's own cluster differ from what the catalogue says? A few factors with a physical meaning.

Fitted on measured runs (`validate.calibrate`), read from a file (`resolve.calibration`), and kept with the problem, so
that the sums narrow their intervals. Knows no model.
"""

from __future__ import annotations

import msgspec

from cardyears.base.interval import Interval
from cardyears.machine.engine import PLAIN_HABITS, MemoryHabits


class RunKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes runs alike."""

    engine: str
    device: str
    method: str
    precision: str
    experts: bool
    """Whether the model is a mixture of experts."""
    parameters: float
    devices: int
    seq_len: int


class Kept(RunKind, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Runs of one kind that a calibration was fitted on, and how far off it left them."""

    rows: int
    """Runs of this kind."""
    slower: float
    """Measured over predicted step time, the factors applied."""
    before: float | None = None
    """The same without the factors: four of five of these runs are no farther from 1. None: nobody said."""
    year: float | None = None
    """When the newest of them was measured: estimates near them are of the engine's releases of then. None: nobody
    said, and they are of its last."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Factors on the catalogue's coefficients; 1 changes nothing."""

    name: str = ""
    """The file that it was read from, or the table that it was fitted on."""
    rate: float = 1.0
    """Rate of matrix products and attention kernels: power, clocks, libraries."""
    memory_bound: float = 1.0
    """Bytes that memory-bound operators move: fused or not."""
    host: float = 1.0
    """Host time: launching kernels and collectives, and what each step takes besides."""
    traffic: float = 1.0
    """Share of the traffic between devices that computation does not hide."""
    held: float = 1.0
    """Memory held beside state and activations: the framework's context and the allocator's reserve."""
    share: float = 1.0
    """Share of peak of whole runs, over what such devices usually attain."""
    rows: int = 0
    """Measured runs with a speed that it was fitted on."""
    memory_rows: int = 0
    step_spread: Interval | None = None
    """Measured over predicted step time that is left, 80 %; None where no speed was measured."""
    memory_spread: Interval | None = None
    """The same of peak memory."""
    kept: tuple[Kept, ...] = ()
    """Runs near which the factors on the step time hold (`resolve.likeness`); none: they hold everywhere."""


FACTORS = ("rate", "memory_bound", "host", "traffic", "held", "share")
"""The fields that are factors, as the file names them."""
SMALLEST, LARGEST = 0.05, 20.0
"""Beyond these a factor says that something else is wrong."""


def step_spread(
    one: Calibration | None, usual: Interval, share: float = 1.0, *, before: float | None = None
) -> Interval:
    """Measured over predicted step time: what the calibration leaves, or the usual; `share` is how much of it holds.

    What is left of few runs is taken to be as wide as runs of a source scatter of which nothing is known yet. The usual
    interval may know more. So it is never wider than that, unless the runs nearby, measured over predicted `before`
    there was a calibration, lie outside of it.

    >>> step_spread(None, Interval(0.7, 1.0, 1.4)).high
    1.4
    >>> round(step_spread(Calibration(step_spread=Interval(0.9, 1.0, 1.1)), Interval(0.7, 1.0, 1.4), 0.5).high, 2)
    1.24
    >>> few, usual = Calibration(step_spread=Interval(0.8, 1.0, 1.25)), Interval(0.9, 1.0, 1.1)
    >>> [step_spread(few, usual, before=measured).high for measured in (1.05, 1.3)]
    [1.1, 1.25]
    """
    if one is None or one.step_spread is None:
        return usual
    left = one.step_spread
    if before is not None and usual.low <= before <= usual.high:
        left = Interval(max(left.low, usual.low), 1.0, min(left.high, usual.high))
    return Interval(left.low**share * usual.low ** (1.0 - share), 1.0, left.high**share * usual.high ** (1.0 - share))


def memory_spread(one: Calibration | None, usual: Interval) -> Interval:
    """Measured over predicted peak memory: what the calibration leaves, or the usual.

    >>> memory_spread(Calibration(memory_spread=Interval(0.9, 1.0, 1.1)), Interval(0.8, 1.0, 1.6)).high
    1.1
    """
    return usual if one is None or one.memory_spread is None else one.memory_spread


MOST_RESERVE = 0.5
"""Share of its memory that an allocator may be said to hold in vain."""


def plain_habits(one: Calibration | None) -> MemoryHabits:
    """What a process of plain PyTorch holds, with the calibration's factor.

    >>> plain_habits(Calibration(held=2.0)).reserve_share
    0.1
    """
    if one is None:
        return PLAIN_HABITS
    return msgspec.structs.replace(
        PLAIN_HABITS,
        context_bytes=PLAIN_HABITS.context_bytes * one.held,
        reserve_share=min(MOST_RESERVE, PLAIN_HABITS.reserve_share * one.held),
    )
