"""How good are the estimates over many runs? The figures of the public contract, over any part of the runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from cardyears.answer.verdict import Verdict
from cardyears.validate.compare import errors, quantile
from cardyears.validate.held import Held
from cardyears.validate.runs import Measured

NEAR = 0.10
"""An estimate within so much of the measurement is counted as near."""


class Signed(NamedTuple):
    """One run's error, predicted over measured minus one, and whether the interval held the measurement."""

    source: str
    error: float
    inside: bool


class Scores(msgspec.Struct, frozen=True):
    """Errors without their sign, but for the bias; None where there is no run."""

    n: int
    median_abs_error: float | None = None
    median_of_source_medians: float | None = None
    p90_abs_error: float | None = None
    bias: float | None = None
    """Median of the errors with their sign: above zero where the estimate is too large."""
    interval_coverage: float | None = None
    """Share of runs inside their 80 % interval."""
    within_10pct: float | None = None
    mean_abs_error: float | None = None


def scores(some: Sequence[Signed]) -> Scores:
    """What errors come to.

    >>> scores([Signed("a", 0.1, True), Signed("a", -0.3, False), Signed("b", 0.04, True)]).median_abs_error
    0.1
    """
    if not some:
        return Scores(0)
    found = errors(one.error for one in some)
    by_source: defaultdict[str, list[float]] = defaultdict(list)
    for one in some:
        by_source[one.source].append(abs(one.error))
    medians = sorted(quantile(sorted(sizes), 0.5) for sizes in by_source.values())
    return Scores(
        n=found.runs,
        median_abs_error=found.median,
        median_of_source_medians=quantile(medians, 0.5),
        p90_abs_error=found.p90,
        bias=found.bias,
        interval_coverage=sum(one.inside for one in some) / len(some),
        within_10pct=sum(abs(one.error) <= NEAR for one in some) / len(some),
        mean_abs_error=found.mean,
    )


class FitVerdicts(msgspec.Struct, frozen=True):
    """Whether it was rightly said that runs fit their devices."""

    true_fit: int = 0
    """Ran, and the verdict is yes."""
    true_oom: int = 0
    """Went out of memory, and the verdict is no."""
    false_fit: int = 0
    """Went out of memory, though the verdict is yes."""
    false_oom: int = 0
    """Ran, though the verdict is no."""
    undecided: int = 0
    """Probably, unlikely or unknown."""
    probably_oom: int = 0
    """Of those: out of memory, though the verdict is probably."""


def has_device(run: Measured) -> bool:
    """Whether a run states its device, or at least the memory of it: else nobody can say whether it fits."""
    return bool(run.device) or run.limit_gib is not None


def fit_verdicts(some: Sequence[Held]) -> FitVerdicts:
    """The verdicts on runs whose device is stated, against what happened."""
    pairs = [(one.verdict, one.problem.measured.outcome == "oom") for one in some if has_device(one.problem.measured)]
    sure = (Verdict.YES, Verdict.NO)
    return FitVerdicts(
        true_fit=pairs.count((Verdict.YES, False)),
        true_oom=pairs.count((Verdict.NO, True)),
        false_fit=pairs.count((Verdict.YES, True)),
        false_oom=pairs.count((Verdict.NO, False)),
        undecided=sum(verdict not in sure for verdict, _ in pairs),
        probably_oom=pairs.count((Verdict.PROBABLY, True)),
    )
