"""What does a step cost besides forward and backward? Optimiser, gradient norm, offloaded state, dequantising."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardyears.base.broadcast import maximum, where
from cardyears.estimate.passes import again_share
from cardyears.estimate.setting import Setting
from cardyears.layout.layout import ZERO_OPTIMIZER, ZERO_WEIGHTS, Layout
from cardyears.layout.shard import RankParameters
from cardyears.machine.collectives import Group, all_reduce
from cardyears.machine.rates import Rates
from cardyears.work.state import BF16_BYTES, Recipe

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Count, Scalar, Seconds
    from cardyears.case import Job

NORM_BYTES = 4.0
"""One sum of squares in fp32."""


def trained_parameters(layout: Layout, held: RankParameters, trained: Scalar) -> Count:
    """Trained parameters whose optimiser state one rank updates."""
    sharded = layout.zero >= ZERO_OPTIMIZER
    dense = (held.dense + held.embedding + held.head) / where(sharded, layout.shards * 1.0, 1.0)
    routed = held.routed / where(sharded, layout.expert_replicas, 1.0)
    return (dense + routed) * trained


def update_bytes(recipe: Recipe) -> Scalar:
    """Bytes that updating one parameter moves: gradient read; master copy and moments read and written; weight written.

    >>> from cardyears.work.state import RECIPES
    >>> update_bytes(RECIPES["adamw"])
    28.0
    """
    kept = where(recipe.master, recipe.master, recipe.weight) + recipe.moments
    return recipe.gradient + 2.0 * kept + where(recipe.master, recipe.weight, 0.0)


def optimizer(job: Job, layout: Layout, rates: Rates, held: RankParameters, trained: Scalar) -> Seconds:
    """Seconds that the device updates weights and state; nothing where the processor does."""
    moved = trained_parameters(layout, held, trained) * update_bytes(job.training.trained)
    if layout.offload != "none":
        return 0.0 * moved
    return rates.move(moved) * job.engine.optimizer_passes


def gradient_norm(
    job: Job, layout: Layout, there: Setting, everybody: Group, held: RankParameters, trained: Scalar
) -> Seconds:
    """Seconds to square and add up all gradients and tell every rank the sum."""
    read = trained_parameters(layout, held, trained) * job.training.trained.gradient
    return there.rates.move(read) + all_reduce(NORM_BYTES + 0.0 * read, everybody, there.wires)


def dequantisation(job: Job, layout: Layout, there: Setting, held: RankParameters) -> Seconds:
    """Seconds to write the quantised base out in 16 bit, before every product: forward, backward and computed again.

        (NF4 read + bf16 written) · N / bandwidth, for each pass

    Source: qlora-2023, eq. 5: the weights are stored in NF4 and multiplied in bf16.
    """
    moved = (held.dense_linear + held.routed) * (job.training.base_bytes + BF16_BYTES)
    if not job.training.quantised:
        return 0.0 * moved
    return there.rates.move(moved) * (2.0 + again_share(there.model.layer_count, layout))


def host_transfers(
    job: Job, layout: Layout, held: RankParameters, trained: Scalar, computed: Seconds, paged_out: Bytes
) -> Seconds:
    """Seconds that offloaded or paged state takes beside or after the computation.

    An offloaded optimiser sends gradients down and weights up, and the processor updates from its own memory (from
    NVMe, state is read and written besides). Offloaded weights come up for each pass, hidden as far as the
    computation lasts. A paged optimiser's pages go out and come back each step. Source: zero-offload-2021.
    """
    recipe, host = job.training.trained, job.host
    moved = 2.0 * paged_out / host.link
    if layout.offload == "none":
        return moved
    mine = trained_parameters(layout, held, trained)
    wire = mine * (recipe.gradient + recipe.weight) / host.link
    updated = mine * update_bytes(recipe) / host.memory
    if layout.offload_to == "nvme":
        updated = updated + 2.0 * mine * (recipe.master + recipe.moments) / host.disk
    moved = moved + wire + updated
    if layout.offload == "optimizer":
        return moved
    each = job.training.base_bytes
    split = layout.zero >= ZERO_WEIGHTS
    dense = (held.dense + held.embedding + held.head) / where(split, layout.shards * 1.0, 1.0)
    stored = (dense + held.routed / where(split, layout.expert_replicas, 1.0)) * each
    speed = host.disk if layout.offload_to == "nvme" else host.link
    up = stored * 2.0 * layout.accumulation / speed
    return moved + maximum(up - computed, 0.0)
