"""What does attention cost whose past is one matrix of keys and values? Linear attention, delta rule, mLSTM.

Each head carries a state of key x value width, so its core does not grow with the sequence: kernels work on chunks,
as attention inside a chunk and through the state between chunks. This file knows no hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cardyears.work.linear import Linear
from cardyears.work.mixers import FORWARD_PER_WEIGHT
from cardyears.work.recurrent import PART, convolution_flop, in_chunk
from cardyears.work.saved import ACTIVATION_BYTES, FP32_BYTES, STEPWISE_NORM_BYTES, Saved

if TYPE_CHECKING:
    from cardyears.base.units import Flop, Scalar


def chunked_flop(key: int, value: int, inside: Scalar) -> Scalar:
    """FLOP per token and head, forward, of linear attention over chunks.

        2·C·(k + v) + 4·k·v

    QKᵀ and its product with V inside a chunk; the state that a chunk writes and the one that it reads.
    Source: Qin et al. 2024, Lightning Attention-2 (arXiv 2401.04658), algorithm 1.

    >>> chunked_flop(128, 128, 256.0)
    196608.0
    """
    return FORWARD_PER_WEIGHT * (inside * (key + value) + 2 * key * value)


class LightningAttention(msgspec.Struct, frozen=True, tag="lightning"):
    """MiniMax-01's linear attention with a fixed decay for each head and a gated output.

        S ← λ·S + kᵀv;   y = out(σ(gate) ⊙ norm(q·S))

    Source: MiniMax 2025 (arXiv 2501.08313), section 2.2.

    >>> layer = LightningAttention(heads=64, head_dim=128)
    >>> layer.core_flop(8_192, causal=False) == layer.core_flop(1_000_000, causal=False) == 64 * 196_608
    True
    """

    heads: int
    head_dim: int
    chunk: int = 256

    @property
    def width(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_dim

    @property
    def score_heads(self) -> int:
        """None that attention kernels know of."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """q, k and v in one, the output gate, and out."""
        return (
            Linear(PART, "qkv", hidden, 3 * self.width),
            Linear(PART, "gate", hidden, self.width),
            Linear(PART, "out", self.width, hidden),
        )

    def vectors(self) -> dict[str, int]:
        """The norm of the output. The decays are fixed."""
        return {"norms": self.width}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """Linear attention over chunks: h·(4·C·d + 4·d²)."""
        return self.heads * chunked_flop(self.head_dim, self.head_dim, in_chunk(self.chunk, seq_len, causal=causal))

    def saved_bytes(self) -> Saved:
        """q, k, v before their activation, the output and the gate; q, k, v after it, the output normed and gated."""
        width = ACTIVATION_BYTES * self.width
        return Saved(kept=5 * width, cheap=5 * width, stepwise=STEPWISE_NORM_BYTES * self.width)


class GatedDeltaNet(msgspec.Struct, frozen=True, tag="gated-delta-net"):
    """The gated delta rule: each token first takes out of the state what its key already reads.

        S ← α·(S - β·k·(kᵀS)) + β·k·vᵀ;   y = out(silu(z) ⊙ norm(qᵀS))

    Query and key heads serve several value heads each. Projections as Qwen3.5 splits them; Qwen3-Next fuses q, k, v
    with z, and α with β, which changes no parameter and no FLOP.
    Sources: Yang et al. 2024 (arXiv 2412.06464), eq. 10 and section 3.3; Kimi Linear 2025 (arXiv 2510.26692).

    >>> layer = GatedDeltaNet(key_heads=16, value_heads=32, key_dim=128, value_dim=128)
    >>> sum(linear.parameters for linear in layer.linears(2_048)) + sum(layer.vectors().values())
    33718464
    """

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int = 4
    chunk: int = 64
    gate_rank: int = 0
    """Kimi Linear: rank of the output gate's matrices, and of a decay for each key channel; 0: full, one a head."""

    @property
    def convolved(self) -> int:
        """Channels that pass through the convolution: q, k and v."""
        return 2 * self.key_heads * self.key_dim + self.value_width

    @property
    def value_width(self) -> int:
        """Width of all value heads together."""
        return self.value_heads * self.value_dim

    @property
    def decays(self) -> int:
        """Decays of a token: one for each value head, in Kimi Linear one for each of its key channels."""
        return self.value_heads * (self.key_dim if self.gate_rank else 1)

    @property
    def score_heads(self) -> int:
        """None that attention kernels know of."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """q, k and v in one, the output gate z, β and α, and out."""
        return (
            Linear(PART, "qkv", hidden, self.convolved),
            *self._gate("z", hidden, self.value_width),
            Linear(PART, "b", hidden, self.value_heads),
            *self._gate("a", hidden, self.decays),
            Linear(PART, "out", self.value_width, hidden),
        )

    def _gate(self, name: str, hidden: int, width: int) -> tuple[Linear, ...]:
        """One matrix, or two of low rank."""
        if not self.gate_rank:
            return (Linear(PART, name, hidden, width),)
        down = Linear(PART, f"{name}_down", hidden, self.gate_rank)
        return (down, Linear(PART, f"{name}_up", self.gate_rank, width))

    def vectors(self) -> dict[str, int]:
        """The convolution; A for each value head and the step's bias for each decay; the gated norm of a head."""
        return {PART: self.convolved * self.kernel + self.value_heads + self.decays, "norms": self.value_dim}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """Convolution and the delta rule over chunks, for each value head:

            2·C·(k + v) + 4·k·v    linear attention over chunks
            2·C·k + 2·k·v          βKKᵀ, and what the state already holds
            2·C·(k + v)            its triangular inverse times βK and βV

        Leaves out the inverse itself (C²/3, below 2 %), decays and norms.
        Source: flash-linear-attention, `chunk_gated_delta_rule`.

        >>> layer = GatedDeltaNet(key_heads=16, value_heads=32, key_dim=128, value_dim=128)
        >>> layer.core_flop(4_096, causal=False) / 1e6
        5.832704
        """
        inside = in_chunk(self.chunk, seq_len, causal=causal)
        delta = FORWARD_PER_WEIGHT * (inside * (2 * self.key_dim + self.value_dim) + self.key_dim * self.value_dim)
        rule = self.value_heads * (chunked_flop(self.key_dim, self.value_dim, inside) + delta)
        return rule + convolution_flop(self.convolved, self.kernel)

    def saved_bytes(self) -> Saved:
        """The convolution's input, the chunk's inverse, output and z, α and β in fp32; q, k, v and the gated output."""
        kept = self.convolved + self.value_heads * self.chunk + 2 * self.value_width
        return Saved(
            kept=ACTIVATION_BYTES * kept + FP32_BYTES * (self.value_heads + self.decays),
            cheap=ACTIVATION_BYTES * (self.convolved + self.value_width),
            stepwise=STEPWISE_NORM_BYTES * self.value_width,
        )


class MatrixLstm(msgspec.Struct, frozen=True, tag="mlstm"):
    """xLSTM's matrix memory with exponential input and forget gates.

        C ← f·C + i·v·kᵀ;   y = out(σ(o) ⊙ norm(C·q / max(|nᵀq|, 1)))

    Source: Beck et al. 2024 (arXiv 2405.04517), section 2.3; xLSTM 7B (arXiv 2503.13427).

    >>> layer = MatrixLstm(heads=8, key_width=2_048, value_width=4_096)
    >>> sum(linear.parameters for linear in layer.linears(4_096)) + sum(layer.vectors().values())
    67178512
    """

    heads: int
    key_width: int
    """Of all heads together."""
    value_width: int
    chunk: int = 64
    bias: bool = False

    @property
    def score_heads(self) -> int:
        """None that attention kernels know of."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """q, k, v, the three gates (two of them one number for each head), and out."""
        return (
            Linear(PART, "q", hidden, self.key_width, bias=self.bias),
            Linear(PART, "k", hidden, self.key_width, bias=self.bias),
            Linear(PART, "v", hidden, self.value_width, bias=self.bias),
            Linear(PART, "output_gate", hidden, self.value_width, bias=self.bias),
            Linear(PART, "input_gate", hidden, self.heads, bias=True),
            Linear(PART, "forget_gate", hidden, self.heads, bias=True),
            Linear(PART, "out", self.value_width, hidden, bias=self.bias),
        )

    def vectors(self) -> dict[str, int]:
        """The norm of the output over each head."""
        return {"norms": self.value_width * (1 + self.bias)}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """Linear attention over chunks. Leaves out the normaliser n and the gates.

        >>> MatrixLstm(heads=8, key_width=2_048, value_width=4_096).core_flop(8_192, causal=False) / 1e6
        4.980736
        """
        inside = in_chunk(self.chunk, seq_len, causal=causal)
        return self.heads * chunked_flop(self.key_width // self.heads, self.value_width // self.heads, inside)

    def saved_bytes(self) -> Saved:
        """q, k, v, output, its gate, two fp32 gates and two fp32 scales a head; the normed and the gated output."""
        return Saved(
            kept=ACTIVATION_BYTES * (2 * self.key_width + 3 * self.value_width) + 4 * FP32_BYTES * self.heads,
            cheap=2 * ACTIVATION_BYTES * self.value_width,
            stepwise=STEPWISE_NORM_BYTES * self.value_width,
        )
