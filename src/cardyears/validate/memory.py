"""How far is the estimated peak memory from the measured one? Row by row, by group, and with a source left out.

Sources report three different peaks (`habits.Reported`): each is held against the same three of the estimate.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec

from cardyears.answer.verdict import Verdict, within
from cardyears.base.interval import Interval
from cardyears.base.ledger import Ledger
from cardyears.base.units import GIB
from cardyears.estimate.buffers import logits
from cardyears.estimate.memory import memory
from cardyears.machine.engine import Engine, MemoryHabits
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import usable_assumption
from cardyears.validate.compare import Errors, errors
from cardyears.validate.habits import Reported, reported
from cardyears.validate.habits import memory as own_habits
from cardyears.validate.read import Problem

FULL_DEVICE = 0.99
"""Of a device's nominal memory, what the driver gives out: no peak is higher."""
WIDTH = 0.8
"""Share of the truths that an interval is to hold."""


class ComparedMemory(msgspec.Struct, frozen=True):
    """One run's peak, predicted and measured, in bytes."""

    problem: Problem
    reports: Reported
    """What the measured peak is a peak of."""
    needed: float
    """The whole ledger: what must be there."""
    predicted: float
    """The same peak as was measured."""
    measured: float | None
    """None where it ran out of memory."""

    @property
    def error(self) -> float:
        """Predicted over measured peak, minus one: above zero where the estimate is too high."""
        return self.predicted / self.measured - 1.0 if self.measured else math.nan

    @property
    def ratio(self) -> float:
        """Logarithm of the measured over the predicted peak."""
        return math.log(self.measured / self.predicted) if self.measured else math.nan

    @property
    def stated(self) -> bool:
        """Whether the row is of good quality and says itself what is computed again and how long sequences are."""
        run = self.problem.measured
        return run.quality == "good" and run.recompute is not None and run.seq_len is not None


def compared_memory(made: Iterable[Problem], known: Mapping[str, Engine]) -> list[ComparedMemory]:
    """Every run with a measured peak, and every one that ran out of memory."""
    return [_compared(problem, known[problem.engine].memory) for problem in made if problem.measured.has_memory]


def _compared(problem: Problem, habits: MemoryHabits) -> ComparedMemory:
    run = problem.measured
    habits = own_habits(run, problem.architecture, habits)
    length = float(problem.seq_len)
    ledger = memory(problem.architecture, problem.training, problem.layout, length, habits=habits)
    kind = reported(run)
    peak = None if run.peak_gib is None or run.outcome == "oom" else run.peak_gib * GIB
    return ComparedMemory(problem, kind, float(ledger.total), reported_bytes(problem, ledger, habits, kind), peak)


def reported_bytes(problem: Problem, ledger: Ledger, habits: MemoryHabits, kind: Reported) -> float:
    """The estimate of what a source reports.

    allocated   the ledger without the allocator's reserve and the context
    reserved    without the context, with the idle blocks that the allocator holds while there is room
    driver      and with the context
    """
    total, context = float(ledger.total), float(ledger.get("context", 0.0))
    if kind == "allocated":
        return total - context - float(ledger.get("reserve", 0.0))
    layout = problem.layout
    tokens = float(layout.micro_batch) * problem.seq_len / float(layout.cp)
    idle = habits.idle_logits * float(logits(problem.architecture, layout, tokens, habits))
    idle += habits.idle_share * (total - context)
    room = math.inf if problem.assumes("device") else problem.device.memory.value * FULL_DEVICE
    return min(total + idle, max(total, room)) - (context if kind == "reserved" else 0.0)


Key = Callable[[ComparedMemory], str]
GROUPS: Mapping[str, Key] = {
    "source": lambda one: one.problem.measured.source,
    "engine": lambda one: one.problem.engine,
    "method": lambda one: one.problem.measured.method,
    "quality": lambda one: one.problem.measured.quality,
}
"""What rows may be put together by."""


def memory_errors(rows: Iterable[ComparedMemory], by: Key | None = None) -> dict[str, Errors]:
    """The usual summary of the peaks' errors, of all rows or by group."""
    groups: dict[str, list[float]] = defaultdict(list)
    for one in rows:
        if one.measured:
            groups[by(one) if by else "all"].append(one.error)
    return {name: errors(signed) for name, signed in sorted(groups.items())}


def fit_verdict(one: ComparedMemory, spread: Interval) -> Verdict:
    """What the product says to the question whether such a run fits its devices.

    Nothing is said where the row leaves open how long its sequences are: that decides it.
    """
    if one.problem.assumes("seq_len", "device"):
        return Verdict.UNKNOWN
    device = one.problem.device
    assumed = Assumed({})
    usable = assumed.take(usable_assumption(device, assumed))
    return within(spread * one.needed, device.memory.value * usable)


def coverage(rows: Iterable[ComparedMemory], spread: Callable[[ComparedMemory], Interval]) -> float:
    """Share of the measured peaks that lie in their interval."""
    measured = [(one, spread(one)) for one in rows if one.measured]
    held = [width.low * one.predicted <= (one.measured or 0.0) <= width.high * one.predicted for one, width in measured]
    return sum(held) / len(held)


def weighted_quantiles(ratios: Mapping[str, list[float]], share: float = WIDTH) -> tuple[float, float]:
    """The two quantiles of measured over predicted between which a share of them lies.

    Every source weighs as the root of its runs: no large table drowns the others, no single row outweighs one.

    >>> weighted_quantiles({"one": [-0.1, 0.0, 0.1], "other": [0.0]}, 0.5)
    (1.0, 1.0)
    """
    weighed = sorted((ratio, 1.0 / math.sqrt(len(of))) for of in ratios.values() for ratio in of)
    total = sum(weight for _, weight in weighed)
    return tuple(math.exp(_at(weighed, total * end)) for end in ((1 - share) / 2, (1 + share) / 2))  # type: ignore[return-value]


def _at(weighed: list[tuple[float, float]], place: float) -> float:
    reached = 0.0
    for ratio, weight in weighed:
        reached += weight
        if reached >= place:
            return ratio
    return weighed[-1][0]
