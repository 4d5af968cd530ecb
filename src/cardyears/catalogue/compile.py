"""Is every row of the catalogue well formed, and does every figure have a source?

Reads the TOML and CSV files under ``data/``, checks them against `schema` and against each other, and writes one
compact file that `load` opens in a few milliseconds. Runs when the package is built; `python -m
cardyears.catalogue.compile` runs it by hand.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cardyears.base.errors import BadCatalogue
from cardyears.base.text import Text
from cardyears.catalogue import schema, spreads

DATA = Path(__file__).with_name("data")
COMPILED = Path(__file__).with_name("catalogue.msgpack")

SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "accelerators": schema.AcceleratorRow,
    "links": schema.LinkRow,
    "models": schema.ModelRow,
    "runs": schema.RunRow,
    "grid": schema.GridRow,
    "shares": schema.ShareRow,
    "silicon": schema.SiliconRow,
    "sustained": schema.SustainedRow,
    "engines": schema.EngineRow,
    "memory": spreads.MemoryRow,
    "steps": spreads.StepRow,
    "sources": schema.SourceRow,
}
"""Sections whose rows have keys; each is ``data/SECTION.toml`` or a folder of such files."""

TABLES: dict[str, type[msgspec.Struct]] = {"prices": schema.PriceRow, "measured": spreads.MeasuredRow}
"""Sections whose rows have none; each is ``data/SECTION.csv``."""

Sections = dict[str, Any]


def compile_folder(data: Path = DATA) -> Sections:
    """All rows of a catalogue folder, checked: section -> key -> row, and the list of prices.

    Raises `BadCatalogue` with file, key and remedy at the first row that is wrong.
    """
    sections: Sections = {}
    origin: dict[tuple[str, str], str] = {}
    for section, row_type in SECTIONS.items():
        rows: dict[str, msgspec.Struct] = {}
        for path in section_files(data, section):
            for key, raw in read_toml(path).items():
                if key in rows:
                    raise _bad(f"{path.name}: {key}", "stands in two files", "Rename or remove one of them.")
                rows[key] = convert_row(raw, row_type, f"{path.parent.name}/{path.name}", key)
                origin[section, key] = f"{path.parent.name}/{path.name}"
        sections[section] = rows
    for section, row_type in TABLES.items():
        sections[section] = list(_table(data / f"{section}.csv", row_type))
    check_references(sections, lambda section, key: origin.get((section, key), f"{section}.csv"))
    return sections


def section_files(data: Path, section: str) -> list[Path]:
    """The files that make up a section, in a fixed order."""
    folder = data / section
    return sorted(folder.glob("*.toml")) if folder.is_dir() else [data / f"{section}.toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's tables; a broken file is a `BadCatalogue` that names the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise _bad(path.name, f"is not TOML ({error})", "Mend the line that it names.") from error


def convert_row(raw: Any, row_type: type[msgspec.Struct], file: str, key: str) -> Any:
    """One table as its row type; `BadCatalogue` says file and key when it does not fit."""
    try:
        return msgspec.convert(raw, row_type)
    except msgspec.ValidationError as error:
        if "`source`" in str(error) and "missing" in str(error):
            raise _bad(f"{file}: {key}", "has no source", "Add a key from sources.toml.") from error
        raise _bad(f"{file}: {key}", f"does not fit the schema ({error})", "Mend the key that it names.") from error


def _table(path: Path, row_type: type[msgspec.Struct]) -> Iterator[Any]:
    with path.open(encoding="utf-8", newline="") as lines:
        for number, raw in enumerate(csv.DictReader(lines), start=2):
            filled = {name: value for name, value in raw.items() if value}
            try:
                yield msgspec.convert(filled, row_type, strict=False)
            except msgspec.ValidationError as error:
                raise _bad(f"{path.name}: line {number}", f"does not fit the schema ({error})", "Mend it.") from error


def check_references(sections: Sections, origin: Any, *, known: Sections | None = None) -> None:
    """Every key that a row names exists: sources, links, families, models, devices.

    `known` holds the rows of a catalogue that these rows are laid on top of.
    """

    def keys(section: str) -> set[str]:
        return {*sections.get(section, ()), *((known or {}).get(section, ()))}

    names = {section: keys(section) for section in SECTIONS}
    for section, key, field, wanted, target in _references(sections):
        if wanted not in names[target]:
            where = f"{origin(section, key)}: {key}.{field}" if field else f"{origin(section, key)}: {key}"
            raise _bad(
                where, f"names {wanted!r}, which {target} does not have", f"Add it to {target}, or mend the key."
            )


def _references(sections: Sections) -> Iterator[tuple[str, str, str, str, str]]:
    """(section, key, field, the key that it names, the section that must have it)."""
    for section in SECTIONS:
        if section in ("prices", "sources"):
            continue
        for key, row in sections.get(section, {}).items():
            yield section, key, "", row.source, "sources"
            for figure, override in (getattr(row, "figures", None) or {}).items():
                if override.source:
                    yield section, key, figure, override.source, "sources"
    fields = (
        ("accelerators", "family", "shares"),
        ("accelerators", "link", "links"),
        ("links", "like", "links"),
        ("runs", "model", "models"),
        ("runs", "device", "accelerators"),
    )
    for section, field, target in fields:
        for key, row in sections.get(section, {}).items():
            if getattr(row, field):
                yield section, key, field, getattr(row, field), target
    yield from _reading_references(sections)
    for price in sections.get("prices", ()):
        yield "prices", price.device, "device", price.device, "accelerators"
        yield "prices", price.device, "source", price.source, "sources"


def _reading_references(sections: Sections) -> Iterator[tuple[str, str, str, str, str]]:
    for key, row in sections.get("models", {}).items():
        for reading in row.readings:
            yield "models", key, "readings", reading.source, "sources"
            if reading.model:
                yield "models", key, "readings", reading.model, "models"


def _bad(where: str, what: str, remedy: str) -> BadCatalogue:
    return BadCatalogue(Text("{where} {what}.", where=where, what=what), Text("{remedy}", remedy=remedy))


def encode(sections: Sections, state: str) -> bytes:
    """The compact file: each section apart, so that a reader decodes only what it needs; and what it was made from."""
    packed = {name: msgspec.msgpack.encode(rows) for name, rows in sections.items()}
    return msgspec.msgpack.encode({**packed, "state": state.encode()})


def main() -> None:
    """Write the compiled catalogue beside this file."""
    from cardyears.catalogue.load import fingerprint

    COMPILED.write_bytes(encode(compile_folder(), fingerprint(DATA)))


if __name__ == "__main__":
    main()
