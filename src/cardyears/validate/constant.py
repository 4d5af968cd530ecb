"""What would one constant share of peak have said? The rule that estimates are held against.

    time = model FLOP / (share · peak · devices)

with one share for all runs: the median of what they attain, so that the rule has the benefit of hindsight.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cardyears.base.text import Text
from cardyears.validate.compare import Compared
from cardyears.validate.read import Problem
from cardyears.work.architecture import Architecture
from cardyears.work.flops import finetune_flop, model_flop
from cardyears.work.state import Training

FEWEST = 3
"""Runs of which the rule can be scored: the share is fitted on these same runs, so that it is that of a single one and
lies midway between two."""
TOO_FEW = Text(
    "One constant share of peak has no error here: it is the share that fits these same rows, which says nothing where "
    "there are fewer than {n:integer}.",
    n=FEWEST,
)


def at_peak_s(problem: Problem) -> float | None:
    """Seconds of a step at the whole training peak; None where no source gives one."""
    device, arch, training = problem.device, problem.architecture, problem.training
    if device.training_dtype is None:
        return None
    peak = device.peak(device.training_dtype).value
    return _flop_per_token(arch, problem.seq_len, training) * problem.tokens / (peak * float(problem.layout.devices))


@lru_cache(maxsize=1024)
def _flop_per_token(arch: Architecture, seq_len: int, training: Training) -> float:
    if training.adapters:
        return float(finetune_flop(arch, seq_len, training.active_adapter_parameters(arch)))
    return float(model_flop(arch, seq_len))


def implied_share(one: Compared) -> float | None:
    """The share of the training peak that a run attained, as measured (MFU)."""
    seconds = at_peak_s(one.problem)
    return None if seconds is None else seconds / one.measured_s


class Constant(NamedTuple):
    """What one share says of some runs."""

    share: float | None
    """Of the training peak; None where the runs are too few, or none."""
    runs: list[Compared]
    """Each as the share predicts it."""
    why: Text | None = None
    """Why there is none though there are runs."""


def constant(every: Sequence[Compared]) -> Constant:
    """The share that fits these runs best, and what it predicts for each."""
    timed = [(one, seconds) for one in every if (seconds := at_peak_s(one.problem))]
    if len(timed) < FEWEST:
        return Constant(None, [], TOO_FEW if timed else None)
    share = statistics.median(seconds / one.measured_s for one, seconds in timed)
    return Constant(share, [Compared(one.problem, seconds / share, one.measured_s) for one, seconds in timed])
