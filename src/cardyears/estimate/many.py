"""How long do the steps of many jobs take? The sums of `step`, once for all jobs that are alike.

Alike are jobs whose models have layers of the same kinds and whose layouts are in the same words. Their numbers become
arrays, whatever model, machine, engine and degrees they are of.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from cardyears.base.stack import stacked
from cardyears.case import Job
from cardyears.estimate.setting import Setting
from cardyears.estimate.step import step
from cardyears.layout.layout import Layout
from cardyears.layout.shard import ModelWork

FEW = 4
"""Fewer alike are quicker one after the other."""


class Task(NamedTuple):
    """One job in one layout."""

    job: Job
    layout: Layout
    there: Setting


def step_seconds(tasks: Sequence[Task]) -> NDArray[np.float64]:
    """Seconds of one optimiser step of each task, in their order.

    Shape (tasks,). The same numbers as `step` gives one by one, but for the last bits.
    """
    found = np.empty(len(tasks))
    for places in _alike(tasks):
        some = [tasks[place] for place in places]
        if len(some) < FEW:
            found[places] = [step(*one).total for one in some]
        else:
            found[places] = step(*_together(some)).total
    return found


def _alike(tasks: Sequence[Task]) -> list[list[int]]:
    """Places of the tasks that run through the same lines, group by group."""
    kinds: dict[int, Hashable] = {}
    groups: dict[Hashable, list[int]] = {}
    for place, task in enumerate(tasks):
        model = task.there.model
        if id(model) not in kinds:
            kinds[id(model)] = _layers(model)
        groups.setdefault((kinds[id(model)], *_words(task)), []).append(place)
    return list(groups.values())


def _layers(model: ModelWork) -> Hashable:
    """What of a model's layers decides which lines run."""
    return tuple(
        (
            bool(work.experts),
            bool(work.score_heads),
            tuple((one.part, one.rows, one.whole, one.routed, one.held) for one in work.products),
        )
        for work in model.layers
    )


def _words(task: Task) -> tuple[Hashable, ...]:
    """What of a task, beside its model's layers, decides which lines run."""
    job, layout = task.job, task.layout
    training, default = job.training, job.engine.compiled
    return (
        training.adapters, training.adapters and training.targets, training.quantised, bool(training.trained.master),
        task.there.rates.casts, layout.sp, layout.schedule, layout.context_kind, layout.balanced, layout.recompute,
        layout.kernel, layout.chunked_loss, None if layout.compiled == default else layout.compiled, layout.graphs,
        layout.overlap, layout.offload, layout.offload_to,
    )  # fmt: skip


def _together(some: Sequence[Task]) -> Task:
    """One task whose numbers are arrays of theirs."""
    jobs, layouts = [one.job for one in some], [one.layout for one in some]
    sharded = any(one.shard_group is not None for one in layouts)
    layout = stacked([_sharded(one) for one in layouts] if sharded else layouts)
    job = msgspec.structs.replace(
        jobs[0],
        training=stacked([one.training for one in jobs]),
        engine=stacked([one.engine for one in jobs]),
        host=stacked([one.host for one in jobs]),
        seq_len=stacked([one.seq_len for one in jobs]),
        document=stacked([one.attended_length for one in jobs]),
        expert_load=stacked([one.expert_load for one in jobs]),
    )
    return Task(job, layout, stacked([one.there for one in some]))


def _sharded(layout: Layout) -> Layout:
    """The same layout with the ranks of a sharded copy as a number."""
    return msgspec.structs.replace(layout, shard_group=layout.shards)
