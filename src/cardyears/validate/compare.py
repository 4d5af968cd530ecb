"""How far is the estimate from the measurement? A problem to a job, and the times to hold against each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import msgspec

from cardyears.case import Job
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.many import Task, step_seconds
from cardyears.estimate.setting import Setting, setting
from cardyears.machine.engine import Engine
from cardyears.machine.silicon import Silicon
from cardyears.resolve.defaults import DEFAULTS, Assumed
from cardyears.resolve.engines import engine
from cardyears.resolve.hosts import host
from cardyears.resolve.silicon import silicon
from cardyears.validate.notes import BARE_VOCABULARY
from cardyears.validate.read import Problem
from cardyears.work.flops import model_flop, recomputed_flop

FORCED_BALANCE = "balanced"
"""Flag of runs that force every expert to take as many tokens."""
USUAL_LOAD = DEFAULTS["expert_load"].value


def engines(catalogue: Catalogue) -> dict[str, Engine]:
    """All engines by key, each as its last release is."""
    return {key: engine(key, row) for key, row in catalogue.engines.items()}


def job(problem: Problem, catalogue: Catalogue, runs_it: Engine, chip: Silicon | None = None) -> Job:
    """The job that a measured run did."""
    return Job(
        architecture=problem.architecture,
        training=problem.training,
        seq_len=float(problem.seq_len),
        cluster=problem.cluster,
        silicon=chip or silicon(problem.device, catalogue),
        engine=runs_it,
        host=host(problem.cluster, Assumed({})),
        document=problem.document,
        bare_vocabulary=_bare(problem),
        expert_load=1.0 if FORCED_BALANCE in problem.measured.flags else USUAL_LOAD,
        usable_bytes=problem.device.memory.value,
    )


def _bare(problem: Problem) -> bool:
    """Whether the vocabulary is not padded though the engine would: vTrain's runs on one node.

    They add up from layers and micro-batches, most to a thousandth, as sums of profiled kernels would, and their heads
    on one device are as slow as products with 50,257 columns; those across nodes are not.
    """
    return BARE_VOCABULARY in problem.measured.flags and problem.cluster.nodes == 1


def clocked_step(problem: Problem) -> float | None:
    """Seconds of a step by the clock or the rate of tokens: what estimates are scored on."""
    return problem.step_s


def measured_step(problem: Problem) -> float | None:
    """The same, and where a row has neither, by its printed rate of FLOP and the convention that it names."""
    if problem.step_s is not None:
        return problem.step_s
    run = problem.measured
    if run.tflop_s is None or not run.devices:
        return None
    arch, length = problem.architecture, problem.seq_len
    by = {"HFU": recomputed_flop(arch, length), "6N+attn": model_flop(arch, length)}.get(run.flop_convention)
    return None if by is None else float(by) * problem.tokens / (run.tflop_s * 1e12 * run.devices)


class Compared(msgspec.Struct, frozen=True, gc=False):
    """One run, predicted and measured."""

    problem: Problem
    predicted_s: float
    measured_s: float

    @property
    def error(self) -> float:
        """Predicted over measured step time, minus one: above zero where the estimate is too slow."""
        return self.predicted_s / self.measured_s - 1.0

    @property
    def mfu_error(self) -> float:
        """Predicted over measured rate, minus one."""
        return self.measured_s / self.predicted_s - 1.0


def _dated(catalogue: Catalogue) -> Callable[[Problem], Engine]:
    """Gives the engine of a run as it was when the run was measured; each is made once."""
    known: dict[tuple[str, float | None], Engine] = {}

    def of(problem: Problem) -> Engine:
        key = (problem.engine, problem.year)
        if key not in known:
            known[key] = engine(problem.engine, catalogue.engines[problem.engine], problem.year)
        return known[key]

    return of


def compared(
    made: Iterable[Problem],
    catalogue: Catalogue,
    seconds: Callable[[Problem], float | None] = clocked_step,
    engine_of: Callable[[Problem], Engine] | None = None,
) -> list[Compared]:
    """Every run with a measured speed, which `seconds` gives, whose device has the figures that an estimate needs.

    The engine is the catalogue's of that name and of the run's year, or what `engine_of` gives.
    """
    engine_of = engine_of or _dated(catalogue)
    chips: dict[str, Silicon] = {}
    timed: list[tuple[Problem, float]] = []
    tasks = []
    there: dict[Hashable, Setting] = {}
    for problem in made:
        measured = seconds(problem)
        if measured is None or not estimable(problem):
            continue
        if problem.device.key not in chips:
            chips[problem.device.key] = silicon(problem.device, catalogue)
        one = job(problem, catalogue, engine_of(problem), chips[problem.device.key])
        # Runs of one model on one machine share all that no layout changes; problems and tasks keep them alive.
        key = (
            id(problem.architecture), id(problem.cluster), id(one.engine), problem.layout.precision,
            one.attended_length, problem.training,
        )  # fmt: skip
        if key not in there:
            there[key] = setting(one, problem.layout.precision)
        timed.append((problem, measured))
        tasks.append(Task(one, problem.layout, there[key]))
    predicted = step_seconds(tasks).tolist()
    return [Compared(problem, total, time) for (problem, time), total in zip(timed, predicted, strict=True)]


def estimable(problem: Problem) -> bool:
    """Whether the device has a bandwidth and a peak, and the time was measured on it."""
    has_figures = problem.device.bandwidth is not None and problem.device.training_dtype is not None
    return has_figures and (problem.step_s is None or problem.scores_speed)


class Errors(msgspec.Struct, frozen=True):
    """How far estimates lie from measurements."""

    runs: int
    median: float
    """Of the absolute errors."""
    mean: float
    p90: float
    bias: float
    """Median of the errors with their sign."""


def errors(signed: Iterable[float]) -> Errors:
    """The usual summary of signed relative errors.

    >>> errors([-0.1, 0.1, 0.2]).bias
    0.1
    """
    values = sorted(signed)
    sizes = sorted(abs(value) for value in values)
    return Errors(
        len(sizes), quantile(sizes, 0.5), sum(sizes) / len(sizes), quantile(sizes, 0.9), quantile(values, 0.5)
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of ordered numbers, between two of them in proportion.

    >>> quantile([1.0, 2.0, 4.0], 0.75)
    3.0
    """
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
