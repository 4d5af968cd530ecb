"""Is a published sum plausible? What share of peak it implies.

    implied MFU = C / (n · peak · t)

Above 1 nothing can run; above what has been measured, nobody has shown it.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from cardyears.answer.verdict import Verdict
from cardyears.base.interval import Interval
from cardyears.base.text import N_
from cardyears.case import Claim


class Plausibility(Enum):
    """What an implied share of peak says about a claim."""

    IMPOSSIBLE = "impossible"
    IMPLAUSIBLE = "implausible"
    HIGH = "high"
    PLAUSIBLE = "plausible"
    LOW = "low"
    OVERSTATED = "overstated"
    CONTRADICTORY = "contradictory"

    @property
    def sentence(self) -> str:
        """What it means."""
        return _SENTENCES[self]

    @property
    def verdict(self) -> Verdict:
        """Whether the claim can be believed, in the five words of every answer."""
        return _VERDICTS[self]


_SENTENCES = {
    Plausibility.IMPOSSIBLE: N_("which nothing can exceed"),
    Plausibility.IMPLAUSIBLE: N_("more than any measured training run: a peak rate was taken for an attained one"),
    Plausibility.HIGH: N_("more than runs usually do"),
    Plausibility.PLAUSIBLE: N_("as runs do"),
    Plausibility.LOW: N_("less than runs do: idle or failed hours, or a slow program, are in it"),
    Plausibility.OVERSTATED: N_("so little that the time is far too long"),
    Plausibility.CONTRADICTORY: N_("and its figures contradict each other"),
}

_VERDICTS = {
    Plausibility.IMPOSSIBLE: Verdict.NO,
    Plausibility.IMPLAUSIBLE: Verdict.NO,
    Plausibility.HIGH: Verdict.UNLIKELY,
    Plausibility.PLAUSIBLE: Verdict.YES,
    Plausibility.LOW: Verdict.PROBABLY,
    Plausibility.OVERSTATED: Verdict.NO,
    Plausibility.CONTRADICTORY: Verdict.NO,
}

BEST_MEASURED_SHARE = 0.75
"""No measured training run of a decoder in bf16 on a data-centre GPU exceeds this share of the dense peak; where a
family attains more (GeForce cards clock above their rating), its own high end counts."""


FAR_TOO_LONG = 10.0
"""A share of peak so many times below what runs attain is no slow run any more, but a sum gone wrong."""


class ClaimAudit(msgspec.Struct, frozen=True):
    """A claim and the share of peak that it implies."""

    name: str
    source: str
    device: str
    dtype: str
    implied_mfu: float
    plausibility: Plausibility
    seconds: float
    devices: int
    usual_seconds: float
    """The same work on the same devices at the usual share."""


def implied_mfu(flop: float, devices: float, peak: float, seconds: float) -> float:
    """The share of peak that so much work in so long a time implies.

    >>> round(implied_mfu(3.14e23, 1, 312e12, 35 * 365 * 86_400), 3)
    0.912
    """
    return flop / (devices * peak * seconds)


def judge_share(share: float, usual: Interval) -> Plausibility:
    """A word for an implied share of peak, against what such devices usually attain.

    >>> judge_share(0.912, Interval(0.3, 0.45, 0.6))
    <Plausibility.IMPLAUSIBLE: 'implausible'>
    """
    if share > 1:
        return Plausibility.IMPOSSIBLE
    if share > max(BEST_MEASURED_SHARE, usual.high):
        return Plausibility.IMPLAUSIBLE
    if share > usual.high:
        return Plausibility.HIGH
    if share < usual.low / FAR_TOO_LONG:
        return Plausibility.OVERSTATED
    return Plausibility.PLAUSIBLE if share >= usual.low else Plausibility.LOW


def audit(claim: Claim) -> ClaimAudit:
    """A published claim beside what it implies and what such devices attain."""
    share = implied_mfu(claim.flop, claim.devices, claim.peak, claim.seconds)
    return ClaimAudit(
        name=claim.name,
        source=claim.source,
        device=claim.device,
        dtype=claim.dtype,
        implied_mfu=share,
        plausibility=judge_share(share, claim.usual_share),
        seconds=claim.seconds,
        devices=claim.devices,
        usual_seconds=claim.seconds * share / claim.usual_share.mid,
    )
