"""Largest, smallest and choice for floats and for arrays through the same line.

With floats these are Python's own, so that a single estimate neither imports nor waits for NumPy; with an array
anywhere they are NumPy's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardyears.base.units import Scalar


def is_array(value: object) -> bool:
    """Whether a value is an array with at least one axis.

    >>> is_array(2.0)
    False
    """
    return type(value) is not float and bool(getattr(value, "ndim", 0))


def maximum(first: Scalar, *others: Scalar) -> Scalar:
    """The largest, element by element.

    >>> maximum(1.0, 3.0, 2.0)
    3.0
    """
    for other in others:
        if is_array(first) or is_array(other):
            import numpy as np

            first = np.maximum(first, other)
        else:
            first = max(first, other)
    return first


def minimum(first: Scalar, second: Scalar) -> Scalar:
    """The smaller, element by element.

    >>> minimum(1.0, 3.0)
    1.0
    """
    if not (is_array(first) or is_array(second)):
        return min(first, second)
    import numpy as np

    return np.minimum(first, second)


def where(condition: object, yes: Scalar, no: Scalar) -> Scalar:
    """One of two, by a condition, element by element.

    >>> where(True, 1.0, 2.0)
    1.0
    """
    if not is_array(condition):
        return yes if condition else no
    import numpy as np

    chosen: Scalar = np.where(np.asarray(condition), yes, no)
    return chosen


def sqrt(value: Scalar) -> Scalar:
    """The square root, element by element; rounded alike for floats and arrays, unlike other powers.

    >>> sqrt(9.0)
    3.0
    """
    if not is_array(value):
        return math.sqrt(value)
    import numpy as np

    return np.sqrt(value)


def hypotenuse(first: Scalar, second: Scalar) -> Scalar:
    """Two times that partly hide behind each other: the root of the sum of their squares.

    >>> hypotenuse(3.0, 4.0)
    5.0
    """
    return sqrt(first * first + second * second)


def ceil(value: Scalar) -> Scalar:
    """The smallest whole number that is not below, as a float.

    >>> ceil(2.1)
    3.0
    """
    if not is_array(value):
        return float(math.ceil(value))
    import numpy as np

    return np.ceil(value)


def floor(value: Scalar) -> Scalar:
    """The largest whole number that is not above, as a float.

    >>> floor(2.9)
    2.0
    """
    if not is_array(value):
        return float(math.floor(value))
    import numpy as np

    return np.floor(value)


def log2(value: Scalar) -> Scalar:
    """The logarithm to base 2, element by element.

    >>> log2(8.0)
    3.0
    """
    if not hasattr(value, "ndim"):
        return math.log2(value)
    import numpy as np  # NumPy's own for its scalars too: the two differ in the last bit

    return np.log2(value)


def any_of(value: object) -> bool:
    """Whether a value, or any element of an array, is not zero.

    >>> any_of(0.0)
    False
    """
    return bool(value.any()) if is_array(value) else bool(value)  # type: ignore[attr-defined]
