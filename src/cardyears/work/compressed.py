"""What does attention cost that sees near tokens as they are and far ones compressed? DeepSeek-V4's.

Every token sees a sliding window; and of all earlier tokens one entry for each few (4: the best of which an indexer
picks) or each many (128: all of them). One key serves all heads, and as the value too. This file knows no hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cardyears.work.linear import Linear
from cardyears.work.mixers import FORWARD_PER_WEIGHT, attended
from cardyears.work.saved import ACTIVATION_BYTES, FP32_BYTES, STEPWISE_NORM_BYTES, Saved

if TYPE_CHECKING:
    from cardyears.base.units import Flop, Scalar

PART = "attention"


class Chooser(msgspec.Struct, frozen=True):
    """The indexer over compressed entries: how many it picks, its heads and their width."""

    top_k: int
    heads: int
    head_dim: int


class CompressedAttention(msgspec.Struct, frozen=True, tag="compressed"):
    """One shared key and value head; a window, and one entry for every `rate` tokens before it.

    Source: DeepSeek-V4 technical report, section 2.3.

    >>> mixer = CompressedAttention(64, 512, q_rank=1_024, groups=8, o_rank=1_024, window=128, rate=128)
    >>> mixer.core_flop(128, causal=False)  # the window's 128 positions and one entry: 4 · 32,768 · 129
    16908288.0
    """

    heads: int
    head_dim: int
    q_rank: int
    groups: int
    """Groups of heads with an output projection of their own."""
    o_rank: int
    window: int
    rate: int = 0
    """Tokens that one compressed entry stands for; 0: the window is all."""
    chooser: Chooser | None = None
    """With one, entries overlap (their projections are twice as wide) and a token sees the best `top_k`."""

    @property
    def score_heads(self) -> int:
        """Every head has its score matrix."""
        return self.heads

    @property
    def entry_width(self) -> int:
        """Width of a compressed entry before it is summed: twice a head's where entries overlap."""
        return self.head_dim * (0 if not self.rate else 2 if self.chooser else 1)

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Q by way of a latent, one key, the output in groups; the compressor's and the chooser's."""
        width, entry, pick = self.heads * self.head_dim, self.entry_width, self.chooser
        compressor = (Linear(PART, "entry", hidden, entry), Linear(PART, "entry_gate", hidden, entry))
        return (
            Linear(PART, "q_down", hidden, self.q_rank),
            Linear(PART, "q_up", self.q_rank, width),
            Linear(PART, "kv", hidden, self.head_dim),
            Linear(PART, "o_down", width // self.groups, self.o_rank, self.groups, self.groups),
            Linear(PART, "o_up", self.groups * self.o_rank, hidden),
            *(compressor if entry else ()),
            *(self._index_linears(hidden, pick) if pick else ()),
        )

    def _index_linears(self, hidden: int, pick: Chooser) -> tuple[Linear, ...]:
        return (
            Linear(PART, "index_entry", hidden, 2 * pick.head_dim),
            Linear(PART, "index_entry_gate", hidden, 2 * pick.head_dim),
            Linear(PART, "index_q", self.q_rank, pick.heads * pick.head_dim),
            Linear(PART, "index_weights", hidden, pick.heads),
        )

    def vectors(self) -> dict[str, int]:
        """Norms of latent, key and entries; sinks; the position biases inside an entry."""
        pick = self.chooser
        norms = self.q_rank + self.head_dim + (self.head_dim if self.rate else 0) + (pick.head_dim if pick else 0)
        biases = self.rate * (self.entry_width + (2 * pick.head_dim if pick else 0))
        return {"norms": norms, "biases": self.heads + biases}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """QKᵀ and softmax·V over window and entries: 4·q·(w + entries seen); the chooser's scores of all entries.

        Leaves out the weighted sums that make the entries.
        """
        seen = attended(self.window, seq_len, causal=causal)
        index: Scalar = 0.0
        if self.rate:
            entries = seq_len / self.rate
            seen = seen + attended(self.chooser.top_k if self.chooser else None, entries, causal=causal)
            if self.chooser:
                width = self.chooser.heads * self.chooser.head_dim
                index = FORWARD_PER_WEIGHT * width * attended(None, entries, causal=causal)
        return FORWARD_PER_WEIGHT * 2 * self.heads * self.head_dim * seen + index

    def saved_bytes(self) -> Saved:
        """q, its latent, the key, the output and its latent; entries and gates; what the chooser's products save.

        Heads and groups of the output are split; q's latent, the key, entries and chooser are the same on every rank.
        """
        pick, width = self.chooser, self.heads * self.head_dim
        chosen = (pick.heads + 4) * pick.head_dim + pick.heads if pick else 0
        shared = self.q_rank + self.head_dim
        return Saved(
            kept=ACTIVATION_BYTES * (2 * width + self.groups * self.o_rank),
            cheap=ACTIVATION_BYTES * width,
            stepwise=STEPWISE_NORM_BYTES * width,
            whole_kept=ACTIVATION_BYTES * (shared + 2 * self.entry_width + chosen),
            whole_cheap=ACTIVATION_BYTES * shared,
            whole_stepwise=STEPWISE_NORM_BYTES * shared,
            flash=FP32_BYTES * self.heads,
        )
