"""How is the work laid on the machine? Degrees of parallelism, micro-batch, what is sharded, what is computed again.

Every field that is a number may be a float or an array of floats: a million layouts run through the same lines as
one. Words (schedule, recomputation, kernel) are the same for all of them. `layout.legal` says which layouts can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from cardyears.case import Precision
from cardyears.work.activations import AttentionKernel, Recompute

if TYPE_CHECKING:
    from cardyears.base.units import Scalar
else:
    Scalar = object  # msgspec would check the type of a field that nobody decodes

Schedule = Literal["1f1b", "interleaved", "zero-bubble", "dualpipe"]
Offload = Literal["none", "optimizer", "optimizer+weights"]
OffloadTo = Literal["cpu", "nvme"]
ContextKind = Literal["ring", "ulysses", "all-gather"]

ZERO_OPTIMIZER, ZERO_GRADIENTS, ZERO_WEIGHTS = 1, 2, 3
"""What each ZeRO stage begins to shard (Rajbhandari 2020, figure 1); FSDP is stage 3."""


class Layout(msgspec.Struct, frozen=True, gc=False):
    """One way to lay a training run on a cluster; the default is one device and one sequence at a time."""

    tp: Scalar = 1
    """Tensor parallelism."""
    sp: bool = True
    """Sequence parallelism of Megatron: what tensor parallelism leaves whole is split along the sequence."""
    pp: Scalar = 1
    virtual_stages: Scalar = 1
    """Chunks of layers on each pipeline rank (interleaving)."""
    schedule: Schedule = "1f1b"
    dp: Scalar = 1
    cp: Scalar = 1
    """Context parallelism: every rank has T/cp tokens of each sequence."""
    context_kind: ContextKind = "ring"
    balanced: bool = True
    """Whether context parallelism deals the causal square out evenly (first and last pieces paired)."""
    ep: Scalar = 1
    """Expert parallelism, over ranks of the data, context and tensor axes."""
    etp: Scalar = 1
    """Tensor parallelism inside one expert."""
    zero: Scalar = 0
    """What is sharded over dp·cp: 1 optimiser, 2 and gradients, 3 and weights (FSDP)."""
    shard_group: Scalar | None = None
    """Ranks that one sharded copy spans (HSDP); None: all of dp·cp."""
    micro_batch: Scalar = 1
    accumulation: Scalar = 1
    """Micro-batches in one optimiser step."""
    recompute: Recompute = "none"
    recompute_every: Scalar = 1
    """With full recomputation: every so-manieth layer is computed again, the others keep everything."""
    kernel: AttentionKernel = "flash"
    chunked_loss: bool = False
    """Head and cross-entropy run over chunks of tokens, and the logits are never there as a whole."""
    dropout: bool = False
    """Whether attention output and MLP have dropout, whose masks are kept."""
    compiled: bool | None = None
    """Whether a compiler fuses operators and launches; None: as the engine does by default."""
    graphs: bool = False
    """Whether launches are recorded once and replayed (CUDA graphs), so that the host takes no time for each."""
    overlap: bool = True
    """Whether traffic of gradients and weights runs beside the computation, as far as the engine can."""
    expert_overlap: bool = False
    """Whether one micro-batch's tokens travel to their experts while another one computes."""
    offload: Offload = "none"
    offload_to: OffloadTo = "cpu"
    precision: Precision = "bf16"

    @property
    def devices(self) -> Scalar:
        """Ranks that the layout takes."""
        return self.tp * self.pp * self.dp * self.cp

    @property
    def global_batch(self) -> Scalar:
        """Sequences in one optimiser step."""
        return self.micro_batch * self.accumulation * self.dp

    @property
    def replicas(self) -> Scalar:
        """Ranks that hold the same weights, but for ZeRO: they share gradients and may shard state."""
        return self.dp * self.cp

    @property
    def shards(self) -> Scalar:
        """Ranks over which ZeRO spreads a copy of the state."""
        return self.replicas if self.shard_group is None else self.shard_group

    @property
    def expert_replicas(self) -> Scalar:
        """Ranks that hold the same experts, but for ZeRO."""
        return self.replicas * self.tp / (self.ep * self.etp)
