"""What single change of a layout would help most? Only what was estimated, is legal and fits is ever offered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cardyears.answer.verdict import Verdict, within
from cardyears.base.text import Text
from cardyears.estimate.estimate import Estimate, estimate
from cardyears.estimate.setting import Setting, setting
from cardyears.layout.layout import ZERO_WEIGHTS, Layout
from cardyears.layout.legal import refusal
from cardyears.layout.site import Site, site

if TYPE_CHECKING:
    from cardyears.verbs.estimate import Estimated

BUBBLE_STANDS_OUT, WAITING_STANDS_OUT = 0.25, 0.30
AGAIN_STANDS_OUT, LAUNCH_STANDS_OUT = 0.15, 0.25
LOGITS_STAND_OUT = 0.25
"""Shares of the step, or of the fullest device's memory, from which a line is worth a change."""
ROOMY = 0.5
"""Share of the memory below which its use is worth no change."""
WORTH = 1.05
"""A change that brings less than a twentieth is not offered."""
CHUNKS = (2, 4, 8)
"""Virtual stages that are tried."""
LARGER_BATCHES = (2, 4, 8, 16)
"""Global batches that are tried, as multiples, where no change at the same batch helps."""
MOST_TOGETHER = 3
"""Changes that are made together at most, where memory is short."""
GOOD = (Verdict.YES, Verdict.PROBABLY)

_FOLLOW = ("dp", "accumulation")
"""What follows from the other degrees and the global batch."""

Change = Mapping[str, Any]


class Advice(msgspec.Struct, frozen=True):
    """One change, and what it gives."""

    about: str
    """What stands out: memory, bubble, waiting, recomputation, launch or logits."""
    change: str
    """As --layout takes it; empty where nothing helps."""
    gain: float
    """Tokens per second over those of the layout asked for."""
    estimate: Estimate
    text: Text


class _Tried(NamedTuple):
    """A changed layout with its estimate."""

    change: Change
    estimate: Estimate
    fits: bool


def advise(found: Estimated) -> Advice | None:
    """The best change for what stands out most; None where nothing does, or where no change helps."""
    bench = _Bench(found)
    if found.fits.verdict not in GOOD:
        return _memory(found, bench)
    time, step = found.estimate.time, float(found.estimate.step_s)
    troubles = (
        ("bubble", float(time["bubble"]) / step - BUBBLE_STANDS_OUT, _bubble),
        ("waiting", float(found.estimate.waiting) - WAITING_STANDS_OUT, _waiting),
        ("recomputation", float(time["recomputation"]) / step - AGAIN_STANDS_OUT, _again),
        ("launch", float(time["launch"]) / step - LAUNCH_STANDS_OUT, _launch),
    )
    for about, over, changes in sorted(troubles, key=lambda one: -one[1]):
        if over > 0:
            best = _fastest(bench, changes(found.estimate.layout), found) or _fastest(
                bench, _larger(found.estimate.layout) if about in ("bubble", "waiting") else (), found
            )
            if best is not None:
                return _faster(found, about, best)
    return _logits(found, bench)


class _Bench:
    """Where changed layouts are tried: the same job, one setting for all."""

    def __init__(self, found: Estimated) -> None:
        self.found = found
        job = found.job
        self.there: Setting = setting(job, found.estimate.layout.precision)
        self.ground: Site = site(
            job.architecture, devices=job.cluster.count, per_node=job.cluster.per_node, seq_len=int(job.seq_len),
            method=found.method, engine=job.engine.key,
        )  # fmt: skip

    def tried(self, change: Change) -> _Tried | None:
        """The estimate with a change; None where that is not legal or changes nothing."""
        now = self.found.estimate.layout
        changed: Layout = msgspec.structs.replace(now, **change)
        if changed == now or refusal(changed, self.ground) is not None:
            return None
        result = estimate(self.found.job, changed, self.there)
        slack = self.found.peak / float(self.found.estimate.peak_bytes)
        fits = within(slack * float(result.peak_bytes), self.found.available) in GOOD
        return _Tried(change, result, fits)

    def all(self, changes: Iterable[Change]) -> list[_Tried]:
        """Every change that is legal."""
        return [one for change in changes if (one := self.tried(change)) is not None]


def _speed(one: _Tried) -> float:
    return float(one.estimate.tokens_per_s_per_device)


def _fastest(bench: _Bench, changes: Iterable[Change], found: Estimated) -> _Tried | None:
    """The fastest of changes that fit, if it is worth it; of larger batches the smallest that is nearly as fast."""
    fitting = [one for one in bench.all(changes) if one.fits]
    if not fitting:
        return None
    best = max(map(_speed, fitting))
    if best < WORTH * float(found.estimate.tokens_per_s_per_device):
        return None
    return next(one for one in fitting if as_good(_speed(one), best))


def as_good(speed: float, best: float) -> bool:
    """Whether a simpler change is as good as the best: within the share that is not worth a change.

    >>> as_good(98.0, 100.0), as_good(90.0, 100.0)
    (True, False)
    """
    return speed * WORTH >= best


def _batched(layout: Layout, factor: int) -> Change:
    """So many times as many micro-batches in a step."""
    return {"accumulation": layout.accumulation * factor}


def _larger(layout: Layout) -> Iterator[Change]:
    yield from (_batched(layout, factor) for factor in LARGER_BATCHES)


def _halved(layout: Layout) -> Iterator[Change]:
    """Half the micro-batch, twice as many of them: the global batch stays."""
    if layout.micro_batch % 2 == 0:
        yield {"micro_batch": int(layout.micro_batch) // 2, **_batched(layout, 2)}


def _doubled(layout: Layout) -> Iterator[Change]:
    """Twice the micro-batch, half as many of them."""
    if layout.accumulation % 2 == 0:
        yield {"micro_batch": layout.micro_batch * 2, "accumulation": int(layout.accumulation) // 2}


def _bubble(layout: Layout) -> Iterator[Change]:
    yield from ({"virtual_stages": chunks, "schedule": "interleaved"} for chunks in CHUNKS)
    yield {"schedule": "zero-bubble", "virtual_stages": 1}
    yield from _halved(layout)


def _waiting(layout: Layout) -> Iterator[Change]:
    yield from ({"zero": stage} for stage in range(ZERO_WEIGHTS) if stage < layout.zero)
    yield from _doubled(layout)
    if not layout.overlap:
        yield {"overlap": True}
    for key in ("tp", "cp"):
        degree = int(getattr(layout, key))
        if degree % 2 == 0 and layout.accumulation % 2 == 0:
            yield {key: degree // 2, "dp": layout.dp * 2, "accumulation": int(layout.accumulation) // 2}


def _again(_: Layout) -> Iterator[Change]:
    yield from ({"recompute": kind, "recompute_every": 1} for kind in ("none", "selective-norms"))
    yield {"recompute": "full", "recompute_every": 2}


def _launch(layout: Layout) -> Iterator[Change]:
    yield {"compiled": True}
    yield from _doubled(layout)


def _faster(found: Estimated, about: str, best: _Tried) -> Advice:
    """A change that makes the step faster."""
    gain = _speed(best) / float(found.estimate.tokens_per_s_per_device)
    step, peak = float(best.estimate.step_s), float(best.estimate.peak_bytes)
    text = Text(
        "{change} would give {gain:percent} more tokens a second: {step:duration} a step, {peak:bytes} on the fullest "
        "device.",
        change=written(best.change, found.estimate.layout), gain=gain - 1.0, step=step, peak=peak,
    )  # fmt: skip
    return Advice(about, written(best.change, found.estimate.layout), gain, best.estimate, text)


def _logits(found: Estimated, bench: _Bench) -> Advice | None:
    memory = found.estimate.memory
    roomy = float(memory.total) < ROOMY * found.available
    if roomy or float(memory.get("logits", 0.0)) < LOGITS_STAND_OUT * float(memory.total):
        return None
    best = bench.tried({"chunked_loss": True})
    if best is None or not best.fits:
        return None
    saved = float(memory.total) - float(best.estimate.peak_bytes)
    if saved * WORTH < LOGITS_STAND_OUT * float(memory["logits"]):
        return None
    text = Text(
        "{change} would free {saved:bytes}: {peak:bytes} on the fullest device, {step:duration} a step.",
        change=written(best.change, found.estimate.layout), saved=saved, peak=float(best.estimate.peak_bytes),
        step=float(best.estimate.step_s),
    )  # fmt: skip
    gain = _speed(best) / float(found.estimate.tokens_per_s_per_device)
    return Advice("logits", written(best.change, found.estimate.layout), gain, best.estimate, text)


def _memory(found: Estimated, bench: _Bench) -> Advice:
    """The fastest of the fewest changes that make it fit; else the least memory that any of them reaches."""
    least: _Tried | None = None
    single = list(_savings(found))
    for together in range(1, MOST_TOGETHER + 1):
        changes = (_joined(several) for several in combinations(single, together))
        tried = bench.all(change for change in changes if change)
        fitting = [one for one in tried if one.fits]
        if fitting:
            return _fitting(found, _with_less_waiting(bench, max(fitting, key=_speed)))
        known = (one for one in (least, *tried) if one is not None)
        least = min(known, key=lambda one: float(one.estimate.peak_bytes), default=None)
    peak = float((least.estimate if least else found.estimate).peak_bytes)
    text = Text(
        "No recomputation, sharding, smaller micro-batch or offload makes it fit: the least is {peak:bytes}.", peak=peak
    )
    return Advice("memory", "", 1.0, least.estimate if least else found.estimate, text)


def _with_less_waiting(bench: _Bench, best: _Tried) -> _Tried:
    """What fits, with a schedule that waits less where the bubble stands out and it still fits."""
    time = best.estimate.time
    if float(time["bubble"] / best.estimate.step_s) < BUBBLE_STANDS_OUT:
        return best
    more = bench.all({**best.change, **change} for change in _bubble(best.estimate.layout))
    faster = [one for one in more if one.fits and _speed(one) >= WORTH * _speed(best)]
    return max(faster, key=_speed, default=best)


def _fitting(found: Estimated, best: _Tried) -> Advice:
    change = written(best.change, found.estimate.layout)
    text = Text(
        "{change} would make it fit: {peak:bytes} on the fullest device, {step:duration} a step.",
        change=change, peak=float(best.estimate.peak_bytes), step=float(best.estimate.step_s),
    )  # fmt: skip
    gain = _speed(best) / float(found.estimate.tokens_per_s_per_device)
    return Advice("memory", change, gain, best.estimate, text)


def _savings(found: Estimated) -> Iterator[Change]:
    """What saves memory at the same global batch; each changes keys of its own, or is an alternative."""
    layout = found.estimate.layout
    if layout.kernel == "eager":
        yield {"kernel": "flash"}
    for kind in ("selective-norms", "full"):
        if layout.recompute != "full":
            yield {"recompute": kind, "recompute_every": 1}
    if not layout.chunked_loss:
        yield {"chunked_loss": True}
    yield from ({"zero": stage} for stage in range(ZERO_WEIGHTS + 1) if layout.replicas > 1 and stage > layout.zero)
    if layout.micro_batch > 1:
        yield {"micro_batch": 1, **_batched(layout, int(layout.micro_batch))}
    for kind in ("optimizer", "optimizer+weights"):
        if layout.offload == "none":
            yield {"offload": kind}


def _joined(changes: Iterable[Change]) -> Change:
    """Several changes as one; nothing where two say different things of one key."""
    joined: dict[str, Any] = {}
    for change in changes:
        if any(key in joined for key in change):
            return {}
        joined |= change
    return joined


def written(change: Change, layout: Layout) -> str:
    """A change as --layout takes it: what follows from the rest is left out.

    >>> written({"virtual_stages": 2, "schedule": "interleaved", "recompute_every": 1}, Layout(pp=4))
    'virtual_stages=2,schedule=interleaved'
    >>> written({"accumulation": 4}, Layout(micro_batch=2, dp=8, accumulation=2))
    'global_batch=64'
    """
    changed: Layout = msgspec.structs.replace(layout, **change)
    said = {key: value for key, value in change.items() if key not in _FOLLOW and value != getattr(layout, key)}
    if changed.global_batch != layout.global_batch:
        said["global_batch"] = int(changed.global_batch)
    if "compiled" in said:
        said["compile"] = said.pop("compiled")
    words = {True: "yes", False: "no"}
    return ",".join(f"{key}={words[value] if isinstance(value, bool) else value}" for key, value in said.items())
