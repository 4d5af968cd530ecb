"""What else fits on one device? Other optimisers, and the longest sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cardyears.machine.calibration import memory_spread
from cardyears.resolve.resolve import MEMORY_SPREAD
from cardyears.search.search import Found, search
from cardyears.work.state import RECIPES, Recipe, Training

if TYPE_CHECKING:
    from cardyears.case import Job
    from cardyears.estimate.estimate import Estimate
    from cardyears.verbs.plan import Planned

OPTIMISERS = ("adamw", "adamw-8bit", "paged-adamw-8bit", "adamw-8bit-bf16")
SHORTEST, LONGEST = 512, 2**20
"""Tokens of a sequence between which the longest that fits is looked for, in powers of two."""


class Optimised(NamedTuple):
    """The best layout with one optimiser."""

    recipe: Recipe
    estimate: Estimate | None
    """The smallest where it does not fit."""
    fits: bool


def optimised(made: Planned) -> Iterator[Optimised]:
    """The best layout with each optimiser; none with adapters, whose state is small, or on several devices."""
    job = made.best.job
    if made.devices > 1 or job.training.adapters:
        return
    for key in dict.fromkeys((job.training.recipe.key, *OPTIMISERS)):
        other = msgspec.structs.replace(job, training=Training(job.training.method, RECIPES[key], job.training.rank))
        found = _again(made, other)
        yield Optimised(RECIPES[key], found.best[0] if found.best else found.smallest, bool(found.best))


def longest(made: Planned) -> int | None:
    """Tokens of the longest sequence, a power of two, with which any layout on one device fits; None on several."""
    if made.devices > 1:
        return None
    best, length = None, SHORTEST
    while length <= LONGEST and _again(made, msgspec.structs.replace(made.best.job, seq_len=float(length))).best:
        best, length = length, length * 2
    return best


def _again(made: Planned, job: Job) -> Found:
    """The search with another optimiser or length."""
    spread = memory_spread(made.best.job.calibration, MEMORY_SPREAD[made.question.method])
    limits = [job.usable_bytes / factor for factor in (spread.high, spread.mid)]
    return search(job, made.room, msgspec.structs.replace(made.ground, seq_len=int(job.seq_len)), limits)
