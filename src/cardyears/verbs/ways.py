"""Ways to use two kinds of device, each at its best, and what they come to."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import msgspec

from cardyears.base.errors import MissingFigure
from cardyears.base.text import N_, Text
from cardyears.base.units import HOUR
from cardyears.case import Precision
from cardyears.estimate.mixed import Mixed
from cardyears.layout.layout import Layout
from cardyears.machine.cluster import Pair
from cardyears.machine.device import TRAINING_DTYPES
from cardyears.machine.engine import Engine
from cardyears.question.question import Question
from cardyears.search.measured import unlike
from cardyears.verbs.estimate import Estimated
from cardyears.verbs.plan import Planned, RunnerUp, runner_up

Key = Literal["pipeline", "replicas", "first", "second"]
TOGETHER: dict[Key, str] = {"pipeline": N_("one pipeline over both"), "replicas": N_("replicas on both")}
UNMEASURED = Text("no measured run trains on two kinds of device")


class Way(msgspec.Struct, frozen=True):
    """One way to use the machine, at its best."""

    key: Key
    name: Text
    devices: int
    why: Text | None = None
    """Why there is no layout; None where there is one."""
    best: Estimated | None = None
    fits: bool = False
    level: int = 0
    """Which of the limits of memory it keeps: the cautious one is 0."""
    value: float = math.inf
    """Seconds of a step by which it is ranked: the pessimistic end where nothing like it was measured."""
    mixed: tuple[Mixed, ...] = ()
    """The best and those that come next, over both kinds."""
    planned: Planned | None = None
    """On one kind alone."""
    device_seconds: float | None = None
    """Of the whole training on its devices; None where the tokens are not known."""
    usd_per_hour: float | None = None
    """Rent of its devices together."""
    legal: int = 0
    searched: int = 0
    fitting: int = 0

    @property
    def step_s(self) -> float:
        """Seconds of one step of the common batch."""
        return math.inf if self.best is None else float(self.best.estimate.step_s)

    @property
    def training_s(self) -> float | None:
        """Seconds of the whole training without interruptions."""
        return None if self.device_seconds is None else self.device_seconds / self.devices

    @property
    def cost_usd(self) -> float | None:
        """Rent of the whole training."""
        if self.training_s is None or self.usd_per_hour is None:
            return None
        return self.training_s / HOUR * self.usd_per_hour


class Rank(NamedTuple):
    """By what ways are put in order: the first of these that differs decides, and less is better."""

    absent: bool
    """No layout makes the batch."""
    unfit: bool
    late: bool
    """Not done in the time that was named; only where rent is the objective."""
    level: int
    """How bold a limit of memory its best layout needs."""
    worth: float
    """Seconds of a step, or rent, at the pessimistic end where nothing like it was measured."""


def rank(way: Way, question: Question, objective: str) -> Rank:
    """Where a way stands; what is late is ranked by its time, whatever the objective."""
    limit = question.duration_s if objective == "cost" else None
    late = limit is not None and (way.training_s or 0.0) > limit
    worth = way.value
    if objective == "cost" and not late:
        worth = 0.0 if way.cost_usd is None else way.cost_usd * way.value / way.step_s
    return Rank(way.best is None, not way.fits, late, way.level, worth)


class MixedPlanned(msgspec.Struct, frozen=True):
    """Every way to use two kinds of device, the best first."""

    question: Question
    objective: str
    model: str
    pair: Pair
    ways: tuple[Way, ...]
    available: tuple[float, float]
    """Bytes of a device of each kind that one process may take."""
    engine: Engine
    """Of every way."""
    usual: Layout
    opened: tuple[str, ...]
    needed: tuple[str, ...]
    batch: int
    batch_said: bool
    batch_near: int
    tokens: float
    search_s: float

    @property
    def machine(self) -> Text:
        """How many of which devices."""
        one, other = self.pair.kinds
        return Text(
            "{n:integer} {first} and {m:integer} {second}", n=one.count, first=one.device.name, m=other.count,
            second=other.device.name,
        )  # fmt: skip

    @property
    def peaks(self) -> tuple[float, float]:
        """FLOP/s of a device of each kind in the type that both usually train in."""
        one, other = (kind.device.peak(common_precision(self.pair)).value for kind in self.pair.kinds)
        return one, other

    @property
    def best(self) -> Way:
        """The best of them; where nothing fits, the first that has a layout."""
        return self.ways[0]

    @property
    def alone(self) -> Way | None:
        """The fastest on one kind alone that fits."""
        kinds = [way for way in self.ways if way.planned is not None and way.fits]
        return min(kinds, key=lambda way: way.step_s, default=None)

    @property
    def together(self) -> Way | None:
        """The best over both that fits."""
        return next((way for way in self.ways if way.mixed and way.fits), None)

    @property
    def rival(self) -> Way | None:
        """What the best stands against: both kinds against one, and one against both."""
        if self.best.planned is not None:
            return self.together
        if self.objective == "time":
            return self.alone
        return next((way for way in self.ways if way.planned is not None and way.fits), None)

    @property
    def decided_by(self) -> str | None:
        """The field of `Rank` by which the best stands before its rival; None where there is no rival."""
        if self.rival is None:
            return None
        mine, other = (rank(way, self.question, self.objective) for way in (self.best, self.rival))
        return next((name for name in Rank._fields if getattr(mine, name) != getattr(other, name)), "worth")

    @property
    def gain(self) -> float | None:
        """Speed over both kinds over that of the faster one alone, less 1; None where either does not fit."""
        if self.alone is None or self.together is None:
            return None
        return self.alone.step_s / self.together.step_s - 1.0

    @property
    def in_time(self) -> bool | None:
        """Whether the best is done in the time that was named; None where none was."""
        if self.question.duration_s is None or self.best.training_s is None:
            return None
        return self.best.training_s <= self.question.duration_s


def common_precision(machine: Pair) -> Precision:
    """The best type that both kinds train in."""
    for dtype in TRAINING_DTYPES:
        if all(dtype in kind.device.peaks for kind in machine.kinds):
            return dtype  # type: ignore[return-value]
    raise MissingFigure(
        Text(
            "{one} and {other} have no published peak of one type in common.",
            one=machine.kinds[0].device.name, other=machine.kinds[1].device.name,
        ),
        Text("Name other devices, or bring rows of your own with --catalogue FILE."),
    )  # fmt: skip


def runners_up(way: Way) -> tuple[RunnerUp, ...]:
    """What comes after the best layout of a way, and where it loses."""
    if way.planned is not None:
        return way.planned.runners_up
    if way.best is None:
        return ()
    best, job = way.best.estimate, way.best.job
    return tuple(runner_up(one.estimate, best, job) for one in way.mixed[1:])


def unsure(way: Way) -> tuple[Text, ...]:
    """In what nothing like the best layout of a way was measured."""
    if way.planned is not None:
        return way.planned.unlike
    if way.best is None:
        return ()
    return (UNMEASURED, *unlike(way.best.job.engine, way.best.estimate.layout))
