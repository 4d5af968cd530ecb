"""What exactly is asked? The complete, typed, frozen problem that the sums run on.

Everything the answer needs travels inside: the sums look nothing up. Same Case, same Answer, for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from cardyears.base.interval import Interval
from cardyears.base.sourced import Kind
from cardyears.base.text import Text
from cardyears.machine.cluster import Cluster
from cardyears.work.architecture import Architecture
from cardyears.work.state import Training

Method = Literal["pretrain", "full", "lora", "qlora"]


class Assumption(msgspec.Struct, frozen=True):
    """A value that the person did not give, with where it comes from and why it was taken."""

    key: str
    value: float | str
    unit: str
    kind: Kind
    source: str
    reason: Text
    format: str = "number"
    """How a sentence writes the value: a name of `base.text`."""


class Reading(msgspec.Struct, frozen=True):
    """One published reading of a model whose maker published nothing."""

    label: str
    kind: Kind
    source: str
    flop: float | None = None
    parameters: float | None = None
    note: str = ""


class Workload(msgspec.Struct, frozen=True):
    """What is trained, how, on how many tokens."""

    key: str
    name: str
    training: Training
    tokens: float
    seq_len: int
    flop: Interval
    """Model FLOP of the whole training: exact for a known shape, a range of readings for an undisclosed model."""
    architecture: Architecture | None
    """None where no reading has a shape."""
    readings: tuple[Reading, ...] = ()
    """Not empty for an undisclosed model."""
    global_batch: int | None = None
    """Sequences per optimiser step, where known: the micro-batch cannot be larger."""

    @property
    def undisclosed(self) -> bool:
        """Whether the shape is a reading and not published."""
        return bool(self.readings)


class Rate(msgspec.Struct, frozen=True):
    """How fast one device works on this run."""

    dtype: str
    peak: Interval
    """FLOP/s; with width only for a generic device."""
    share: Interval
    """MFU, or the share of peak that the person states."""
    duty: float
    stated: bool
    """Whether the person stated the share."""
    measured_share: Interval
    """What runs on this family of devices attained, whatever was stated."""
    training_dtype: str
    training_peak: Interval
    """What training computes in and its peak, whatever peak was stated."""


class Terms(msgspec.Struct, frozen=True):
    """What time and power cost."""

    board_w: float | None
    host_factor: float
    pue: float
    usd_per_kwh: float
    gco2e_per_kwh: float
    owned: bool
    """Whether the device stands on a desk: then purchase and electricity count, else rent."""
    rent: Interval | None
    """Dollars per device-hour; None where the catalogue has no price."""
    purchase_usd: float | None
    lifetime_s: float


class Candidate(msgspec.Struct, frozen=True):
    """A model that could be trained or fine-tuned instead."""

    key: str
    name: str
    architecture: Architecture
    seq_len: int
    open_weights: bool
    released: str = ""


class Landmark(msgspec.Struct, frozen=True):
    """A published run to see the answer against."""

    name: str
    flop: float
    kind: Kind
    source: str


class Claim(msgspec.Struct, frozen=True):
    """Somebody's published sum about this model: so long on so many of that device."""

    name: str
    source: str
    flop: float
    device: str
    devices: int
    peak: float
    dtype: str
    seconds: float
    usual_share: Interval
    """What runs on such devices attain."""


class Case(msgspec.Struct, frozen=True):
    """The problem, complete."""

    method: Method
    workload: Workload
    cluster: Cluster
    rate: Rate | None
    """None where no source gives the device a peak."""
    seconds: float
    """The time allowed."""
    budget_usd: float | None
    terms: Terms
    finetune_tokens: float
    finetune_seq_len: int
    tokens_per_parameter: float
    memory_spread: Mapping[str, Interval]
    """Measured over predicted peak memory, by method."""
    usable_share: float
    """Share of nominal memory that one training process may take."""
    candidates: tuple[Candidate, ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    claims: tuple[Claim, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    stated_seconds: bool = True
    micro_batch: int | None = None
    """Sequences per device and step, where the person named them."""
