"""What does a block cost whose weights several depths of a model share? Zamba's attention and MLP.

The first use holds the weights; each later use holds none of them and multiplies by them all the same. Every use
adds low-rank adapters of its own. Source: Glorioso et al. 2024 (arXiv 2411.15242), section 2. This file knows no
hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cardyears.work.channels import Mlp
from cardyears.work.linear import Linear
from cardyears.work.mixers import Attention
from cardyears.work.saved import ACTIVATION_BYTES, STEPWISE_NORM_BYTES, Saved

if TYPE_CHECKING:
    from cardyears.base.units import Flop, Scalar


def shared(linears: tuple[Linear, ...], *, owner: bool) -> tuple[Linear, ...]:
    """The same matrices, held by the first use only.

    >>> shared((Linear("mlp", "up", 8, 16),), owner=False)[0].held
    0
    """
    return tuple(msgspec.structs.replace(linear, held=linear.held * owner) for linear in linears)


class SharedAttention(msgspec.Struct, frozen=True, tag="shared-attention"):
    """Attention over the hidden state beside the token's embedding: twice the hidden width in, the hidden width out.

    >>> attention = Attention(heads=32, kv_heads=32, head_dim=160)
    >>> uses = [SharedAttention(attention, 2_560, owner) for owner in (True, False)]
    >>> [sum(linear.held * linear.weights for linear in use.linears(2_560)) for use in uses]
    [98304000, 6553600]
    """

    attention: Attention
    hidden: int
    owner: bool
    """Whether this is the use that holds the weights."""
    adapter_rank: int = 0
    """Rank of the adapters of q, k and v; 0: none."""

    @property
    def score_heads(self) -> int:
        """Every head has its score matrix."""
        return self.attention.score_heads

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """The shared q, k, v and o; this use's adapters and its matrix behind the block."""
        *ways_in, _ = self.attention.linears(2 * hidden)
        *_, out = self.attention.linears(hidden)
        adapters = (
            adapter
            for name in ("q", "k", "v")
            if self.adapter_rank
            for adapter in (
                Linear("attention", f"{name}_adapter_down", 2 * hidden, self.adapter_rank),
                Linear("attention", f"{name}_adapter_up", self.adapter_rank, 2 * hidden),
            )
        )
        behind = Linear("attention", "behind", hidden, hidden)
        return (*shared((*ways_in, out), owner=self.owner), *adapters, behind)

    def vectors(self) -> dict[str, int]:
        """The block's two norms, of its twofold input and before its MLP."""
        return {"norms": 3 * self.hidden * self.owner}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """As any attention, at every use."""
        return self.attention.core_flop(seq_len, causal=causal)

    def saved_bytes(self) -> Saved:
        """As any attention; the inputs of both norms and of the matrix behind the block; what the norms put out."""
        normed = 3 * self.hidden
        around = Saved(
            whole_kept=ACTIVATION_BYTES * (normed + self.hidden + 3 * self.adapter_rank),
            whole_cheap=ACTIVATION_BYTES * normed,
            whole_stepwise=STEPWISE_NORM_BYTES * normed,
        )
        return self.attention.saved_bytes().plus(around)


class SharedMlp(msgspec.Struct, frozen=True, tag="shared-mlp"):
    """An MLP whose gate and up have an adapter for each use.

    >>> use = SharedMlp(Mlp(10_240, gated=True), owner=False, adapter_rank=128)
    >>> sum(linear.held * linear.weights for linear in use.linears(2_560))
    2949120
    """

    mlp: Mlp
    owner: bool
    adapter_rank: int

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """The shared matrices and this use's adapter of gate and up together."""
        return (
            *shared(self.mlp.linears(hidden), owner=self.owner),
            Linear("mlp", "adapter_down", hidden, self.adapter_rank),
            Linear("mlp", "adapter_up", self.adapter_rank, 2 * self.mlp.width),
        )

    def vectors(self) -> dict[str, int]:
        """None."""
        return {}

    def saved_bytes(self, hidden: int) -> Saved:
        """As the MLP, and the adapter's middle."""
        return self.mlp.saved_bytes(hidden).plus(Saved(whole_kept=ACTIVATION_BYTES * self.adapter_rank))
