"""The step of a pipeline as a drawing in characters: a row for each rank, time from left to right.

Shades tell the passes apart without colour. A pass that is wide enough begins with the number of its micro-batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cardyears.base.text import N_, Text
from cardyears.estimate.stages import StepTimeline, step_timeline
from cardyears.layout.timeline import Event
from cardyears.render.page import GAP, Page, Strip, Styled, columns_of
from cardyears.verbs.estimate import Estimated

MOST_ROWS = 16
MILLISECONDS = 1e3


class Look(NamedTuple):
    """How a kind of pass is drawn and called."""

    shade: str
    style: str
    name: str


LOOKS = {
    "forward": Look("▒", "cyan", N_("forward")),
    "backward": Look("█", "green", N_("backward")),
    "inputs": Look("█", "green", N_("backward")),
    "weights": Look("░", "yellow", N_("weights' gradients")),
    "idle": Look("·", "", N_("idle")),
}


def timeline(found: Estimated, page: Page) -> None:
    """A section with the drawing, its legend, and what it does not show."""
    step = step_timeline(found.job, found.estimate)
    page.heading(N_("One step on the pipeline's ranks"))
    ranks = shown_ranks(step.ranks)
    remarks = [page.say(Text("{idle:percent}", idle=float(step.idle[rank]))) for rank in ranks]
    labels = [page.say(Text("{rank:integer}", rank=rank)) for rank in ranks]
    title, idle = page.say(N_("rank")), page.say(N_("idle"))
    room = page.width - 3 * GAP - max(map(columns_of, (title, *labels))) - max(map(columns_of, (idle, *remarks)))
    numbered = _numbered(step, room)
    page.strips(
        [
            Strip(title, [Styled(_scale(page, step.span_s, room))], idle),
            *(
                Strip(label, list(_pieces(_of(step.events, rank), step.span_s, room, numbered=numbered)), remark)
                for rank, label, remark in zip(ranks, labels, remarks, strict=True)
            ),
        ]
    )
    page.line(legend(page, split=step.split), indent=GAP)
    for sentence in remarks_on(step, found, len(ranks)):
        page.line(sentence, indent=GAP)


def moment(seconds: float) -> Text:
    """A short time in the unit that fits it."""
    if seconds < 1.0:
        return Text("{n:number} ms", n=seconds * MILLISECONDS)
    return Text("{n:number} s", n=seconds)


def shown_ranks(ranks: int) -> list[int]:
    """All ranks, or so many of them that a page takes: the first, the last and some between, evenly apart.

    >>> shown_ranks(4)
    [0, 1, 2, 3]
    >>> shown_ranks(61)[:3], shown_ranks(61)[-1]
    ([0, 4, 8], 60)
    """
    if ranks <= MOST_ROWS:
        return list(range(ranks))
    return [round(place * (ranks - 1) / (MOST_ROWS - 1)) for place in range(MOST_ROWS)]


def legend(page: Page, *, split: bool) -> str:
    """What the shades mean."""
    kinds = ("forward", "backward", *(("weights",) if split else ()), "idle")
    return "   ".join(f"{LOOKS[kind].shade} {page.say(LOOKS[kind].name)}" for kind in kinds)


def remarks_on(step: StepTimeline, found: Estimated, shown: int) -> Iterator[Text]:
    """What the drawing leaves out, a sentence each."""
    if shown < step.ranks:
        yield Text("Drawn are {shown:integer} of {ranks:integer} ranks.", shown=shown, ranks=step.ranks)
    if step.drawn < step.batches:
        yield Text(
            "Drawn is a step of {drawn:integer} micro-batches in place of {batches:integer}: the others repeat the "
            "middle. Idle shares are those of the whole step.",
            drawn=step.drawn,
            batches=step.batches,
        )
    whole = float(found.estimate.step_s)
    if whole > step.pipeline_s:
        yield Text(
            "All micro-batches take {pipeline}; optimiser, gradients and what else comes on top take {rest}.",
            pipeline=moment(step.pipeline_s),
            rest=moment(whole - step.pipeline_s),
        )


def _of(events: Sequence[Event], rank: int) -> list[Event]:
    return [event for event in events if event.rank == rank]


def _scale(page: Page, span: float, room: int) -> str:
    """The beginning and the end of the time that is drawn, at the ends of a line."""
    start, end = page.say(Text("{n:integer}", n=0)), page.say(moment(span))
    return f"{start}{'╌' * (room - columns_of(start + end) - GAP)}> {end}"


def _numbered(step: StepTimeline, room: int) -> bool:
    """Whether passes are wide enough for their micro-batches' numbers: forward passes of two columns on the mean."""
    ahead = [event.end - event.start for event in step.events if event.kind == "forward"]
    return sum(ahead) / len(ahead) * room >= 2.0 * step.span_s


def _pieces(events: Sequence[Event], span: float, room: int, *, numbered: bool) -> Iterator[Styled]:
    """A rank's row: what takes most of each column, with the micro-batch's number at the beginning of its passes."""
    columns = _columns(events, span, room)
    for event, same in itertools.groupby(columns):
        width = sum(1 for _ in same)
        look = LOOKS["idle" if event is None else event.kind]
        number = "" if event is None else str(event.micro_batch + 1)
        text = number if numbered and len(number) < width else ""
        yield Styled(text + look.shade * (width - len(text)), look.style)


def _columns(events: Sequence[Event], span: float, room: int) -> list[Event | None]:
    """The event that takes most of each column; None: the rank is idle for most of it."""
    width = span / room
    most: list[tuple[float, Event | None]] = [(0.0, None)] * room
    filled = [0.0] * room
    for event in events:
        first, last = int(event.start / width), min(room - 1, int(event.end / width))
        for column in range(first, last + 1):
            inside = min(event.end, (column + 1) * width) - max(event.start, column * width)
            filled[column] += inside
            if inside > most[column][0]:
                most[column] = (inside, event)
    idle = [width - part for part in filled]
    return [event if part >= rest else None for (part, event), rest in zip(most, idle, strict=True)]
