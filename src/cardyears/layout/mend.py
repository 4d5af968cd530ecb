"""What could be tried instead of a value that breaks a rule? Every value worth trying, and how a sentence lists them.

Which of them mend the rule is for `legal` to find out, by trying.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

from cardyears.base.text import Text
from cardyears.layout.layout import ContextKind, Layout, Offload, OffloadTo, Schedule
from cardyears.layout.options import DUALPIPE_BATCHES
from cardyears.layout.rules import END_CHUNKS, common
from cardyears.layout.site import Site
from cardyears.work.activations import AttentionKernel, Recompute

MOST_LISTED = 8
"""Values in one sentence: the nearest to what was said."""
WORDS: dict[str, tuple[Any, ...]] = {
    "sp": (False,),
    "balanced": (False,),
    "schedule": get_args(Schedule),
    "context_kind": get_args(ContextKind),
    "recompute": ("full", *(kind for kind in get_args(Recompute) if kind != "full")),
    "kernel": get_args(AttentionKernel),
    "offload": ("optimizer", *(kind for kind in get_args(Offload) if kind != "optimizer")),
    "offload_to": get_args(OffloadTo),
}
"""Of words only the first that mends is named."""


def candidates(key: str, layout: Layout, site: Site) -> Sequence[Any]:
    """Values of one key worth trying: whatever divides what it must divide, and the nearest multiples of a batch."""
    shape = site.shape
    if key in WORDS:
        return WORDS[key]
    if key == "global_batch":
        return _batches(layout, site)
    if key == "accumulation":
        step = layout.pp if layout.schedule in ("interleaved", "dualpipe") else 1
        least = DUALPIPE_BATCHES * step if layout.schedule == "dualpipe" else 0
        return sorted({*_around(layout.accumulation, step), least, _share(site.global_batch, layout)} - {0})
    counts: dict[str, Sequence[int]] = {
        "tp": sorted({*_divisors(common(shape.heads)), *_divisors(site.devices)}),
        "dp": sorted({*_divisors(site.devices)}),
        "ep": _divisors(common(shape.experts)) or [1],
        "etp": _divisors(common(shape.expert_widths)) or [1],
        "shard_group": _divisors(int(layout.replicas)),
        "micro_batch": _divisors(site.global_batch or 0),
        "virtual_stages": range(1, int((shape.layers + END_CHUNKS) // layout.pp) + 1),
        "zero": range(4),
        "recompute_every": (1, 2),
    }
    return counts.get(key, _divisors(site.devices))


def _batches(layout: Layout, site: Site) -> list[int]:
    """The global batch that the other numbers make, and the nearest that micro-batches divide."""
    each: Any = layout.micro_batch * layout.dp
    step = each * (layout.pp if layout.schedule in ("interleaved", "dualpipe") else 1)
    if step != int(step) or site.global_batch is None:
        return []
    made: Any = each * layout.accumulation
    least = DUALPIPE_BATCHES * int(step) if layout.schedule == "dualpipe" else 0
    return sorted({*_around(site.global_batch, int(step)), least, round(made)} - {0})


def _around(number: Any, step: Any) -> tuple[int, int]:
    """The multiples of a step on both sides of a number, or the number itself."""
    return int(math.floor(number / step) * step), int(math.ceil(number / step) * step)


def _share(batch: int | None, layout: Layout) -> int:
    """Micro-batches that make up the global batch; 0 where there is no such number."""
    each: Any = layout.micro_batch * layout.dp
    return 0 if batch is None or batch % each else int(batch // each)


def _divisors(number: int) -> list[int]:
    """What divides a number, in order.

    >>> _divisors(12), _divisors(0)
    ([1, 2, 3, 4, 6, 12], [])
    """
    small = [low for low in range(1, math.isqrt(number) + 1) if number % low == 0]
    return sorted({*small, *(number // low for low in small)})


def advice(key: str, values: Sequence[Any], current: Any) -> Text:
    """The remedy that names one value, or lists several: those nearest to the current one, in order.

    >>> str(advice("tp", [1, 2, 4], 6)), str(advice("sp", [False], True))
    ('Try tp = 1, 2 or 4.', 'Take sp = no.')
    """
    if key in WORDS or len(values) == 1:
        value = "no" if values[0] is False else values[0]
        return Text("Take {key} = {value:integer}.", key=key, value=value)
    nearest = sorted(values, key=lambda value: abs(math.log((value + 1) / (current + 1))))[:MOST_LISTED]
    *others, last = sorted(nearest)
    listed = Text("{value:integer}", value=others[0])
    for value in others[1:]:
        listed = Text("{list}, {value:integer}", list=listed, value=value)
    return Text("Try {key} = {list} or {value:integer}.", key=key, list=listed, value=last)
