"""What does one layout give? Time ledger, memory ledger, speed and utilisation of one training step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cardyears.base.broadcast import maximum, minimum
from cardyears.base.ledger import Ledger
from cardyears.estimate.memory import memory
from cardyears.estimate.passes import again_share
from cardyears.estimate.setting import Setting, setting
from cardyears.estimate.step import EVERY_SECOND, step
from cardyears.layout.layout import Layout
from cardyears.work.flops import attention_core_flop, finetune_flop, head_flop, model_flop

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Flop, Scalar
    from cardyears.case import Job

TRAFFIC = (
    "tensor_traffic",
    "context_traffic",
    "expert_traffic",
    "pipeline_traffic",
    "data_traffic",
    "vocabulary_traffic",
    "tied_traffic",
)
"""Lines of the time ledger in which a device waits for a wire."""
COMPUTING = (
    "products",
    "attention_core",
    "memory_bound",
    "recomputation",
    "dequantisation",
    "head",
    "embedding",
    "weight_casts",
    "optimizer",
)
"""Lines in which a device computes or moves its own memory."""


class Estimate(msgspec.Struct, frozen=True):
    """One layout's numbers."""

    layout: Layout
    time: Ledger
    """Seconds of one step by line."""
    memory: Ledger
    """Bytes on the fullest rank by line."""
    tokens_per_s_per_device: Scalar
    mfu: Scalar
    """Model FLOP, the whole attention square, over the dense peak of the precision."""
    hfu: Scalar
    """The same with what is computed again."""

    @property
    def step_s(self) -> Scalar:
        """Seconds of one optimiser step."""
        return self.time.total

    @property
    def peak_bytes(self) -> Scalar:
        """Bytes on the fullest rank."""
        return self.memory.total

    @property
    def waiting(self) -> Scalar:
        """Share of the step in which devices wait for wires."""
        wires: Scalar = 0.0
        for name in TRAFFIC:
            wires = wires + self.time[name]
        return wires / self.time.total


def estimate(job: Job, layout: Layout, there: Setting | None = None) -> Estimate:
    """Both ledgers of a layout, and what they come to.

    `there` may be given where many layouts share one setting.
    """
    there = there or setting(job, layout.precision)
    held = memory(job.architecture, job.training, layout, job.seq_len, habits=job.engine.memory)
    paged_out = 0.0 * held.total
    if job.training.trained.paged:
        paged_out = paged(job, held)
        held = held.plus({"optimizer": 0.0 - paged_out})
    time = step(job, layout, there, paged_out=paged_out)
    per_step = layout.global_batch * job.seq_len * job.useful_tokens
    device_seconds = time.total * layout.devices
    peak = device_seconds * there.rates.peak
    return Estimate(
        layout=layout,
        time=time,
        memory=held,
        tokens_per_s_per_device=per_step / device_seconds,
        mfu=per_step * step_flop(job) / peak,
        hfu=per_step * (step_flop(job) + again_flop(job, layout)) / peak,
    )


def paged(job: Job, held: Ledger) -> Bytes:
    """Bytes of optimiser state that a paged optimiser keeps on the host: what does not fit."""
    over = maximum(held.total - job.usable_bytes, 0.0)
    return minimum(over, held.get("optimizer", 0.0) + 0.0 * held.total)


def step_flop(job: Job) -> Flop:
    """Model FLOP per token of the job's training, whole square."""
    training = job.training
    if training.adapters:
        return finetune_flop(job.architecture, job.seq_len, training.active_adapter_parameters(job.architecture))
    return model_flop(job.architecture, job.seq_len)


def again_flop(job: Job, layout: Layout) -> Flop:
    """FLOP per token that recomputation adds: the blocks' forward pass, or the attention core's."""
    arch, length = job.architecture, job.seq_len
    core = attention_core_flop(arch, length, causal=False)
    if layout.recompute == "full":
        blocks = model_flop(arch, length) / 3.0 - head_flop(arch)
        return blocks * again_share(float(arch.layer_count), layout)
    scores = core if layout.kernel == "eager" else 0.0 * core
    if layout.recompute == "selective-products":
        return (model_flop(arch, length) / 3.0 - head_flop(arch) - core) * EVERY_SECOND + scores
    return scores if layout.recompute != "none" else 0.0 * core
