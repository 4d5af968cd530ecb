"""From a plan to its public result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cardyears.api import estimates, results
from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.estimate import Estimate
from cardyears.layout.layout import Layout
from cardyears.layout.written import written
from cardyears.verbs.obvious import Obvious, obvious
from cardyears.verbs.plan import Planned, RunnerUp
from cardyears.verbs.single import longest, optimised


class RunnerUpResult(msgspec.Struct, frozen=True):
    """A layout that came after the best."""

    layout: str
    """As --layout takes it."""
    step_time_s: float
    tokens_per_s_per_device: float
    mfu: float
    peak_memory_bytes: float
    slower: float
    """Its time for each sequence over the best one's; below 1 where it is estimated faster but is less sure."""
    lost_by: str
    """The line of the ledger by which it lost most."""
    lost: float
    """Seconds of a step, or bytes where memory is the objective, that this line is longer."""
    unmeasured: list[str]
    """In what nothing like it was measured."""
    time_ledger: Mapping[str, float]
    memory_ledger: Mapping[str, float]


class ObviousResult(msgspec.Struct, frozen=True):
    """An obvious layout at its best, and what became of it."""

    name: str
    legal: bool
    fits: bool
    layout: str
    slower: float | None
    why: str


class PointResult(msgspec.Struct, frozen=True):
    """The fastest layout within so much memory."""

    peak_memory_bytes: float
    step_time_s: float
    layout: str


class OptimiserResult(msgspec.Struct, frozen=True):
    """The best layout on one device with one optimiser."""

    recipe: str
    fits: bool
    step_time_s: float | None
    peak_memory_bytes: float | None


class PartResult(msgspec.Struct, frozen=True):
    """What one kind of device does in a way to use two kinds."""

    device: str
    devices: int
    stages: int
    """Of the pipeline, on this kind."""
    layers: int
    replicas: int
    accumulation: int
    """Micro-batches of each replica in a step."""
    peak_memory_bytes: float
    available_bytes: float


class WayResult(msgspec.Struct, frozen=True):
    """One way to use a machine of two kinds of device, at its best."""

    way: str
    """pipeline or replicas over both, or first or second kind alone."""
    name: str
    devices: int
    fits: bool
    layout: str
    step_time_s: Interval | None
    tokens_per_s: float | None
    """Of all its devices."""
    mfu: float | None
    time_s: float | None
    """The whole training, without interruptions."""
    cost_usd: float | None
    parts: list[PartResult]
    unmeasured: list[str]
    why: str
    """Why there is no layout."""
    fits_at: str
    """Up to which end of its memory's interval it fits: high, mid, low; empty where it does not. A bolder way comes
    after every less bold one, however fast."""


class Plan(results.Result, frozen=True, kw_only=True):
    """The best of all legal layouts."""

    model: str
    method: str
    objective: str
    devices: int
    global_batch: int
    best: Mapping[str, Any]
    """As `estimate` has it, and `line`, as --layout takes it; the smallest layout where nothing fits.

    Of two kinds together also `parts`; where replicas of each have unequal numbers of micro-batches, `accumulation` of
    the layout is None, and each part has its own.
    """
    runners_up: list[RunnerUpResult]
    obvious: list[ObviousResult]
    frontier: list[PointResult]
    """Layouts than which none is both faster and smaller, the smallest memory first."""
    optimisers: list[OptimiserResult]
    """On one device."""
    longest_sequence: int | None
    """Tokens, a power of two, with which a layout on one device still fits."""
    legal: int
    """Size of the space, exact."""
    searched: int
    """Layouts whose full ledgers were computed."""
    pruned: int
    """Layouts that a proven bound excluded."""
    fitting: int
    """Of those searched."""
    search_s: float
    opened: list[str]
    needed: list[str]
    """Switches that were opened because nothing fits without them."""
    unmeasured: list[str]
    """In what the best layout lies outside of everything that was measured."""
    time_s: float | None
    """The whole training, without interruptions; None where the tokens are not known."""
    cost_usd: float | None
    """Rent of the whole training at the median price."""
    tried_devices: list[int]
    in_time: bool | None = None
    """Whether the whole training is done in the time that was named; None where none was."""
    ways: Sequence[WayResult] = ()
    """On two kinds of device: together and alone, the best first."""


def plan(made: Planned, catalogue: Catalogue) -> Plan:
    """The result of `plan`."""
    one = estimates.estimate(made.best, catalogue).as_dict()
    one["chosen"] = True
    layout = made.best.estimate.layout
    found = made.found
    return Plan(
        subject=made,
        model=made.best.model,
        method=made.best.method,
        objective=made.objective,
        devices=made.devices,
        global_batch=made.batch,
        best={**one, "line": written(layout, made.usual)},
        runners_up=[runner_up(each, made.usual) for each in made.runners_up],
        obvious=[_obvious(each, made) for each in obvious(made)],
        frontier=[
            PointResult(point.peak_bytes, point.seconds * made.batch, written(point.layout, made.usual))
            for point in made.frontier
        ],
        optimisers=[_optimiser(each.recipe.key, each.estimate, fits=each.fits) for each in optimised(made)],
        longest_sequence=longest(made),
        legal=found.legal,
        searched=found.searched,
        pruned=found.pruned,
        fitting=found.fitting,
        search_s=made.search_s,
        opened=list(made.opened),
        needed=list(made.needed),
        unmeasured=[str(text) for text in made.unlike],
        time_s=made.training_s,
        cost_usd=made.cost_usd,
        tried_devices=list(made.tried),
        in_time=made.in_time,
    )


def runner_up(one: RunnerUp, usual: Layout) -> RunnerUpResult:
    """The result of a layout that came after the best."""
    found = one.estimate
    return RunnerUpResult(
        layout=written(found.layout, usual),
        step_time_s=float(found.step_s),
        tokens_per_s_per_device=float(found.tokens_per_s_per_device),
        mfu=float(found.mfu),
        peak_memory_bytes=float(found.peak_bytes),
        slower=one.slower,
        lost_by=one.line,
        lost=one.lost,
        unmeasured=[str(text) for text in one.unlike],
        time_ledger={name: float(value) for name, value in found.time.items()},
        memory_ledger={name: float(value) for name, value in found.memory.items()},
    )


def _obvious(one: Obvious, made: Planned) -> ObviousResult:
    return ObviousResult(
        name=one.name,
        legal=one.estimate is not None,
        fits=one.fits,
        layout="" if one.estimate is None else written(one.estimate.layout, made.usual),
        slower=one.slower or None,
        why=str(one.why),
    )


def _optimiser(recipe: str, one: Estimate | None, *, fits: bool) -> OptimiserResult:
    if one is None:
        return OptimiserResult(recipe, fits, None, None)
    return OptimiserResult(recipe, fits, float(one.step_s), float(one.peak_bytes))
