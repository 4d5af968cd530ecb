"""Predicted against measured, all of a table: scores over its good runs, its weak ones, and any groups of them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from cardyears.base.errors import UnreadableValue, listed
from cardyears.base.text import N_, Text
from cardyears.catalogue.load import Catalogue
from cardyears.machine.calibration import Calibration
from cardyears.validate.compare import Compared
from cardyears.validate.constant import constant
from cardyears.validate.families import Choice, choice, families
from cardyears.validate.held import Held, held
from cardyears.validate.interval import interval, measured_rates
from cardyears.validate.placed import placed
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import Measured
from cardyears.validate.scores import FitVerdicts, Scores, Signed, fit_verdicts, scores

NOT_MEASURED = N_("no measured value that an estimate can be held against")
NO_RATE = N_("no source gives the device a peak or a bandwidth")
GOOD = "good"
SCALES = ((1, "1"), (8, "2-8"), (64, "9-64"), (512, "65-512"), (math.inf, "> 512"))


def scale(problem: Problem) -> str:
    """How many devices, in classes.

    >>> [name for most, name in SCALES]
    ['1', '2-8', '9-64', '65-512', '> 512']
    """
    devices = float(problem.layout.devices)
    return next(name for most, name in SCALES if devices <= most)


GROUPS: Mapping[str, Callable[[Problem], str]] = {
    "source": lambda one: one.measured.source or "not stated",
    "gpu": lambda one: one.device.key if one.measured.device else "not stated",
    "kind": lambda one: one.training.method,
    "table": lambda one: one.measured.table or "not stated",
    "engine": lambda one: one.engine,
    "scale": scale,
}
"""What runs may be grouped by."""


class Part(msgspec.Struct, frozen=True):
    """Some of the runs: speed, memory, verdicts, and what one constant share of peak would have said."""

    speed: Scores
    memory: Scores
    fit_verdicts: FitVerdicts
    baseline: Scores


class Rests(msgspec.Struct, frozen=True):
    """Shares of the runs with a speed whose estimate rests on something that was assumed."""

    device_rates: float
    engine_rates: float
    engine_named: float
    """Share whose engine is not named, so that the usual one was taken."""
    anything: float


class Validation(msgspec.Struct, frozen=True):
    """A whole table, predicted and measured."""

    name: str
    """The file; empty for the runs that ship with the product."""
    rows: int
    skipped: Mapping[str, int]
    good: Part
    weak: Part
    by: str
    groups: Mapping[str, Part]
    """Over good runs."""
    constant_share: float
    """Of peak, by which the constant rule predicts."""
    speeds: Sequence[Compared]
    memories: Sequence[Held]
    rests: Rests | None
    choice: Choice | None
    """Among families of layouts; None where the table has none."""
    unheard: Mapping[str, int]
    calibration: Calibration | None
    catalogue: Catalogue

    @property
    def predicted(self) -> int:
        """Rows that were predicted: their speed, their memory, or both."""
        return self.rows - sum(self.skipped.values())


def read_group(by: str) -> str:
    """A name of `GROUPS`; `UnreadableValue` for any other."""
    if by not in GROUPS:
        raise UnreadableValue(
            Text("{name} cannot be {value}.", name="--by", value=repr(by)),
            Text("Take one of {allowed}.", allowed=listed(GROUPS)),
        )
    return by


def validation(runs: Sequence[Measured], catalogue: Catalogue, by: str = "gpu", name: str = "") -> Validation:
    """All runs of a table against their estimates. `catalogue` has a person's calibration in it, if there is one."""
    made, left_out = problems(runs, catalogue)
    speeds, memories = placed(made, catalogue), held(made, catalogue)
    seen = {id(one.problem) for one in speeds} | {id(one.problem) for one in memories}
    skipped = Counter(one.reason for one in left_out)
    skipped.update(_why_not(one) for one in made if id(one) not in seen)
    share, ruled = constant(speeds)
    rule = {id(one.problem): one for one in ruled}
    good = [one for one in speeds if one.problem.measured.quality == GOOD]
    held_well = [one for one in memories if one.problem.measured.quality == GOOD]
    weak = [one for one in speeds if one.problem.measured.quality != GOOD]
    weakly = [one for one in memories if one.problem.measured.quality != GOOD]
    chosen = families(good)
    return Validation(
        name=name,
        rows=len(runs),
        skipped=dict(skipped.most_common()),
        good=_part(good, held_well, rule, catalogue),
        weak=_part(weak, weakly, rule, catalogue),
        by=read_group(by),
        groups=_groups(good, held_well, rule, catalogue, GROUPS[by]),
        constant_share=share,
        speeds=speeds,
        memories=memories,
        rests=_rests(speeds, catalogue),
        choice=choice(chosen) if chosen else None,
        unheard=dict(Counter(one for run in runs for one in run.unheard)),
        calibration=catalogue.calibration,
        catalogue=catalogue,
    )


def _why_not(problem: Problem) -> str:
    """Why a problem has no estimate beside a measurement."""
    device = problem.device
    unrated = device.bandwidth is None or device.training_dtype is None
    return NO_RATE if unrated and problem.scores_speed else NOT_MEASURED


def _part(
    speeds: Sequence[Compared], memories: Sequence[Held], rule: Mapping[int, Compared], catalogue: Catalogue
) -> Part:
    ruled = [rule[id(one.problem)] for one in speeds if id(one.problem) in rule]
    return Part(
        scores([signed(one, catalogue) for one in speeds]),
        scores(
            [Signed(one.problem.measured.source, one.error, one.inside) for one in memories if one.error is not None]
        ),
        fit_verdicts(memories),
        scores([signed(one, catalogue) for one in ruled]),
    )


def signed(one: Compared, catalogue: Catalogue) -> Signed:
    """The error of a step time, and whether its interval held it."""
    wide = interval(one.problem, catalogue)
    return Signed(one.problem.measured.source, one.error, wide.low <= one.measured_s / one.predicted_s <= wide.high)


def _groups(
    speeds: Sequence[Compared],
    memories: Sequence[Held],
    rule: Mapping[int, Compared],
    catalogue: Catalogue,
    key: Callable[[Problem], str],
) -> dict[str, Part]:
    """The parts by group, the largest first."""
    timed: defaultdict[str, list[Compared]] = defaultdict(list)
    weighed: defaultdict[str, list[Held]] = defaultdict(list)
    for one in speeds:
        timed[key(one.problem)].append(one)
    for each in memories:
        weighed[key(each.problem)].append(each)
    names = sorted(timed.keys() | weighed.keys(), key=lambda name: (-len(timed[name]) - len(weighed[name]), name))
    return {name: _part(timed[name], weighed[name], rule, catalogue) for name in names}


def grouped(found: Validation, by: str) -> dict[str, Part]:
    """The good runs of a validation by another group."""
    rule = {id(one.problem): one for one in constant(found.speeds)[1]}
    return _groups(_good(found.speeds), _good_memory(found.memories), rule, found.catalogue, GROUPS[by])


def _good(every: Iterable[Compared]) -> list[Compared]:
    return [one for one in every if one.problem.measured.quality == GOOD]


def _good_memory(every: Iterable[Held]) -> list[Held]:
    return [one for one in every if one.problem.measured.quality == GOOD]


def _rests(speeds: Sequence[Compared], catalogue: Catalogue) -> Rests | None:
    if not speeds:
        return None
    rates = [measured_rates(one.problem, catalogue) for one in speeds]
    named = [not one.problem.assumes("engine") for one in speeds]
    return Rests(
        device_rates=sum(not chip for chip, _ in rates) / len(rates),
        engine_rates=sum(not engine for _, engine in rates) / len(rates),
        engine_named=sum(not one for one in named) / len(named),
        anything=sum(not (chip and engine and said) for (chip, engine), said in zip(rates, named, strict=True))
        / len(rates),
    )


def worst(found: Validation, count: int = 10) -> list[Compared]:
    """The good runs that are furthest off, the worst first."""
    return sorted(_good(found.speeds), key=lambda one: -abs(math.log(1.0 + one.error)))[:count]
