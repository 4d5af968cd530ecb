"""What does RWKV cost? Its time mixing, a decayed average, and its channel mixing, a gated MLP of the last two tokens.

Source of both: Peng et al. 2023 (arXiv 2305.13048), section 3. This file knows no hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cardyears.work.linear import Linear
from cardyears.work.recurrent import PART
from cardyears.work.saved import ACTIVATION_BYTES, FP32_BYTES, Saved

if TYPE_CHECKING:
    from cardyears.base.units import Flop, Scalar

WKV_FLOP_PER_CHANNEL = 11
"""Eq. 16 and appendix D: each of numerator and denominator 3 + 2 for the output and again for the state; the ratio."""


class RwkvTime(msgspec.Struct, frozen=True, tag="rwkv-time"):
    """Time mixing of RWKV-4: an average of all values so far, each decayed by its age.

        wkv = (Σ e^(-(t-1-i)·w + kᵢ)·vᵢ + e^(u + k)·v) / (the same without v);   y = out(σ(r) ⊙ wkv)

    >>> RwkvTime(hidden=4_096, width=4_096).core_flop(1_024, causal=True)
    45056.0
    """

    hidden: int
    width: int

    @property
    def score_heads(self) -> int:
        """None: no pair of positions has a score."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Key, value and receptance, and out."""
        ways_in = (Linear(PART, name, hidden, self.width) for name in ("key", "value", "receptance"))
        return (*ways_in, Linear(PART, "out", self.width, hidden))

    def vectors(self) -> dict[str, int]:
        """Decay and bonus of each channel; three mixtures of this token with the last."""
        return {PART: 2 * self.width + 3 * self.hidden}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:  # noqa: ARG002 - a scan has no masked half
        """The two running sums and their ratio: 11 for each channel. Leaves out exponentials and maxima."""
        return WKV_FLOP_PER_CHANNEL * self.width + 0.0 * seq_len

    def saved_bytes(self) -> Saved:
        """The three mixed inputs, key, value and receptance, the wkv in fp32; the gate and the gated output."""
        return Saved(
            kept=(ACTIVATION_BYTES * 3 + FP32_BYTES) * self.width,
            cheap=2 * ACTIVATION_BYTES * self.width,
            whole_kept=ACTIVATION_BYTES * 3 * self.hidden,
        )


class RwkvChannel(msgspec.Struct, frozen=True, tag="rwkv-channel"):
    """Channel mixing of RWKV-4.

        y = σ(R·x) ⊙ V·relu(K·x)²

    >>> sum(linear.parameters for linear in RwkvChannel(hidden=4_096, width=16_384).linears(4_096))
    150994944
    """

    hidden: int
    width: int

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Up and down, and the square receptance."""
        return (
            Linear("mlp", "up", hidden, self.width),
            Linear("mlp", "down", self.width, hidden),
            Linear("mlp", "receptance", hidden, hidden),
        )

    def vectors(self) -> dict[str, int]:
        """Two mixtures of this token with the last."""
        return {"mlp": 2 * self.hidden}

    def saved_bytes(self, hidden: int) -> Saved:
        """The two mixed inputs, key, receptance and value; the squared key, the gate."""
        return Saved(
            kept=ACTIVATION_BYTES * self.width,
            cheap=ACTIVATION_BYTES * self.width,
            whole_kept=ACTIVATION_BYTES * 4 * hidden,
            whole_cheap=ACTIVATION_BYTES * hidden,
        )
