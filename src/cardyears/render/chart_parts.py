"""What charts are made of: bars with words beside them, headings, and the mirror for right-to-left languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from cardyears.base.text import Text, Voice
from cardyears.layout.layout import Layout
from cardyears.render.locale.voice import RIGHT_TO_LEFT
from cardyears.verbs.estimate import Estimated

Spec: TypeAlias = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
WIDTH, ROW, BESIDE, LABELS = 640, 24, 6, 420
"""Points: a panel's width, a row's height, the gap between a bar and its words, the longest label."""
WORDS = 0.34
"""Room for the words beside the longest bar, as a share of it."""
INK, GREY = "#1f2933", "#6b7785"
COLOURS = {
    "computing": "#2f6fb0",
    "links": "#e07b39",
    "others": "#a8b3bf",
    "memory": "#3f8f7f",
    "over": "#c8493a",
    "forward": "#4a90d9",
    "backward": "#2f7d5b",
    "weights": "#d9a13b",
}
FONTS = {"ar": "Noto Sans Arabic, Vazirmatn, DejaVu Sans, Arial, sans-serif"}
FONT = "Inter, Helvetica, Arial, sans-serif"
RIGHT_ISOLATE, ISOLATE_END = "\u2067", "\u2069"


def mirrored(voice: Voice) -> bool:
    """Whether the language runs from right to left."""
    return voice.language in RIGHT_TO_LEFT


def directed(text: str, voice: Voice) -> str:
    """Words that keep their own direction: a drawing's text runs from left to right unless it says otherwise."""
    return f"{RIGHT_ISOLATE}{text}{ISOLATE_END}" if mirrored(voice) else text


def whole(panels: Sequence[Spec], title: Spec, voice: Voice) -> Spec:
    """Panels one under the other, below the heading."""
    return {
        "$schema": SCHEMA,
        "background": "white",
        "padding": 24,
        "title": title,
        "vconcat": list(panels),
        "spacing": 28,
        "resolve": {"scale": {"color": "independent"}, "legend": {"color": "independent"}},
        "config": {
            "font": FONTS.get(voice.language, FONT),
            "view": {"stroke": None},
            "axis": {"labelColor": INK, "labelFontSize": 12, "domainColor": GREY, "tickColor": GREY},
            "legend": {
                "labelColor": INK,
                "labelFontSize": 11,
                "symbolType": "square",
                "columns": 4,
                "labelLimit": LABELS,
                "layout": {"bottom": {"anchor": "end" if mirrored(voice) else "start"}},
            },
            "title": {"color": INK, "subtitleColor": GREY},
        },
    }


def header(found: Estimated, voice: Voice) -> Spec:
    """What was estimated: model, machine, layout, and how long a step takes."""
    cluster = found.job.cluster
    name = Text(
        "{model} on {count:integer} × {device}", model=found.model, count=cluster.count, device=cluster.device.name
    )
    step = Text("One step takes {step:duration} at an MFU of {mfu:percent}.", step=found.step_s, mfu=found.mfu.mid)
    return {
        "text": directed(voice.say(name), voice),
        "subtitle": [_isolated(layout_line(found.estimate.layout), voice), directed(voice.say(step), voice)],
        "anchor": "end" if mirrored(voice) else "start",
        "frame": "bounds",
        "fontSize": 20,
        "fontWeight": "bold",
        "subtitleFontSize": 13,
        "subtitlePadding": 6,
        "offset": 18,
    }


def _isolated(text: str, voice: Voice) -> str:
    """Latin words that keep their order inside a right-to-left page."""
    return f"\u2066{text}{ISOLATE_END}" if mirrored(voice) else text


def layout_line(layout: Layout) -> str:
    """A layout in a line, in the words in which --layout takes it.

    >>> layout_line(Layout(tp=8, pp=16, dp=128, zero=1, accumulation=16))
    'tp=8 pp=16 dp=128 zero=1 micro_batch=1 accumulation=16 recompute=none bf16'
    """
    degrees = {name: getattr(layout, name) for name in ("tp", "cp", "pp", "virtual_stages", "dp", "ep", "etp")}
    said = [f"{name}={int(value)}" for name, value in degrees.items() if value > 1]
    if layout.schedule != "1f1b":
        said.append(f"schedule={layout.schedule}")
    if layout.zero:
        said.append(f"zero={int(float(layout.zero))}")
    said += [f"{name}={int(getattr(layout, name))}" for name in ("micro_batch", "accumulation")]
    return " ".join([*said, f"recompute={layout.recompute}", layout.precision])


def panel_title(text: Text | str, voice: Voice, below: Sequence[str] = ()) -> Spec:
    """A panel's heading, and sentences under it."""
    return {
        "text": directed(voice.say(text), voice),
        **({"subtitle": [directed(sentence, voice) for sentence in below]} if below else {}),
        "anchor": "end" if mirrored(voice) else "start",
        "frame": "group",
        "fontSize": 14,
        "subtitleFontSize": 11,
        "offset": 10,
    }


def axis_of_labels(voice: Voice) -> Spec:
    """The axis of what the bars are called, at the side where the language begins."""
    return {
        "title": None,
        "ticks": False,
        "domain": False,
        "labelLimit": LABELS,
        "labelPadding": BESIDE,
        "orient": "right" if mirrored(voice) else "left",
    }


def _lines(voice: Voice) -> Spec:
    return {"field": "line", "type": "nominal", "sort": None, "axis": axis_of_labels(voice)}


def bars(
    rows: Sequence[Mapping[str, Any]],
    kinds: Sequence[str],
    longest: float,
    voice: Voice,
    *,
    colours: Sequence[str] = (COLOURS["computing"], COLOURS["links"], COLOURS["others"]),
) -> Spec:
    """Horizontal bars from `start` to `end` in the colour of their kind, from the side where the language begins."""
    there = [kind for kind in kinds if any(row["kind"] == kind for row in rows)]
    painted = [colour for kind, colour in zip(kinds, colours, strict=True) if kind in there]
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "bar", "cornerRadius": 2, "height": {"band": 0.7}},
        "encoding": {
            "y": _lines(voice),
            "x": {
                "field": "start",
                "type": "quantitative",
                "scale": {"domain": [0, longest * (1.0 + WORDS)], "nice": False, "reverse": mirrored(voice)},
                "axis": None,
            },
            "x2": {"field": "end"},
            "color": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": there, "range": painted},
                "legend": {"title": None, "orient": "bottom"} if len(there) > 1 else None,
            },
            "tooltip": [{"field": "line", "title": " "}, {"field": "said", "title": "="}],
        },
    }


def words_beside(rows: Sequence[Mapping[str, Any]], voice: Voice, at: float | None = None) -> Spec:
    """What each bar comes to, beside its end; or all in one column `at` a value."""
    back = mirrored(voice)
    end = {"field": "end"} if at is None else {"datum": at}
    return {
        "data": {"values": list(rows)},
        "mark": {
            "type": "text",
            "align": "right" if back else "left",
            "dx": -BESIDE if back else BESIDE,
            "color": INK,
            "fontSize": 11,
        },
        "encoding": {"y": _lines(voice), "x": {**end, "type": "quantitative"}, "text": {"field": "said"}},
    }


def rule_at(value: float, said: str, voice: Voice) -> list[Spec]:
    """A line across all bars at one value, and what it is."""
    back = mirrored(voice)
    at = {"datum": value, "type": "quantitative"}
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "rule", "color": INK, "strokeDash": [4, 3], "strokeWidth": 1.5},
            "encoding": {"x": at},
        },
        {
            "data": {"values": [{"said": said}]},
            "mark": {
                "type": "text",
                "align": "right" if back else "left",
                "dx": -BESIDE if back else BESIDE,
                "baseline": "bottom",
                "fontWeight": "bold",
                "fontSize": 11,
                "color": INK,
            },
            "encoding": {"x": at, "y": {"value": 0}, "text": {"field": "said"}},
        },
    ]
