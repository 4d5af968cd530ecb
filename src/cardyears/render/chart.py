"""An estimate and its timeline as charts: Vega-Lite specifications, plain data that any viewer draws.

Numbers are written by the voice and travel as words, so that a chart says what the text says, in every language.
`render.chart_file` makes pictures of them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cardyears.base.text import N_, Text, Voice
from cardyears.estimate.estimate import COMPUTING, TRAFFIC
from cardyears.estimate.stages import step_timeline
from cardyears.render.chart_parts import (
    BESIDE,
    COLOURS,
    GREY,
    ROW,
    WIDTH,
    Spec,
    bars,
    directed,
    header,
    panel_title,
    rule_at,
    whole,
    words_beside,
)
from cardyears.render.labels import LINES, TIME
from cardyears.render.timeline import LOOKS, moment, remarks_on, shown_ranks
from cardyears.verbs.estimate import Estimated

if TYPE_CHECKING:
    from cardyears.base.units import Scalar

SHOWN_FROM = 0.005
"""Share of a ledger below which its lines are drawn together."""
KINDS = {"computing": N_("computing"), "links": N_("waiting for links"), "others": N_("other waiting")}
ALL = N_("all together")
NUMBERED_FROM = 14.0
"""Points of a pass's width from which its micro-batch's number is drawn into it."""


def estimate_chart(found: Estimated, voice: Voice) -> Spec:
    """Both ledgers of an estimate: where the time goes, and what fills the memory."""
    return whole([_time(found, voice), _memory(found, voice)], header(found, voice), voice)


def timeline_chart(found: Estimated, voice: Voice) -> Spec:
    """One step on the pipeline's ranks, time from left to right in every language."""
    step = step_timeline(found.job, found.estimate)
    ranks = shown_ranks(step.ranks)
    names = {kind: directed(voice.say(LOOKS[kind].name), voice) for kind in LOOKS}
    rows = [
        {
            "rank": event.rank,
            "start": event.start,
            "end": event.end,
            "kind": names[event.kind],
            "number": voice.number(event.micro_batch + 1, 0) if _wide(event.end - event.start, step.span_s) else "",
            "middle": (event.start + event.end) / 2.0,
            "tip": directed(voice.say(moment(event.end - event.start)), voice),
        }
        for event in step.events
        if event.rank in ranks
    ]
    idle = [
        {"rank": rank, "idle": directed(voice.say(Text("{idle:percent} idle", idle=float(step.idle[rank]))), voice)}
        for rank in ranks
    ]
    kinds = list(dict.fromkeys(names[kind] for kind in ("forward", "backward", *(("weights",) if step.split else ()))))
    remarks = [voice.say(remark) for remark in remarks_on(step, found, len(ranks))]
    panel = {
        "title": panel_title(N_("One step on the pipeline's ranks"), voice, remarks),
        "width": WIDTH,
        "height": {"step": ROW},
        "layer": [
            _passes(rows, kinds, step.span_s, voice),
            {
                "data": {"values": [row for row in rows if row["number"]]},
                "mark": {"type": "text", "fontSize": 9, "color": "white"},
                "encoding": {"x": {"field": "middle", "type": "quantitative"}, "y": _RANK, "text": {"field": "number"}},
            },
            {
                "data": {"values": idle},
                "mark": {"type": "text", "align": "left", "dx": BESIDE, "color": GREY, "fontSize": 11},
                "encoding": {"x": {"value": WIDTH}, "y": _RANK, "text": {"field": "idle"}},
            },
        ],
    }
    return whole([panel], header(found, voice), voice)


_RANK: Mapping[str, Any] = {
    "field": "rank",
    "type": "ordinal",
    "axis": {"title": None, "ticks": False, "domain": False, "labelPadding": BESIDE},
}


def _wide(seconds: float, span: float) -> bool:
    return seconds / span * WIDTH >= NUMBERED_FROM


def _passes(rows: list[dict[str, Any]], kinds: list[str], span: float, voice: Voice) -> Spec:
    """The passes as bars; the axis of time has its own numbers written under it."""
    colours = [LOOK_COLOURS[place] for place in range(len(kinds))]
    return {
        "data": {"values": rows},
        "mark": {"type": "bar", "stroke": "white", "strokeWidth": 0.5},
        "encoding": {
            "x": {
                "field": "start",
                "type": "quantitative",
                "scale": {"domain": [0, span], "nice": False},
                "axis": {"title": None, "grid": False, **_ticks(span, voice)},
            },
            "x2": {"field": "end"},
            "y": _RANK,
            "color": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": kinds, "range": colours},
                "legend": {"title": None, "orient": "bottom"},
            },
            "tooltip": [
                {"field": "kind", "title": " "},
                {"field": "number", "title": "#"},
                {"field": "tip", "title": "="},
            ],
        },
    }


LOOK_COLOURS = (COLOURS["forward"], COLOURS["backward"], COLOURS["weights"])
NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
TICKS = 6


def nice_step(span: float, most: int = TICKS) -> float:
    """A round distance of ticks, at most so many of them.

    >>> nice_step(9.93), nice_step(0.31)
    (2.0, 0.1)
    """
    size = 1.0
    while size * most > span:
        size /= 10.0
    while size * most * 10.0 < span:
        size *= 10.0
    found = next(size * nice for nice in NICE_STEPS if size * nice * most >= span)
    return float(f"{found:.3g}")


def _ticks(span: float, voice: Voice) -> Spec:
    step = nice_step(span)
    values = [step * count for count in range(int(span / step) + 1)]
    labels = [directed(voice.say(moment(value) if value else Text("{n:integer}", n=0)), voice) for value in values]
    # Vega's own numbers know no Arabic digits and no unit that fits.
    return {"values": values, "labelExpr": f"{json.dumps(labels)}[round(datum.value / {step!r})]"}


def brief(ledger: Mapping[str, Scalar]) -> list[tuple[str, float]]:
    """Lines of a ledger, the largest first; the tiny ones together, last.

    >>> brief({"weights": 1.0, "logits": 99.0, "context": 0.1, "reserve": 0.1})
    [('logits', 99.0), ('weights', 1.0), ('others', 0.2)]
    """
    lines = sorted(((name, float(value)) for name, value in ledger.items() if value), key=lambda line: -line[1])
    least = SHOWN_FROM * sum(value for _, value in lines)
    tiny = sum(value for _, value in lines if value < least)
    return [*(line for line in lines if line[1] >= least), *([("others", tiny)] if tiny else [])]


def _kind(name: str) -> str:
    if name in COMPUTING:
        return "computing"
    return "links" if name in TRAFFIC else "others"


def _time(found: Estimated, voice: Voice) -> Spec:
    """A bar for each line of the time ledger, its seconds and its share beside it."""
    total = float(found.estimate.step_s)
    rows = [
        {
            "line": directed(voice.say(TIME.get(name, name)), voice),
            "start": 0.0,
            "end": seconds,
            "kind": directed(voice.say(KINDS[_kind(name)]), voice),
            "said": _with_share(moment(seconds), seconds / total, voice),
        }
        for name, seconds in brief(found.estimate.time)
    ]
    kinds = [directed(voice.say(name), voice) for name in KINDS.values()]
    longest = max(float(value) for value in found.estimate.time.values())
    return {
        "title": panel_title(N_("Where the time of a step goes"), voice),
        "width": WIDTH,
        "height": {"step": ROW},
        "layer": [bars(rows, kinds, longest, voice), words_beside(rows, voice)],
    }


def _memory(found: Estimated, voice: Voice) -> Spec:
    """Each line of the memory ledger begins where the one before ends; all of them against what is there."""
    rows, have, need = list(_stacked(found, voice)), found.available, float(found.estimate.peak_bytes)
    fits, over = (directed(voice.say(name), voice) for name in (N_("within the memory"), N_("beyond the memory")))
    parts = [part for row in rows for part in _parted(row, have, fits, over)]
    title = Text("Memory of the fullest device: {need:bytes} of {have:bytes}", need=need, have=have)
    said = directed(voice.say(Text("{have:bytes} there", have=have)), voice)
    return {
        "title": panel_title(title, voice),
        "width": WIDTH,
        "height": {"step": ROW},
        "layer": [
            bars(parts, [fits, over], max(have, need), voice, colours=(COLOURS["memory"], COLOURS["over"])),
            words_beside(rows, voice, max(have, need)),
            *rule_at(have, said, voice),
        ],
    }


def _stacked(found: Estimated, voice: Voice) -> Iterator[dict[str, Any]]:
    lines = brief(found.estimate.memory)
    ends = list(itertools.accumulate(value for _, value in lines))
    for (name, value), end in zip(lines, ends, strict=True):
        yield {
            "line": directed(voice.say(LINES.get(name, name)), voice),
            "start": end - value,
            "end": end,
            "said": _with_share(Text("{x:bytes}", x=value), value / found.available, voice),
        }
    yield {
        "line": directed(voice.say(ALL), voice),
        "start": 0.0,
        "end": ends[-1],
        "said": _with_share(Text("{x:bytes}", x=ends[-1]), ends[-1] / found.available, voice),
    }


def _parted(row: dict[str, Any], have: float, fits: str, over: str) -> Iterator[dict[str, Any]]:
    """A bar in two where it crosses the memory that is there."""
    if row["start"] < have:
        yield {**row, "end": min(row["end"], have), "kind": fits}
    if row["end"] > have:
        yield {**row, "start": max(row["start"], have), "kind": over}


def _with_share(amount: Text, share: float, voice: Voice) -> str:
    return directed(voice.say(Text("{amount} · {share:percent}", amount=amount, share=share)), voice)
