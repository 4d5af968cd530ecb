"""Which unit does each number carry?

Inside the sums every number is a plain float (or a NumPy array of floats) in SI units; these names say
which. They are aliases: they cost nothing at run time and are checked by the eye, and by ``pint`` in the tests.
This file knows no formatting: `base.text` writes numbers for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scalar: TypeAlias = Union[float, NDArray[np.float64]]
else:
    Scalar = float  # NumPy stays unimported until a sum needs it

Flop: TypeAlias = Scalar
FlopPerSecond: TypeAlias = Scalar
Bytes: TypeAlias = Scalar
BytesPerSecond: TypeAlias = Scalar
Seconds: TypeAlias = Scalar
Watts: TypeAlias = Scalar
Joules: TypeAlias = Scalar
Usd: TypeAlias = Scalar
Count: TypeAlias = Scalar

KILO, GIGA, TERA = 1e3, 1e9, 1e12

MB, GB, TB = 1e6, 1e9, 1e12
MIB, GIB = 2.0**20, 2.0**30

MINUTE = 60.0
HOUR = 3_600.0
DAY = 86_400.0
WEEK = 7 * DAY
YEAR = 365 * DAY
"""A card-year counts 365 days, and so does "1y"."""
MONTH = YEAR / 12

KWH = 3.6e6
"""Joules in a kilowatt-hour."""
