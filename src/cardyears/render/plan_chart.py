"""A plan as a chart: the fastest step within each amount of memory, and the best layouts beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cardyears.base.text import N_, Text, Voice
from cardyears.layout.written import brief, written
from cardyears.render.chart_parts import (
    COLOURS,
    GREY,
    INK,
    ROW,
    WIDTH,
    Spec,
    bars,
    directed,
    header,
    mirrored,
    panel_title,
    whole,
    words_beside,
)
from cardyears.verbs.plan import Planned
from cardyears.verbs.ways import MixedPlanned

HEIGHT = 260
"""Points of the frontier's panel."""
POINT = 90
ROOM = 1.1
"""The axis of time ends so much above the slowest point."""


def plan_chart(made: Planned, voice: Voice) -> Spec:
    """Time against memory, and below it the best layouts with the time of a step."""
    return whole([*_frontier(made, voice), _best(made, voice)], header(made.best, voice), voice)


def ways_chart(made: MixedPlanned, voice: Voice) -> Spec:
    """The ways to use two kinds of device, each with the time of a step of the same batch."""
    kind = directed(voice.say(N_("seconds of a step")), voice)
    rows = [
        {
            "line": directed(voice.say(way.name), voice), "start": 0.0, "end": way.step_s, "kind": kind,
            "said": directed(voice.say(Text("{x:duration}", x=way.step_s)), voice),
        }
        for way in made.ways if way.best is not None
    ]  # fmt: skip
    longest = max(float(str(row["end"])) for row in rows)
    panel = {
        "title": panel_title(N_("Ways to use both kinds of device, at the same batch"), voice),
        "width": WIDTH,
        "height": {"step": ROW},
        "layer": [bars(rows, [kind], longest, voice, colours=(COLOURS["computing"],)), words_beside(rows, voice)],
    }
    assert made.best.best is not None  # the best way always has a layout
    frontier = [] if made.best.planned is None else list(_frontier(made.best.planned, voice))
    title = directed(voice.say(Text("{model} on {machine}", model=made.model, machine=made.machine)), voice)
    return whole([panel, *frontier], header(made.best.best, voice) | {"text": title}, voice)


def _frontier(made: Planned, voice: Voice) -> Iterator[Spec]:
    """A staircase: with more memory the step is as fast as the last point below allows."""
    rows = [
        {
            "memory": point.peak_bytes / made.best.available,
            "step": point.seconds * made.batch,
            "said": f"{voice.say(Text('{x:bytes}', x=point.peak_bytes))} · "
            f"{voice.say(Text('{x:duration}', x=point.seconds * made.batch))}",
            "layout": written(point.layout, made.usual),
        }
        for point in made.frontier
    ]
    if not rows:
        return
    highest = made.frontier[0].seconds * made.batch * ROOM
    yield {
        "title": panel_title(N_("What memory buys: the fastest step within so much of it"), voice),
        "width": WIDTH,
        "height": HEIGHT,
        "data": {"values": rows},
        "encoding": {
            "x": {
                "field": "memory",
                "type": "quantitative",
                "scale": {"domain": [0, 1], "reverse": mirrored(voice)},
                "axis": _axis(N_("share of the memory"), voice, "percent"),
            },
            "y": {
                "field": "step",
                "type": "quantitative",
                "scale": {"domain": [0, highest], "nice": False},
                "axis": _axis(N_("seconds of a step"), voice, "number")
                | {"orient": "right" if mirrored(voice) else "left"},
            },
        },
        "layer": [
            {"mark": {"type": "line", "interpolate": "step-after", "color": GREY, "strokeWidth": 1.5}},
            {
                "mark": {"type": "point", "filled": True, "size": POINT, "color": COLOURS["memory"]},
                "encoding": {"tooltip": [{"field": "said", "title": "="}, {"field": "layout", "title": " "}]},
            },
        ],
    }


def _axis(title: str, voice: Voice, quantity: str) -> dict[str, Any]:
    """An axis with a title and few ticks; Vega's own percent where it is a share."""
    return {
        "title": directed(voice.say(title), voice),
        "format": ".0%" if quantity == "percent" else "~g",
        "tickCount": 6,
        "grid": True,
        "gridOpacity": 0.35,
        "titleColor": INK,
    }


def _best(made: Planned, voice: Voice) -> Spec:
    """A bar for each of the best layouts: the seconds of a step of the same batch."""
    kind = directed(voice.say(N_("seconds of a step")), voice)
    best = float(made.best.estimate.step_s)
    ranked = [(made.best.estimate, 1.0), *((one.estimate, one.slower) for one in made.runners_up)]
    rows = [
        {
            "line": brief(one.layout, made.usual),
            "start": 0.0,
            "end": best * slower,
            "kind": kind,
            "said": directed(voice.say(Text("{x:duration}", x=best * slower)), voice),
        }
        for one, slower in ranked
    ]
    longest = max(float(str(row["end"])) for row in rows)
    return {
        "title": panel_title(N_("The best layouts, each of other degrees"), voice),
        "width": WIDTH,
        "height": {"step": ROW},
        "layer": [bars(rows, [kind], longest, voice, colours=(COLOURS["computing"],)), words_beside(rows, voice)],
    }
