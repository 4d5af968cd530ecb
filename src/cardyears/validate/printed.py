"""How long did a step take of which only a rate of FLOP was printed? By the convention that the row names.

Such rows are scored apart: what counts as a FLOP differs from program to program, and a convention that is stated is
often not quite the one that was used.
"""

from __future__ import annotations

from cardyears.base.text import N_
from cardyears.base.units import TERA
from cardyears.validate.compare import measured_step
from cardyears.validate.read import Problem
from cardyears.work.flops import conventions, model_flop, recomputed_flop

NO_CONVENTION = N_("only a rate of FLOP or a share of peak, and not by which convention (flops_convention)")
NO_COUNT = N_("only a rate of FLOP or a share of peak, and not on how many devices (n_gpus)")
_WIDE = ("bf16", "fp16")
"""Precisions of which everybody takes the same peak: below them some take that of bf16."""


def is_printed(problem: Problem) -> bool:
    """Whether the row has neither a time nor a rate of tokens, but a rate of FLOP or a share of peak."""
    run = problem.measured
    return problem.step_s is None and (run.tflop_s, run.mfu, run.hfu) != (None, None, None)


def printed_step(problem: Problem) -> float | None:
    """Seconds of a step by the printed rate of FLOP or share of peak; None where its convention is not known."""
    run = problem.measured
    known = measured_step(problem)
    if known is not None or not (run.devices and run.device):
        return known
    each, rate = _flop_per_token(problem), _rate(problem)
    return None if each is None or rate is None else each * problem.tokens / (rate * run.devices)


def _flop_per_token(problem: Problem) -> float | None:
    """FLOP of a token by the row's convention; what a convention counts of adapters nobody says."""
    arch, length = problem.architecture, problem.seq_len
    if problem.training.adapters:
        return None
    by = {
        "HFU": recomputed_flop(arch, length),
        "6N+attn": model_flop(arch, length),
        "6N": conventions(arch, length)["6n"],
    }.get(problem.measured.flop_convention)
    return None if by is None else float(by)


def _rate(problem: Problem) -> float | None:
    """FLOP each second on one device, as printed or from the share of its peak."""
    run, device = problem.measured, problem.device
    if run.tflop_s is not None:
        return run.tflop_s * TERA
    share = run.hfu if run.flop_convention == "HFU" else run.mfu
    if share is None or problem.layout.precision not in _WIDE or problem.layout.precision not in device.peaks:
        return None
    return float(share) * device.peak(problem.layout.precision).value
