"""Yes or no, and how sure? Three findings, the worst of which is the verdict."""

from __future__ import annotations

from enum import Enum

import msgspec

from cardyears.base.interval import Interval
from cardyears.base.text import N_, Text


class Verdict(Enum):
    """An outcome; `sentence` says what it means."""

    YES = "yes"
    PROBABLY = "probably"
    UNLIKELY = "unlikely"
    NO = "no"
    UNKNOWN = "unknown"

    @property
    def sentence(self) -> str:
        """What the outcome means."""
        return _SENTENCES[self]


_SENTENCES = {
    Verdict.YES: N_("holds even at the pessimistic end of the estimate"),
    Verdict.PROBABLY: N_("holds at the middle of the estimate"),
    Verdict.UNLIKELY: N_("holds only at the optimistic end of the estimate"),
    Verdict.NO: N_("does not hold even at the optimistic end of the estimate"),
    Verdict.UNKNOWN: N_("cannot be said"),
}

_WORST_FIRST = (Verdict.NO, Verdict.UNKNOWN, Verdict.UNLIKELY, Verdict.PROBABLY, Verdict.YES)


class Finding(msgspec.Struct, frozen=True):
    """One verdict with the sentence that has its number against its limit."""

    verdict: Verdict
    why: Text


class Verdicts(msgspec.Struct, frozen=True):
    """The three questions: does it fit, is it fast enough, is it connected enough?"""

    fits: Finding
    fast_enough: Finding
    connected_enough: Finding

    @property
    def overall(self) -> Verdict:
        """The worst of the three; a no outweighs an unknown, an unknown everything else."""
        return worst(self.fits.verdict, self.fast_enough.verdict, self.connected_enough.verdict)


def worst(*verdicts: Verdict) -> Verdict:
    """The worst of several: a no outweighs an unknown, an unknown everything else.

    >>> worst(Verdict.YES, Verdict.UNKNOWN, Verdict.UNLIKELY)
    <Verdict.UNKNOWN: 'unknown'>
    """
    return min(verdicts, key=_WORST_FIRST.index)


def best(*verdicts: Verdict) -> Verdict:
    """The best of several.

    >>> best(Verdict.NO, Verdict.PROBABLY)
    <Verdict.PROBABLY: 'probably'>
    """
    return max(verdicts, key=_WORST_FIRST.index)


def within(needed: Interval, limit: float) -> Verdict:
    """Whether a quantity stays within a limit.

    >>> within(Interval(8.0, 10.0, 12.0), 11.0)
    <Verdict.PROBABLY: 'probably'>
    """
    if needed.high <= limit:
        return Verdict.YES
    if needed.mid <= limit:
        return Verdict.PROBABLY
    return Verdict.UNLIKELY if needed.low <= limit else Verdict.NO
