"""What does the catalogue say? Its rows, decoded when they are first asked for.

The compiled file is made when the package is built. In a source checkout whose TOML or CSV files are newer, the
catalogue is compiled afresh and kept in the cache folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec

from cardyears.base.errors import BadCatalogue, UnusableFile, shown
from cardyears.base.text import Text
from cardyears.catalogue import schema, spreads
from cardyears.machine.calibration import Calibration

_HERE = Path(__file__).parent
CACHE_VARIABLE = "CARDYEARS_CACHE_DIR"
PRICES = "prices"
"""The one section that is a list: a price has no key of its own."""


class Catalogue:
    """Everything that is known and published: rows by key, each section decoded on first use."""

    def __init__(
        self, packed: dict[str, bytes], own: dict[str, Any] | None = None, on_top: Mapping[str, tuple[str, ...]] = {}
    ) -> None:
        self._packed, self._own = packed, own or {}
        self.on_top = on_top
        """Keys, by section, of the file that was laid on top last."""
        self.calibration: Calibration | None = None
        """Whose factors are in the rows, where a person has one."""
        self.uncalibrated_engines: Mapping[str, schema.EngineRow] = {}
        """Engines without those factors, which hold only near the person's runs (`resolve.likeness`)."""

    def _rows(self, section: str, row_type: Any) -> Any:
        rows = msgspec.msgpack.decode(self._packed[section], type=dict[str, row_type])
        return {**rows, **self._own.get(section, {})}

    @cached_property
    def accelerators(self) -> dict[str, schema.AcceleratorRow]:
        """Accelerators by key."""
        return self._rows("accelerators", schema.AcceleratorRow)  # type: ignore[no-any-return]

    @cached_property
    def links(self) -> dict[str, schema.LinkRow]:
        """Classes of wire by key."""
        return self._rows("links", schema.LinkRow)  # type: ignore[no-any-return]

    @cached_property
    def models(self) -> dict[str, schema.ModelRow]:
        """Models by key."""
        return self._rows("models", schema.ModelRow)  # type: ignore[no-any-return]

    @cached_property
    def runs(self) -> dict[str, schema.RunRow]:
        """Published whole training runs by key."""
        return self._rows("runs", schema.RunRow)  # type: ignore[no-any-return]

    @cached_property
    def grid(self) -> dict[str, schema.GridRow]:
        """Electricity by country."""
        return self._rows("grid", schema.GridRow)  # type: ignore[no-any-return]

    @cached_property
    def shares(self) -> dict[str, schema.ShareRow]:
        """Attained shares of the training peak by accelerator family."""
        return self._rows("shares", schema.ShareRow)  # type: ignore[no-any-return]

    @cached_property
    def silicon(self) -> dict[str, schema.SiliconRow]:
        """Attained shares of single kernels by accelerator family, or by device."""
        return self._rows("silicon", schema.SiliconRow)  # type: ignore[no-any-return]

    @cached_property
    def sustained(self) -> dict[str, schema.SustainedRow]:
        """What families of accelerators sustain through training steps."""
        return self._rows("sustained", schema.SustainedRow)  # type: ignore[no-any-return]

    @cached_property
    def memory(self) -> dict[str, spreads.MemoryRow]:
        """How far estimates of peak memory are off, by engine; "any" and "any-adapters" are for all others."""
        return self._rows("memory", spreads.MemoryRow)  # type: ignore[no-any-return]

    @cached_property
    def engines(self) -> dict[str, schema.EngineRow]:
        """Training engines by key."""
        return self._rows("engines", schema.EngineRow)  # type: ignore[no-any-return]

    @cached_property
    def steps(self) -> dict[str, spreads.StepRow]:
        """How far measured step times lie from estimates, by how near a measured run is."""
        return self._rows("steps", spreads.StepRow)  # type: ignore[no-any-return]

    @cached_property
    def measured(self) -> list[spreads.MeasuredRow]:
        """What was measured: a line for each kind of run."""
        if "measured" in self._own:
            return self._own["measured"]  # type: ignore[no-any-return]
        return msgspec.msgpack.decode(self._packed["measured"], type=list[spreads.MeasuredRow])

    @cached_property
    def sources(self) -> dict[str, schema.SourceRow]:
        """The bibliography."""
        return self._rows("sources", schema.SourceRow)  # type: ignore[no-any-return]

    @cached_property
    def prices(self) -> list[schema.PriceRow]:
        """Dated prices per device-hour."""
        rows = msgspec.msgpack.decode(self._packed["prices"], type=list[schema.PriceRow])
        return [*rows, *self._own.get("prices", ())]

    def with_rows(self, rows: Mapping[str, Any], calibration: Calibration | None = None) -> Catalogue:
        """This catalogue with whole sections replaced, such as calibrated ones; `resolve.calibration` makes them."""
        made = Catalogue(self._packed, {**self._own, **rows}, self.on_top)
        made.calibration = calibration or self.calibration
        made.uncalibrated_engines = self.engines if calibration else self.uncalibrated_engines
        return made

    def with_file(self, path: str | Path) -> Catalogue:
        """This catalogue with one's own rows on top: a TOML file with tables ``[SECTION.KEY]``.

        Raises `UnusableFile` or `BadCatalogue` with file and key.
        """
        from cardyears.catalogue import compile as compiler

        path = Path(path)
        try:
            tables = compiler.read_toml(path)
        except (OSError, UnicodeDecodeError) as error:
            raise UnusableFile(
                Text("{path} cannot be read as a catalogue.", path=shown(path.name)),
                Text("Name a TOML file with tables such as [accelerators.my-card]."),
            ) from error
        own = {section: _own_rows(section, rows, path.name) for section, rows in tables.items()}
        known = {section: getattr(self, section) for section in compiler.SECTIONS}
        compiler.check_references(own, lambda _section, _key: path.name, known=known)
        merged: dict[str, Any] = {}
        for section, rows in own.items():
            before = self._own.get(section, [] if section == PRICES else {})
            merged[section] = [*before, *rows] if section == PRICES else {**before, **rows}
        on_top = {section: tuple(rows) for section, rows in own.items() if section != PRICES}
        made = Catalogue(self._packed, {**self._own, **merged}, on_top)
        made.calibration = self.calibration
        made.uncalibrated_engines = self.uncalibrated_engines
        return made


def _own_rows(section: str, rows: Any, file: str) -> Any:
    """The rows of one section of a user's file, checked."""
    from cardyears.catalogue import compile as compiler

    if section == PRICES and isinstance(rows, list):
        return [compiler.convert_row(row, schema.PriceRow, file, section) for row in rows]
    if section in compiler.SECTIONS and isinstance(rows, dict):
        return {key: compiler.convert_row(raw, compiler.SECTIONS[section], file, key) for key, raw in rows.items()}
    raise BadCatalogue(
        Text("{path}: [{section}] is no section of a catalogue.", path=file, section=section),
        Text("Use tables [SECTION.KEY] with {names}, or [[prices]].", names=", ".join(compiler.SECTIONS)),
    )


@cache
def load() -> Catalogue:
    """The catalogue that ships with the product.

    >>> load().accelerators["rtx-4070-ti"].name
    'RTX 4070 Ti'
    """
    data, compiled = _HERE / "data", _HERE / "catalogue.msgpack"
    state = fingerprint(data)
    packed = _packed(compiled)
    if packed is not None and state in ("", packed[STATE].decode()):
        return Catalogue(packed)
    from cardyears.catalogue import compile as compiler

    cached = _cache_folder() / f"catalogue-{state}.msgpack"
    packed = _packed(cached)
    if packed is None:
        _write(cached, compiler.encode(compiler.compile_folder(data), state))
        packed = _packed(cached)
    assert packed is not None  # it was written just now
    return Catalogue(packed)


STATE = "state"
"""Key of the fingerprint of the files that a compiled catalogue was made from."""


def _packed(path: Path) -> dict[str, bytes] | None:
    """The sections of a compiled file; None if it is not there or was cut short."""
    try:
        packed = msgspec.msgpack.decode(path.read_bytes(), type=dict[str, bytes])
    except (OSError, msgspec.DecodeError):
        return None
    return packed if STATE in packed else None


def fingerprint(data: Path) -> str:
    """A fingerprint of names, sizes and times of the catalogue's files; empty where only the compiled file ships."""
    import zlib

    found = sorted(f"{path}:{size}:{time}" for path, size, time in _files(data)) if data.is_dir() else []
    return f"{zlib.crc32(' '.join(found).encode()):08x}{len(found):x}" if found else ""


def _files(folder: Path | str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path)
            elif entry.name.endswith((".toml", ".csv")):
                state = entry.stat()
                yield entry.path, state.st_size, state.st_mtime_ns


def _cache_folder() -> Path:
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("cardyears")


def _write(path: Path, content: bytes) -> None:
    """Write whole or not at all: another process may read the file meanwhile."""
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise UnusableFile(
            Text(
                "The cache folder {folder} cannot be written ({reason}).",
                folder=str(path.parent),
                reason=error.strerror or type(error).__name__,
            ),
            Text("Set {variable} to a folder that can.", variable=CACHE_VARIABLE),
        ) from error
