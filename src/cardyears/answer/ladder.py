"""What does each known saving bring, and does it turn the answer?

fp32, bf16, FlashAttention, 8-bit Adam, sharding over cards, fp8. Each rung adds one saving to those below and is judged
by the same ledgers. The last line gives the card its whole peak for the whole time: if even that is too little, no
saving rescues the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from cardyears.answer.judgement import attained
from cardyears.answer.verdict import Verdict, within
from cardyears.base.interval import Interval
from cardyears.base.text import Text, Value
from cardyears.base.units import YEAR
from cardyears.case import Case
from cardyears.estimate import campaign
from cardyears.estimate.fit import SEVERAL
from cardyears.estimate.held import zero3_traffic
from cardyears.estimate.memory import memory
from cardyears.layout.layout import Layout
from cardyears.machine.efficiency import EAGER_PASSES, FP8_GAIN
from cardyears.work.activations import AttentionKernel
from cardyears.work.architecture import Architecture
from cardyears.work.flops import model_flop
from cardyears.work.params import total_parameters
from cardyears.work.state import RECIPES, Training

GLOBAL_BATCH_TOKENS = 3.2e6
"""Tokens in one optimiser step of GPT-3 175B (Brown 2020, table 2.1): how often sharded cards must talk."""


class Rung(msgspec.Struct, frozen=True):
    """One saving on top of those before it."""

    key: str
    label: Text
    brings: Text
    card_years: float
    memory_bytes: float
    """Of one card."""
    verdict: Verdict
    """Whether one card (or the named number of them) trains the model in the time."""


def ladder(case: Case) -> list[Rung]:
    """The rungs for pretraining on one device; none where the model has no shape or the device no peak."""
    arch, rate = case.workload.architecture, case.rate
    if arch is None or rate is None or case.method != "pretrain" or case.cluster.count > 1:
        return []
    return list(_rungs(case, arch))


def _rungs(case: Case, arch: Architecture) -> Iterator[Rung]:
    assert case.rate is not None
    seq, device = case.workload.seq_len, case.cluster.device
    full = Training(case.method)
    small = Training(case.method, RECIPES["adamw-8bit"])
    eager = _eager_slowdown(case, arch)
    if "fp32" in device.peaks and case.rate.training_dtype != "fp32":
        slow = _years(case, device.peaks["fp32"].value, eager)
        yield _rung(
            case,
            "fp32",
            Text("fp32, eager attention"),
            Text("as a naive sum has it"),
            slow,
            _bytes(arch, Training(case.method, RECIPES["adamw-fp32"]), seq, kernel="eager"),
        )
    peak = case.rate.training_peak.mid
    yield _rung(
        case,
        case.rate.training_dtype,
        Text("{dtype} products", dtype=case.rate.training_dtype),
        Text("rate times {n:number}; the state stays at 16 bytes a parameter", n=peak / device.peaks["fp32"].value)
        if "fp32" in device.peaks
        else Text("the training rate"),
        _years(case, peak, eager),
        _bytes(arch, full, seq, kernel="eager"),
    )
    flash = _years(case, peak, 1.0)
    saved = _bytes(arch, full, seq, kernel="eager") - _bytes(arch, full, seq)
    yield _rung(
        case,
        "flash",
        Text("FlashAttention"),
        Text("{share:percent} less time, {saved:bytes} less memory", share=1 - 1 / eager, saved=saved),
        flash,
        _bytes(arch, full, seq),
    )
    held = _bytes(arch, small, seq)
    yield _rung(
        case,
        "adamw-8bit",
        Text("8-bit Adam"),
        Text("{saved:bytes} less state", saved=_bytes(arch, full, seq) - held),
        flash,
        held,
    )
    yield from _sharding(case, arch, small, flash)
    if "fp8" in device.peaks:
        yield _rung(
            case,
            "fp8",
            Text("fp8 products"),
            Text("{gain:number} times the rate, end to end", gain=FP8_GAIN),
            flash / FP8_GAIN.mid,
            held,
        )
    whole = campaign.available_flop(peak, case.cluster.count, case.seconds) / case.workload.flop.mid
    words: dict[str, Value] = {"dtype": case.rate.training_dtype, "share": whole, "n": whole}
    best = (
        Text("the whole {dtype} peak, without a pause, gives {n:number} times what is needed", **words)
        if whole >= 1
        else Text("even 100 % of the {dtype} peak, without a pause, gives {share:percent} of what is needed", **words)
    )
    yield Rung(
        "whole-peak",
        Text("the whole {dtype} peak", dtype=case.rate.training_dtype),
        best,
        campaign.card_years(case.workload.flop.mid, peak),
        held,
        Verdict.NO if whole < 1 else _verdict(case, case.workload.flop.mid / (peak * YEAR), held),
    )


def _sharding(case: Case, arch: Architecture, training: Training, years: float) -> Iterator[Rung]:
    """As many cards as the time asks for, each with its share of the state; and what that asks of the links."""
    need = max(2, math.ceil(years * YEAR / case.seconds))
    held = _bytes(arch, training, case.workload.seq_len, cards=need)
    traffic = float(zero3_traffic(total_parameters(arch)))
    tokens = case.workload.flop.mid / float(model_flop(arch, case.workload.seq_len))
    steps = max(1.0, tokens / GLOBAL_BATCH_TOKENS)
    step_s = years * YEAR / need / steps
    yield Rung(
        "sharding",
        Text("sharding over {n:integer} cards (ZeRO-3)", n=need),
        Text(
            "{held:bytes} on each; every step each moves {traffic:bytes}: {link:bandwidth} all the time",
            held=held,
            traffic=traffic,
            link=traffic / step_s,
        ),
        years,
        held,
        Verdict.UNKNOWN if held <= _room(case) else Verdict.NO,
    )


def _years(case: Case, peak: float, slowdown: float) -> float:
    """Card-years at this case's share of another peak."""
    rate = attained(case)
    assert rate is not None
    assert case.rate is not None
    return campaign.card_years(case.workload.flop.mid, rate.mid * peak / case.rate.peak.mid) * slowdown


def _eager_slowdown(case: Case, arch: Architecture) -> float:
    """How many times longer a token takes when the score matrix goes through memory.

    passes · 3 · 2 B · heads · T / bandwidth for each layer, against model FLOP over the attained rate.
    """
    device, rate = case.cluster.device, attained(case)
    if device.bandwidth is None or rate is None:
        return 1.0
    heads = sum(times * layer.mixer.score_heads for layer, times in arch.each_kind())
    moved = EAGER_PASSES * 3 * 2 * heads * case.workload.seq_len
    token_s = float(model_flop(arch, case.workload.seq_len)) / rate.mid
    return 1 + moved / device.bandwidth.value / token_s


def _bytes(
    arch: Architecture, training: Training, seq: int, *, kernel: AttentionKernel = "flash", cards: int = 1
) -> float:
    layout = Layout(
        dp=cards, zero=3 if cards > 1 else 0, recompute="full", kernel=kernel, chunked_loss=True, accumulation=SEVERAL
    )
    return float(memory(arch, training, layout, seq).total)


def _room(case: Case) -> float:
    return case.cluster.device.memory.value * case.usable_share


def _verdict(case: Case, years: float, held: float) -> Verdict:
    time = Interval.exact(years * YEAR / case.cluster.count)
    return Verdict.NO if held > _room(case) else within(time, case.seconds)


def _rung(case: Case, key: str, label: Text, brings: Text, years: float, held: float) -> Rung:
    return Rung(key, label, brings, years, held, _verdict(case, years, held))
