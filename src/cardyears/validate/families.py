"""Does the estimate choose rightly? Measured families of layouts of one model on one cluster, and what is chosen.

The regret is what choosing by the estimate costs; the rank correlation says whether the order is right besides.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from cardyears.validate.compare import Compared

FEWEST = 4
"""Different layouts that make a family."""


class Family(msgspec.Struct, frozen=True):
    """Runs of the same model, cluster, length and batch that differ in their layout alone."""

    source: str
    devices: int
    runs: int
    regret: float
    """Measured time of the layout that is estimated fastest, over that of the fastest, minus one."""
    order: float
    """Spearman's rank correlation of estimated with measured times."""
    spread: float
    """Measured time of the slowest over that of the fastest."""


class Choice(msgspec.Struct, frozen=True):
    """Several families together."""

    families: int
    runs: int
    regret: float
    order: float
    """Medians over families."""
    worst_regret: float


def families(every: Iterable[Compared]) -> list[Family]:
    """The families of good runs over several nodes.

    Those of another device are another family: its speed is no choice of a layout.
    """
    found: defaultdict[tuple[object, ...], list[Compared]] = defaultdict(list)
    for one in every:
        problem = one.problem
        cluster, run = problem.cluster, problem.measured
        if run.quality == "good" and cluster.count > cluster.per_node:
            batch = float(problem.layout.global_batch)
            machine = (cluster.device.key, cluster.count, cluster.per_node)
            key = (run.source, problem.architecture, *machine, problem.seq_len, batch, problem.engine)
            found[key].append(one)
    return [_family(runs) for runs in found.values() if len({str(one.problem.layout) for one in runs}) >= FEWEST]


def choice(some: Sequence[Family]) -> Choice:
    """What families come to together."""
    return Choice(
        families=len(some),
        runs=sum(one.runs for one in some),
        regret=statistics.median(one.regret for one in some),
        order=statistics.median(one.order for one in some),
        worst_regret=max(one.regret for one in some),
    )


def _family(runs: Sequence[Compared]) -> Family:
    predicted, measured = [one.predicted_s for one in runs], [one.measured_s for one in runs]
    chosen = measured[predicted.index(min(predicted))]
    first = runs[0].problem
    return Family(
        source=first.measured.source,
        devices=first.cluster.count,
        runs=len(runs),
        regret=chosen / min(measured) - 1.0,
        order=rank_correlation(predicted, measured),
        spread=max(measured) / min(measured),
    )


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's: 1 where both order alike, -1 where they order the other way round; equal values share their rank.

    >>> rank_correlation([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]), rank_correlation([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])
    (1.0, -1.0)
    """
    first, second = _ranks(one), _ranks(other)
    middle = statistics.mean(first)
    covered = math.fsum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    width = math.fsum((a - middle) ** 2 for a in first) * math.fsum((b - middle) ** 2 for b in second)
    return covered / math.sqrt(width) if width else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    """The place of each value in order; equal ones have their mean place."""
    return [sum(other < value for other in values) + sum(other == value for other in values) / 2.0 for value in values]
