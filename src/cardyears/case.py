"""What exactly is asked? The complete, typed, frozen problem that the sums run on.

Everything the answer needs travels inside: the sums look nothing up. Same Case, same Answer, for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from cardyears.base.interval import Interval
from cardyears.base.sourced import Kind
from cardyears.base.text import Text
from cardyears.machine.calibration import Calibration
from cardyears.machine.cluster import Cluster
from cardyears.machine.engine import Engine
from cardyears.machine.host import Host
from cardyears.machine.silicon import Silicon
from cardyears.work.architecture import Architecture
from cardyears.work.state import Training

Method = Literal["pretrain", "full", "lora", "qlora"]
Precision = Literal["bf16", "fp16", "tf32", "fp32", "fp8", "mxfp8", "nvfp4"]
"""What products run in; master weights and moments are another matter (`work.state`)."""


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
    global_batch_tokens: float | None = None
    """As it was pretrained, where that is published."""


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


class Job(msgspec.Struct, frozen=True):
    """What one training step is: a model, trained so, on a machine, by an engine. A layout makes it an estimate."""

    architecture: Architecture
    training: Training
    seq_len: float
    cluster: Cluster
    silicon: Silicon
    engine: Engine
    host: Host
    document: float | None = None
    """Tokens that a token can attend among: the mean document, weighted by length, where sequences are packed and
    masked; None: the whole sequence."""
    useful_tokens: float = 1.0
    """Share of tokens that are not padding."""
    usable_bytes: float = math.inf
    """Memory of a device that one process may take: what a paged optimiser tries to stay within."""
    bare_vocabulary: bool = False
    """Whether embedding and head have as many rows as there are tokens, though the engine would pad them."""
    expert_load: float = 1.0
    """Tokens of the busiest expert-parallel rank over the mean: 1 where balance is forced."""
    memory_spread: Interval = Interval.exact(1.0)
    """Measured over estimated peak memory."""
    calibration: Calibration | None = None
    """Whose factors are in the engine's coefficients, and what they leave open."""
    engines: Mapping[str, Engine] = msgspec.field(default_factory=dict)
    """The engine by precision, where a calibration says more of some than of others; empty: the same in all."""

    def computing(self, precision: str) -> Job:
        """The job with its engine as it is in this precision."""
        known = self.engines.get(precision, self.engine)
        return self if known is self.engine else msgspec.structs.replace(self, engine=known)

    @property
    def attended_length(self) -> float:
        """Tokens of the square that attention computes, for each token."""
        return self.seq_len if self.document is None else self.document


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of run that one source measured, like the one that is asked about."""

    device: str
    engine: str
    method: str
    precision: str
    parameters: float
    devices: int
    seq_len: int
    experts: bool
    source: str
    runs: int
    error: float
    """Mean error of the step time, without its sign, by fits that these runs were left out of; of a person's own runs
    what the factors that were fitted on them leave."""
    away: float
    """How unlike it is; 0 where engine, device, method, precision and all sizes are the same."""


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
    silicon: Silicon | None = None
    """What several devices need besides, to be laid out: their rates, an engine for each method, and the host."""
    engines: Mapping[Method, Engine] = {}
    host: Host | None = None
    precision: Precision = "bf16"
    step_spread: Interval = Interval.exact(1.0)
    """Measured over estimated step time of several devices."""
    neighbours: tuple[Neighbour, ...] = ()
    """The measured runs that are the most like it, where several devices are laid out."""
    calibration: Calibration | None = None
    """Whose factors are in the engines' coefficients, and what they leave open."""

    def job(self) -> Job | None:
        """One training step of this case; None where the model has no shape or the device lacks a figure."""
        arch, device = self.workload.architecture, self.cluster.device
        engine = self.engines.get(self.method)
        if arch is None or self.silicon is None or engine is None or self.host is None:
            return None
        if device.bandwidth is None or device.training_dtype is None:
            return None
        return Job(
            architecture=arch,
            training=self.workload.training,
            seq_len=float(self.workload.seq_len),
            cluster=self.cluster,
            silicon=self.silicon,
            engine=engine,
            host=self.host,
            usable_bytes=device.memory.value * self.usable_share,
            memory_spread=self.memory_spread[self.method],
            calibration=self.calibration,
        )
