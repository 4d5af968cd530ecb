"""How does a file become rows of cells? Its encoding, what parts its cells, its header, and errors with their place.

`validate.columns` says what each column holds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cardyears.base.errors import BadInput, CardyearsError, UnreadableValue, UnusableFile, listed, shown
from cardyears.base.text import Text
from cardyears.validate.cells import NOTHING, Cell, Unheard, Unreadable, plain
from cardyears.validate.columns import COLUMNS, MACHINE, MAY_BE, MEASURES, MODEL, SPEEDS

SEPARATORS = (",", ";", "\t", "|")
"""What parts cells: the one that is most often in the first line."""
WIDE = ("utf-16", "utf-8-sig")
"""Encodings that announce themselves by their first bytes, and the one for all others."""
_MARKS = (b"\xff\xfe", b"\xfe\xff")
OLD = "cp1252"
"""What spreadsheets on Windows write where they do not write UTF-8."""
UNHEARD = "unheard"
"""Key of the cells whose words a column does not know, as "column=word"."""


class Schema(NamedTuple):
    """What a table may hold."""

    columns: Mapping[str, tuple[str, Cell]]
    """Public column: our field, and what reads a cell."""
    wanted: Sequence[Sequence[str]]
    """Groups of columns: a table must have one of each."""
    remedy: Text
    """Where it has none."""


RUNS = Schema(
    COLUMNS,
    (MODEL, MACHINE, MEASURES),
    Text("The first line must name a model (model), a machine (gpu) and a measured value (step_time_s)."),
)


class Column(NamedTuple):
    """A column that is read: its place, its name, our field, and what reads it."""

    place: int
    name: str
    field: str
    read: Cell


def table(path: str | Path, schema: Schema = RUNS) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row's number in the file and its cells by our field names; empty cells are left out.

    Raises `UnusableFile`, `BadInput` or `UnreadableValue` with row, column and remedy.
    """
    path = Path(path)
    text = _text(path)
    header = next((line for line in text.split("\n") if line.strip()), "")
    cells = csv.reader(io.StringIO(text, newline=""), delimiter=separator(header), strict=True)
    try:
        yield from _rows(cells, path.name, schema)
    except csv.Error as error:
        raise BadInput(
            Text("{path} is not a CSV table ({reason}).", path=shown(path.name), reason=shown(str(error))),
            Text("Save it as CSV with commas, one run a row."),
        ) from error


def separator(header: str) -> str:
    r"""What parts the cells of a table, from its first line.

    >>> separator("model;gpu;step_time_s"), separator("model,gpu"), separator("model\tgpu")
    (';', ',', '\t')
    """
    return max(SEPARATORS, key=header.count) if any(one in header for one in SEPARATORS) else ","


def _text(path: Path) -> str:
    """A file in UTF-8, in UTF-16 with its mark, or as old spreadsheets write it."""
    try:
        return _decoded(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFile(
            Text("{path} cannot be read as a table.", path=shown(path.name)),
            Text("Name a CSV file in UTF-8 whose first line has the names of its columns."),
        ) from error


def _decoded(raw: bytes) -> str:
    if raw.startswith(_MARKS):
        return raw.decode(WIDE[0])
    if b"\x00" in raw:
        raise UnicodeDecodeError("utf-8", raw, 0, 1, "a zero byte")
    try:
        return raw.decode(WIDE[1])
    except UnicodeDecodeError:
        return raw.decode(OLD)


def _rows(lines: Any, name: str, schema: Schema) -> Iterator[tuple[int, dict[str, Any]]]:
    header = [named(column) for column in next((line for line in lines if any(map(str.strip, line))), [])]
    _check(header, name, schema)
    columns = schema.columns
    known = [Column(place, column, *columns[column]) for place, column in enumerate(header) if column in columns]
    for cells in lines:
        number = lines.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(header) :]):
            raise BadInput(
                Text(
                    "{path}, row {row:integer}: {n:integer} cells under {m:integer} columns.",
                    path=shown(name),
                    row=number,
                    n=len(cells),
                    m=len(header),
                ),
                Text("Put a cell with a comma in it into quotation marks."),
            )
        yield number, _row(cells, known, number, name)


def named(column: str) -> str:
    """A column's name whatever its case and spaces: "Step time s" is step_time_s.

    >>> named(" Step Time s ")
    'step_time_s'
    """
    return "_".join(column.strip().strip('"').casefold().replace("-", "_").split())


def _row(cells: Sequence[str], known: Sequence[Column], number: int, name: str) -> dict[str, Any]:
    """The cells that hold something, by our field."""
    row: dict[str, Any] = {}
    unheard = []
    burst = any(column.name == "outcome" and _burst(cells, column) for column in known)
    for column in known:
        cell = cells[column.place].strip() if column.place < len(cells) else ""
        if cell.casefold() in NOTHING or (burst and column.name in SPEEDS and _zero(cell)):
            continue
        try:
            value = column.read(cell)
        except Unreadable:
            raise unreadable(name, number, column, cell) from None
        except Unheard:
            unheard.append(f"{column.name}={shown(cell)}")
            continue
        if value is not None:
            row[column.field] = value
    if unheard:
        row[UNHEARD] = tuple(unheard)
    return row


def _burst(cells: Sequence[str], column: Column) -> bool:
    """Whether the row says that it went out of memory."""
    try:
        return column.place < len(cells) and column.read(cells[column.place].strip()) == "oom"
    except Unheard:
        return False


def _zero(cell: str) -> bool:
    return plain(cell).strip("0") == ""


def unreadable(name: str, number: int, column: Column, cell: str) -> CardyearsError:
    """The error of one cell, with its place and what it may hold."""
    remedy = MAY_BE.get(column.read, Text("Write a positive number, or leave the cell empty."))
    return UnreadableValue(
        Text(
            '{path}, row {row:integer}: {column} cannot be "{cell}".',
            path=shown(name),
            row=number,
            column=column.name,
            cell=shown(cell),
        ),
        remedy,
    )


def _check(header: list[str], name: str, schema: Schema) -> None:
    """Raises unless the columns can name a model, a machine and a measured value, each once."""
    twice = next((column for column in header if column in schema.columns and header.count(column) > 1), None)
    if twice is not None:
        raise BadInput(
            Text("{path} has two columns {column}.", path=shown(name), column=twice), Text("Remove or rename one.")
        )
    for wanted in schema.wanted:
        if not any(column in wanted for column in header):
            raise BadInput(
                Text(
                    "{path} has no column {names}; it has {columns}.",
                    path=shown(name),
                    names=" or ".join(wanted),
                    columns=shown(listed(header)) or "none",
                ),
                schema.remedy,
            )
