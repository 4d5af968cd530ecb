"""How sure is a number? Low, mid and high at 80 % coverage.

Quantities here are positive and their errors multiply, so an interval is a mid with a spread below and a
spread above on a logarithmic scale, and independent spreads add in quadrature.
"""

from __future__ import annotations

import math

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """Low, mid and high of an estimate: 80 % of the truths are expected between low and high.

    Products and quotients take the factors' errors as independent:

        ln(high/mid)² = Σ ln(highᵢ/midᵢ)²

    A quotient swaps the ends of its divisor.

    >>> Interval(0.5, 1.0, 2.0) * 3
    Interval(low=1.5, mid=3.0, high=6.0)
    >>> (1.0 / Interval(0.5, 1.0, 4.0)).low
    0.25
    """

    low: float
    mid: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.mid <= self.high:
            raise ValueError(f"an interval needs 0 <= low <= mid <= high, not {self.low}, {self.mid}, {self.high}")

    @classmethod
    def exact(cls, value: float) -> Interval:
        """An interval without width.

        >>> Interval.exact(3.0)
        Interval(low=3.0, mid=3.0, high=3.0)
        """
        return cls(value, value, value)

    def __mul__(self, other: Interval | float) -> Interval:
        if not isinstance(other, Interval):
            return Interval(self.low * other, self.mid * other, self.high * other)
        mid = self.mid * other.mid
        if mid == 0 or math.isinf(mid):
            return Interval(self.low * other.low, mid, self.high * other.high)
        below = math.hypot(_log_ratio(self.mid, self.low), _log_ratio(other.mid, other.low))
        above = math.hypot(_log_ratio(self.high, self.mid), _log_ratio(other.high, other.mid))
        return Interval(min(mid, mid * math.exp(-below)), mid, max(mid, mid * math.exp(above)))

    __rmul__ = __mul__

    def __truediv__(self, other: Interval | float) -> Interval:
        if not isinstance(other, Interval):
            return Interval(self.low / other, self.mid / other, self.high / other)
        return self * other.inverse()

    def __rtruediv__(self, other: float) -> Interval:
        return self.inverse() * other

    def inverse(self) -> Interval:
        """One over the quantity: the ends change places.

        >>> Interval(0.5, 1.0, 2.0).inverse()
        Interval(low=0.5, mid=1.0, high=2.0)
        """
        return Interval(_inverse(self.high), _inverse(self.mid), _inverse(self.low))


def _inverse(value: float) -> float:
    return 1 / value if value else math.inf


def _log_ratio(larger: float, smaller: float) -> float:
    if larger == smaller:
        return 0.0
    return math.log(larger / smaller) if smaller else math.inf
