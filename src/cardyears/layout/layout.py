"""How is the work laid on the machine? Degrees of parallelism, micro-batch, what is sharded, what is computed again.

The type has every axis that a plan can name. Which of them an estimate follows is said by the estimate.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cardyears.work.activations import AttentionKernel, Recompute

Zero = Literal[0, 1, 2, 3]
Schedule = Literal["1f1b", "interleaved", "zero-bubble", "dualpipe"]
Offload = Literal["none", "optimizer", "optimizer+weights"]


class Layout(msgspec.Struct, frozen=True):
    """One way to lay a training run on a cluster; the default is one device and one sequence at a time."""

    tp: int = 1
    """Tensor parallelism, with sequence parallelism if `sp`."""
    sp: bool = True
    pp: int = 1
    virtual_stages: int = 1
    schedule: Schedule = "1f1b"
    dp: int = 1
    cp: int = 1
    ep: int = 1
    etp: int = 1
    zero: Zero = 0
    """What is sharded over dp: 1 optimiser, 2 and gradients, 3 and weights (FSDP)."""
    shard_group: int | None = None
    """Ranks that one sharded copy spans (HSDP); None: all of dp."""
    micro_batch: int = 1
    accumulation: int = 1
    recompute: Recompute = "none"
    kernel: AttentionKernel = "flash"
    chunked_loss: bool = False
    offload: Offload = "none"
    precision: str = "bf16"

    @property
    def devices(self) -> int:
        """Ranks that the layout takes."""
        return self.tp * self.pp * self.dp * self.cp

    @property
    def global_batch(self) -> int:
        """Sequences in one optimiser step."""
        return self.micro_batch * self.accumulation * self.dp

    @property
    def shards(self) -> int:
        """Ranks over which ZeRO spreads a copy of the state."""
        return self.shard_group or self.dp
