"""What does the software cost? Coefficients of one training engine, each with a physical meaning. Knows no model.

Two engines on the same devices differ as much as two generations of devices. Values live in the catalogue
(``engines.toml``), each with its source; an engine travels inside the Case.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from cardyears.base.broadcast import where
from cardyears.base.units import GIB

if TYPE_CHECKING:
    from cardyears.base.units import Seconds


class MemoryHabits(msgspec.Struct, frozen=True, kw_only=True):
    """What one process of an engine holds besides what training needs. The defaults are plain PyTorch's."""

    context_bytes: float = 0.55 * GIB
    """Device context, library workspaces and loaded kernels. Source: pytorch-memory."""
    reserve_share: float = 0.05
    """Blocks that the caching allocator holds and cannot give out, as a share of what comes and goes: the state lies
    where it was put at the start. Source: measured-runs."""
    logit_bytes: float = 8.0
    """Bytes of each logit at the peak: in fp32 for the loss, and its fp32 gradient."""
    idle_share: float = 0.0
    """Further blocks that the allocator holds while there is room, as a share of all it gave out: they count in what
    is reserved, not in what is needed. Source: measured-runs."""
    idle_logits: float = 0.0
    """Bytes of freed copies of the logits that the allocator holds for each byte of them while there is room: they
    count in what it has reserved, not in what is needed. Source: measured-runs."""
    fused: bool = True
    """Whether norms, softmax and rotary embeddings run as one kernel each, without fp32 copies: less memory, and fewer
    passes through it."""
    needed_only: bool = False
    """Whether a compiler or a fused kernel keeps nothing that it can make again from what it reads, nor what the
    backward pass does not read."""
    boundary_copies: float = 1.0
    """Times that a recomputed layer's input is kept, where adapters are trained under ZeRO 3: FSDP's hooks hold the
    gradients of what entered frozen layers until the backward pass ends."""
    bucket_elements: float = 5e8
    """Gradients that ZeRO 1 and 2 reduce at once. Source: deepspeed (reduce_bucket_size)."""
    replica_buckets: float = 0.0
    """Copies of the gradients in the buckets that plain replicas reduce: 1 for DistributedDataParallel, whose buckets
    are not the gradients themselves unless asked for (gradient_as_bucket_view)."""
    gathered_layers: float = 2.0
    """Layers that ZeRO 3 has whole at once: the one in use and the next."""
    passing_gradient_bytes: float = 0.0
    """Of each weight of the head and of one layer, beside the gradients' buffers: Megatron-Core makes a gradient in
    16 bits that nothing is in, so that its hooks run, while the kernel adds to the buffer."""
    low_precision_copies: bool = True
    """Whether weights in low precision stay beside the others from micro-batch to micro-batch."""
    keeps_gradients: bool = False
    """Whether gradients lie in buffers that stay from step to step; else they are freed after the update, and the
    backward pass fills them as it frees activations."""


PLAIN_HABITS = MemoryHabits()


RATES = ("product_factor", "attention_factor")
TIMES = (
    *("memory_bound_factor", "kernel_s", "collective_s", "routing_s", "step_s", "loss_passes", "chunked_loss_passes"),
    "optimizer_passes",
)
EXPOSURES = ("gradient_exposure", "tensor_exposure", "expert_exposure")
"""What of an engine gets faster, or less, from release to release."""


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """How one engine executes a training step."""

    key: str
    name: str
    recipe: str
    """What it keeps for each parameter by default: a key of `work.state.RECIPES`."""
    product_factor: float
    """Rate of matrix products in training over the same products in isolation: power, clocks, layouts, epilogues."""
    grouped_loss: float
    """What products of experts lose to their few rows and narrow width, over the usual of `machine.products`."""
    attention_factor: float
    """Rate of the fused attention kernel over the family's."""
    memory_bound_factor: float
    """Bytes that memory-bound operators move over the bytes counted operator by operator: 1 is unfused and without
    waste, below is fused."""
    kernel_s: float
    """Host time to launch one kernel: the host runs ahead, so it shows only where the device is faster."""
    collective_s: float
    """Host time to start one collective."""
    routing_s: float
    """Time of each pass through a layer of experts that no operator takes: counts of tokens that travel to the host and
    back before the experts' products can be launched."""
    step_s: float
    """Time of each optimiser step that no operator takes: data, logging, host synchronisation."""
    gradient_exposure: float
    """Share of the gradients' traffic (ZeRO 0 to 2) that the backward pass does not hide."""
    tensor_exposure: float
    """Share of tensor-parallel traffic that computation does not hide."""
    expert_exposure: float
    """Share of the experts' all-to-all that computation does not hide."""
    reduce_bytes: float
    """Bytes of one gradient on the wire."""
    loss_passes: float
    """Bytes that head and cross-entropy move for each logit, forward and backward, beyond the products."""
    chunked_loss_passes: float
    """The same where head and loss run over chunks of tokens."""
    optimizer_passes: float
    """Times that the optimiser moves its state through memory: 1 fused, more for loops over tensors."""
    yearly_gain: float
    """By how much its releases get faster in a year: the logarithm of every time that they take. None gets slower."""
    years: tuple[float, float, float]
    """Of the first, the mean and the last of its releases that were measured; the coefficients are the mean's until
    `of_year` moves them."""
    year: float
    """Of the release that it is."""
    compiled: bool
    """Whether a compiler fuses memory-bound operators by default."""
    compiled_gain: float
    """Bytes of memory-bound operators with the compiler over those without, norms and rotary embeddings in steps
    apart: a compiler fuses these wholly."""
    stops_early: bool
    """Whether recomputation stops at the last tensor that the backward pass reads, and leaves out the product that ends
    a layer: checkpoints of PyTorch 2.1 and later without re-entry, compilers that drop what nobody reads."""
    adds_apart: bool
    """Whether a micro-batch's gradients are written by their products and added to those before by kernels of their
    own, as automatic differentiation does by itself; else the products add them up (gradient accumulation fusion).
    General knowledge of the engines, not measured."""
    adds_first: bool
    """Whether a step's first gradients are added to a cleared buffer as the others are; else they are taken as they
    are, as after PyTorch's `set_to_none` and in JAX. General knowledge of the engines, not measured."""
    whole_tensors: bool
    """Whether ZeRO 1 deals out whole tensors: gradients are reduced to all ranks, and each owner broadcasts its weights
    by itself, so that the hops of all broadcasts add up."""
    pads_vocabulary: bool
    """Whether embedding and head have rows without a token, so that their number suits the kernels. A compiler pads
    products besides (PyTorch's shape padding, XLA's tiles)."""
    flash: bool
    """Whether attention is a fused kernel by default."""
    axes: tuple[str, ...]
    """Ways to split layers and sequences over devices that it has, beside data parallelism and ZeRO."""
    sp: bool
    """Whether it splits along the sequence what tensor parallelism leaves whole."""
    memory: MemoryHabits
    """What it holds besides state and activations."""
    kind: str
    """measured where its runs shaped the coefficients, else assumed."""
    source: str

    def of_year(self, year: float | None) -> Engine:
        """The engine as its releases of a year are; None: as the last that was measured is.

            time(year) = time(mean) · exp(−yearly_gain · (year − mean)),  year held between the first and the last

        Of everything that it does: rates, bytes, host time, and the traffic that it does not hide. No release is
        faster than the last that was measured, and none slower than the first.
        """
        first, mean, last = self.years
        held = min(max(last if year is None else year, first), last)
        faster = math.exp(self.yearly_gain * (held - mean))
        return msgspec.structs.replace(
            self,
            year=held,
            **{name: getattr(self, name) * faster for name in RATES},
            **{name: getattr(self, name) / faster for name in TIMES},
            **{name: min(1.0, getattr(self, name) / faster) for name in EXPOSURES},
        )

    def launches(self, *, graphs: bool) -> tuple[Seconds, Seconds, Seconds]:
        """Host time for a kernel, for a collective, and for counting a layer's tokens; nothing where graphs replay."""
        live = where(graphs, 0.0, 1.0)
        return self.kernel_s * live, self.collective_s * live, self.routing_s * live

    def kernel_share(self, *, compiled: bool | None) -> float:
        """Kernels launched over those of the engine as it runs by default: what is fused is launched once.

        Assumed to fall with the bytes that fusing saves.
        """
        return self.moved_factor(compiled=compiled) / self.memory_bound_factor

    def moved_factor(self, *, compiled: bool | None) -> float:
        """Bytes that operators move over the bytes counted, with or without the compiler.

        The factor is that of the engine as it runs by default.
        """
        if compiled is None or compiled == self.compiled:
            return self.memory_bound_factor
        return self.memory_bound_factor * (self.compiled_gain if compiled else 1 / self.compiled_gain)
