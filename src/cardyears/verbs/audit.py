"""Is a published claim plausible? From what it says, what it implies.

A claim names some of: parameters (or a model), tokens, device, devices, device-hours or wall-hours, FLOP. What is
missing follows from C = 6·N·D and device-hours = devices · wall-hours; what then contradicts is said.
"""

from __future__ import annotations

import msgspec

from cardyears.answer.claims import Plausibility, implied_mfu, judge_share
from cardyears.base.errors import BadInput
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.base.units import DAY, HOUR
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.machine.device import Device
from cardyears.question.claim import ClaimText
from cardyears.resolve.devices import device as to_device

FLOP_PER_PARAMETER_AND_TOKEN = 6
"""Forward 2, backward 4 (kaplan-2020, section 2.1); what a claim without a shape can be held to."""
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
    flop, origin = _flop(said)
    one = None
    if said.device is not None:
        key = find(said.device, catalogue.accelerators, "devices").key
        one = to_device(key, catalogue.accelerators[key])
    device_s = _device_seconds(said)
    usual, mfu, word, usual_s = None, None, None, None
    if one is not None and one.training_dtype is not None and flop is not None:
        row = catalogue.shares.get(one.family, catalogue.shares["all"])
        usual, peak = Interval(row.low, row.mid, row.high), one.peak(one.training_dtype).value
        usual_s = flop / (usual * peak)
        if device_s is not None:
            mfu = Interval(*(implied_mfu(part, 1, peak, device_s) for part in (flop.low, flop.mid, flop.high)))
            word = judge_share(mfu.mid, usual)
    if flop is None and device_s is None:
        raise BadInput(
            Text("The claim says too little to check."),
            Text("Give parameters and tokens (or FLOP), and a device with device-hours or wall-hours."),
        )
    return Audit(
        said,
        flop,
        origin,
        one,
        device_s,
        mfu,
        word,
        usual,
        usual_s,
        tuple(_findings(said, flop, one, device_s)),
        _why(word, mfu, usual, usual_s, one),
    )


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


def _findings(said: ClaimText, flop: Interval | None, one: Device | None, device_s: float | None) -> list[Text]:
    """Each figure of the claim beside what follows from the others."""
    found = []
    if (
        said.flop is not None
        and flop is not None
        and said.flop != flop.mid
        and not flop.low / 1.1 <= said.flop <= flop.high * 1.1
    ):
        found.append(
            Text(
                "it says {said:flop}; 6·N·D is {ours:flop}: {ratio:number} times as much",
                said=said.flop,
                ours=flop.mid,
                ratio=flop.mid / said.flop,
            )
        )
    if (
        said.flop_per_param_token is not None
        and abs(said.flop_per_param_token / FLOP_PER_PARAMETER_AND_TOKEN - 1) > 0.4
    ):
        found.append(
            Text(
                "it counts {n:number} FLOP for each parameter and token; training takes 6 (2 forward, 4 backward), "
                "8 with full recomputation",
                n=said.flop_per_param_token,
            )
        )
    if said.device_hours is not None and said.devices is not None:
        wall = said.device_hours / said.devices * HOUR
        if said.wall_hours is None:
            found.append(
                Text(
                    "{hours:count} device-hours on {n:integer} devices are {wall:duration} if all work throughout; "
                    "published device-hours often add up many jobs, restarts and idle hours",
                    hours=said.device_hours,
                    n=said.devices,
                    wall=wall,
                )
            )
        elif abs(said.wall_hours * HOUR / wall - 1) > 0.1:
            found.append(
                Text(
                    "{hours:count} device-hours on {n:integer} devices are {wall:duration}, not {said:duration}",
                    hours=said.device_hours,
                    n=said.devices,
                    wall=wall,
                    said=said.wall_hours * HOUR,
                )
            )
    if flop is not None and one is not None and one.training_dtype is not None:
        at_peak = flop.mid / one.peak(one.training_dtype).value
        found.append(
            Text(
                "at the whole {dtype} peak of {device} it takes {days:number} device-days",
                dtype=one.training_dtype,
                device=one.name,
                days=at_peak / DAY,
            )
        )
    if said.usd is not None and device_s is not None:
        found.append(
            Text(
                "${usd:number} for {hours:count} device-hours are ${each:number} an hour",
                usd=said.usd,
                hours=device_s / HOUR,
                each=said.usd / (device_s / HOUR),
            )
        )
    return found


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
    return Text("no source gives {device} a peak rate, or the claim gives no FLOP", device=one.name)
