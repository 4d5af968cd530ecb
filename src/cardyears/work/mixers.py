"""How do tokens of a sequence see each other? Attention and its kin, each with its matrices, FLOP and bytes.

Every mixer answers the same few questions (`Mixer`), so that counting never asks which kind it is; a further kind is a
class with these members. This file knows no hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from cardyears.base.broadcast import minimum
from cardyears.work.linear import Linear

if TYPE_CHECKING:
    from cardyears.base.units import Flop, Scalar

FORWARD_PER_WEIGHT = 2
"""One multiply and one add."""
ACTIVATION_BYTES = 2
"""bf16 or fp16."""
FP32_BYTES = 4


class Mixer(Protocol):
    """What every mixer answers."""

    @property
    def score_heads(self) -> int:
        """Heads that have a score for each pair of positions."""

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Its weight matrices."""

    def vectors(self) -> dict[str, int]:
        """Its other parameters by ledger line."""

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """FLOP per token, forward, that no weight matrix does: scores and averages."""

    def saved_bytes(self) -> tuple[int, int]:
        """Bytes per token kept for the backward pass: by matrix products and kernels, by cheap operators.

        Selective recomputation keeps the first and computes the second again.
        """


def attended(window: int | None, seq_len: Scalar, *, causal: bool) -> Scalar:
    """Positions that a token attends to on average, as a convention counts them.

    The whole square counts T (or the window w) for each token; the causal half T/2, or w - w²/2T: the first w tokens
    see w/2 on average, the others w.

    >>> attended(None, 2_048, causal=True), attended(1_024, 2_048, causal=True)
    (1024.0, 768.0)
    """
    if window is None:
        return seq_len / 2 if causal else seq_len
    width = minimum(float(window), seq_len)
    return width - width * width / (2 * seq_len) if causal else width


class Attention(msgspec.Struct, frozen=True, tag="attention"):
    """Multi-head, grouped-query or multi-query attention, over everything or a sliding window."""

    heads: int
    kv_heads: int
    head_dim: int
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: str = "none"
    """none; head: one scale per head dimension; hidden: one per dimension of all heads."""
    window: int | None = None
    sinks: bool = False
    """One learned sink logit per head."""

    @property
    def q_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of all key heads (or all value heads) together."""
        return self.kv_heads * self.head_dim

    @property
    def score_heads(self) -> int:
        """Every head has its score matrix."""
        return self.heads

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """q, k, v of hidden x (heads or kv_heads)·head_dim, and the output projection."""
        return (
            Linear("attention", "q", hidden, self.q_width, bias=self.qkv_bias),
            Linear("attention", "k", hidden, self.kv_width, bias=self.qkv_bias),
            Linear("attention", "v", hidden, self.kv_width, bias=self.qkv_bias),
            Linear("attention", "o", self.q_width, hidden, bias=self.output_bias),
        )

    def vectors(self) -> dict[str, int]:
        """Norms of q and k, and sinks."""
        norms = {"none": 0, "head": 2 * self.head_dim, "hidden": self.q_width + self.kv_width}[self.qk_norm]
        return {"norms": norms, "biases": self.heads * self.sinks}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """QKᵀ and softmax·V: 4·q·T for the whole square. Source: palm-2022 app. B."""
        return FORWARD_PER_WEIGHT * 2 * self.q_width * attended(self.window, seq_len, causal=causal)

    def saved_bytes(self) -> tuple[int, int]:
        """q, k, v and the output once each, an fp32 log-sum per head; q and k before their norm."""
        kept = ACTIVATION_BYTES * (2 * self.q_width + 2 * self.kv_width) + FP32_BYTES * self.heads
        return kept, ACTIVATION_BYTES * (self.q_width + self.kv_width) if self.qk_norm != "none" else 0


class LatentAttention(msgspec.Struct, frozen=True, tag="latent"):
    """Multi-head latent attention: q, k and v through low-rank bottlenecks. Source: deepseek-v2-2024, section 2.1."""

    heads: int
    kv_rank: int
    rope_dim: int
    nope_dim: int
    value_dim: int
    q_rank: int | None = None
    window: int | None = None

    @property
    def qk_dim(self) -> int:
        """Width of one head's query and key: the rotary part and the other."""
        return self.rope_dim + self.nope_dim

    @property
    def score_heads(self) -> int:
        """Every head has its score matrix."""
        return self.heads

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Down- and up-projections of q (or one full matrix) and of k and v, and the output projection."""
        q_width = self.heads * self.qk_dim
        full = (Linear("attention", "q", hidden, q_width),)
        low_rank = (
            Linear("attention", "q_down", hidden, self.q_rank or 0),
            Linear("attention", "q_up", self.q_rank or 0, q_width),
        )
        return (
            *(full if self.q_rank is None else low_rank),
            Linear("attention", "kv_down", hidden, self.kv_rank + self.rope_dim),
            Linear("attention", "kv_up", self.kv_rank, self.heads * (self.nope_dim + self.value_dim)),
            Linear("attention", "o", self.heads * self.value_dim, hidden),
        )

    def vectors(self) -> dict[str, int]:
        """The norms of the latents."""
        return {"norms": self.kv_rank + (self.q_rank or 0)}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """QKᵀ over the key's width and softmax·V over the value's."""
        width = self.heads * (self.qk_dim + self.value_dim)
        return FORWARD_PER_WEIGHT * width * attended(self.window, seq_len, causal=causal)

    def saved_bytes(self) -> tuple[int, int]:
        """q, k, v, the output and each latent before and after its norm."""
        expanded = self.heads * (2 * self.qk_dim + 2 * self.value_dim)
        latent = self.kv_rank + self.rope_dim + (self.q_rank or 0)
        return ACTIVATION_BYTES * (expanded + latent) + FP32_BYTES * self.heads, ACTIVATION_BYTES * latent
