"""How does a file become rows of cells? Its encoding, what parts its cells, its header, and errors with their place.

`validate.columns` says what each column holds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cardyears.base.errors import BadInput, CardyearsError, UnreadableValue, UnusableFile, listed, shown
from cardyears.base.text import N_, Text
from cardyears.validate import cells
from cardyears.validate.cells import NOTHING, Cell, Unheard, Unreadable, plain
from cardyears.validate.columns import (
    COLUMNS,
    DISPENSABLE,
    MACHINE,
    MAY_BE,
    MEASURED,
    MEASURES,
    MODEL,
    OTHER_NAMES,
    SPEEDS,
    WHOLE_TRAINING,
)

SEPARATORS = (",", ";", "\t", "|")
"""What parts cells: the one that is most often in the first line."""
WIDE = ("utf-16", "utf-8-sig")
"""Encodings that announce themselves by their first bytes, and the one for all others."""
_MARKS = (b"\xff\xfe", b"\xfe\xff")
OLD = "cp1252"
"""What spreadsheets on Windows write where they do not write UTF-8."""
UNHEARD = "unheard"
"""Key of the cells whose words a column does not know, as "column=word"."""
UNREAD = "unread"
"""Key of the cells that do not read, as "column=cell"."""
REFUSED = "refused"
"""Key of the reason why a row cannot be used at all."""
LINE = "line"
"""Key of a row's number in the file."""
UNREADABLE = N_("a cell that the run depends on cannot be read")
TOO_MANY = N_("more cells than the table has columns")


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


def table(path: str | Path, schema: Schema = RUNS) -> list[dict[str, Any]]:
    """Each row's cells by our field names, with its number in the file; empty cells are left out.

    Cells that do not read stand under `UNREAD`; where a row cannot be used without them, `REFUSED` says why. Raises
    `UnusableFile`, `BadInput` or `UnreadableValue` where the file cannot be used, or no row of it.
    """
    path = Path(path)
    text = _text(path)
    header = next((line for line in text.split("\n") if line.strip()), "")
    parted = separator(header)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=parted, strict=True)
    comma = parted == ";" and cells.has_decimal_comma(text)
    try:
        return _usable(_Rows(path.name, schema, decimal_comma=comma).read(lines))
    except csv.Error as error:
        raise BadInput(
            Text("{path} is not a CSV table ({reason}).", path=shown(path.name), reason=shown(str(error))),
            Text("Save it as CSV with commas, one run a row."),
        ) from error


def other_names(path: str | Path) -> dict[str, str]:
    """Columns of a table that nobody reads and that other tables have in place of one of ours, with that one."""
    path = Path(path)
    if not path.is_file():  # a pipe has been read
        return {}
    text = _text(path)
    first = next((line for line in text.split("\n") if line.strip()), "")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator(first))
    there = [named(column) for column in next((line for line in lines if any(map(str.strip, line))), [])]
    return {column: ours for column in there if (ours := OTHER_NAMES.get(column)) and ours not in there}


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


class _Rows:
    """The rows of one file, and the first error of a row."""

    def __init__(self, name: str, schema: Schema, *, decimal_comma: bool) -> None:
        self.name, self.schema, self.decimal_comma = name, schema, decimal_comma
        self.error: CardyearsError | None = None

    def read(self, lines: Any) -> tuple[list[dict[str, Any]], CardyearsError | None]:
        """All rows, and the first error of any."""
        header = [named(column) for column in next((line for line in lines if any(map(str.strip, line))), [])]
        check_columns(header, self.name, self.schema)
        columns = self.schema.columns
        known = [Column(place, column, *columns[column]) for place, column in enumerate(header) if column in columns]
        # A cell may go on in the next line of the file: the reader knows where the row ended only while it is at it.
        found = [
            self._row(line, known, lines.line_num, len(header)) for line in lines if any(cell.strip() for cell in line)
        ]
        return found, self.error

    def _row(self, line: Sequence[str], known: Sequence[Column], number: int, width: int) -> dict[str, Any]:
        """The cells that hold something, by our field; for those that do not read, their words."""
        row: dict[str, Any] = {LINE: number}
        if any(cell.strip() for cell in line[width:]):
            self.error = self.error or _too_many(self.name, number, len(line), width)
            return row | {REFUSED: TOO_MANY}
        unheard, unread = [], []
        burst = any(column.name == "outcome" and _burst(line, column) for column in known)
        for column in known:
            cell = line[column.place].strip() if column.place < len(line) else ""
            if cell.casefold() in NOTHING or (burst and column.name in SPEEDS and _zero(cell)):
                continue
            try:
                value = column.read(self._pointed(cell, column))
            except Unreadable:
                unread.append(column)
                self.error = self.error or unreadable(self.name, number, column, cell)
                row[UNREAD] = (*row.get(UNREAD, ()), f"{column.name}={shown(cell)}")
                continue
            except Unheard:
                unheard.append(f"{column.name}={shown(cell)}")
                continue
            if value is not None:
                row[column.field] = value
        if unheard:
            row[UNHEARD] = tuple(unheard)
        if _needed(unread, row):
            row[REFUSED] = UNREADABLE
        return row

    def _pointed(self, cell: str, column: Column) -> str:
        """The cell with a decimal point, where the file has commas."""
        return cells.pointed(cell) if self.decimal_comma and column.read is not cells.text else cell


def _usable(found: tuple[list[dict[str, Any]], CardyearsError | None]) -> list[dict[str, Any]]:
    """The rows; their first error where none can be used."""
    rows, error = found
    if error is not None and all(REFUSED in row for row in rows):
        raise error
    return rows


def _needed(unread: Sequence[Column], row: Mapping[str, Any]) -> bool:
    """Whether a row cannot do without the cells that do not read: a measured value may be one of several."""
    measured = any(field in row for field in MEASURED) or row.get("outcome") == "oom"
    return any(column.name not in DISPENSABLE and not (measured and column.field in MEASURED) for column in unread)


def named(column: str) -> str:
    """A column's name whatever its case and spaces: "Step time s" is step_time_s.

    >>> named(" Step Time s ")
    'step_time_s'
    """
    return "_".join(column.strip().strip('"').casefold().replace("-", "_").split())


def _burst(line: Sequence[str], column: Column) -> bool:
    """Whether the row says that it went out of memory."""
    try:
        return column.place < len(line) and column.read(line[column.place].strip()) == "oom"
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


def _too_many(name: str, number: int, cells_there: int, width: int) -> CardyearsError:
    """The error of a row with more cells than columns."""
    return BadInput(
        Text(
            "{path}, row {row:integer}: {n:integer} cells under {m:integer} columns.",
            path=shown(name),
            row=number,
            n=cells_there,
            m=width,
        ),
        Text("Put a cell with a comma in it into quotation marks."),
    )


def check_columns(header: list[str], name: str, schema: Schema) -> None:
    """Raises unless the columns can name a model, a machine and a measured value, each once."""
    twice = next((column for column in header if column in schema.columns and header.count(column) > 1), None)
    if twice is not None:
        raise BadInput(
            Text("{path} has two columns {column}.", path=shown(name), column=twice), Text("Remove or rename one.")
        )
    if schema is RUNS and set(WHOLE_TRAINING) & set(header) and not {*SPEEDS[:2], "peak_mem_gib"} & set(header):
        raise BadInput(
            Text("{path} is a table of whole trainings and not of measured steps.", path=shown(name)),
            Text("Name it behind --runs: cardyears validate --runs {path}", path=shown(name)),
        )
    for wanted in schema.wanted:
        if not any(column in wanted for column in header):
            raise BadInput(
                Text(
                    N_("{path} has no column {names}; it has {columns}.")
                    if len(wanted) == 1
                    else N_("{path} has none of these columns: {names}; it has {columns}."),
                    path=shown(name),
                    names=listed(wanted),
                    columns=shown(listed(header)),
                )
                if any(header)
                else Text("{path} has no columns.", path=shown(name)),
                schema.remedy,
            )
