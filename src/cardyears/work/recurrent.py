"""What does a layer cost that carries a state from token to token? State spaces, gated recurrences, short convolutions.

Each answers as every `Mixer` does. Its projections are ordinary matrices; its core (convolution and scan) costs the
same for each token however long the sequence, up to the chunk that a kernel works on. Linear attention, whose state
is a matrix of keys and values, is in `linear_attention`. This file knows no hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cardyears.base.broadcast import minimum
from cardyears.work.linear import Linear
from cardyears.work.mixers import FORWARD_PER_WEIGHT
from cardyears.work.saved import ACTIVATION_BYTES, FP32_BYTES, Saved

if TYPE_CHECKING:
    from cardyears.base.units import Flop, Scalar

PART = "state_space"
"""The ledger line of all their parameters."""

SCAN_FLOP_PER_STATE = 6
"""Δ·A and (Δx)·B one each, a·h + b two, C·h two: Mamba 2023, algorithm 2. Megatron-Core counts the exponential too."""
SCAN_CHUNK = 2_048
"""Tokens between two states that Mamba's selective-scan kernel keeps for its backward pass."""


def convolution_flop(channels: int, kernel: int) -> int:
    """FLOP per token, forward, of a convolution of each channel by itself.

        2·k·c

    >>> convolution_flop(1_536, 4)
    12288
    """
    return FORWARD_PER_WEIGHT * kernel * channels


def in_chunk(chunk: int, seq_len: Scalar, *, causal: bool) -> Scalar:
    """Positions of its chunk that a token is multiplied with on average: all C, or the causal half C/2.

    >>> in_chunk(256, 2_048, causal=False), in_chunk(256, 100, causal=True)
    (256.0, 50.0)
    """
    width = minimum(float(chunk), seq_len)
    return width / 2 if causal else width


class Mamba(msgspec.Struct, frozen=True, tag="mamba"):
    """Selective state space: each of d channels has a state of N numbers.

        Δ, B, C = projections of x;   h ← exp(Δ·A)·h + Δ·B·x;   y = C·h + D·x

    Source: Gu and Dao 2023 (arXiv 2312.00752), algorithm 2.

    >>> from cardyears.work.architecture import Architecture, Layer
    >>> from cardyears.work.mixers import NOTHING
    >>> from cardyears.work.params import total_parameters
    >>> layer = Layer(Mamba(inner=1_536, state=16, step_rank=48), NOTHING, norms=1)
    >>> int(total_parameters(Architecture("Mamba 130M", 768, 50_280, ((layer, 24),), tied=True)))
    129135360
    """

    inner: int
    """Channels d: the hidden width expanded, by two as a rule."""
    state: int
    step_rank: int
    """Rank of the projection that makes the step Δ."""
    kernel: int = 4
    bias: bool = False
    conv_bias: bool = True
    norms: bool = False
    """Norms of Δ, B and C, as in Jamba."""

    @property
    def score_heads(self) -> int:
        """None: no pair of positions has a score."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """In (x and its gate), the projection to Δ, B and C, Δ's second half, and out."""
        return (
            Linear(PART, "in", hidden, 2 * self.inner, bias=self.bias),
            Linear(PART, "x", self.inner, self.step_rank + 2 * self.state),
            Linear(PART, "step", self.step_rank, self.inner, bias=True),
            Linear(PART, "out", self.inner, hidden, bias=self.bias),
        )

    def vectors(self) -> dict[str, int]:
        """The convolution, A and D; and the norms of Δ, B and C."""
        own = self.inner * (self.kernel + self.conv_bias + self.state + 1)
        return {PART: own, "norms": (self.step_rank + 2 * self.state) * self.norms}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:  # noqa: ARG002 - a scan has no masked half
        """Convolution and scan: 2·k·d + 6·d·N, the same for every length.

        The scan kernel multiplies no matrices: these FLOP run at the card's vector rate. Leaves out exponentials,
        the skip D·x and the gate.

        >>> Mamba(inner=5_120, state=16, step_rank=160).core_flop(2_048, causal=True)
        532480.0
        """
        flop = convolution_flop(self.inner, self.kernel) + SCAN_FLOP_PER_STATE * self.inner * self.state
        return flop + 0.0 * seq_len

    def saved_bytes(self) -> Saved:
        """As the fused kernel keeps them: x and its gate, Δ, B, C, B and C again, y; one fp32 state pair per chunk.

        It computes convolution and Δ again by itself. All channels share Δ's latent, B and C.
        Source: mamba-ssm, `MambaInnerFn` with checkpoint_lvl = 1.
        """
        states = 2 * FP32_BYTES * self.inner * self.state // SCAN_CHUNK
        return Saved(
            kept=ACTIVATION_BYTES * 3 * self.inner + states,
            whole_kept=ACTIVATION_BYTES * (self.step_rank + 4 * self.state),
        )


class Mamba2(msgspec.Struct, frozen=True, tag="mamba2"):
    """State-space duality: h heads of P channels, each with a state of P x N; B and C are shared by a group of heads.

        H ← exp(Δ·A)·H + Δ·x·Bᵀ;   y = H·C + D·x

    Source: Dao and Gu 2024 (arXiv 2405.21060), sections 6 and 7.

    >>> from cardyears.work.architecture import Architecture, Layer
    >>> from cardyears.work.mixers import NOTHING
    >>> from cardyears.work.params import total_parameters
    >>> layer = Layer(Mamba2(heads=80, head_dim=64, state=128), NOTHING, norms=1)
    >>> int(total_parameters(Architecture("Mamba-2 2.7B", 2_560, 50_288, ((layer, 64),), tied=True)))
    2702599680
    """

    heads: int
    head_dim: int
    state: int
    groups: int = 1
    kernel: int = 4
    chunk: int = 256
    bias: bool = False
    out_bias: bool = False
    conv_bias: bool = True
    gated_norm: bool = True

    @property
    def inner(self) -> int:
        """Channels of all heads."""
        return self.heads * self.head_dim

    @property
    def convolved(self) -> int:
        """Channels that pass through the convolution: x, B and C."""
        return self.inner + 2 * self.groups * self.state

    @property
    def score_heads(self) -> int:
        """None that attention kernels know of."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """In (the gate, x, B, C and Δ) and out."""
        return (
            Linear(PART, "in", hidden, self.inner + self.convolved + self.heads, bias=self.bias),
            Linear(PART, "out", self.inner, hidden, bias=self.out_bias),
        )

    def vectors(self) -> dict[str, int]:
        """The convolution; A, D and Δ's bias for each head; the gated norm."""
        own = self.convolved * (self.kernel + self.conv_bias) + 3 * self.heads
        return {PART: own, "norms": self.inner * self.gated_norm}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """Convolution and the chunked scan in four matrix products.

            2·k·c + 2·C·G·N + 2·C·h·P + 4·h·P·N

        C Bᵀ of each group and its product with x inside a chunk of C tokens (causal: half of it); the state that a
        chunk writes and the one that it reads. Leaves out what multiplies no matrices: decays, the sum over chunks,
        the skip and the gate. Source: mamba-ssm, `ssd_combined`.

        >>> Mamba2(heads=80, head_dim=64, state=128).core_flop(2_048, causal=False) / 1e6
        5.351424
        """
        inside = in_chunk(self.chunk, seq_len, causal=causal)
        products = FORWARD_PER_WEIGHT * inside * (self.groups * self.state + self.inner)
        states = 2 * FORWARD_PER_WEIGHT * self.inner * self.state
        return products + states + convolution_flop(self.convolved, self.kernel)

    def saved_bytes(self) -> Saved:
        """As the fused kernel keeps them: the projection's output, y before its norm, and the norm's fp32 scale.

        It computes convolution, states and norm again by itself. Heads of a group share B and C.
        Source: mamba-ssm, `mamba_split_conv1d_scan_combined`.
        """
        return Saved(
            kept=ACTIVATION_BYTES * (3 * self.inner + self.heads),
            group_kept=(ACTIVATION_BYTES * 2 * self.state + FP32_BYTES * self.gated_norm) * self.groups,
            groups=self.groups,
        )


class GatedRecurrence(msgspec.Struct, frozen=True, tag="rg-lru"):
    """The real-gated linear recurrent unit of Griffin, behind a short convolution and beside a gate.

        r, i = σ(block-diagonal products of x);   a = exp(-c·softplus(Λ)·r);   h ← a·h + √(1 - a²)·(i·x)

    Source: De et al. 2024 (arXiv 2402.19427), section 2.4.

    >>> block = GatedRecurrence(width=2_560, blocks=10)
    >>> sum(linear.held * linear.parameters for linear in block.linears(2_560)) + sum(block.vectors().values())
    20999680
    """

    width: int
    blocks: int
    """Blocks of the two gates' matrices: as many as attention has heads."""
    kernel: int = 4

    @property
    def score_heads(self) -> int:
        """None: no pair of positions has a score."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """The two ways in, the two gates of equal blocks, and out; all have biases."""
        block = self.width // self.blocks
        return (
            Linear(PART, "y", hidden, self.width, bias=True),
            Linear(PART, "x", hidden, self.width, bias=True),
            Linear(PART, "input_gate", block, block, self.blocks, self.blocks, bias=True),
            Linear(PART, "recurrent_gate", block, block, self.blocks, self.blocks, bias=True),
            Linear(PART, "out", self.width, hidden, bias=True),
        )

    def vectors(self) -> dict[str, int]:
        """The convolution with its bias, and Λ."""
        return {PART: self.width * (self.kernel + 2)}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:  # noqa: ARG002 - a scan has no masked half
        """Convolution and a·h + b: 2·k·w + 2·w. Leaves out the gates' functions.

        >>> GatedRecurrence(width=2_560, blocks=10).core_flop(2_048, causal=True)
        25600.0
        """
        return convolution_flop(self.width, self.kernel) + 2 * self.width + 0.0 * seq_len

    def saved_bytes(self) -> Saved:
        """Both ways in, the convolved x, both gates, and h in fp32; the activated gate and the product."""
        return Saved(kept=(5 * ACTIVATION_BYTES + FP32_BYTES) * self.width, cheap=2 * ACTIVATION_BYTES * self.width)


class ShortConvolution(msgspec.Struct, frozen=True, tag="short-convolution"):
    """LFM2's gated short convolution over the hidden width.

        B, C, x = in(u);   y = out(C ⊙ conv(B ⊙ x))

    Source: Liquid AI 2025 (arXiv 2511.23404), section 2.

    >>> ShortConvolution(width=2_048, kernel=3).core_flop(4_096, causal=True)
    12288.0
    """

    width: int
    kernel: int
    bias: bool = False

    @property
    def score_heads(self) -> int:
        """None: no pair of positions has a score."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """In (two gates and x) and out."""
        return (
            Linear(PART, "in", hidden, 3 * self.width, bias=self.bias),
            Linear(PART, "out", self.width, hidden, bias=self.bias),
        )

    def vectors(self) -> dict[str, int]:
        """The convolution."""
        return {PART: self.width * (self.kernel + self.bias)}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:  # noqa: ARG002 - it sees `kernel` tokens only
        """The convolution: 2·k·w. Leaves out the two gates."""
        return convolution_flop(self.width, self.kernel) + 0.0 * seq_len

    def saved_bytes(self) -> Saved:
        """B, C and x; their product, the convolution's output and the gated one."""
        return Saved(kept=3 * ACTIVATION_BYTES * self.width, cheap=3 * ACTIVATION_BYTES * self.width)
