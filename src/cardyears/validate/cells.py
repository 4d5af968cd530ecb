"""What may a cell of a person's table hold? Numbers, facts and words as people write them, or nothing.

This file knows no column and no file; `validate.columns` says which cell is read how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cardyears.question import numbers

SMALLEST, LARGEST, LARGEST_FLOP = 1e-9, 1e18, 1e30
"""Beyond these a number counts or measures nothing."""
MOST_LAYERS, MOST_DEVICES, LONGEST = 10_000, 10_000_000, 1e9
"""Layers of a model, devices that can be reckoned with, and tokens of a sequence."""
LARGEST_SHARE = 2.0
"""Of a peak: products in fewer bits exceed that of 16 bits, by no more than so much. What is above is per cent."""
LEAST_MEASURED, MOST_MEASURED = 1e-6, 1e9
"""The same of seconds of a step, rates and gigabytes."""
NOTHING = frozenset({"", "-", "–", "—", "?", "n/a", "na", "nan", "null", "nil", "<na>", "unknown", "not stated", "tbd"})
"""What stands in a cell of which nothing is known; "none" is a word of some columns and nothing in all others."""
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_POINT_GROUPED = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")
_COMMA_IN_A_CELL = re.compile(r"(?:^|;)\s*\"?[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+(?: ?%)?\"?\s*(?=;|$)", re.MULTILINE)
TRUE = frozenset({"1", "true", "yes", "y", "on", "t"})
FALSE = frozenset({"0", "false", "no", "n", "off", "f", "none"})

Cell = Callable[[str], Any]


class Unreadable(ValueError):
    """A cell that does not read; said without its place."""


class Unheard(ValueError):
    """A word that a column does not know: the cell counts as empty, and that is said."""


def text(cell: str) -> str:
    """The words of a cell."""
    return cell


def number(cell: str) -> float | None:
    """A positive number; None for the "none" that tables of programs have where a number is missing.

    >>> number("1,024"), number("2,5"), number("4e3")
    (1024.0, 2.5, 4000.0)
    """
    value = amount(cell)
    if value is not None and value <= 0:
        raise Unreadable
    return value


def measured(cell: str) -> float | None:
    """A positive number that a clock or a meter can show."""
    value = number(cell)
    if value is not None and not LEAST_MEASURED <= value <= MOST_MEASURED:
        raise Unreadable
    return value


def flop(cell: str) -> float | None:
    """A count of FLOP of a whole training."""
    return amount(cell, LARGEST_FLOP) or None


def amount(cell: str, largest: float = LARGEST) -> float | None:
    """A number that may be zero, with grouped thousands or a decimal comma.

    >>> amount("٩٬٠٠٠"), amount("٢٫٥")
    (9000.0, 2.5)
    """
    if cell.casefold() == "none":
        return None
    if not cell.isascii():
        cell = numbers.plain(cell)
    if _GROUPED.fullmatch(cell):
        cell = cell.replace(",", "")
    elif _DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    try:
        value = float(cell)
    except ValueError:
        raise Unreadable from None
    if value != 0 and not SMALLEST <= value <= largest:  # nan is neither
        raise Unreadable
    return value


def has_decimal_comma(text: str) -> bool:
    """Whether a table with semicolons has numbers with a decimal comma, so that its points group thousands.

    >>> has_decimal_comma("phi-2;T4;2,5"), has_decimal_comma("phi-2;T4;2.5"), has_decimal_comma("phi-2;a,5;1,234.5")
    (True, False, False)
    """
    return _COMMA_IN_A_CELL.search(text.replace("\r", "")) is not None


def pointed(cell: str) -> str:
    """A number with a decimal comma as one with a point: "1,234" is a little more than one, "1.234" a thousand.

    >>> pointed("1,234"), pointed("1.234,5"), pointed("1.234"), pointed("41,5 %"), pointed("bf16")
    ('1.234', '1234.5', '1234', '41.5 %', 'bf16')
    """
    bare = cell.removesuffix("%").strip()
    if _POINT_GROUPED.fullmatch(bare) or _DECIMAL_COMMA.fullmatch(bare):
        return cell.replace(".", "").replace(",", ".")
    return cell


def count(cell: str) -> int | None:
    """A whole number above zero."""
    return _whole(number(cell))


def layers(cell: str) -> int | None:
    """Layers of a model."""
    found = count(cell)
    if found is not None and found > MOST_LAYERS:
        raise Unreadable
    return found


def devices(cell: str) -> int | None:
    """Devices of a machine."""
    found = count(cell)
    if found is not None and found > MOST_DEVICES:
        raise Unreadable
    return found


def count_if_any(cell: str) -> int | None:
    """A whole number; a zero says that there is none, so that the cell counts as empty.

    >>> count_if_any("8.0"), count_if_any("0")
    (8, None)
    """
    return _whole(amount(cell)) or None


def count_or_none(cell: str) -> int | None:
    """A whole number that may be zero."""
    return _whole(amount(cell))


def _whole(value: float | None, times: int = 1) -> int | None:
    if value is None:
        return None
    if value * times != int(value * times):
        raise Unreadable
    return int(value * times)


def share(cell: str) -> float | None:
    """A share of one, or of a hundred: with its sign, or where no share can be so large.

    >>> share("0.41"), share("41 %"), share("41"), share("٤١٪"), share("1.02")
    (0.41, 0.41, 0.41, 0.41, 1.02)
    """
    cell = cell if cell.isascii() else numbers.plain(cell)
    bare = cell.removesuffix("%").strip()
    value = amount(bare)
    if value is not None and (bare != cell or value > LARGEST_SHARE):
        value /= 100.0
    if value is not None and value > LARGEST_SHARE:
        raise Unreadable
    return value or None


def fact(cell: str) -> bool:
    """Whether something is so."""
    word = cell.casefold().removesuffix(".0")
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise Unreadable


def words(known: Mapping[str, str]) -> Cell:
    """A reader of words that a column knows, whatever their case and what joins their parts.

    >>> words({"zero3": "zero3"})("ZeRO-3")
    'zero3'
    """

    def read(cell: str) -> str:
        word = plain(cell)
        if word not in known:
            raise Unheard
        return known[word]

    return read


def plain(word: str) -> str:
    """A word without case, spaces and joints: "ZeRO-3" and "zero_3" are one."""
    return re.sub(r"[\s_./-]+", "", word.casefold().removesuffix(".0"))


def billions(cell: str) -> float | None:
    """A number of parameters in billions, or with its own letter.

    >>> billions("7"), billions("7B"), billions("355M")
    (7000000000.0, 7000000000.0, 355000000.0)
    """
    scale = {"b": 1e9, "m": 1e6}.get(cell[-1:].casefold())
    value = number(cell if scale is None else cell[:-1].strip())
    return None if value is None else value * (scale or 1e9)


def length(cell: str) -> int | None:
    """Tokens of a sequence; "4k" is 4,096.

    >>> length("8192"), length("128K")
    (8192, 131072)
    """
    found = _whole(number(cell[:-1].strip()), 1_024) if cell[-1:].casefold() == "k" else count(cell)
    if found is not None and found > LONGEST:
        raise Unreadable
    return found


def scaled(scale: float) -> Cell:
    """A reader of positive numbers in another unit."""

    def read(cell: str) -> float | None:
        value = number(cell)
        return None if value is None else value * scale

    return read
