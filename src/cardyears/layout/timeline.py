"""When does each rank of a pipeline do what, and when does it wait?

The schedule's turns are played out: a pass begins when its rank is free and what it needs has come from the next
stage. The closed forms of `layout.pipeline` are held to it. Knows no hardware and no links: handing on takes no time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import ceil
from cardyears.layout.layout import Layout
from cardyears.layout.schedules import ORDERS, Kind, Turn

if TYPE_CHECKING:
    from cardyears.base.units import Scalar


class StageCost(NamedTuple):
    """Seconds of one micro-batch in one chunk of layers of a rank."""

    forward: float
    backward: float
    """The whole backward pass, the weights' gradients with it."""
    weights: float = 0.0
    """The part of it that a schedule may put off: the weights' gradients."""

    @property
    def both(self) -> float:
        """Forward and backward."""
        return self.forward + self.backward

    def seconds(self, kind: Kind) -> float:
        """Of one pass."""
        if kind == "inputs":
            return self.backward - self.weights
        return {"forward": self.forward, "backward": self.backward, "weights": self.weights}[kind]


class Event(NamedTuple):
    """A rank at work, in seconds from the beginning of the step."""

    rank: int
    start: float
    end: float
    kind: Kind
    micro_batch: int
    chunk: int


def even_costs(layout: Layout, forward: float, backward: float, weights: float = 0.0) -> tuple[StageCost, ...]:
    """Costs of stages that are all alike; times of a whole stage, which has all its rank's chunks."""
    chunks = int(_whole(layout.virtual_stages))
    one = StageCost(forward / chunks, backward / chunks, weights / chunks)
    return (one,) * (int(_whole(layout.pp)) * chunks)


def timeline(layout: Layout, costs: Sequence[StageCost], micro_batches: int | None = None) -> tuple[Event, ...]:
    """All passes of one step, rank by rank in the order of time.

    `costs` are those of the model's chunks from the first layer to the last, pp · virtual_stages of them.
    `micro_batches` may be fewer than the layout has, to look at the beginning and the end of a long step.

    >>> events = timeline(Layout(pp=4, accumulation=8), even_costs(Layout(pp=4), 1.0, 2.0))
    >>> makespan(events)
    33.0
    """
    ranks, chunks = int(_whole(layout.pp)), int(_whole(layout.virtual_stages))
    batches = int(_whole(layout.accumulation)) if micro_batches is None else micro_batches
    order = ORDERS[layout.schedule]
    turns = [order(ranks, rank, batches, chunks) for rank in range(ranks)]
    mirrored = layout.schedule == "dualpipe"
    stages = [_stages(ranks, rank, chunks, mirrored=mirrored) for rank in range(ranks)]
    return tuple(event for played in _played(turns, stages, costs) for event in played)


def _whole(number: Scalar) -> float:
    return float(number)


def _stages(ranks: int, rank: int, chunks: int, *, mirrored: bool) -> tuple[int, ...]:
    """Which of the model's chunks a rank has: every pp-th one, or its own and its mirror's."""
    return (rank, ranks - 1 - rank) if mirrored else tuple(rank + ranks * chunk for chunk in range(chunks))


_Done = dict[tuple[str, int, int], float]
"""When a pass was done, by direction, micro-batch and stage of the model."""


def _played(
    turns: Sequence[Sequence[Turn]], stages: Sequence[Sequence[int]], costs: Sequence[StageCost]
) -> list[list[Event]]:
    """Every rank takes its turns as soon as what they need is there."""
    done: _Done = {}
    played: list[list[Event]] = [[] for _ in turns]
    taken = [0] * len(turns)
    clocks = [0.0] * len(turns)
    moved = True
    while moved:
        moved = False
        for rank, mine in enumerate(turns):
            while taken[rank] < len(mine):
                turn = mine[taken[rank]]
                begin = _ready(turn, stages[rank], len(costs), done, clocks[rank])
                if begin is None:
                    break
                clocks[rank] = _take(rank, turn, stages[rank], costs, begin, played[rank])
                for one in turn:
                    done[_direction(one.kind), one.micro_batch, stages[rank][one.chunk]] = clocks[rank]
                taken[rank] += 1
                moved = True
    if any(count < len(mine) for count, mine in zip(taken, turns, strict=True)):
        raise AssertionError("unreachable: a legal schedule never locks up")
    return played


def _direction(kind: Kind) -> str:
    return "backward" if kind == "inputs" else kind


def _ready(turn: Turn, stages: Sequence[int], depth: int, done: _Done, begin: float) -> float | None:
    """When a turn can begin: the forward pass of the stage before, the backward of the one after; None: not yet."""
    for one in turn:
        stage = stages[one.chunk]
        if one.kind == "weights":
            continue
        if one.kind == "forward":
            needed = ("forward", one.micro_batch, stage - 1) if stage else None
        elif stage == depth - 1:
            needed = ("forward", one.micro_batch, stage)
        else:
            needed = ("backward", one.micro_batch, stage + 1)
        if needed is not None:
            if needed not in done:
                return None
            begin = max(begin, done[needed])
    return begin


def _take(
    rank: int, turn: Turn, stages: Sequence[int], costs: Sequence[StageCost], begin: float, played: list[Event]
) -> float:
    """The turn's passes one after the other; when the last is done."""
    for one in turn:
        end = begin + costs[stages[one.chunk]].seconds(one.kind)
        played.append(Event(rank, begin, end, *one))
        begin = end
    return begin


def makespan(events: Sequence[Event]) -> float:
    """Seconds until the last rank is done."""
    return max(event.end for event in events)


def busy(events: Sequence[Event]) -> Mapping[int, float]:
    """Seconds that each rank works."""
    found: dict[int, float] = {}
    for event in events:
        found[event.rank] = found.get(event.rank, 0.0) + event.end - event.start
    return found


def kept(events: Sequence[Event], chunks: int = 1) -> Mapping[int, float]:
    """Micro-batches of a full stage whose activations each rank holds at most.

    From the beginning of the forward pass until nothing needs them: the backward pass is done, or the weights'
    gradients where they were put off. `chunks` are those that a full stage has.

    >>> kept(timeline(Layout(pp=4, accumulation=8), even_costs(Layout(pp=4), 1.0, 2.0)))
    {0: 4.0, 1: 3.0, 2: 2.0, 3: 1.0}
    """
    changes: dict[int, list[tuple[float, int]]] = {}
    for event in events:
        for change in _changes(event):
            changes.setdefault(event.rank, []).append(change)
    return {rank: _highest(sorted(found)) / chunks for rank, found in changes.items()}


def _changes(event: Event) -> Iterator[tuple[float, int]]:
    if event.kind == "forward":
        yield event.start, 1
    elif event.kind != "inputs":
        yield event.end, -1


def _highest(changes: Sequence[tuple[float, int]]) -> float:
    level = highest = 0
    for _, change in changes:
        level += change
        highest = max(highest, level)
    return float(highest)


LEAST_DRAWN = 8
"""Micro-batches that are worth drawing of a short pipeline."""


def drawn_batches(layout: Layout) -> int:
    """Micro-batches after which a step only repeats itself: twice the ranks, in whole groups of ranks.

    >>> drawn_batches(Layout(pp=16, accumulation=4_000)), drawn_batches(Layout(pp=3, accumulation=4_000))
    (32, 9)
    """
    ranks = int(_whole(layout.pp))
    enough = ranks * max(2, int(_whole(ceil(LEAST_DRAWN / ranks))))
    return min(int(_whole(layout.accumulation)), enough)


def repeating(layout: Layout, costs: Sequence[StageCost]) -> float:
    """Seconds that each further micro-batch adds to a step: the slowest rank's.

    >>> repeating(Layout(pp=2), even_costs(Layout(pp=2), 1.0, 2.0))
    3.0
    """
    ranks, chunks = int(_whole(layout.pp)), int(_whole(layout.virtual_stages))
    mirrored = layout.schedule == "dualpipe"
    share = 2.0 if mirrored else 1.0
    return max(
        sum(costs[stage].both for stage in _stages(ranks, rank, chunks, mirrored=mirrored)) / share
        for rank in range(ranks)
    )
