"""What does a total consist of? Named lines that add up to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardyears.base.units import Scalar


def added(values: Iterable[Scalar]) -> Scalar:
    """The values one after the other, so that floats and arrays round alike.

    Python's own `sum` carries the rounding of floats along since 3.12, which arrays do not.

    >>> added([0.1, 0.2, 0.3])
    0.6000000000000001
    """
    total: Scalar = 0.0
    for value in values:
        total = total + value
    return total


class Ledger(Mapping[str, "Scalar"]):
    """Named lines that add up to a total, in one unit.

    >>> Ledger(weights=2.0, gradients=2.0, optimizer=12.0).total
    16.0
    """

    __slots__ = ("_lines",)

    def __init__(self, lines: Mapping[str, Scalar] | None = None, /, **named: Scalar) -> None:
        self._lines: dict[str, Scalar] = {**(lines or {}), **named}

    @property
    def total(self) -> Scalar:
        """The sum of all lines."""
        return added(self._lines.values())

    def times(self, factor: Scalar) -> Ledger:
        """Every line multiplied by one factor.

        >>> Ledger(weights=2.0).times(3).total
        6.0
        """
        return Ledger({name: value * factor for name, value in self._lines.items()})

    def plus(self, other: Mapping[str, Scalar]) -> Ledger:
        """Both ledgers' lines; lines of the same name are added.

        >>> Ledger(weights=2.0).plus({"weights": 1.0, "logits": 4.0})
        Ledger(weights=3.0, logits=4.0)
        """
        lines = dict(self._lines)
        for name, value in other.items():
            lines[name] = lines[name] + value if name in lines else value
        return Ledger(lines)

    def __getitem__(self, name: str) -> Scalar:
        return self._lines[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __repr__(self) -> str:
        return f"Ledger({', '.join(f'{name}={value!r}' for name, value in self._lines.items())})"
