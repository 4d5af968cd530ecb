"""What of a table was left out? Rows by reason and by name, and cells that do not read, each with its place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from cardyears.base.text import Text

NAMES = 5
"""Of models or devices, so many stand with a reason; all others are counted together."""


class Left(msgspec.Struct, frozen=True):
    """Why one row was skipped, and the model or device that it is about."""

    reason: str | Text
    name: str = ""


class Line(Protocol):
    """What a row of a table must have for its cells to be counted."""

    @property
    def line(self) -> int | None:
        """Its number in the file."""

    @property
    def unread(self) -> tuple[str, ...]:
        """Cells that do not read, as "column=cell"."""


class UnreadCell(msgspec.Struct, frozen=True):
    """A cell that does not read: its column, its words, in how many rows, and the first of them."""

    column: str
    value: str
    rows: int
    first_row: int


def reasons(some: Iterable[Left]) -> dict[str | Text, int]:
    """Rows by reason, the commonest first.

    >>> reasons([Left("unknown", "X"), Left("no length"), Left("unknown", "Y")])
    {'unknown': 2, 'no length': 1}
    """
    return dict(Counter(one.reason for one in some).most_common())


def names(some: Iterable[Left]) -> dict[str | Text, dict[str, int]]:
    """Rows by reason and by the model or device that it is about; reasons that are about neither are left out.

    >>> names([Left("unknown", "X"), Left("no length"), Left("unknown", "X")])
    {'unknown': {'X': 2}}
    """
    found: defaultdict[str | Text, Counter[str]] = defaultdict(Counter)
    for one in some:
        if one.name:
            found[one.reason][one.name] += 1
    return {reason: dict(counted.most_common()) for reason, counted in found.items()}


def shown_names(counted: Mapping[str, int]) -> tuple[str, int]:
    """The commonest names with how often each comes, and the number of rows with any other.

    >>> shown_names({"A": 3, "B": 1})
    ('A (3), B (1)', 0)
    """
    some = list(counted.items())
    rest = sum(number for _, number in some[NAMES:])
    return ", ".join(f"{name} ({number})" for name, number in some[:NAMES]), rest


def unread_cells(runs: Sequence[Line]) -> tuple[UnreadCell, ...]:
    """Cells that do not read, the commonest first."""
    where: defaultdict[str, list[int]] = defaultdict(list)
    for run in runs:
        for cell in run.unread:
            where[cell].append(run.line or 0)
    found = [UnreadCell(*_parted(cell), len(lines), min(lines)) for cell, lines in where.items()]
    return tuple(sorted(found, key=lambda one: (-one.rows, one.first_row)))


def _parted(cell: str) -> tuple[str, str]:
    column, _, value = cell.partition("=")
    return column, value
