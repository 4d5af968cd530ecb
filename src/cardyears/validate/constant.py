"""What would one constant share of peak have said? The rule that estimates are held against.

    time = model FLOP / (share · peak · devices)

with one share for all runs: the median of what they attain, so that the rule has the benefit of hindsight.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import lru_cache

from cardyears.validate.compare import Compared
from cardyears.validate.read import Problem
from cardyears.work.architecture import Architecture
from cardyears.work.flops import finetune_flop, model_flop
from cardyears.work.state import Training


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


def constant(every: Sequence[Compared]) -> tuple[float, list[Compared]]:
    """The share that fits these runs best, and what it predicts for each."""
    times = [at_peak_s(one.problem) for one in every]
    attained = [seconds / one.measured_s for seconds, one in zip(times, every, strict=True) if seconds]
    if not attained:
        return 0.0, []
    share = statistics.median(attained)
    return share, [
        Compared(one.problem, seconds / share, one.measured_s)
        for seconds, one in zip(times, every, strict=True)
        if seconds
    ]
