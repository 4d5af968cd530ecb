"""Is a published claim plausible? From what it says, what it implies.

A claim names some of: parameters (or a model), tokens, device, devices, device-hours or wall-hours, FLOP. What is
missing follows from C = 6·N·D and device-hours = devices · wall-hours; what then contradicts is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from cardyears.answer.claims import Plausibility, implied_mfu, judge_share
from cardyears.answer.verdict import Verdict
from cardyears.base.errors import BadInput
from cardyears.base.interval import Interval
from cardyears.base.text import N_, Text, Value
from cardyears.base.units import HOUR
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.machine.device import Device
from cardyears.question.claim import ClaimText
from cardyears.question.question import Question
from cardyears.resolve.devices import device as to_device
from cardyears.resolve.models import checked
from cardyears.resolve.prices import rent
from cardyears.verbs.inverse import least_memory
from cardyears.work.params import active_parameters

FLOP_PER_PARAMETER_AND_TOKEN = 6
"""Forward 2, backward 4 (kaplan-2020, section 2.1); what a claim without a shape can be held to."""
RECOMPUTED = 8
"""The same with the forward pass run once more (narayanan-2021, eq. 4)."""
OFF_BY = 0.4
"""A count of FLOP for each parameter and token that is further off than this is no convention in use."""
CONVENTION_SPREAD = Interval(0.83, 1.0, 1.25)
"""How far 6·N·D lies from FLOP counted by parts on decoders of 1B and more at usual lengths."""


class Audit(msgspec.Struct, frozen=True):
    """What a claim implies, and a word for it."""

    said: ClaimText
    flop: Interval | None
    flop_from: Text
    device: Device | None
    device_s: float | None
    mfu: Interval | None
    plausibility: Plausibility | None
    usual: Interval | None
    usual_device_s: Interval | None
    findings: tuple[Text, ...]
    why: Text


def audit(said: ClaimText, catalogue: Catalogue) -> Audit:
    """The implied FLOP and MFU of a claim, and every figure in it that contradicts another."""
    said, named = _with_model(said, catalogue)
    flop, origin = _flop(said)
    device_s = _device_seconds(said)
    if flop is None and device_s is None and said.memory_bytes is None:
        raise BadInput(
            Text("The claim says too little to check."),
            Text("Give parameters and tokens (or FLOP), and a device with device-hours or wall-hours."),
        )
    one = None
    if said.device is not None:
        key = find(said.device, catalogue.accelerators, "devices").key
        one = to_device(key, catalogue.accelerators[key])
    usual, mfu, word, usual_s = None, None, None, None
    if one is not None and one.training_dtype is not None and flop is not None:
        row = catalogue.shares.get(one.family, catalogue.shares["all"])
        usual, peak = Interval(row.low, row.mid, row.high), one.peak(one.training_dtype).value
        usual_s = flop / (usual * peak)
        if device_s is not None:
            mfu = Interval(*(implied_mfu(part, 1, peak, device_s) for part in (flop.low, flop.mid, flop.high)))
            word = judge_share(mfu.mid, usual)
    wrong = (*_about_flop(said, flop), *_about_memory(said, named, catalogue))
    if wrong and (word is None or word.verdict is not Verdict.NO):
        word = Plausibility.CONTRADICTORY
    findings = (*wrong, *_findings(said, flop, one, catalogue), *_calibration(usual, catalogue))
    why = _why(word, mfu, usual, usual_s, one) if mfu is not None or not wrong else wrong[0]
    return Audit(said, flop, origin, one, device_s, mfu, word, usual, usual_s, findings, why)


def _calibration(usual: Interval | None, catalogue: Catalogue) -> Iterator[Text]:
    """That what is usual is taken from a person's own runs."""
    mine = catalogue.calibration
    if mine is not None and usual is not None:
        yield Text(
            "what is usual is taken from your calibration {name}: {rows:integer} runs, {share:number} times the usual "
            "share of peak",
            name=mine.name, rows=mine.rows, share=mine.share,
        )  # fmt: skip


def _with_model(said: ClaimText, catalogue: Catalogue) -> tuple[ClaimText, str | None]:
    """The claim with the parameters and tokens of the model that its sentence names, where it gives none itself."""
    words = f" {_plain(said.text)} "
    names = (
        (len(name), key)
        for key, row in catalogue.models.items()
        for name in map(_plain, (row.name, *row.aliases, *row.stands_for))
        if f" {name} " in words
    )
    _, key = max(names, default=(0, None))
    row = None if key is None else catalogue.models[key]
    if key is None or row is None or row.shape is None:
        return said, None
    arch = checked(row.name, row.shape)
    params = said.params if said.params is not None else active_parameters(arch)
    tokens = said.tokens if said.tokens is not None else row.tokens
    return msgspec.structs.replace(said, params=params, tokens=tokens), key


def _plain(name: str) -> str:
    """Words and numbers with single spaces: "GPT-3" and "gpt 3" are one."""
    return " ".join(re.findall(r"[a-z]+|\d+(?:\.\d+)*", name.casefold()))


def _about_memory(said: ClaimText, key: str | None, catalogue: Catalogue) -> Iterator[Text]:
    """A claimed memory that is below what the leanest way takes."""
    if said.memory_bytes is None or key is None:
        return
    least = list(least_memory(Question(model=key), catalogue))
    leanest = min(least, key=lambda one: one.need.mid)
    if said.memory_bytes < leanest.need.low:
        whole = next(one for one in least if one.method == "full")
        yield Text(
            "it says {said:bytes}; the leanest way, {recipe:word}, takes {need:bytes}, and all weights {whole:bytes}",
            said=said.memory_bytes,
            recipe=METHODS[leanest.method],
            need=leanest.need,
            whole=whole.need.mid,
        )


METHODS = {"full": N_("all weights"), "lora": N_("LoRA"), "qlora": N_("QLoRA")}


def _flop(said: ClaimText) -> tuple[Interval | None, Text]:
    if said.params is not None and said.tokens is not None:
        count = FLOP_PER_PARAMETER_AND_TOKEN * said.params * said.tokens
        return CONVENTION_SPREAD * count, Text(
            "6 · {n:count} parameters · {d:count} tokens", n=said.params, d=said.tokens
        )
    if said.flop is not None:
        return Interval.exact(said.flop), Text("as the claim says")
    return None, Text("")


def _device_seconds(said: ClaimText) -> float | None:
    if said.device_hours is not None:
        return said.device_hours * HOUR
    if said.wall_hours is not None:
        return said.wall_hours * HOUR * (said.devices or 1)
    return None


def _findings(said: ClaimText, flop: Interval | None, one: Device | None, catalogue: Catalogue) -> Iterator[Text]:
    """Each figure of the claim beside what follows from the others."""
    yield from _about_hours(said)
    if flop is not None and one is not None and one.training_dtype is not None:
        peak = one.peak(one.training_dtype).value
        yield Text(
            "at the whole {dtype} peak one {device} takes {time:duration}",
            dtype=one.training_dtype,
            device=one.name,
            time=flop.mid / peak,
        )
        device_s = _device_seconds(said)
        if device_s is not None and said.params is not None and said.tokens is not None:
            again = implied_mfu(flop.mid * RECOMPUTED / FLOP_PER_PARAMETER_AND_TOKEN, 1, peak, device_s)
            yield Text("if everything was computed again (8·N·D) the hardware ran at {hfu:percent} (HFU)", hfu=again)
    yield from _about_money(said, flop, one, catalogue)


def _about_flop(said: ClaimText, flop: Interval | None) -> Iterator[Text]:
    if said.flop is not None and flop is not None and not flop.low / 1.1 <= said.flop <= flop.high * 1.1:
        ratio = flop.mid / said.flop
        yield Text(
            "it says {said:flop}; 6·N·D is {ours:flop}: {ratio:number} times as much",
            said=said.flop, ours=flop.mid, ratio=ratio,
        )  # fmt: skip
    each = said.flop_per_param_token
    if each is not None and abs(each / FLOP_PER_PARAMETER_AND_TOKEN - 1) > OFF_BY:
        yield Text(
            "it counts {n:number} FLOP for each parameter and token; training takes 6 (2 forward, 4 backward), 8 with "
            "full recomputation",
            n=each,
        )


def _about_hours(said: ClaimText) -> Iterator[Text]:
    if said.device_hours is None or said.devices is None:
        return
    words: dict[str, Value] = {"hours": said.device_hours, "n": said.devices}
    wall = said.device_hours / said.devices * HOUR
    if said.wall_hours is None:
        yield Text(
            "{hours:count} device-hours on {n:integer} devices are {wall:duration} if all work throughout; published "
            "device-hours often add up many jobs, restarts and idle hours",
            wall=wall,
            **words,
        )
    elif abs(said.wall_hours * HOUR / wall - 1) > 0.1:
        yield Text(
            "{hours:count} device-hours on {n:integer} devices are {wall:duration}, not {said:duration}",
            wall=wall,
            said=said.wall_hours * HOUR,
            **words,
        )
    else:
        yield Text(
            "{hours:count} device-hours on {n:integer} devices are {wall:duration}: right as a division, wrong as a "
            "schedule where device-hours add up many jobs, restarts and idle hours",
            wall=wall,
            **words,
        )


def _about_money(said: ClaimText, flop: Interval | None, one: Device | None, catalogue: Catalogue) -> Iterator[Text]:
    """What the price comes to for each hour, beside what such an hour costs."""
    device_s = _device_seconds(said)
    if said.usd is None:
        return
    if device_s is not None:
        hours, origin = device_s / HOUR, Text("as the claim says")
    elif flop is not None and one is not None and one.training_dtype is not None:
        share = catalogue.shares.get(one.family, catalogue.shares["all"])
        hours = flop.mid / (share.mid * one.peak(one.training_dtype).value) / HOUR
        origin = Text("at the usual MFU of {share:percent}", share=share.mid)
    else:
        return
    yield Text(
        "{usd:usd} for {hours:count} device-hours ({origin}) are {each:usd} an hour",
        usd=said.usd, hours=hours, origin=origin, each=said.usd / hours,
    )  # fmt: skip
    price = None if one is None else rent(one, catalogue)
    if one is not None and price is not None:
        yield Text(
            "an hour of {device} costs {low:usd} to {high:usd} on demand, so it is {all:usd}",
            device=one.name, low=price.usd.low, high=price.usd.high, all=price.usd.mid * hours,
        )  # fmt: skip


def _why(
    word: Plausibility | None,
    mfu: Interval | None,
    usual: Interval | None,
    usual_s: Interval | None,
    one: Device | None,
) -> Text:
    if word is not None and mfu is not None and usual is not None and one is not None and usual_s is not None:
        return Text(
            "it implies {mfu:percent} of the peak of {device}, {is_:word}; such devices attain {usual:percent}",
            mfu=mfu.mid,
            device=one.name,
            usual=usual,
            is_=word.sentence,
        )
    if usual_s is not None and one is not None:
        return Text(
            "it names no time; on one {device} it takes {time:duration} as such devices usually run",
            device=one.name,
            time=usual_s,
        )
    if one is None:
        return Text("it names no device, so only its FLOP can be said")
    if one.training_dtype is None:
        return Text("no source gives {device} a peak rate", device=one.name)
    return Text("it gives neither FLOP nor parameters and tokens")
