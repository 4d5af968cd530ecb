"""What is a weight matrix? The unit that parameters, FLOP and adapters are counted on."""

from __future__ import annotations

import msgspec


class Linear(msgspec.Struct, frozen=True):
    """Equal weight matrices: in x out, how many are held, how many a token passes through.

    >>> Linear("mlp", "up", 4_096, 11_008).weights
    45088768
    """

    part: str
    """The ledger line that it belongs to."""
    name: str
    inputs: int
    outputs: int
    held: int = 1
    used: int = 1
    bias: bool = False

    @property
    def weights(self) -> int:
        """Weights of one such matrix."""
        return self.inputs * self.outputs

    @property
    def parameters(self) -> int:
        """Weights and bias of one such matrix."""
        return self.weights + self.outputs * self.bias


FUSED = {"qkv": ("attention.q", "attention.k", "attention.v"), "gate_up": ("mlp.gate", "mlp.up")}
"""Groups of matrices, by part and name, that some implementations hold as one."""
