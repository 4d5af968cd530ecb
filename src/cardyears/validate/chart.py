"""Predicted against measured as a chart: both axes logarithmic, a point for each run, its accelerator as colour."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cardyears.base.text import N_, Text, Voice
from cardyears.catalogue.spreads import MemoryRow, StepRow
from cardyears.render.chart_parts import GREY, INK, Spec, directed, mirrored, panel_title, whole
from cardyears.resolve.spreads import ANY, UNNAMED
from cardyears.validate.interval import interval
from cardyears.validate.scores import Scores
from cardyears.validate.validated import Validated

SIDE = 520
"""Points of each side."""
POINT = 26
KINDS = 9
"""Accelerators with a colour of their own; all others share one."""
PALETTE = ("#2f6fb0", "#e07b39", "#3f8f7f", "#c8493a", "#7a5ea8", "#d9a13b", "#4a90d9", "#8c564b", "#5b8c2a", "#a8b3bf")
GIGA = 1e9


def validate_chart(made: Validated, voice: Voice) -> Spec:
    """Step times, and below them peaks of memory, where there are any."""
    found, catalogue = made.found, made.found.catalogue
    times = [
        _point(one, one.measured_s, one.predicted_s, "{x:duration}", voice, wide.low, wide.high)
        for one in found.speeds
        if (wide := interval(one.problem, found.catalogue))
    ]
    peaks = [
        _point(one, one.measured / GIGA, one.predicted / GIGA, "{x:number} GB", voice, one.spread.low, one.spread.high)
        for one in found.memories
        if one.measured is not None
    ]
    panels = [
        _scatter(rows, title, axis, scores, band, voice)
        for rows, title, axis, scores, band in (
            (times, N_("Time of a step"), N_("seconds"), found.good.speed, catalogue.steps[UNNAMED]),
            (peaks, N_("Peak memory of a device"), "GB", found.good.memory, catalogue.memory[ANY]),
        )
        if rows
    ]
    title = Text("Predicted against measured: {file}", file=found.name or "cardyears")
    below = Text("{n:integer} of {rows:integer} rows", n=found.predicted, rows=found.rows)
    heading = {
        "text": directed(voice.say(title), voice),
        "subtitle": [directed(voice.say(below), voice)],
        "anchor": "end" if mirrored(voice) else "start",
        "frame": "bounds",
        "fontSize": 20,
        "fontWeight": "bold",
        "subtitleFontSize": 13,
        "offset": 18,
    }
    return whole(panels, heading, voice)


def _point(
    one: Any, measured: float, predicted: float, quantity: str, voice: Voice, low: float, high: float
) -> dict[str, Any]:
    """One run; numbers in words for whoever points at it."""
    problem = one.problem
    said = Text(
        "measured {measured}, predicted {predicted}, off by {error:percent}",
        measured=Text(quantity, x=measured), predicted=Text(quantity, x=predicted),
        error=abs(predicted / measured - 1.0),
    )  # fmt: skip
    return {
        "measured": measured,
        "predicted": predicted,
        "kind": problem.device.name,
        "inside": low <= measured / predicted <= high,
        "run": f"{problem.measured.model} · {problem.cluster.count} × {problem.device.name} · {problem.engine}",
        "said": directed(voice.say(said), voice),
    }


def _scatter(
    rows: Sequence[dict[str, Any]], title: str, axis: str, scores: Scores, band: StepRow | MemoryRow, voice: Voice
) -> Spec:
    """Points around the line on which both are equal, with the band of the widest interval."""
    others = directed(voice.say(N_("others")), voice)
    most = [name for name, _ in Counter(row["kind"] for row in rows).most_common(KINDS)]
    shown = [{**row, "kind": row["kind"] if row["kind"] in most else others} for row in rows]
    kinds = [*most, *([others] if any(row["kind"] == others for row in shown) else [])]
    values = [row[name] for row in rows for name in ("measured", "predicted")]
    ends = [10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values)))]
    line = [{"at": end, "low": end / band.high, "high": end / band.low} for end in ends]
    return {
        "title": panel_title(title, voice, [voice.say(_said(scores))] if scores.n else []),
        "width": SIDE,
        "height": SIDE,
        "layer": [
            {
                "data": {"values": line},
                "mark": {"type": "area", "color": GREY, "opacity": 0.12, "clip": True},
                "encoding": {"x": _axis("at", axis, N_("measured: {unit}"), ends, voice),
                             "y": _axis("low", axis, N_("predicted: {unit}"), ends, voice), "y2": {"field": "high"}},
            },
            {
                "data": {"values": line},
                "mark": {"type": "line", "color": GREY, "strokeWidth": 1, "strokeDash": [4, 3]},
                "encoding": {axis: {"field": "at", "type": "quantitative"} for axis in ("x", "y")},
            },
            {
                "data": {"values": shown},
                "mark": {"type": "point", "filled": True, "size": POINT, "opacity": 0.6},
                "encoding": {
                    "x": {"field": "measured", "type": "quantitative"},
                    "y": {"field": "predicted", "type": "quantitative"},
                    "color": {
                        "field": "kind",
                        "type": "nominal",
                        "scale": {"domain": kinds, "range": list(PALETTE[: len(kinds)])},
                        "legend": {"title": None, "orient": "bottom", "columns": 3, "symbolType": "circle"},
                    },
                    "tooltip": [{"field": "run", "title": " "}, {"field": "said", "title": "="}],
                },
            },
        ],
    }  # fmt: skip


def _said(scores: Scores) -> Text:
    return Text(
        "off by {median:percent} at the median, {p90:percent} at the 90th percentile; {held:percent} in their interval",
        median=round(scores.median_abs_error or 0.0, 3), p90=round(scores.p90_abs_error or 0.0, 3),
        held=round(scores.interval_coverage or 0.0, 3),
    )  # fmt: skip


def _axis(field: str, unit: str, name: str, ends: Sequence[float], voice: Voice) -> dict[str, Any]:
    """A logarithmic axis; times run from left to right in every language."""
    said = Text(name, unit=Text(unit))
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log", "domain": list(ends), "nice": False},
        "axis": {"title": directed(voice.say(said), voice), "format": "~g", "grid": True, "gridOpacity": 0.25,
                 "titleColor": INK, "tickCount": 6},
    }  # fmt: skip
