"""Many structs of one make into one, whose numbers are arrays: a thousand jobs run through the lines of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec
import numpy as np

T = TypeVar("T")


def stacked(items: Sequence[T]) -> T:
    """One struct or tuple whose numbers are the arrays of theirs; a number that all share stays a number.

    A fact that differs becomes ones and zeros. Words, mappings and tuples of words are those of the first: the caller
    stacks only what is alike in those that matter.

    >>> from cardyears.layout.layout import Layout
    >>> two = stacked([Layout(tp=2, dp=4), Layout(tp=8, dp=4)])
    >>> two.tp.tolist(), two.dp, two.schedule
    ([2.0, 8.0], 4, '1f1b')
    """
    return cast(T, _stacked(items))


def _stacked(items: Sequence[Any]) -> Any:
    first = items[0]
    if isinstance(first, (bool, int, float)):
        return first if items.count(first) == len(items) else np.array(items, dtype=float)
    if all(one is first for one in items):
        return first
    if isinstance(first, msgspec.Struct):
        columns = map(_stacked, zip(*map(msgspec.structs.astuple, items), strict=True))
        return type(first)(**dict(zip(first.__struct_fields__, columns, strict=True)))
    if isinstance(first, tuple) and (hasattr(first, "_fields") or (first and isinstance(first[0], tuple))):
        members = [_stacked(column) for column in zip(*items, strict=True)]
        return type(first)(*members) if hasattr(first, "_fields") else tuple(members)
    return first
