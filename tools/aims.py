"""What was aimed at, and what is found: the lines of the page on accuracy, from the figures that the fits left."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cardyears.answer.verdict import Verdict
from cardyears.base.text import Text
from cardyears.layout.site import shape
from cardyears.validate.compare import Errors, errors
from cardyears.validate.families import choice, families
from cardyears.validate.held import Held
from cardyears.validate.memory import memory_errors
from cardyears.validate.report import Validation, grouped
from cardyears.validate.runs import Measured
from cardyears.validate.scores import has_device

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
FMS = "fms-"
"""Sources of fms-acceleration's benchmark, whose verdicts are looked at apart: it is two thirds of all that ran out."""


NARAYANAN = "narayanan-et-al-2021-1"


FEWEST = 5
"""Runs that a line of mixtures has."""
LEFT_OUT, OF_ALL = "left out", "in sample"


class Aim(NamedTuple):
    """One figure or a few, and the most (or the least) that they were to be."""

    what: str
    aim: str
    found: str
    reached: bool
    seen: str = OF_ALL
    """Whether the fit has seen the runs that it is of."""


def read(name: str) -> Any:
    """Figures that a tool left among the examples."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def aims(found: Validation, runs: Sequence[Measured]) -> list[Aim]:
    """Every aim. `found` is the validation of the runs that ship, `runs` these runs."""
    return [
        *(one._replace(seen=LEFT_OUT) for one in _steps()),
        *_memory(found),
        *_verdicts(found),
        *_use(found),
        *_reading(found, runs),
    ]


def _steps() -> Iterable[Aim]:
    fold, source = (read("held_out")[name] for name in ("fold", "source"))
    yield _most("a fifth left out: median, 90th percentile", (0.06, 0.20), (fold["median"], fold["p90"]))
    yield _most("the same, what was hoped for: median", (0.05,), (fold["median"],))
    yield Aim("the same: bias", "±2 %", f"{fold['bias']:+.1%}".replace("%", " %"), abs(fold["bias"]) <= 0.02)
    yield _most(
        "the source left out: median, median of sources' medians, 90th percentile", (0.10, 0.10, 0.30),
        (source["median"], source["median_of_sources"], source["p90"]),
    )  # fmt: skip
    yield _most("the same, what was hoped for: median", (0.07,), (source["median"],))
    yield _most(
        "vTrain across nodes, on one node: mean, a fifth left out", (0.08, 0.12),
        (fold["vtrain_across"], fold["vtrain_one_node"]),
    )  # fmt: skip
    held = source["coverage"], fold["coverage"]
    yield Aim(
        "80 % intervals hold, source and fifth left out", "75 to 88 %", _shares(held),
        all(0.75 <= one <= 0.88 for one in held),
    )  # fmt: skip
    yield _least(
        "the same in the worst group of 30 runs or more", (0.65, 0.65),
        (source["worst_coverage"], fold["worst_coverage"]),
    )  # fmt: skip


def _memory(found: Validation) -> Iterable[Aim]:
    stated = memory_errors(one.run for one in found.memories if one.run.stated)["all"]
    left = read("memory_left_out")
    yield _most("peak memory: median, 90th percentile", (0.06, 0.25), (stated.median, stated.p90))
    yield _most("the same, what was hoped for: median", (0.04,), (stated.median,))
    yield _most("the same, its source left out: median", (0.12,), (left["median"],))._replace(seen=LEFT_OUT)


def verdicts(found: Validation) -> dict[str, Counter[Verdict]]:
    """What is said of good runs on a device that is stated, by what became of them; fms-acceleration's apart."""
    counted: dict[str, Counter[Verdict]] = {
        f"{which}{words}": Counter()
        for words in ("ran", "ran out of memory")
        for which in ("fms-acceleration's that ", "others that ")
    }
    for one in found.memories:
        run = one.problem.measured
        if run.quality == "good" and has_device(run):
            words = "ran" if one.measured is not None else "ran out of memory"
            which = "fms-acceleration's that " if run.source.startswith(FMS) else "others that "
            counted[f"{which}{words}"][one.verdict] += 1
    return counted


class Mixtures(NamedTuple):
    """Runs of one engine whose models have so many experts."""

    engine: str
    experts: int
    errors: Errors


def mixtures(found: Validation) -> list[Mixtures]:
    """Errors of good runs of mixtures, by engine and number of experts; those of a few runs are left out."""
    by: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for one in found.speeds:
        experts = shape(one.problem.architecture).experts
        if experts and one.problem.measured.quality == "good":
            by[found.catalogue.engines[one.problem.engine].name, max(experts)].append(one.error)
    return [Mixtures(*key, errors(some)) for key, some in sorted(by.items()) if len(some) >= FEWEST]


def said_to_fit(found: Validation) -> list[Held]:
    """Good runs that ran out of memory, and that are said to fit."""
    return [
        one for one in found.memories
        if one.measured is None and one.verdict is Verdict.YES and one.problem.measured.quality == "good"
    ]  # fmt: skip


def _verdicts(found: Validation) -> Iterable[Aim]:
    counted = verdicts(found)
    for name, some in counted.items():
        if name.endswith("memory"):
            yield _most(
                f"{name}: said yes, probably", (0.02, 0.06),
                (some[Verdict.YES] / some.total(), some[Verdict.PROBABLY] / some.total()), of=some.total(),
            )  # fmt: skip
    ran = sum((some for name, some in counted.items() if not name.endswith("memory")), Counter[Verdict]())
    every = sum(counted.values(), Counter[Verdict]())
    yield _most("runs that ran: said no", (0.05,), (ran[Verdict.NO] / ran.total(),), of=ran.total())
    open_ones = sum(every[one] for one in (Verdict.PROBABLY, Verdict.UNLIKELY, Verdict.UNKNOWN))
    yield _most("said probably, unlikely or unknown", (0.20,), (open_ones / every.total(),), of=every.total())


def repeated(found: Validation, source: str) -> list[float]:
    """How far a source's runs differ that their rows do not tell apart: slowest over fastest, minus one."""
    alike: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
    for one in (*found.speeds, *found.printed):
        problem, run = one.problem, one.problem.measured
        if run.quality == "good" and run.source == source:
            place = (problem.architecture, problem.device.key, problem.cluster.count, problem.seq_len)
            alike[*place, problem.engine, problem.layout, problem.training, run.flags].append(one.measured_s)
    return [max(some) / min(some) - 1.0 for some in alike.values() if len(some) > 1]


def _use(found: Validation) -> Iterable[Aim]:
    one_row = read("one_row")
    yield Aim(
        f"calibrated on one run of a new source: median over the rest, of {one_row['sources']} sources", "6 %",
        f"{_shares([one_row['after']])}, from {_shares([one_row['before']])}", one_row["after"] <= 0.06,
        LEFT_OUT,
    )  # fmt: skip
    chosen = choice(families((*found.speeds, *found.printed)))
    yield _most("measured families of layouts: regret", (0.01,), (chosen.regret,))
    yield Aim("the same: rank correlation", "0.9", f"{chosen.order:.2f}", chosen.order >= 0.9)
    table_1 = grouped(found, "source")[NARAYANAN].printed.mean_abs_error or 0.0
    yield _most("Narayanan's table 1, by printed TFLOP/s: mean", (0.06,), (table_1,))


def _reading(found: Validation, runs: Sequence[Measured]) -> Iterable[Aim]:
    timed = {one.problem.measured.id for one in found.speeds}
    weighed = {one.problem.measured.id for one in found.memories}
    speeds = [run.id in timed for run in runs if run.has_speed and run.device and (run.layers or run.model_key)]
    peaks = [run.id in weighed for run in runs if run.has_memory]
    yield _least("rows with architecture, device and a speed that are predicted", (0.90,), (_mean(speeds),))
    yield _least("rows with a peak, or that ran out of memory, that are predicted", (0.85,), (_mean(peaks),))
    took = read("performance")["validate"]
    times = took["by_verb_s"] / took["at_once_s"], took["by_verb_s"] / took["whole_s"]
    yield Aim(
        "all rows at once, over one estimate after the other: predicted; read, predicted and scored", "20 times",
        f"{times[0]:.0f} and {times[1]:.0f} times", min(times) >= 20.0,
    )  # fmt: skip


def _most(what: str, aims: Sequence[float], found: Sequence[float], *, of: int | None = None) -> Aim:
    """Shares that were to be no more than these."""
    reached = all(one <= aim for one, aim in zip(found, aims, strict=True))
    return Aim(what, _shares(aims), _shares(found) + ("" if of is None else f" of {of}"), reached)


def _least(what: str, aims: Sequence[float], found: Sequence[float]) -> Aim:
    """Shares that were to be no less than these."""
    return Aim(what, _shares(aims), _shares(found), all(one >= aim for one, aim in zip(found, aims, strict=True)))


def _mean(some: Sequence[bool]) -> float:
    return sum(some) / len(some)


def _shares(some: Sequence[float]) -> str:
    return ", ".join(str(Text("{n:percent}", n=one)) for one in some)
