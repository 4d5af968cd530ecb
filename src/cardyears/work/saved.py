"""What does an operator save for its backward pass, and what divides that among the ranks of tensor parallelism?

Every mixer and every channel mixer answers with one `Saved`; `activations` adds them up. This file knows no hardware.
"""

from __future__ import annotations

from typing import NamedTuple

ACTIVATION_BYTES = 2
"""bf16 or fp16."""
FP32_BYTES = 4
STEPWISE_NORM_BYTES = 4
"""More bytes for each number that enters a norm which runs in steps: its input in fp32 (4, not 2), and the normalised
16-bit copy that the scale is multiplied with (2). Source: hugging-face (`LlamaRMSNorm.forward`)."""


class Saved(NamedTuple):
    """Bytes per token that operators save, by what selective recomputation does with them and by how they are split.

    `kept` is saved by matrix products and attention, `cheap` by what moves memory only (norms, gates, activation
    functions: their outputs are computed again from what is kept), `stepwise` comes on top where norms run in steps
    instead of as one kernel. Plain names are split over all tensor-parallel ranks, as heads and the MLP's inner width
    are; `group_` over at most `groups` of them, beyond which ranks hold copies; `whole_` is the same on every rank,
    unless sequence parallelism splits the tokens. Source: korthikanti-2022, sections 4.2 and 4.3.

    >>> Saved(kept=8, cheap=2).plus(Saved(kept=1, group_kept=4, groups=8))
    Saved(kept=9, cheap=2, gate=0, stepwise=0, group_kept=4, group_cheap=0, groups=8, whole_kept=0, ...)
    """

    kept: int = 0
    cheap: int = 0
    gate: int = 0
    """As `cheap`: the activated gate, where an operator of its own makes it before the product; a fused kernel makes
    it again from its input (Megatron-Core's bias_swiglu, Liger)."""
    stepwise: int = 0
    group_kept: int = 0
    group_cheap: int = 0
    groups: int = 0
    """Heads of keys and values, or groups of a state space: no more ranks can share these."""
    whole_kept: int = 0
    whole_cheap: int = 0
    whole_stepwise: int = 0
    routed: int = 0
    """The experts' copies of the token and their outputs: every rank of an expert's tensor-parallel group has them."""
    flash: int = 0
    """By a fused attention kernel only: the fp32 log-sum of each head."""
    eager: int = 0
    """By attention without such a kernel only, beside the scores: k and v again for each further head of a group."""

    def plus(self, other: Saved) -> Saved:
        """Both, line by line; of two numbers of groups, the larger."""
        total = Saved(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))
        return total._replace(groups=max(self.groups, other.groups))
