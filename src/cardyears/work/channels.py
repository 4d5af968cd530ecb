"""What happens to each token by itself? The MLP, and experts of which a router picks a few.

Every channel mixer answers the same few questions (`Channel`). This file knows no hardware.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from cardyears.work.linear import Linear
from cardyears.work.saved import ACTIVATION_BYTES, FP32_BYTES, Saved


class Channel(Protocol):
    """What every channel mixer answers."""

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Its weight matrices."""

    def vectors(self) -> dict[str, int]:
        """Its other parameters by ledger line."""

    def saved_bytes(self, hidden: int) -> Saved:
        """Bytes per token that it saves for the backward pass, its input left out."""


class Mlp(msgspec.Struct, frozen=True, tag="mlp"):
    """A dense MLP of two matrices, or three when gated."""

    width: int
    gated: bool
    bias: bool = False

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Up and down, and the gate."""
        return mlp_linears("mlp", self.width, hidden, gated=self.gated, bias=self.bias)

    def vectors(self) -> dict[str, int]:
        """None."""
        return {}

    def saved_bytes(self, hidden: int) -> Saved:  # noqa: ARG002 - the experts need it
        """Gate and up, then silu(gate) and the product that enters the last matrix; plain: before and after."""
        return _mlp_saved(self.width, gated=self.gated)


class Experts(msgspec.Struct, frozen=True, tag="experts"):
    """A router, `count` routed experts of which each token takes `top_k`, and shared ones that all tokens take."""

    count: int
    top_k: int
    width: int
    gated: bool
    shared_width: int = 0
    shared_gate: bool = False
    router_bias: bool = False
    bias: bool = False
    correction: bool = False
    """A learned bias per expert that only the choice sees, where the implementation holds it as a parameter."""
    idle: int = 0
    """Further choices of the router that hold and cost nothing, as in LongCat-Flash; `top_k` leaves them out."""
    shared_bias: bool = False
    """A bias on the shared experts' matrices though the routed ones have none."""
    latent: int = 0
    """Width that the routed experts work in, between two matrices that all share, as in Nemotron 3; 0: hidden."""

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """The router, the routed experts and their latent, the shared ones and their gate."""
        router = Linear("router", "router", hidden, self.count + self.idle, bias=self.router_bias)
        inputs = self.latent or hidden
        routed = mlp_linears(
            "experts", self.width, inputs, gated=self.gated, bias=self.bias, held=self.count, used=self.top_k
        )
        if self.latent:
            down = Linear("experts", "latent_down", hidden, self.latent, bias=self.shared_bias)
            routed = (down, *routed, Linear("experts", "latent_up", self.latent, hidden, bias=self.shared_bias))
        gate = (Linear("router", "shared_gate", hidden, 1),) if self.shared_gate else ()
        if not self.shared_width:
            return (router, *gate, *routed)
        bias = self.bias or self.shared_bias
        shared = mlp_linears("shared_experts", self.shared_width, hidden, gated=self.gated, bias=bias)
        return (router, *gate, *routed, *shared)

    def vectors(self) -> dict[str, int]:
        """The bias of the choice."""
        return {"biases": self.count * self.correction}

    def saved_bytes(self, hidden: int) -> Saved:
        """As an MLP for each chosen expert; the token's copies, their outputs, and fp32 router probabilities.

        Outputs are saved because the router's weight multiplies them. With balanced experts a rank has as many copies
        as its own tokens make, wherever they come from.

        >>> Experts(8, 2, 14_336, gated=True).saved_bytes(4_096)[:3]  # Mixtral: two MLPs
        (114688, 57344, 57344)
        """
        copies = ACTIVATION_BYTES * 2 * self.top_k * (self.latent or hidden)
        inner = _mlp_saved(self.top_k * self.width + self.shared_width, gated=self.gated)
        return inner.plus(Saved(whole_kept=FP32_BYTES * self.count, routed=copies))


def _mlp_saved(width: int, *, gated: bool) -> Saved:
    """What the columns of one MLP or of all chosen experts save."""
    columns = ACTIVATION_BYTES * width
    return Saved(kept=ways_in(gated=gated) * columns, cheap=columns, gate=gated * columns)


def ways_in(*, gated: bool) -> int:
    """Matrices that a token enters an MLP through."""
    return 2 if gated else 1


def mlp_linears(
    part: str, width: int, hidden: int, *, gated: bool, bias: bool, held: int = 1, used: int = 1
) -> tuple[Linear, ...]:
    """The two or three matrices of an MLP, or of equal experts."""
    names = ("gate", "up") if gated else ("up",)
    return (
        *(Linear(part, name, hidden, width, held, used, bias) for name in names),
        Linear(part, "down", width, hidden, held, used, bias),
    )
