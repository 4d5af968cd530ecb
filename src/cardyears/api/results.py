"""What do the verbs return? Typed results with the fields of the public contract; SI units stand in the names.

Fields keep their name, meaning and unit; new ones may come. ``as_dict()`` is the JSON object, ``repr`` the text of the
command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from cardyears.base.interval import Interval
from cardyears.base.text import ENGLISH
from cardyears.case import Neighbour
from cardyears.render.report.writers import write


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A result: its fields, and the subject that they were made from."""

    subject: Any
    """The typed answer underneath, with sentences and numbers still apart."""
    hidden: ClassVar[frozenset[str]] = frozenset({"subject"})

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of this result."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name not in self.hidden}
        built: dict[str, Any] = msgspec.to_builtins(fields)
        return built

    def __repr__(self) -> str:
        return write(self.subject, ENGLISH)

    def _repr_html_(self) -> str:
        from cardyears.render.html import fragment

        return fragment(self.subject, ENGLISH)


class VerdictResult(msgspec.Struct, frozen=True):
    """yes, probably, unlikely, no or unknown, for each question and overall."""

    overall: str
    fits: str
    fast_enough: str
    connected_enough: str
    sentence: str
    why: Mapping[str, str]


class MemoryResult(msgspec.Struct, frozen=True):
    """Peak memory of the fullest device."""

    required_bytes: Interval
    available_bytes: float
    ledger: Mapping[str, float]
    layout: Mapping[str, Any]


class AlternativeResult(msgspec.Struct, frozen=True):
    """Something to train instead; `check_args` asks for it by itself."""

    model: str
    method: str
    tokens: float
    time_s: Interval
    peak_memory_bytes: Interval
    why: str
    key: str
    parameters: float
    verdict: str
    recipe: str
    seq_len: int


class AssumptionResult(msgspec.Struct, frozen=True):
    """A value that was filled in."""

    key: str
    value: float | str
    unit: str
    kind: str
    source: str
    reason: str


class SourceResult(msgspec.Struct, frozen=True):
    """An entry of the bibliography."""

    key: str
    title: str
    where: str
    date: str


class LeverResult(msgspec.Struct, frozen=True):
    """An assumption that moves the answer, and the card-years at its ends."""

    key: str
    what: str
    low_card_years: float
    high_card_years: float


class RungResult(msgspec.Struct, frozen=True):
    """One saving on top of those before it."""

    key: str
    label: str
    brings: str
    card_years: float
    memory_bytes: float
    verdict: str


class ReadingResult(msgspec.Struct, frozen=True):
    """One meaning of a stated percentage."""

    key: str
    meaning: str
    available_flop: Interval
    card_years: Interval


class NaiveResult(msgspec.Struct, frozen=True):
    """The usual sum on the fp32 rate, and the MFU that it equals."""

    utilization: float
    peak_flop_s: float
    available_flop: float
    share: float
    card_years: float
    equal_mfu: float
    by_accident: bool


class ClaimResult(msgspec.Struct, frozen=True):
    """A published sum about the model and what it implies."""

    name: str
    source: str
    device: str
    devices: int
    time_s: float
    implied_mfu: float
    verdict: str
    plausibility: str
    why: str


class Check(Result, frozen=True, kw_only=True):
    """Whether a machine trains a model: the answer to `check`."""

    question: Mapping[str, Any]
    verdict: VerdictResult
    required_flop: float | Interval
    available_flop: Interval | None
    share: Interval | None
    card_years: Interval | None
    time_s: Interval | None
    memory: MemoryResult | None
    energy_kwh: Interval | None
    cost_usd: Interval | None
    cost_lines_usd: Mapping[str, float] | None
    alternatives: list[AlternativeResult]
    assumptions: list[AssumptionResult]
    sources: list[SourceResult]
    levers: list[LeverResult]
    ladder: list[RungResult]
    utilization_readings: list[ReadingResult]
    naive: NaiveResult | None
    claims: list[ClaimResult]
    equations: Mapping[str, str]


class AdviceResult(msgspec.Struct, frozen=True):
    """A change of the layout that was estimated too, and what it gives."""

    about: str
    """What stands out: memory, bubble, waiting, recomputation, launch or logits."""
    change: str
    """As --layout takes it; empty where no change helps."""
    step_time_s: float
    peak_memory_bytes: float
    speedup: float
    """Tokens per second over those of the layout asked for."""
    sentence: str


class Estimate(Result, frozen=True, kw_only=True):
    """One layout's step: time, speed and memory, line by line."""

    model: str
    method: str
    engine: str
    layout: Mapping[str, Any]
    """Every degree and option, with `devices` and `global_batch`."""
    chosen: bool
    """Whether the layout was chosen by the program, none having been said."""
    step_time_s: Interval
    tokens_per_s_per_device: Interval
    mfu: Interval
    hfu: Interval
    peak_memory_bytes: Interval
    available_bytes: float
    fits: str
    connected_enough: str
    why: Mapping[str, str]
    time_ledger: Mapping[str, float]
    """Seconds of one step; the lines add up to the middle of `step_time_s`."""
    memory_ledger: Mapping[str, float]
    """Bytes on the fullest device; the lines add up to the middle of `peak_memory_bytes`."""
    waiting_share: float
    """Share of the step in which devices wait for wires."""
    assumed_share: float
    """Share of the step whose rates were assumed and not measured."""
    usual_mfu: Interval | None
    """What training runs on such devices attain."""
    neighbours: list[Neighbour]
    """The measured runs that are the most like it, the nearest first."""
    remarks: list[str]
    advice: AdviceResult | None
    assumptions: list[AssumptionResult]
    sources: list[SourceResult]
    equations: Mapping[str, str]


class Params(Result, frozen=True, kw_only=True):
    """Parameters of a model, exact."""

    model: str
    total: int
    active: int
    matmul: int
    embedding: int
    parts: Mapping[str, int]
    published: int | None
    prediction: int = 0
    """Multi-token-prediction layers, which no total counts."""
    assumptions: list[AssumptionResult] = []


class Flops(Result, frozen=True, kw_only=True):
    """FLOP of a training run by part and convention."""

    model: str
    tokens: float
    seq_len: int
    per_token_flop: float
    total_flop: float
    convention: str
    conventions: Mapping[str, float]
    """FLOP per trained token."""
    parts: Mapping[str, float]
    """FLOP per token, forward."""
    passes_flop: Mapping[str, float]
    """Per trained token: forward, backward, and what full recomputation adds."""
    uncounted_flop: Mapping[str, float]
    """FLOP per token, forward, in no total: norms, multi-token-prediction layers."""
    assumptions: list[AssumptionResult]


class AuditResult(Result, frozen=True, kw_only=True):
    """Whether a published claim is plausible."""

    implied_flop: float | None
    implied_mfu: Interval | None
    verdict: str
    plausibility: str
    """impossible, implausible, high, plausible, low or unknown: finer than the verdict."""
    why: str
    findings: list[str]
    usual_mfu: Interval | None
    usual_device_s: Interval | None


class OptionResult(msgspec.Struct, frozen=True):
    """One kind of device and how many of them it takes."""

    hardware: str
    device: str
    devices: int
    time_s: Interval
    cost_usd: Interval | None
    energy_kwh: Interval | None
    peak_memory_bytes: Interval
    layout: Mapping[str, Any]
    verdict: str


class LeastMemoryResult(msgspec.Struct, frozen=True):
    """The least memory of one device that a way to train takes."""

    method: str
    recipe: str
    memory_bytes: Interval


class NeedResult(Result, frozen=True, kw_only=True):
    """What it would take."""

    options: list[OptionResult]
    memory: list[LeastMemoryResult]
    tried: int
    assumptions: list[AssumptionResult]


class InsteadResult(Result, frozen=True, kw_only=True):
    """What could be trained or fine-tuned on a machine."""

    pretrain: list[AlternativeResult]
    finetune: list[AlternativeResult]
    assumptions: list[AssumptionResult]


class MemoryReading(msgspec.Struct, frozen=True):
    """The assumptions under which a figure is right."""

    value: float
    """The figure, in bytes."""
    ours_bytes: float
    gb_for_gib: bool
    assumptions: list[str]


class ReconcileResult(Result, frozen=True, kw_only=True):
    """Readings of memory figures; a figure without any has none that we know."""

    model: str
    figures: list[float]
    readings: list[MemoryReading]


class Rows(Result, frozen=True, kw_only=True):
    """Rows of the catalogue."""

    rows: list[dict[str, Any]]
