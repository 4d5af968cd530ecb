"""How many bytes does the forward pass keep for the backward pass, on one rank of a tensor-parallel group?

Derived from what each operator saves (`saved`), in 16 bits, for one token; a layer's bytes are a sum over its
operators, and recomputation keeps some of them. This file knows no hardware, no pipeline and no sharding of state.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from cardyears.base.broadcast import floor, is_array, maximum, minimum
from cardyears.base.ledger import Ledger
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.linear import FUSED, Linear
from cardyears.work.mixers import NOTHING
from cardyears.work.saved import ACTIVATION_BYTES, FP32_BYTES, STEPWISE_NORM_BYTES, Saved

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Scalar

Recompute = Literal["none", "selective", "selective-norms", "selective-products", "full"]
"""What the backward pass computes again.

    none                nothing: all that operators save is kept
    selective           the attention core: scores, softmax, dropout, k and v copied to their heads. A flash kernel
                        does that by itself, so with one this is `none`. Megatron-Core's --recompute-granularity
                        selective with its default module, core_attn (korthikanti-2022, section 5)
    selective-norms     and what norms, gates and activation functions put out; matrix products' and attention's
                        outputs are kept. Megatron-Core's modules core_attn, layernorm, moe_act
    selective-products  all but the layer's input, attention's output and every second product's: torchtitan's
                        selective "op" of 2024 and 2025
    full                all but the layer's input
"""
AttentionKernel = Literal["flash", "eager"]

MASK_BYTES = 1
"""A dropout mask, for each number. Source: korthikanti-2022, section 4.1."""
PRODUCT_INPUTS = 2
"""Norms of a layer whose output enters products, the mixer's and the channel's; further ones are on the way out."""
PRODUCTS = "selective-products"
UNCOUNTED_PARTS = ("router", "experts")
"""Products that torchtitan's policy does not see: a grouped product is another operator, the router is left out."""
BEHIND_KERNEL = ("o", "o_down")
"""Matrices whose input is the attention kernel's output."""
GROUPED = ("attention.k", "attention.v")
"""Products whose output is split over key-value heads."""
SUMMED = ("o", "o_up", "out", "down", "behind", "latent_up")
"""Products behind a split width: each rank has a part of their output's sum."""


class Shares(NamedTuple):
    """Bytes per token by what divides them over a tensor-parallel group."""

    split: float = 0.0
    """Over its ranks."""
    whole: float = 0.0
    """Over its ranks if sequence parallelism splits the tokens; else the same on each."""
    partial: float = 0.0
    """Sums of which each rank has its part, at full size: on each, always."""
    routed: float = 0.0
    """As split, and once for each rank of an expert's own tensor-parallel group."""
    scores: float = 0.0
    """For each position that a token is scored with, over the ranks."""
    groups: tuple[tuple[int, float], ...] = ()
    """Pairs of a number of heads and bytes that no more than so many ranks divide among themselves."""

    def plus(self, other: Shares, times: float = 1.0) -> Shares:
        """The sum with another, taken so many times."""
        groups = dict(self.groups)
        for heads, value in other.groups:
            groups[heads] = groups.get(heads, 0.0) + times * value
        return Shares(
            self.split + times * other.split,
            self.whole + times * other.whole,
            self.partial + times * other.partial,
            self.routed + times * other.routed,
            self.scores + times * other.scores,
            tuple(item for item in groups.items() if item[1]),
        )

    def size(self) -> float:
        """Bytes per token before any of them is divided, and the scores of one position."""
        return (
            self.split + self.whole + self.partial + self.routed + self.scores + sum(value for _, value in self.groups)
        )

    def on_rank(self, seq_len: Scalar, tp: Scalar, etp: Scalar, *, sp: bool) -> Scalar:
        """Bytes per token of the group's tokens on one of its ranks.

        >>> Shares(split=24.0, whole=10.0).on_rank(1, 8.0, 1.0, sp=False)
        13.0
        """
        divided: Scalar = self.split + self.whole if sp else self.split
        if self.scores:
            divided = divided + self.scores * seq_len
        if self.routed:
            divided = divided + self.routed * etp
        total = divided / tp
        if self.partial or not sp:
            total = total + (self.partial if sp else self.partial + self.whole)
        for heads, value in self.groups:
            total = total + value / minimum(tp, float(heads))
        return total


def layer_saved(layer: Layer, hidden: int) -> Saved:
    """What the operators of one layer save: its mixer's, its channel mixer's, and its norms' with what follows them.

    A norm saves its input; its output is the saved input of the products behind it.

    >>> layer_saved(LLAMA2_7B.layers[0][0], 4_096).whole_kept
    16384
    """
    around = Saved(
        whole_kept=ACTIVATION_BYTES * layer.norms * hidden,
        whole_cheap=ACTIVATION_BYTES * min(layer.norms, PRODUCT_INPUTS) * hidden,
        whole_stepwise=STEPWISE_NORM_BYTES * layer.norms * hidden,
    )
    return layer.mixer.saved_bytes().plus(layer.channel.saved_bytes(hidden)).plus(around)


def score_bytes(*, dropout: bool, fused: bool) -> int:
    """Bytes that eager attention keeps for each head and pair of positions.

        5     softmax output 2, dropout mask 1, dropout output 2        korthikanti-2022, section 4.1
        2     without dropout the softmax output is what V is multiplied with

    Softmax in steps computes in fp32: 4 for its output, and 2 for the 16-bit copy that enters the product with V.

    >>> score_bytes(dropout=True, fused=True), score_bytes(dropout=False, fused=False)
    (5, 6)
    """
    softmax = ACTIVATION_BYTES if fused else FP32_BYTES
    if dropout:
        return softmax + MASK_BYTES + ACTIVATION_BYTES
    return softmax if fused else softmax + ACTIVATION_BYTES


class _Words(NamedTuple):
    """The choices that are words or facts: one set of sums for each."""

    recompute: Recompute
    eager: bool
    dropout: bool
    fused: bool
    needed_only: bool = False


def _kept(arch: Architecture, layer: Layer, words: _Words) -> Shares:
    """What one layer keeps until its backward pass."""
    if words.recompute == "full":
        return Shares(whole=ACTIVATION_BYTES * arch.hidden)
    if words.recompute == PRODUCTS:
        return _every_second_product(arch, layer, flash=not words.eager, needed_only=words.needed_only)
    saved, everything = layer_saved(layer, arch.hidden), words.recompute == "none"
    cheap = words.recompute != "selective-norms"
    stepwise = cheap and not words.fused
    core = saved.eager * everything if words.eager else saved.flash
    group = saved.group_kept + cheap * saved.group_cheap
    return Shares(
        split=saved.kept
        + cheap * (saved.cheap + saved.gate * (not words.needed_only))
        + stepwise * saved.stepwise
        + core,
        whole=saved.whole_kept
        + cheap * saved.whole_cheap
        + stepwise * saved.whole_stepwise
        + _masks(arch, layer, words),
        routed=saved.routed,
        scores=_scores(layer, words) if everything else 0.0,
        groups=((saved.groups, group),) if group else (),
    )


def _masks(arch: Architecture, layer: Layer, words: _Words) -> int:
    """Dropout masks behind the mixer and behind the channel mixer; nothing computes them again."""
    parts = (layer.mixer != NOTHING) + (layer.channel != NOTHING)
    return MASK_BYTES * arch.hidden * parts * words.dropout


def _scores(layer: Layer, words: _Words) -> int:
    """Bytes for each position that a token is scored with: none with a flash kernel."""
    return layer.mixer.score_heads * score_bytes(dropout=words.dropout, fused=words.fused) * words.eager


def _every_second_product(arch: Architecture, layer: Layer, *, flash: bool, needed_only: bool = False) -> Shares:
    """The layer's input, the attention kernel's output, and the outputs of the first product, the third, and so on.

    The order is that of `Layer.linears`, which is the implementations' own: q, k, v, o, gate, up, down. Outputs of the
    hidden width are sums over the ranks, of which each keeps its part; no backward pass reads them, so a compiler drops
    them. Leaves out what collectives put out.
    Source: torchtitan (`_op_sac_save_list`, mm_count).

    >>> kept = _every_second_product(LLAMA3_8B, LLAMA3_8B.layers[0][0], flash=False)
    >>> kept.whole, kept.split, kept.partial, kept.groups  # input; q, attention and gate; down; v
    (8192, 45056, 8192, ((8, 2048),))
    """
    linears, saved = layer.linears(arch.hidden), layer.mixer.saved_bytes()
    read = sum(line.inputs * line.used for line in linears if line.name in BEHIND_KERNEL) * bool(
        layer.mixer.score_heads
    )
    split, partial, group = ACTIVATION_BYTES * read + saved.flash * flash, 0, 0
    for name, width in _products(linears, arch.fused)[::2]:
        if name in GROUPED:
            group += ACTIVATION_BYTES * width
        elif name.split(".")[-1] in SUMMED:
            partial += ACTIVATION_BYTES * width * (not needed_only)
        else:
            split += ACTIVATION_BYTES * width
    whole = ACTIVATION_BYTES * arch.hidden
    return Shares(split=split, whole=whole, partial=partial, groups=((saved.groups, group),) if group else ())


def _products(linears: tuple[Linear, ...], fused: tuple[str, ...]) -> list[tuple[str, int]]:
    """Names and output widths of a layer's plain products, in order; those that an implementation fuses are one.

    >>> _products(GPT2_SMALL.layers[0][0].linears(768), ("qkv",))
    [('qkv', 2304), ('attention.o', 768), ('mlp.up', 3072), ('mlp.down', 768)]
    """
    owner = {part: key for key in fused for part in FUSED[key]}
    widths: dict[str, int] = {}
    for line in linears:
        if line.part not in UNCOUNTED_PARTS:
            name = f"{line.part}.{line.name}"
            name = owner.get(name, name)
            widths[name] = widths.get(name, 0) + line.outputs * line.used
    return list(widths.items())


@lru_cache(maxsize=4096)
def _layers(arch: Architecture, words: _Words) -> tuple[Shares, Shares, Shares]:
    """Bytes per token of all layers without recomputation and with it, and of the largest layer's backward pass.

    What is computed again is there for one layer at a time, beside what was kept of it.
    """
    nothing = words._replace(recompute="none")
    whole, kept, largest = Shares(), Shares(), Shares()
    for layer, times in arch.each_kind():
        everything, some = _kept(arch, layer, nothing), _kept(arch, layer, words)
        whole, kept = whole.plus(everything, times), kept.plus(some, times)
        # Of what the policy of every second product keeps, only the input is certain to be among what is saved anyway.
        known = _kept(arch, layer, words._replace(recompute="full")) if words.recompute == PRODUCTS else some
        largest = max(largest, everything.plus(known, -1.0), key=Shares.size)
    return whole, kept, largest


def eager_score_bytes(arch: Architecture, seq_len: Scalar, *, dropout: bool = False, fused: bool = True) -> Bytes:
    """Bytes per token of the scores that attention without a flash kernel keeps, in all layers of a heads.

        5·a·T    with dropout       2·a·T    without

    Source: korthikanti-2022, eq. 1 (its 5·a·s²·b for each layer).

    >>> eager_score_bytes(GPT3_175B, 2_048, dropout=True) / 96 / (12_288 * 34)
    2.35...
    """
    heads = sum(times * layer.mixer.score_heads for layer, times in arch.each_kind())
    return score_bytes(dropout=dropout, fused=fused) * heads * seq_len


def activations(
    arch: Architecture,
    tokens: Scalar,
    seq_len: Scalar,
    *,
    recompute: Recompute,
    kernel: AttentionKernel = "flash",
    tp: Scalar = 1.0,
    sp: bool = True,
    etp: Scalar = 1.0,
    dropout: bool = False,
    recompute_every: Scalar = 1.0,
    fused: bool = True,
    needed_only: bool = False,
) -> Ledger:
    """Bytes that all layers keep for the backward pass of so many tokens, on one rank of a tensor-parallel group.

    `activations` are kept from forward to backward; `recomputed_layer` is there while one layer is computed again.
    With `recompute_every` = k every k-th layer is computed again and the others keep everything. `fused` = False is
    for norms and softmax in steps with fp32 copies, as transformers' Python has them; a layer norm or softmax of
    PyTorch itself is fused. `needed_only` is for a compiler or fused kernels: the activated gate is made again from its
    input, and sums that enter the residual alone are not kept. Counts the layers only: `ends` and `logits` are the
    rest. Leaves out the norms' scales per token (8 B), and the 16-bit q and k before the rotary embedding where v is
    a view of the same fused output.
    Sources: korthikanti-2022, section 4, operator by operator; megatron-core; torchtitan; hugging-face.

    >>> activations(LLAMA2_7B, 2_048, 2_048, recompute="none").total / 2**30
    9.38...
    >>> gpt = activations(GPT3_175B, 1, 2_048, recompute="none", kernel="eager", dropout=True, tp=8.0)
    >>> gpt.total / 96 / 12_288  # (34 + 5·a·T/h) / t
    14.25
    """
    whole, kept, largest = _layers(arch, _Words(recompute, kernel == "eager", dropout, fused, needed_only))
    per_token = kept.on_rank(seq_len, tp, etp, sp=sp)
    if recompute == "none":
        return Ledger(activations=tokens * per_token)
    again = largest.on_rank(seq_len, tp, etp, sp=sp)
    if is_array(recompute_every) or recompute_every != 1:
        count = arch.layer_count
        share = floor(count / recompute_every) / count
        per_token = share * per_token + (1 - share) * whole.on_rank(seq_len, tp, etp, sp=sp)
    return Ledger(activations=tokens * per_token, recomputed_layer=tokens * again)


def ends(
    arch: Architecture, tokens: Scalar, *, tp: Scalar = 1.0, sp: bool = True, dropout: bool = False, fused: bool = True
) -> Ledger:
    """Bytes kept outside the layers: the mask of the dropout behind the embedding, and what enters norm and head.

        1·h  (first stage, for each micro-batch in flight)      2·h + 2·h  (last stage)

    Source: korthikanti-2022, section 4.3.

    >>> ends(GPT3_175B, 1, dropout=True, tp=8.0)
    Ledger(embedding=1536.0, head=6144.0)
    """
    norm = (ACTIVATION_BYTES + (0 if fused else STEPWISE_NORM_BYTES)) * arch.final_norm
    divided = tokens / tp if sp else tokens * 1.0
    return Ledger(
        embedding=divided * (MASK_BYTES * arch.hidden * dropout),
        head=divided * ((ACTIVATION_BYTES + norm) * arch.hidden),
    )


@lru_cache(maxsize=4096)
def _gradients(arch: Architecture, *, eager: bool, fused: bool) -> tuple[Shares, Shares]:
    """Of the layers' channel mixers and of their mixers, the largest gradients beyond what has been freed by then."""
    channels, mixers = [Shares()], [Shares()]
    # Softmax reads the gradient of its output and writes that of its input; in steps its 16-bit copy is freed by then.
    each = 2 * ACTIVATION_BYTES if fused else 2 * FP32_BYTES - ACTIVATION_BYTES
    for layer, _ in arch.each_kind():
        saved = layer.channel.saved_bytes(arch.hidden)
        inner = saved.cheap + saved.gate
        channels.append(Shares(split=inner, routed=-saved.routed / 2))  # the experts' outputs are through
        through = Shares(split=saved.kept + inner, routed=saved.routed)
        mixers.append(Shares(scores=each * layer.mixer.score_heads * eager).plus(through, -1.0))
    residual = Shares(whole=ACTIVATION_BYTES * arch.hidden)
    return max(channels, key=Shares.size).plus(residual), max(mixers, key=lambda shares: shares.scores)


def activation_gradients(
    arch: Architecture,
    tokens: Scalar,
    seq_len: Scalar,
    *,
    kernel: AttentionKernel = "flash",
    tp: Scalar = 1.0,
    sp: bool = True,
    etp: Scalar = 1.0,
    fused: bool = True,
) -> Bytes:
    """Bytes that one layer's backward pass holds beside all that was kept for it: gradients of its own activations.

        2·h + 2·f·(1 + gated)       the residual's gradient, and those of what entered the last matrix
        4·a·T (6·a·T in steps)      attention without a flash kernel: of softmax's output and its input

    Counts what is there at once, less what that layer's backward pass has freed by then. Source: pytorch-memory.

    >>> activation_gradients(LLAMA2_7B, 1, 2_048) / 4_096  # 2 + 4 · 11,008 / 4,096
    12.75
    """
    channel, mixer = _gradients(arch, eager=kernel == "eager", fused=fused)
    return tokens * maximum(channel.on_rank(seq_len, tp, etp, sp=sp), mixer.on_rank(seq_len, tp, etp, sp=sp))


LOGIT_BYTES = 2 * FP32_BYTES
"""The logits in fp32 for the loss, and their fp32 gradient; a 16-bit copy is freed before the gradient is made."""
STEPWISE_LOGIT_BYTES = 3 * FP32_BYTES
"""PyTorch's own cross-entropy, two operators: the log-softmax, its gradient, and the logits' gradient.
Source: pytorch-memory."""
CHUNK_TOKENS = 1_024
"""Rows that a chunked cross-entropy holds at once (torchtune's and Liger's order of size)."""


def logits(arch: Architecture, tokens: Scalar, *, chunked: bool = False, fused: bool = True) -> Bytes:
    """Bytes of the logits and their gradient at the peak, which is in the loss's backward pass.

        8·V for each token    one kernel that writes the gradient apart
        12·V                  log-softmax and likelihood as two operators (`fused` = False); 2·V more where the 16-bit
                              logits are returned

    A chunked cross-entropy holds a chunk of tokens at a time and never the whole.

    >>> logits(LLAMA3_8B, 8_192) / 2**30
    7.82...
    """
    each = float(arch.vocab * (LOGIT_BYTES if fused else STEPWISE_LOGIT_BYTES))
    return (minimum(tokens, CHUNK_TOKENS) if chunked else tokens) * each
