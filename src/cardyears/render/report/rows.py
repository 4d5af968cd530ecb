"""Rows of the catalogue as text: a line each, or one row whole. Needs no sums and no NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cardyears.base.text import N_, Text
from cardyears.base.units import DAY
from cardyears.render.labels import KINDS
from cardyears.render.page import Page, Titles
from cardyears.verbs.listing import Listing

Row = Mapping[str, Any]


def rows(found: Listing, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """All rows, or the named one with every figure and its source."""
    cells, headings, right, wrap = _COLUMNS[found.what]
    if found.exact and (explained or len(found.rows) == 1):
        _whole(page, found.rows[0])
    else:
        page.table(headings, (cells(page, row) for row in found.rows), right=right, wrap=wrap)
        page.line(Text("rows: {n:integer}", n=len(found.rows)))
    page.sources(
        list(dict.fromkeys(str(row["source"]) for row in found.rows if "source" in row)) if explained or titles else [],
        titles,
    )


def _figure(page: Page, value: Any, spec: str, scale: float = 1.0) -> str:
    """A figure, or a dash where no source gives it."""
    return "–" if value is None else page.say(Text("{x:" + spec + "}", x=value * scale))


def _device(page: Page, row: Row) -> list[str]:
    peaks = row.get("peak_tflop_s", {})
    training = next(((name, peaks[name]) for name in ("bf16", "fp16", "fp32") if name in peaks), ("", None))
    return [
        row["key"],
        row["name"],
        _figure(page, row["memory_gib"], "gib", 2.0**30),
        _figure(page, row.get("bandwidth_gb_s"), "bandwidth", 1e9),
        f"{_figure(page, training[1], 'rate', 1e12)} {training[0]}".strip(),
        _figure(page, row.get("board_w"), "power"),
        _figure(page, row.get("launch_usd"), "usd"),
    ]


def _model(page: Page, row: Row) -> list[str]:
    shape = row.get("shape")
    size = N_("undisclosed") if shape is None else _shape(shape)
    return [
        row["key"],
        row["name"],
        row["developer"],
        page.say(size),
        _figure(page, row.get("tokens"), "count"),
        row.get("released", ""),
    ]


def _shape(shape: Row) -> str:
    experts = f", {shape['top_k']}/{shape['experts']} experts" if shape.get("experts") else ""
    return f"{shape['layers']} × {shape['hidden']}{experts}"


def _run(page: Page, row: Row) -> list[str]:
    return [
        row["name"],
        _figure(page, row.get("flop"), "flop"),
        _figure(page, row.get("tokens"), "count"),
        row.get("device") or "–",
        _figure(page, row.get("devices"), "integer"),
        _figure(page, row.get("wall_days"), "duration", DAY),
        row["kind"],
        row["source"],
    ]


def _price(page: Page, row: Row) -> list[str]:
    return [
        row["device"],
        page.say(Text("${x:number}", x=row["usd_per_device_hour"])),
        row["market"],
        row["provider"],
        row["date"],
        row["source"],
    ]


def _source(_page: Page, row: Row) -> list[str]:
    return [row["key"], row["title"], row.get("date", ""), row["where"]]


_COLUMNS: dict[str, tuple[Callable[[Page, Row], list[str]], tuple[str, ...], tuple[int, ...], int | None]] = {
    "devices": (
        _device,
        (N_("key"), N_("name"), N_("memory"), N_("bandwidth"), N_("training peak"), N_("power"), N_("launch price")),
        (2, 3, 4, 5, 6),
        None,
    ),
    "models": (
        _model,
        (N_("key"), N_("name"), N_("developer"), N_("layers × width"), N_("tokens"), N_("released")),
        (4,),
        1,
    ),
    "runs": (
        _run,
        (N_("run"), N_("FLOP"), N_("tokens"), N_("device"), N_("devices"), N_("time"), N_("kind"), N_("source")),
        (1, 2, 4, 5),
        0,
    ),
    "prices": (
        _price,
        (N_("device"), N_("per device-hour"), N_("market"), N_("provider"), N_("date"), N_("source")),
        (1,),
        3,
    ),
    "sources": (_source, (N_("key"), N_("title"), N_("date"), N_("where")), (), 1),
}


def _whole(page: Page, row: Row) -> None:
    """Every figure of one row; its kind and source where they differ from the row's."""
    page.line(row["name"], "bold")
    general = Text(
        "{kind:word}, {source}, {checked}", kind=KINDS[row["kind"]], source=row["source"], checked=row["checked"]
    )
    page.line(Text("Unless another source stands beside it: {general}.", general=general), indent=2)
    for name in ("where", "note"):
        if row.get(name):
            page.line(row[name], indent=2)
    page.rows(list(_figures(page, row)), wrap=2)


_ABOVE = frozenset({"figures", "name", "source", "kind", "checked", "where", "note"})
"""What the lines above the figures say."""


def _figures(page: Page, row: Row) -> Iterator[tuple[str, str, str]]:
    """(key, value, provenance where it is not the row's) for every figure that is there."""
    own = row.get("figures", {})
    for name, value in row.items():
        if name in _ABOVE or value is None or value in ("", [], ()):
            continue
        if isinstance(value, dict):
            prefix, unit = ("peak.", " TFLOP/s") if name == "peak_tflop_s" else (f"{name}.", "")
            for key, part in value.items():
                if part is not None:
                    yield f"{prefix}{key}", f"{part}{unit}", _provenance(page, own.get(f"{prefix}{key}"))
        elif isinstance(value, (list, tuple)):
            parts = (str(part.get("label", part)) if isinstance(part, dict) else str(part) for part in value)
            yield name, page.listed(parts), ""
        else:
            yield name, str(value), _provenance(page, own.get(name))


def _provenance(page: Page, own: Row | None) -> str:
    if not own:
        return ""
    kind = page.say(KINDS[own["kind"]]) if own.get("kind") else ""
    return page.listed(part for part in (kind, own.get("source") or "", own.get("note") or "") if part)
