"""Predicted against measured, all of a table: scores over its good runs, its weak ones, and any groups of them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

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
from cardyears.validate.printed import NO_CONVENTION, NO_COUNT, is_printed, printed_step
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import Measured
from cardyears.validate.scores import FitVerdicts, Scores, Signed, fit_verdicts, scores
from cardyears.validate.skips import Left, UnreadCell, names, reasons, unread_cells

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
    printed: Scores
    """Step times of rows that have a printed rate of FLOP and no more: in none of the others."""


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
    skipped: Mapping[str | Text, int]
    skipped_names: Mapping[str | Text, Mapping[str, int]]
    """By reason, the models or devices that it is about."""
    unread: Sequence[UnreadCell]
    good: Part
    weak: Part
    by: str
    groups: Mapping[str, Part]
    """Over good runs."""
    constant_share: float | None
    """Of peak, by which the constant rule predicts; None where too few rows have a speed."""
    constant_why: Text | None
    """Why it predicts nothing though rows have a speed."""
    speeds: Sequence[Compared]
    """By the clock or a rate of tokens."""
    printed: Sequence[Compared]
    """By a printed rate of FLOP."""
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
    read_group(by)
    found = Rows(
        placed(made, catalogue),
        placed([one for one in made if is_printed(one)], catalogue, printed_step),
        held(made, catalogue),
        catalogue,
    )
    skipped, seen = [Left(one.reason, one.name) for one in left_out], found.seen
    skipped += [_why_not(one) for one in made if id(one) not in seen]
    chosen = families((*found.speeds, *found.printed))  # a convention leaves the order of a family as it is
    return Validation(
        name=name,
        rows=len(runs),
        skipped=reasons(skipped),
        skipped_names=names(skipped),
        unread=unread_cells(runs),
        good=found.part(lambda one: one.measured.quality == GOOD),
        weak=found.part(lambda one: one.measured.quality != GOOD),
        by=by,
        groups=found.groups(GROUPS[by]),
        constant_share=found.constant.share,
        constant_why=found.constant.why,
        speeds=found.speeds,
        printed=found.printed,
        memories=found.memories,
        rests=_rests(found.speeds, catalogue),
        choice=choice(chosen) if chosen else None,
        unheard=dict(Counter(one for run in runs for one in run.unheard)),
        calibration=catalogue.calibration,
        catalogue=catalogue,
    )


def _why_not(problem: Problem) -> Left:
    """Why a problem has no estimate beside a measurement."""
    device = problem.device
    if (device.bandwidth is None or device.training_dtype is None) and problem.scores_speed:
        return Left(NO_RATE, problem.measured.device)
    if not is_printed(problem):
        return Left(NOT_MEASURED)
    return Left(NO_CONVENTION if problem.measured.devices else NO_COUNT)


class Rows:
    """Predicted and measured rows, of which any part can be scored."""

    def __init__(
        self, speeds: Sequence[Compared], printed: Sequence[Compared], memories: Sequence[Held], catalogue: Catalogue
    ) -> None:
        self.speeds, self.printed, self.memories = speeds, printed, memories
        self.constant = constant(speeds)
        self._wide = {id(one.problem): interval(one.problem, catalogue) for one in (*speeds, *printed)}
        self._rule = {id(one.problem): one for one in self.constant.runs}

    @property
    def seen(self) -> set[int]:
        """Identities of the problems that are predicted."""
        return {id(one.problem) for some in (self.speeds, self.printed, self.memories) for one in some}

    def part(self, wanted: Callable[[Problem], bool]) -> Part:
        """The scores of some."""
        return self._part(
            [one for one in self.speeds if wanted(one.problem)],
            [one for one in self.printed if wanted(one.problem)],
            [one for one in self.memories if wanted(one.problem)],
        )

    def groups(self, key: Callable[[Problem], str]) -> dict[str, Part]:
        """The good rows by group, the largest first."""
        speeds, printed, memories = _by(key, self.speeds), _by(key, self.printed), _by(key, self.memories)
        sizes = {
            name: len({id(one.problem) for some in (speeds, printed, memories) for one in some[name]})
            for name in speeds.keys() | printed.keys() | memories.keys()
        }
        ordered = sorted(sizes, key=lambda name: (-sizes[name], name))
        return {name: self._part(speeds[name], printed[name], memories[name]) for name in ordered}

    def _part(self, speeds: Sequence[Compared], printed: Sequence[Compared], memories: Sequence[Held]) -> Part:
        ruled = [self._rule[id(one.problem)] for one in speeds if id(one.problem) in self._rule]
        peaks = [
            Signed(one.problem.measured.source, one.error, one.inside) for one in memories if one.error is not None
        ]
        return Part(
            scores(list(map(self._signed, speeds))),
            scores(peaks),
            fit_verdicts(memories),
            scores(list(map(self._signed, ruled))),
            scores(list(map(self._signed, printed))),
        )

    def _signed(self, one: Compared) -> Signed:
        """The error of a step time, and whether its interval held it."""
        wide = self._wide[id(one.problem)]
        inside = wide.low <= one.measured_s / one.predicted_s <= wide.high
        return Signed(one.problem.measured.source, one.error, inside)


One = TypeVar("One", Compared, Held)


def _by(key: Callable[[Problem], str], every: Sequence[One]) -> defaultdict[str, list[One]]:
    """The good ones, by group."""
    found: defaultdict[str, list[One]] = defaultdict(list)
    for one in every:
        if one.problem.measured.quality == GOOD:
            found[key(one.problem)].append(one)
    return found


def grouped(found: Validation, by: str) -> dict[str, Part]:
    """The good runs of a validation by another group."""
    return Rows(found.speeds, found.printed, found.memories, found.catalogue).groups(GROUPS[by])


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
    good = [one for one in found.speeds if one.problem.measured.quality == GOOD]
    return sorted(good, key=lambda one: -abs(math.log(one.predicted_s / one.measured_s)))[:count]
