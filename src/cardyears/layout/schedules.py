"""In which order does each rank of a pipeline take its passes?

One list of turns for each rank, as the published schedules have them. When a turn can begin, and what a rank waits
for, is found in `layout.timeline`. Knows no times and no hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

Kind = Literal["forward", "backward", "inputs", "weights"]
"""What a pass computes: `backward` the gradients of inputs and weights at once; `inputs` and `weights` one of them."""


class Pass(NamedTuple):
    """One pass of one micro-batch through one chunk of layers of a rank."""

    kind: Kind
    micro_batch: int
    chunk: int


Turn: TypeAlias = tuple[Pass, ...]
"""Passes that a rank takes as one: what they wait for must be there for all, and is handed on when all are done."""


def one_forward_one_backward(ranks: int, rank: int, batches: int) -> list[Turn]:
    """1F1B: so many forward passes that the last rank has one, then forward and backward in turn.

    Source: narayanan-2021, section 2.2; megatron-core.

    >>> [f"{p.kind[0]}{p.micro_batch}" for (p,) in one_forward_one_backward(4, 2, 3)]
    ['f0', 'f1', 'b0', 'f2', 'b1', 'b2']
    """
    return interleaved(ranks, rank, batches, 1)


def _ahead(ranks: int, rank: int, chunks: int) -> int:
    """Forward passes before the first turn of forward and backward."""
    if chunks == 1:
        return ranks - rank - 1
    return 2 * (ranks - rank - 1) + (chunks - 1) * ranks


def interleaved(ranks: int, rank: int, batches: int, chunks: int) -> list[Turn]:
    """Interleaved 1F1B: groups of as many micro-batches as there are ranks go through chunk after chunk.

    Source: narayanan-2021, section 2.2; megatron-core (get_schedule_table, get_pp_rank_microbatches).

    >>> [f"{p.kind[0]}{p.micro_batch}.{p.chunk}" for (p,) in interleaved(2, 1, 2, 2)]
    ['f0.0', 'f1.0', 'f0.1', 'b0.1', 'f1.1', 'b1.1', 'b0.0', 'b1.0']
    """
    places = [
        (batch, chunk)
        for group in range(0, batches, ranks)
        for chunk in range(chunks)
        for batch in range(group, min(group + ranks, batches))
    ]
    ahead = min(_ahead(ranks, rank, chunks), len(places))
    forward: list[Turn] = [(Pass("forward", batch, chunk),) for batch, chunk in places]
    backward: list[Turn] = [(Pass("backward", batch, chunks - 1 - chunk),) for batch, chunk in places]
    steady = [turn for pair in zip(forward[ahead:], backward, strict=False) for turn in pair]
    return [*forward[:ahead], *steady, *backward[len(places) - ahead :]]


def zero_bubble(ranks: int, rank: int, batches: int, chunks: int) -> list[Turn]:
    """ZB-H1: as 1F1B, with the gradients of the weights put off; the later ranks put off more of them.

    A rank puts off as many as it holds fewer micro-batches than the first one, so that all hold equally many.
    Source: zero-bubble-2023, section 2.1, and its repository.

    >>> [f"{p.kind[0]}{p.micro_batch}" for (p,) in zero_bubble(2, 1, 2, 1)]
    ['f0', 'i0', 'f1', 'i1', 'w0', 'w1']
    """
    delay = rank if chunks == 1 else 2 * rank
    turns: list[Turn] = []
    waiting: list[Pass] = []
    for (one,) in interleaved(ranks, rank, batches, chunks):
        if one.kind == "forward":
            turns.append((one,))
            continue
        turns.append((one._replace(kind="inputs"),))
        waiting.append(one._replace(kind="weights"))
        if len(waiting) > delay:
            turns.append((waiting.pop(0),))
    return [*turns, *((one,) for one in waiting)]


class _Both:
    """The turns of one rank on which micro-batches from both ends meet.

    `near` are those of the end that is closer to the rank, `far` the others; each counts its own passes.
    """

    def __init__(self, batches: int, *, second_half: bool) -> None:
        self.half, self.flip = batches // 2, second_half
        self.turns: list[Turn] = []
        self._taken = {("forward", 0): 0, ("forward", 1): 0, ("backward", 0): 0, ("backward", 1): 0}
        self._waiting: list[Pass] = []

    def _next(self, kind: Literal["forward", "backward"], end: int) -> Pass:
        chunk = end ^ self.flip
        number = self._taken[kind, chunk]
        self._taken[kind, chunk] += 1
        return Pass(kind, number + chunk * self.half, chunk)

    def forward(self, end: int) -> None:
        self.turns.append((self._next("forward", end),))

    def backward(self, end: int, *, split: bool = False) -> None:
        one = self._next("backward", end)
        if split:
            self._waiting.append(one._replace(kind="weights"))
        self.turns.append((one._replace(kind="inputs") if split else one,))

    def both(self, ahead: int, back: int) -> None:
        self.turns.append((self._next("forward", ahead), self._next("backward", back)))

    def weights(self) -> None:
        self.turns.append((self._waiting.pop(0),))


NEAR, FAR = 0, 1


def dualpipe(ranks: int, rank: int, batches: int) -> list[Turn]:
    """DualPipe: micro-batches enter at both ends; where they meet, one's forward and another's backward are one turn.

    Every rank has two stages of the model, its own and its mirror's. The even number of micro-batches is at least
    twice that of the ranks. Source: DeepSeek's DualPipe repository, whose eight phases these are.

    >>> ["+".join(f"{p.kind[0]}{p.micro_batch}" for p in turn) for turn in dualpipe(2, 0, 4)]
    ['f0', 'f2', 'f1', 'b2', 'f3+b0', 'b3', 'i1', 'w1']
    """
    middle = ranks // 2
    near_end = min(rank, ranks - 1 - rank)
    inner = middle - near_end - 1
    rows = _Both(batches, second_half=rank >= middle)
    for _ in range(2 * inner):
        rows.forward(NEAR)
    for _ in range(near_end + 1):
        rows.forward(NEAR)
        rows.forward(FAR)
    for _ in range(inner):
        rows.backward(FAR, split=True)
        rows.weights()
        rows.forward(FAR)
    for number in range(batches // 2 - ranks + near_end + 1):
        if number == 0 and inner == 0:
            rows.forward(NEAR)
            rows.backward(FAR)
        else:
            rows.both(NEAR, FAR)
        rows.both(FAR, NEAR)
    for _ in range(inner):
        rows.backward(FAR)
        rows.both(FAR, NEAR)
    _emptying(rows, near_end, inner)
    return rows.turns


def _emptying(rows: _Both, near_end: int, inner: int) -> None:
    """DualPipe's last phases: only backward passes, of which the second half puts the weights off."""
    turns = near_end + 1
    for number in range(turns):
        late, even = number >= turns // 2, near_end % 2 == 0
        rows.backward(FAR, split=number > turns // 2 or (late and not even))
        rows.backward(NEAR, split=late)
    for _ in range(inner):
        rows.weights()
        rows.backward(NEAR, split=True)
    for _ in range(turns):
        rows.weights()


Order: TypeAlias = Callable[[int, int, int, int], list[Turn]]

ORDERS: Mapping[str, Order] = {
    "1f1b": interleaved,
    "interleaved": interleaved,
    "zero-bubble": zero_bubble,
    "dualpipe": lambda ranks, rank, batches, _: dualpipe(ranks, rank, batches),
}
"""The order of turns by the name of the schedule: of so many ranks, this rank, so many micro-batches and chunks."""
