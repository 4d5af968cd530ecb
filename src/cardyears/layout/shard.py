"""Which part of a layer is one rank's? Products, parameters and moved elements under tensor and expert parallelism.

Columns of the first matrices and rows of the last are split over tensor parallelism (Shoeybi 2019); router, low-rank
ways down and norms stay whole. Routed experts are dealt out over `ep` and split over `etp`. Knows no hardware.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import any_of, ceil, maximum, minimum, where
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Experts
from cardyears.work.linear import Linear
from cardyears.work.params import layer_linears

if TYPE_CHECKING:
    from cardyears.base.units import Count, Scalar
    from cardyears.layout.layout import Layout

VOCABULARY_MULTIPLE = 128
"""Rows of the embedding on each tensor-parallel rank are a multiple of this. Source: megatron-core
(make-vocab-size-divisible-by)."""
_ROWS = ("o", "out", "o_up", "down", "latent_up")
"""Matrices whose inputs are split: what stands behind a split activation."""


class Product(NamedTuple):
    """One kind of matrix product in a layer; products with the same input run as one."""

    part: str
    inputs: Count
    outputs: Count
    """Output columns that tensor parallelism divides (or, of rows, leaves whole)."""
    kv_outputs: Count
    """Output columns of keys and values: each rank has at least one head's."""
    kv_heads: Count
    rows: bool
    """Whether the inputs are split instead of the outputs."""
    whole: bool
    """Whether every rank has all of it."""
    routed: bool
    """Whether it is an expert that a router picks."""
    held: bool
    """Whether it holds its weights; later uses of a shared block do not."""

    def shape(self, layout: Layout) -> tuple[Scalar, Scalar]:
        """Inputs and outputs of one rank's product."""
        if self.whole:
            return self.inputs * 1.0, (self.outputs + self.kv_outputs) * 1.0
        split = layout.etp if self.routed else layout.tp
        if self.rows:
            return self.inputs / split, self.outputs * 1.0
        outputs = self.outputs / split
        if any_of(self.kv_outputs):
            outputs = outputs + self.kv_outputs / minimum(split * 1.0, maximum(self.kv_heads * 1.0, 1.0))
        return self.inputs * 1.0, outputs


ROUTED = "experts"


class LayerWork(NamedTuple):
    """What one layer is made of, as ranks divide it; elements are counts of 2-byte numbers per token."""

    times: Count
    products: tuple[Product, ...]
    vectors: Count
    """Parameters of norms, biases and scales, which every rank holds."""
    moved_whole: Count
    """Elements that operators on the hidden width move, forward: divided only by sequence parallelism."""
    moved_split: Count
    """Elements that operators on heads and MLP move, forward."""
    moved_routed: Count
    """Elements that the experts' activation moves, forward, for all chosen experts of a token."""
    stepwise_whole: Count
    """Elements that norms move besides, forward, where they run in steps and not as one kernel."""
    stepwise_split: Count
    """The same of rotary embeddings."""
    stepwise_kernels: Count
    """Kernels of both besides."""
    dispatched: Count
    """Elements of a token's copies for its experts."""
    experts: Count
    top_k: Count
    collectives: Count
    """Tensor-parallel blocks: each gathers or reduces once on the way in and once on the way out."""
    kernels: Count
    """Kernels of the forward pass, without the attention core."""
    score_heads: Count
    """Heads that have a score for each pair of positions; none in a recurrence."""
    kv_heads: Count
    """Heads of keys and values; as many as scores where keys are not of heads."""
    head_dim: Count
    """Width of a head of attention; 0 where its heads have no one width."""


NORM_MOVES = 2
"""A norm reads and writes."""
RESIDUAL_MOVES = 4
"""Adding to the residual reads two and writes one; its copy for the norm's precision is one more."""
ROTARY_MOVES, SPLIT_MOVES = 2, 2
"""Queries and keys are read and written by the rotary embedding; all columns once by the change of their order."""
STEPWISE_NORM_MOVES = 16
"""More elements of an RMSNorm in steps: to fp32, squared, averaged, multiplied, back, scaled. A LayerNorm is one kernel
of every framework. Source: hugging-face (`LlamaRMSNorm.forward`)."""
STEPWISE_NORM_KERNELS = 7
STEPWISE_ROTARY_MOVES = 8
"""More elements for each query and key in steps: times the cosine, a half negated, joined, times the sine, added.
Source: hugging-face (`apply_rotary_pos_emb`)."""
STEPWISE_ROTARY_KERNELS = 4
ACTIVATION_MOVES = 2.5
"""For each column into an MLP: read, multiplied, written, and its bias or cast. Source: measured-runs."""
DISPATCH_MOVES = 5
"""For each copy of a token: gathered (read and write), weighted and added (read, read, write)."""
_KERNELS = {"norm": 1, "product": 2, "residual": 3, "rotary": 6, "activation": 2, "experts": 16}
"""Kernels of an engine that launches operator by operator: a product with its bias or its change of order; dropout,
addition and cast of a residual; splitting, rotating and joining queries and keys; a router with its sort, dispatch and
combine. Attention's own come on top."""


ROTATED = ("q", "k", "q_up")
"""Matrices whose outputs a rotary embedding turns."""


@lru_cache(maxsize=1024)
def layer_works(arch: Architecture) -> tuple[LayerWork, ...]:
    """Every kind of layer with its count.

    >>> [product.part for product in layer_works(LLAMA3_8B)[0].products]
    ['attention', 'mlp', 'attention', 'mlp']
    """
    return tuple(_layer_work(layer, times, arch) for layer, times in arch.each_kind())


def _layer_work(layer: Layer, times: int, arch: Architecture) -> LayerWork:
    linears = layer_linears(layer, arch.hidden)
    products = tuple(_products(linears, getattr(layer.mixer, "kv_heads", 0)))
    channel = layer.channel
    routed = [linear for linear in linears if linear.part == ROUTED and linear.held > 1]
    top_k = max((linear.used for linear in routed), default=0)
    experts = max((linear.held for linear in routed), default=0)
    blocks = sum(any(one.rows and one.part in parts for one in products) for parts in (("attention",), CHANNELS))
    vectors = sum(layer.mixer.vectors().values()) + sum(channel.vectors().values())
    biases = sum(linear.held * linear.outputs * linear.bias for linear in linears)
    copies = top_k * (getattr(channel, "latent", 0) or arch.hidden) if isinstance(channel, Experts) or top_k else 0
    rotary = not (arch.positions or arch.alibi)
    turned = rotary * sum(one.used * one.outputs for one in linears if one.name in ROTATED)
    rms = arch.norm_vectors == 1 and not arch.layer_norms
    return LayerWork(
        times=times,
        products=products,
        vectors=vectors + biases + layer.norms * arch.hidden * arch.norm_vectors + layer.scales,
        moved_whole=float(arch.hidden * (NORM_MOVES * layer.norms + RESIDUAL_MOVES * blocks)),
        moved_split=_moved_split(linears) + ROTARY_MOVES * turned,
        moved_routed=ACTIVATION_MOVES * sum(one.used * one.outputs for one in routed if one.name not in _ROWS),
        stepwise_whole=float(STEPWISE_NORM_MOVES * layer.norms * arch.hidden * rms),
        stepwise_split=float(STEPWISE_ROTARY_MOVES * turned),
        stepwise_kernels=STEPWISE_NORM_KERNELS * layer.norms * rms + STEPWISE_ROTARY_KERNELS * bool(turned),
        dispatched=float(copies),
        experts=experts,
        top_k=top_k,
        collectives=blocks,
        kernels=_kernels(layer, products, experts),
        score_heads=layer.mixer.score_heads,
        kv_heads=getattr(layer.mixer, "kv_heads", 0) or layer.mixer.score_heads,
        head_dim=getattr(layer.mixer, "head_dim", 0),
    )


class ModelWork(NamedTuple):
    """What ranks divide of a model, in numbers: its layers, and what stands before, behind and beside them."""

    layers: tuple[LayerWork, ...]
    """Every kind with its count."""
    layer_count: Count
    hidden: Count
    vocab: Count
    embedding_width: Count
    tied: Scalar
    """1 where head and embedding are one table, else 0."""
    outside: Count
    """Parameters outside layers, embedding and head, which every rank holds: positions, the last norm, matrices."""
    head_bias: Count
    looked_up: Count
    """Parameters of further tables, divided as the embedding is."""


@lru_cache(maxsize=1024)
def model_work(arch: Architecture) -> ModelWork:
    """A model as ranks divide it.

    >>> work = model_work(LLAMA3_8B)
    >>> work.layer_count, work.hidden, work.outside
    (32.0, 4096.0, 4096.0)
    """
    final = (arch.final_norm + arch.embedding_norm) * arch.hidden * arch.norm_vectors
    beside = sum(one.held * one.weights for one in arch.beside) + arch.scales
    return ModelWork(
        layers=layer_works(arch),
        layer_count=float(arch.layer_count),
        hidden=float(arch.hidden),
        vocab=float(arch.vocab),
        embedding_width=float(arch.embedding_width),
        tied=float(arch.tied),
        outside=float(arch.positions * arch.hidden + beside + final),
        head_bias=float(arch.vocab * arch.head_bias),
        looked_up=float(arch.looked_up),
    )


CHANNELS = ("mlp", "shared_experts", ROUTED)
"""Parts of a layer behind its mixer."""


def _products(linears: tuple[Linear, ...], kv_heads: int) -> Iterator[Product]:
    """Matrices with the same input as one product each, in order; rows by themselves."""
    fused: dict[tuple[str, int, bool, bool, bool], list[Linear]] = {}
    for linear in linears:
        whole = linear.part == "router" or linear.name.startswith("index_") or linear.name.endswith("_down")
        routed, held = linear.part == ROUTED and linear.held > 1, linear.held > 0
        if linear.name in _ROWS and not whole:
            yield Product(linear.part, linear.inputs, linear.outputs, 0, 0, True, False, routed, held)
        else:
            fused.setdefault((linear.part, linear.inputs, whole, routed, held), []).append(linear)
    for (part, inputs, whole, routed, held), group in fused.items():
        kv = sum(one.outputs for one in group if one.name in ("k", "v") and kv_heads)
        outputs = sum(one.outputs * (1 if routed else max(one.used, 1)) for one in group) - kv
        yield Product(part, inputs, outputs, kv, kv_heads, False, whole, routed, held)


def _moved_split(linears: tuple[Linear, ...]) -> float:
    moved = 0.0
    for one in linears:
        if one.name in _ROWS or one.part in (ROUTED, "router"):
            continue
        if one.part in ("mlp", "shared_experts"):
            moved += ACTIVATION_MOVES * one.used * one.outputs
        else:
            moved += SPLIT_MOVES * one.used * one.outputs
    return moved


def _kernels(layer: Layer, products: tuple[Product, ...], experts: int) -> int:
    mixer = bool(layer.mixer.score_heads) or any(one.part == "attention" for one in products)
    channel = any(one.part in CHANNELS for one in products)
    each = _KERNELS
    return (
        each["norm"] * layer.norms
        + each["product"] * len(products)
        + (each["residual"] + each["rotary"]) * mixer
        + (each["residual"] + each["activation"]) * channel
        + each["experts"] * bool(experts)
    )


class RankParameters(NamedTuple):
    """Parameters that one rank of the whole depth holds before ZeRO; a pipeline stage has its layers' share."""

    dense: Scalar
    """Of all layers, without routed experts."""
    routed: Scalar
    """Routed experts of all layers."""
    embedding: Scalar
    head: Scalar
    """Zero when tied."""
    dense_linear: Scalar
    """Of `dense`, what 4-bit loading quantises and adapters stand on."""


def rank_parameters(model: ModelWork, layout: Layout) -> RankParameters:
    """Parameters by what divides them.

    >>> from cardyears.layout.layout import Layout
    >>> rank_parameters(model_work(LLAMA3_8B), Layout(tp=2)).dense / 1e9
    3.48...
    """
    dense: Scalar = 0.0
    routed: Scalar = 0.0
    vectors: Scalar = 0.0
    for work in model.layers:
        vectors = vectors + work.times * work.vectors
        for product in work.products:
            inputs, outputs = product.shape(layout)
            if product.routed:
                routed = routed + work.times * work.experts / layout.ep * inputs * outputs
            elif product.held:
                dense = dense + work.times * inputs * outputs
    table = padded_vocabulary(model.vocab, layout) / layout.tp * model.embedding_width
    return RankParameters(
        dense=dense + vectors * 1.0,
        routed=routed,
        embedding=table + model.outside + model.looked_up / layout.tp,
        head=where(model.tied, 0.0 * table, table + model.head_bias),
        dense_linear=dense,
    )


def stage_parameters(held: RankParameters, layout: Layout) -> RankParameters:
    """Parameters of a rank on the fuller of the two end stages: its layers, and embedding or head or both.

    >>> from cardyears.layout.layout import Layout
    >>> stage_parameters(RankParameters(8.0, 0.0, 3.0, 2.0, 8.0), Layout(pp=4))
    RankParameters(dense=2.0, routed=0.0, embedding=3.0, head=0.0, dense_linear=2.0)
    """
    alone = layout.pp <= 1
    return RankParameters(
        dense=held.dense / layout.pp,
        routed=held.routed / layout.pp,
        embedding=where(alone, held.embedding, maximum(held.embedding, held.head)),
        head=where(alone, held.head, 0.0 * held.head),
        dense_linear=held.dense_linear / layout.pp,
    )


def padded_vocabulary(vocab: Count, layout: Layout) -> Count:
    """Rows of embedding and head, padded to a multiple of 128 on each tensor-parallel rank.

    >>> from cardyears.layout.layout import Layout
    >>> padded_vocabulary(50_257, Layout(tp=8))
    51200.0
    """
    multiple = layout.tp * float(VOCABULARY_MULTIPLE)
    return where(layout.tp > 1, ceil(vocab / multiple) * multiple, vocab * 1.0)


def adapter_share(model: ModelWork, layout: Layout) -> Scalar:
    """Share of the adapters' parameters that one rank holds: each side of each adapter is divided as its matrix is.

    >>> from cardyears.layout.layout import Layout
    >>> adapter_share(model_work(LLAMA2_7B), Layout())
    1.0
    """
    whole = mine = 0.0 * layout.tp
    for work in model.layers:
        for product in work.products:
            if product.part == "router" or not product.held:
                continue
            inputs, outputs = product.shape(layout)
            held = work.experts / layout.ep if product.routed else 1.0
            mine = mine + work.times * held * (inputs + outputs)
            sides = product.inputs + product.outputs + product.kv_outputs
            whole = whole + work.times * (work.experts if product.routed else 1) * sides
    return mine / whole
