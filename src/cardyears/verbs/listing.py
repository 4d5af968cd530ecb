"""What does the catalogue have? Rows of one section that match a query. Needs no sums and no NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cardyears.base.errors import AmbiguousName, UnknownName, shown
from cardyears.base.text import Text
from cardyears.catalogue.find import find, search
from cardyears.catalogue.load import Catalogue

SECTIONS = {"models": "models", "devices": "accelerators", "runs": "runs", "sources": "sources"}


class Listing(msgspec.Struct, frozen=True):
    """Rows as plain values, each with its key."""

    what: str
    query: str
    rows: tuple[dict[str, Any], ...]
    exact: bool = False
    """Whether the query names one row."""


def listing(what: str, query: str, catalogue: Catalogue) -> Listing:
    """Rows that match every word of the query; `UnknownName` with the nearest names where none does."""
    if what == "prices":
        return Listing(what, query, tuple(_prices(query, catalogue)))
    rows: Mapping[str, Any] = getattr(catalogue, SECTIONS[what])
    wordless = bool(query) and not any(char.isalnum() for char in query)
    keys = [] if wordless else list(search(query, rows)) if query else list(rows)
    exact = _exact(query, rows, what)
    if exact is not None:
        keys = [exact, *(key for key in keys if key != exact)]
    if not keys:
        raise UnknownName(
            Text("No row of {what:word} matches {query}.", what=what, query=shown(query)),
            Text("cardyears {what} lists all.", what=what),
        )
    return Listing(what, query, tuple(_plain(key, rows[key]) for key in keys), exact is not None)


def _exact(query: str, rows: Mapping[str, Any], what: str) -> str | None:
    if not query or what not in ("models", "devices"):
        return None
    try:
        return find(query, rows, what).key
    except (UnknownName, AmbiguousName):
        return None


def _prices(query: str, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """Prices of the devices that the query names, the newest first; all for an empty query."""
    keys = set(search(query, catalogue.accelerators)) if query else None
    if keys is not None and not keys:
        keys = {find(query, catalogue.accelerators, "devices").key}
    rows = [row for row in catalogue.prices if keys is None or row.device in keys]
    if not rows:
        raise UnknownName(
            Text("No price is known for {query}.", query=shown(query)), Text("cardyears prices lists all.")
        )
    for row in sorted(rows, key=lambda row: (row.device, -row.date.toordinal(), row.usd_per_device_hour)):
        yield _plain(row.device, row)


def _plain(key: str, row: msgspec.Struct) -> dict[str, Any]:
    """A row with all its fields: what no source gives is there as None."""
    plain: dict[str, Any] = msgspec.to_builtins(_fields(row))
    return {"key": key, **plain}


def _fields(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _fields(part) for name, part in msgspec.structs.asdict(value).items()}
    if isinstance(value, dict):
        return {name: _fields(part) for name, part in value.items()}
    return [_fields(part) for part in value] if isinstance(value, (list, tuple)) else value
