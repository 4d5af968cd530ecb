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

FEW = 6
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
    training, layout = task.job.training, task.layout
    return (
        training.adapters, training.adapters and training.targets, training.quantised,
        layout.schedule, layout.context_kind, layout.balanced, layout.recompute, layout.kernel, layout.chunked_loss,
        _compiled(task), layout.overlap, layout.expert_overlap, layout.offload, layout.offload_to,
        task.job.bare_vocabulary,
    )  # fmt: skip


def _compiled(task: Task) -> bool | None:
    """Whether the layout asks for another compiler than its engine's; None: it does not."""
    return None if task.layout.compiled == task.job.engine.compiled else task.layout.compiled


def _together(some: Sequence[Task]) -> Task:
    """One task whose numbers are arrays of theirs."""
    jobs = [one.job for one in some]
    sharded = any(one.layout.shard_group is not None for one in some)
    job = msgspec.structs.replace(
        jobs[0],
        training=stacked([one.training for one in jobs]),
        engine=stacked([one.engine for one in jobs]),
        host=stacked([one.host for one in jobs]),
        seq_len=stacked([one.seq_len for one in jobs]),
        document=stacked([one.attended_length for one in jobs]),
        expert_load=stacked([one.expert_load for one in jobs]),
    )
    layout = stacked([_layout(one, sharded=sharded) for one in some])
    return Task(job, layout, stacked([one.there for one in some]))


def _layout(task: Task, *, sharded: bool) -> Layout:
    """The same layout in the words of its group."""
    layout = task.layout
    group = layout.shards if sharded else None
    return msgspec.structs.replace(layout, compiled=_compiled(task), shard_group=group)
