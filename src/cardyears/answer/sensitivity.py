"""Which assumptions move the answer most? Each is moved alone from its low to its high end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from cardyears.answer.judgement import judge
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.case import Case

PARTIAL_DUTY = 0.5
"""A card that also serves other work, or rests at night: the pessimistic end for the duty cycle."""


class Lever(msgspec.Struct, frozen=True):
    """One assumption and the card-years at its two ends."""

    key: str
    what: Text
    low_card_years: float
    high_card_years: float

    @property
    def swing(self) -> float:
        """How many times the card-years grow from one end to the other."""
        return self.high_card_years / self.low_card_years


def levers(case: Case) -> list[Lever]:
    """All assumptions that the time rests on, the strongest first."""
    found = [_lever(key, what, ends) for key, what, ends in _moves(case)]
    return sorted((lever for lever in found if lever and lever.swing > 1.001), key=lambda lever: -lever.swing)


def _moves(case: Case) -> Iterator[tuple[str, Text, Sequence[Case]]]:
    """(key, what it is, and the case at each of its ends)."""
    rate, work = case.rate, case.workload
    if rate is None:
        return
    flop = work.flop
    if flop.low < flop.high:
        yield (
            "required_flop",
            Text("FLOP required: {low:flop} or {high:flop}", low=flop.low, high=flop.high),
            (_with_flop(case, flop.low), _with_flop(case, flop.high)),
        )
    elif work.tokens:
        yield (
            "tokens",
            Text("tokens seen: half or twice {tokens:count}", tokens=work.tokens),
            (_with_flop(case, flop.mid / 2), _with_flop(case, flop.mid * 2)),
        )
    share = rate.measured_share
    if rate.stated:
        usual = msgspec.structs.replace(rate, peak=rate.training_peak)
        ends = [msgspec.structs.replace(usual, share=Interval.exact(end)) for end in (share.low, share.high)]
        what = Text(
            "share of peak: {stated:percent} as stated, {low:percent} to {high:percent} as such cards attain",
            stated=rate.share.mid,
            low=share.low,
            high=share.high,
        )
        yield "utilization", what, (case, *(msgspec.structs.replace(case, rate=end) for end in ends))
    else:
        yield (
            "mfu",
            Text("share of peak attained (MFU): {high:percent} or {low:percent}", low=share.low, high=share.high),
            (_with_share(case, share.high), _with_share(case, share.low)),
        )
    yield (
        "duty",
        Text("duty cycle: {high:percent} or {low:percent} of the calendar", high=1.0, low=PARTIAL_DUTY),
        (_with_duty(case, 1.0), _with_duty(case, PARTIAL_DUTY)),
    )
    if rate.peak.low < rate.peak.high:
        yield (
            "peak",
            Text("peak of such a card: {high:rate} or {low:rate}", high=rate.peak.high, low=rate.peak.low),
            (_with_peak(case, rate.peak.high), _with_peak(case, rate.peak.low)),
        )


def _with_flop(case: Case, flop: float) -> Case:
    return msgspec.structs.replace(case, workload=msgspec.structs.replace(case.workload, flop=Interval.exact(flop)))


def _with_share(case: Case, share: float) -> Case:
    assert case.rate is not None
    return msgspec.structs.replace(case, rate=msgspec.structs.replace(case.rate, share=Interval.exact(share)))


def _with_duty(case: Case, duty: float) -> Case:
    assert case.rate is not None
    return msgspec.structs.replace(case, rate=msgspec.structs.replace(case.rate, duty=duty))


def _with_peak(case: Case, peak: float) -> Case:
    assert case.rate is not None
    return msgspec.structs.replace(case, rate=msgspec.structs.replace(case.rate, peak=Interval.exact(peak)))


def _lever(key: str, what: Text, cases: Sequence[Case]) -> Lever | None:
    """The card-years at the ends of an assumption; None where a figure is missing."""
    years = [found for found in map(_card_years, cases) if found is not None]
    return Lever(key, what, min(years), max(years)) if len(years) == len(cases) else None


def _card_years(case: Case) -> float | None:
    judged = judge(case).card_years
    return judged.mid if judged else None
