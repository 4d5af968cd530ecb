"""How do tokens of a sequence see each other? Attention and its kin, each with its matrices, FLOP and bytes.

Every mixer answers the same few questions (`Mixer`), so that counting never asks which kind it is; a further kind is a
class with these members. This file knows no hardware.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Protocol

import msgspec

from cardyears.base.broadcast import minimum
from cardyears.base.ledger import added
from cardyears.work.linear import Linear
from cardyears.work.saved import ACTIVATION_BYTES, FP32_BYTES, STEPWISE_NORM_BYTES, Saved

if TYPE_CHECKING:
    from cardyears.base.units import Flop, Scalar

FORWARD_PER_WEIGHT = 2
"""One multiply and one add."""


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

    def saved_bytes(self) -> Saved:
        """Bytes per token that it saves for the backward pass, the input of its first products left out."""


def attended(window: int | None, seq_len: Scalar, *, causal: bool, blocks: bool = False) -> Scalar:
    """Positions that a token attends to on average, as a convention counts them.

    The whole square counts T (or the window w) for each token; the causal half T/2, or w - w²/2T: the first w tokens
    see w/2 on average, the others w. With `blocks`, windows do not slide: a token sees its own block of w, and the
    last block is cut short.

    >>> attended(None, 2_048, causal=True), attended(1_024, 2_048, causal=True)
    (1024.0, 768.0)
    >>> attended(1_024, 2_560, causal=False, blocks=True), attended(1_024, 2_560, causal=True, blocks=True)
    (921.6, 460.8)
    """
    if window is None:
        return seq_len / 2 if causal else seq_len
    width = minimum(float(window), seq_len)
    if blocks:
        last = seq_len % width
        square = (width * (seq_len - last) + last * last) / seq_len
        return square / 2 if causal else square
    return width - width * width / (2 * seq_len) if causal else width


class Indexer(msgspec.Struct, frozen=True):
    """Picks the positions that sparse attention looks at, by a small score of its own for every earlier position.

    Source: DeepSeek-V3.2 (arXiv 2512.02556), section 2.1.
    """

    heads: int
    head_dim: int
    query_rank: int | None = None
    """Width of the latent that its queries are made of; None: the hidden width."""
    weighted: bool = True
    """A learned weight of each head for each token."""
    norms: int = 2
    """Learned vectors of one head's width: 2 for a LayerNorm of the key, 2 for scales of query and key."""

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Queries, one key for all heads, and the heads' weights."""
        return (
            Linear("attention", "index_q", self.query_rank or hidden, self.heads * self.head_dim),
            Linear("attention", "index_k", hidden, self.head_dim),
            *((Linear("attention", "index_weights", hidden, self.heads),) if self.weighted else ()),
        )

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """Its scores over all positions: 2·heads·width·T. Leaves out the weighted sum over heads and the choice."""
        return FORWARD_PER_WEIGHT * self.heads * self.head_dim * attended(None, seq_len, causal=causal)

    def saved_bytes(self) -> int:
        """Queries, key and weights. Scores are computed again, block by block, as attention's are."""
        return ACTIVATION_BYTES * ((self.heads + 1) * self.head_dim + self.heads * self.weighted)


class Attention(msgspec.Struct, frozen=True, tag="attention"):
    """Multi-head, grouped-query or multi-query attention, over everything or a sliding window."""

    heads: int
    kv_heads: int
    head_dim: int
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: str = "none"
    """none; head: one scale per head dimension (head-bias: and a bias); hidden: one per dimension of all heads."""
    window: int | None = None
    """Positions that each token sees: a sliding window, or the indexer's choice; None: all."""
    sinks: bool = False
    """One learned sink logit per head."""
    blocks: bool = False
    """The window is a block of its own that does not slide, as in Llama 4."""
    value_dim: int | None = None
    """Width of one head's value; None: as wide as its key."""
    gate: str = "none"
    """Gate on the output. none; head: one number per head; width: one per dimension of all heads; query: the same as
    the second half of q's matrix, which is twice as wide (Qwen3-Next)."""
    keys: str = "own"
    """own; values: keys serve as values too; shared: keys and values come from an earlier layer (Gemma 3n and 4)."""
    indexer: Indexer | None = None

    @property
    def q_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of all key heads together."""
        return self.kv_heads * self.head_dim

    @property
    def o_width(self) -> int:
        """Width of all heads' outputs together."""
        return self.heads * (self.value_dim or self.head_dim)

    @property
    def gate_width(self) -> int:
        """Width of the output's gate."""
        return {"none": 0, "head": self.heads, "width": self.o_width, "query": self.o_width}[self.gate]

    @property
    def score_heads(self) -> int:
        """Every head has its score matrix."""
        return self.heads

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """q, k, v of hidden x (heads or kv_heads)·head_dim, the output projection, and the gate's and the indexer's."""
        key = Linear("attention", "k", hidden, self.kv_width, bias=self.qkv_bias)
        value_width = self.kv_heads * (self.value_dim or self.head_dim)
        value = Linear("attention", "v", hidden, value_width, bias=self.qkv_bias)
        with_q, alone = (self.gate_width, 0) if self.gate == "query" else (0, self.gate_width)
        return (
            Linear("attention", "q", hidden, self.q_width + with_q, bias=self.qkv_bias),
            *{"own": (key, value), "values": (key,), "shared": ()}[self.keys],
            Linear("attention", "o", self.o_width, hidden, bias=self.output_bias),
            *((Linear("attention", "gate", hidden, alone),) if alone else ()),
            *(self.indexer.linears(hidden) if self.indexer else ()),
        )

    def vectors(self) -> dict[str, int]:
        """Norms of q and k, and sinks."""
        queries, keys = {
            "none": (0, 0),
            "head": (self.head_dim, self.head_dim),
            "head-bias": (2 * self.head_dim, 2 * self.head_dim),
            "hidden": (self.q_width, self.kv_width),
        }[self.qk_norm]
        index = self.indexer.norms * self.indexer.head_dim if self.indexer else 0
        norms = queries + (0 if self.keys == "shared" else keys) + index
        return {"norms": norms, "biases": self.heads * self.sinks}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """QKᵀ and softmax·V: 4·q·T for the whole square, and the indexer's scores. Source: palm-2022 app. B."""
        seen = attended(self.window, seq_len, causal=causal, blocks=self.blocks)
        core = FORWARD_PER_WEIGHT * (self.q_width + self.o_width) * seen
        return core if self.indexer is None else core + self.indexer.core_flop(seq_len, causal=causal)

    def saved_bytes(self) -> Saved:
        """q, k, v, the output and its gate once each; q and k before their norm; what the indexer saves.

        An indexer is the same on every rank. Eager attention copies k and v to each head of their group.
        """
        own = self.keys != "shared"
        pair = self.head_dim + (self.value_dim or self.head_dim)
        queries, keys = (self.q_width, own * self.kv_width) if self.qk_norm != "none" else (0, 0)
        gated = self.o_width if self.gate_width else 0
        return Saved(
            kept=ACTIVATION_BYTES * (self.q_width + self.o_width + self.gate_width),
            cheap=ACTIVATION_BYTES * (queries + gated),
            stepwise=STEPWISE_NORM_BYTES * (queries + keys),
            group_kept=ACTIVATION_BYTES * own * self.kv_heads * pair,
            group_cheap=ACTIVATION_BYTES * keys,
            groups=self.kv_heads,
            whole_kept=self.indexer.saved_bytes() if self.indexer else 0,
            flash=FP32_BYTES * self.heads,
            eager=ACTIVATION_BYTES * (self.heads - own * self.kv_heads) * pair,
        )


class LatentAttention(msgspec.Struct, frozen=True, tag="latent"):
    """Multi-head latent attention: q, k and v through low-rank bottlenecks. Source: deepseek-v2-2024, section 2.1."""

    heads: int
    kv_rank: int
    rope_dim: int
    nope_dim: int
    value_dim: int
    q_rank: int | None = None
    window: int | None = None
    """Positions that each token sees: the indexer's choice as a rule; None: all."""
    bias: bool = False
    """Biases of the down-projections and of the output."""
    indexer: Indexer | None = None
    """Sparse attention's choice of positions; None too where it is taken from an earlier layer."""

    @property
    def qk_dim(self) -> int:
        """Width of one head's query and key: the rotary part and the other."""
        return self.rope_dim + self.nope_dim

    @property
    def score_heads(self) -> int:
        """Every head has its score matrix."""
        return self.heads

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Down- and up-projections of q (or one full matrix) and of k and v, the output projection, the indexer's."""
        q_width = self.heads * self.qk_dim
        full = (Linear("attention", "q", hidden, q_width),)
        low_rank = (
            Linear("attention", "q_down", hidden, self.q_rank or 0, bias=self.bias),
            Linear("attention", "q_up", self.q_rank or 0, q_width),
        )
        return (
            *(full if self.q_rank is None else low_rank),
            Linear("attention", "kv_down", hidden, self.kv_rank + self.rope_dim, bias=self.bias),
            Linear("attention", "kv_up", self.kv_rank, self.heads * (self.nope_dim + self.value_dim)),
            Linear("attention", "o", self.heads * self.value_dim, hidden, bias=self.bias),
            *(self.indexer.linears(hidden) if self.indexer else ()),
        )

    def vectors(self) -> dict[str, int]:
        """The norms of the latents and of the indexer's key."""
        index = self.indexer.norms * self.indexer.head_dim if self.indexer else 0
        return {"norms": self.kv_rank + (self.q_rank or 0) + index}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """QKᵀ over the key's width and softmax·V over the value's, and the indexer's scores."""
        width = self.heads * (self.qk_dim + self.value_dim)
        core = FORWARD_PER_WEIGHT * width * attended(self.window, seq_len, causal=causal)
        return core if self.indexer is None else core + self.indexer.core_flop(seq_len, causal=causal)

    def saved_bytes(self) -> Saved:
        """q, k, the output, v with the half of k that it was made with; each latent before and after its norm.

        v is a view of kv_up's output, which therefore stays whole. Latents and the indexer are the same on every
        rank.

        >>> LatentAttention(128, kv_rank=512, rope_dim=64, nope_dim=128, value_dim=128, q_rank=1_536).saved_bytes().kept
        196608
        """
        normed = self.kv_rank + (self.q_rank or 0)
        return Saved(
            kept=ACTIVATION_BYTES * self.heads * (2 * self.qk_dim + self.nope_dim + 2 * self.value_dim),
            whole_kept=ACTIVATION_BYTES * (normed + self.rope_dim)
            + (self.indexer.saved_bytes() if self.indexer else 0),
            whole_cheap=ACTIVATION_BYTES * normed,
            whole_stepwise=STEPWISE_NORM_BYTES * normed,
            flash=FP32_BYTES * self.heads,
        )


class Parallel(msgspec.Struct, frozen=True, tag="parallel"):
    """Mixers side by side on one input, their outputs added, as in Falcon-H1.

    >>> Parallel((Attention(32, 8, 128), Attention(4, 4, 64))).score_heads
    36
    """

    members: tuple[Mixer, ...]

    @property
    def score_heads(self) -> int:
        """Those of its members."""
        return sum(member.score_heads for member in self.members)

    def linears(self, hidden: int) -> tuple[Linear, ...]:
        """Those of its members."""
        return tuple(linear for member in self.members for linear in member.linears(hidden))

    def vectors(self) -> dict[str, int]:
        """Those of its members, line by line."""
        lines: dict[str, int] = {}
        for member in self.members:
            for part, count in member.vectors().items():
                lines[part] = lines.get(part, 0) + count
        return lines

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:
        """The sum over its members."""
        cores = [member.core_flop(seq_len, causal=causal) for member in self.members]
        return added(cores)

    def saved_bytes(self) -> Saved:
        """The sum over its members."""
        return reduce(Saved.plus, (member.saved_bytes() for member in self.members))


class Nothing(msgspec.Struct, frozen=True, tag="nothing"):
    """No mixer, or no channel mixer: a layer that is one of the two only. Everything of it is zero.

    >>> NOTHING.linears(4_096), NOTHING.core_flop(2_048, causal=True)
    ((), 0.0)
    """

    @property
    def score_heads(self) -> int:
        """None."""
        return 0

    def linears(self, hidden: int) -> tuple[Linear, ...]:  # noqa: ARG002
        """None."""
        return ()

    def vectors(self) -> dict[str, int]:
        """None."""
        return {}

    def core_flop(self, seq_len: Scalar, *, causal: bool) -> Flop:  # noqa: ARG002
        """None."""
        return 0.0 * seq_len

    def saved_bytes(self, hidden: int = 0) -> Saved:  # noqa: ARG002 - a channel is asked with the width
        """None."""
        return Saved()


NOTHING = Nothing()
"""For a layer without a mixer (Nemotron-H's MLP layers) or without a channel mixer (Mamba's layers)."""
