"""What is the answer? Everything that a reader is told, as numbers and sentences still apart."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cardyears.answer.alternatives import Alternative, alternatives
from cardyears.answer.claims import ClaimAudit, audit
from cardyears.answer.judgement import Judgement, settled
from cardyears.answer.judgement import judged as judged_case
from cardyears.answer.ladder import Rung, ladder
from cardyears.answer.links import linked
from cardyears.answer.sensitivity import Lever, levers
from cardyears.answer.verdict import Verdict
from cardyears.base.interval import Interval
from cardyears.base.text import N_, Text, Value
from cardyears.case import Case
from cardyears.estimate import campaign

LEVERS_SHOWN = 3
WORTH_COMPARING = 0.1
"""An fp32 sum that equals less of the training peak misleads nobody: tensor cores of an H100 are 15 times as fast."""


class UtilizationReading(msgspec.Struct, frozen=True):
    """One meaning of a stated "90 %" and what it would give."""

    key: str
    meaning: Text
    available: Interval
    card_years: Interval


class NaiveSum(msgspec.Struct, frozen=True):
    """The usual back-of-envelope sum, on the fp32 rate, and the MFU on tensor cores that it equals."""

    utilization: float
    peak: float
    available: float
    share: float
    card_years: float
    training_dtype: str
    training_peak: float
    equal_mfu: float
    by_accident: bool
    """Whether such devices attain that MFU: then the sum is about right for a wrong reason."""


class Answer(msgspec.Struct, frozen=True):
    """The answer to one question, with its case."""

    case: Case
    judgement: Judgement
    headline: Text
    levers: tuple[Lever, ...]
    ladder: tuple[Rung, ...]
    alternatives: tuple[Alternative, ...]
    claims: tuple[ClaimAudit, ...]
    readings: tuple[UtilizationReading, ...]
    naive: NaiveSum | None

    @property
    def verdict(self) -> Verdict:
        """The worst of the three findings."""
        return self.judgement.verdicts.overall


def answer(case: Case) -> Answer:
    """The whole answer to a case."""
    found = linked(case)
    case = settled(case, found)
    judged = judged_case(case, found)
    return Answer(
        case=case,
        judgement=judged,
        headline=headline(case, judged),
        levers=tuple(levers(case)[:LEVERS_SHOWN]),
        ladder=tuple(ladder(case)),
        alternatives=tuple(alternatives(case)),
        claims=tuple(audit(claim) for claim in case.claims),
        readings=tuple(utilization_readings(case)),
        naive=naive_sum(case),
    )


def headline(case: Case, judged: Judgement) -> Text:
    """The verdict in a sentence, for somebody who is no engineer."""
    overall, words = judged.verdicts.overall, _words(case, judged)
    if overall is Verdict.NO:
        return _no(case, judged, words)
    if overall is Verdict.UNLIKELY:
        return Text("Unlikely: only at the optimistic end of the estimate can {machine} train {model}.", **words)
    if overall is Verdict.UNKNOWN:
        return Text("It cannot be said whether {machine} can train {model}: {why}.", why=_unknown(judged), **words)
    return Text(_GOOD[overall, case.method], **words)


def _no(case: Case, judged: Judgement, words: Mapping[str, Value]) -> Text:
    """Memory, time or money: what is short, each with its number."""
    fits = judged.verdicts.fits.verdict is not Verdict.NO
    too_slow = judged.time is not None and judged.time.low > case.seconds
    if not fits and too_slow:
        return Text(
            "No: training {model} takes {need:bytes} of memory where {have:bytes} are there, and in {time:duration} "
            "{machine} can do {share:percent} of the computation.",
            **words,
        )
    if not fits:
        return Text("No: training {model} this way takes {need:bytes} of memory where {have:bytes} are there.", **words)
    if too_slow:
        return Text("No: in {time:duration} {machine} can do {share:percent} of the computation for {model}.", **words)
    if judged.verdicts.connected_enough.verdict is Verdict.NO:
        why = judged.verdicts.connected_enough.why
        return Text("No: {machine} are not connected well enough for {model}: {why}.", why=why, **words)
    return Text("No: training {model} costs too much: {why}.", why=judged.verdicts.fast_enough.why, **words)


def _words(case: Case, judged: Judgement) -> dict[str, Value]:
    """What a headline may need; figures that are missing are in no headline that would name them."""
    words: dict[str, Value] = {"model": case.workload.name, "machine": machine_name(case)}
    if judged.memory is not None:
        words |= {"need": judged.memory.required.mid, "have": judged.memory.available}
    within = judged.verdicts.overall in (Verdict.YES, Verdict.PROBABLY)
    words["time"] = judged.time.mid if within and judged.time is not None else case.seconds
    if judged.share is not None:
        words["share"] = judged.share.mid
    return words


_GOOD = {
    (Verdict.YES, "pretrain"): N_("Yes: {machine} can train {model} in about {time:duration}."),
    (Verdict.YES, "full"): N_("Yes: {machine} can fine-tune {model} in about {time:duration}."),
    (Verdict.YES, "lora"): N_("Yes: {machine} can fine-tune {model} with LoRA in about {time:duration}."),
    (Verdict.YES, "qlora"): N_("Yes: {machine} can fine-tune {model} with QLoRA in about {time:duration}."),
    (Verdict.PROBABLY, "pretrain"): N_("Probably: {machine} can train {model} in about {time:duration}."),
    (Verdict.PROBABLY, "full"): N_("Probably: {machine} can fine-tune {model} in about {time:duration}."),
    (Verdict.PROBABLY, "lora"): N_("Probably: {machine} can fine-tune {model} with LoRA in about {time:duration}."),
    (Verdict.PROBABLY, "qlora"): N_("Probably: {machine} can fine-tune {model} with QLoRA in about {time:duration}."),
}


def _unknown(judged: Judgement) -> Text:
    three = (judged.verdicts.fits, judged.verdicts.fast_enough, judged.verdicts.connected_enough)
    return next(finding.why for finding in three if finding.verdict is Verdict.UNKNOWN)


def machine_name(case: Case) -> Text:
    """The machine as a sentence has it: "one RTX 4070 Ti" or "8 H100 SXM 80GB"."""
    if case.cluster.count == 1:
        return Text("one {device}", device=case.cluster.device.name)
    return Text("{count:integer} {device}", count=case.cluster.count, device=case.cluster.device.name)


def utilization_readings(case: Case) -> list[UtilizationReading]:
    """The three things that a stated percentage may mean, with what each would give."""
    rate = case.rate
    if rate is None or not rate.stated:
        return []
    stated = rate.share.mid
    # What such devices attain was measured against the training peak, whatever peak the percentage is of.
    as_driver = msgspec.structs.replace(rate, peak=rate.training_peak, share=rate.measured_share, duty=1.0)
    as_calendar = msgspec.structs.replace(as_driver, duty=stated)
    options = (
        ("share-of-peak", Text("{p:percent} of the {dtype} peak is attained", p=stated, dtype=rate.dtype), rate),
        (
            "calendar",
            Text("the card works {p:percent} of the calendar and attains what such cards do", p=stated),
            as_calendar,
        ),
        (
            "driver-busy",
            Text(
                "the driver shows {p:percent} busy, which says nothing of the rate; attained as such cards do", p=stated
            ),
            as_driver,
        ),
    )
    readings = []
    for key, meaning, one in options:
        per_card = campaign.attained_rate(one.peak, one.share, one.duty)
        readings.append(
            UtilizationReading(
                key,
                meaning,
                campaign.available_flop(per_card, float(case.cluster.count), case.seconds),
                campaign.card_years(case.workload.flop, per_card),
            )
        )
    return readings


def naive_sum(case: Case) -> NaiveSum | None:
    """The fp32 sum beside the training peak; None where it would be the same sum, or no percentage was stated.

    MFU = utilisation · fp32 peak / training peak
    """
    rate, one = case.rate, case.cluster.device
    dtype = one.training_dtype
    if rate is None or not rate.stated or dtype in (None, "fp32") or "fp32" not in one.peaks:
        return None
    slow, fast = one.peaks["fp32"].value, one.peak(dtype or "").value
    per_card = campaign.attained_rate(slow, rate.share.mid, rate.duty)
    have = campaign.available_flop(per_card, float(case.cluster.count), case.seconds)
    mfu = rate.share.mid * slow / fast
    if mfu < WORTH_COMPARING:
        return None
    return NaiveSum(
        utilization=rate.share.mid,
        peak=slow,
        available=have,
        share=have / case.workload.flop.mid,
        card_years=campaign.card_years(case.workload.flop.mid, per_card),
        training_dtype=dtype or "",
        training_peak=fast,
        equal_mfu=mfu,
        by_accident=rate.measured_share.low <= mfu <= rate.measured_share.high,
    )
