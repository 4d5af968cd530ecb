"""A chart as a file: the specification itself, a picture, or a page that needs no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cardyears.base.errors import BadInput, MissingExtra, UnusableFile, listed
from cardyears.base.text import Text
from cardyears.render.chart_parts import Spec

SCALE = 2.0
"""Pixels of a picture for each point."""


def _json(spec: Spec) -> bytes:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(spec), indent=2) + b"\n"


def _converter(suffix: str = "") -> Any:
    """What draws; a page of HTML needs it too, for the scripts that it has inside so as to need no network."""
    try:
        import vl_convert
    except ImportError:
        what = (
            Text("A page with a chart has the scripts that draw it inside, and they come with vl-convert, which is not "
                 "installed.")
            if suffix == ".html"
            else Text("Pictures of charts are made by vl-convert, which is not installed.")
        )  # fmt: skip
        raise MissingExtra(
            what, Text('Install it: pip install "cardyears[charts]". A .json file needs nothing.')
        ) from None
    return vl_convert


def _svg(spec: Spec) -> bytes:
    drawn: str = _converter().vegalite_to_svg(spec)
    # Inside a right-to-left page "start" would mean the other side, and labels would be cut.
    return drawn.replace("<svg ", '<svg direction="ltr" ', 1).encode()


def _png(spec: Spec) -> bytes:
    drawn: bytes = _converter().vegalite_to_png(spec, scale=SCALE)
    return drawn


def _pdf(spec: Spec) -> bytes:
    drawn: bytes = _converter().vegalite_to_pdf(spec)
    return drawn


def _html(spec: Spec) -> bytes:
    drawn: str = _converter().vegalite_to_html(spec, bundle=True)
    return drawn.encode()


WRITERS: Mapping[str, Callable[[Spec], bytes]] = {
    ".svg": _svg,
    ".png": _png,
    ".pdf": _pdf,
    ".html": _html,
    ".json": _json,
}
CHART_SUFFIXES = tuple(WRITERS)


def check_chart_path(path: Path | str) -> None:
    """Whether a chart can be written under this name, before there is one.

    Raises `BadInput` for an unknown ending, `MissingExtra` where what draws it is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS:
        raise BadInput(
            Text("A chart cannot be written as {name}.", name=Path(path).name or str(path)),
            Text("Let the name end in {endings}.", endings=listed(CHART_SUFFIXES)),
        )
    if suffix != ".json":
        _converter(suffix)


def write_chart(spec: Spec, path: Path | str) -> None:
    """Write a chart as what its name ends in; what was there before stays until the new one is whole.

    Raises `BadInput`, `MissingExtra` as `check_chart_path` does; `UnusableFile` where the place cannot be written to.
    """
    check_chart_path(path)
    target = Path(path)
    drawn = WRITERS[target.suffix.lower()](spec)
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_bytes(drawn)
        part.replace(target)
    except OSError as problem:
        _forget(part)
        raise UnusableFile(
            Text("{path} cannot be written: {why}.", path=str(target), why=problem.strerror or str(problem)),
            Text("Name a file in a folder that you may write to."),
        ) from None


def _forget(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return
