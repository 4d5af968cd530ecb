"""How long does one rank compute on one micro-batch, operator class by operator class?

All layers of the model are counted as if one rank had the whole depth; pipeline stages take their share. Tensor,
context and expert parallelism, recomputation and frozen weights are in. Traffic is not: see `traffic`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import any_of, floor, minimum, where
from cardyears.estimate.gradients import written_bytes
from cardyears.estimate.setting import Core, Setting
from cardyears.layout.layout import Layout
from cardyears.layout.shard import CHANNELS, DISPATCH_MOVES, LayerWork, Product, padded_vocabulary
from cardyears.machine.efficiency import EAGER_PASSES
from cardyears.machine.rates import HALF_BYTES, Rates
from cardyears.work.params import ADAPTED

if TYPE_CHECKING:
    from cardyears.base.units import Count, Scalar, Seconds
    from cardyears.case import Job

FLASH_BACKWARD, EAGER_BACKWARD = 2.5, 2.0
"""Backward over forward of the attention core: a fused kernel computes QKᵀ again. Source: flashattention2-2023."""
ALIGNED = 8
"""Elements of 16 bit that tensor cores load at once: products of heads that are no whole number of them wide run
without. Source: measured-runs (BLOOM's candidates with heads 108, 150 and 450 wide)."""
UNALIGNED = 3.0
"""Time of products with a vocabulary that is no multiple of that, over those with one that is: kernels that load one
element at a time. In 16 bit, and never slower than without tensor cores. Source: measured-runs (vTrain's runs on one
node of A100, tensor parallel degree 1 against 2); on other devices assumed."""
BACKWARD_KERNELS = 2.0
"""A backward pass launches two kernels for each of the forward's: the inputs' gradient and the weights'."""
MOVED_BACKWARD = 2.0
"""Memory-bound operators read the output's gradient besides what they saved, and write the input's."""
ROUTER_BYTES = 24.0
"""Bytes for each expert and token: logits, softmax and choice in fp32. Counted operator by operator."""
CORE_KERNELS = {"flash": 2.0, "eager": 8.0}
"""Of the attention core: a fused kernel and its log-sum; two products, scale, mask, softmax, dropout, orders."""
HEAD_KERNELS, EMBEDDING_KERNELS = 12.0, 6.0
"""Head: norm, products, softmax, forward and backward. Embedding: gather, add, scatter."""
ADAPTER_KERNELS = 4
"""Adapter: down, up, scale, add."""


class Pass(NamedTuple):
    """One pass of one micro-batch over all layers on one rank."""

    products: Seconds
    core: Seconds
    moved: Seconds
    kernels: Count

    @property
    def device(self) -> Seconds:
        """Seconds that the device computes."""
        return self.products + self.core + self.moved

    def plus(self, other: Pass) -> Pass:
        """Both passes, one after the other."""
        return Pass(*(one + another for one, another in zip(self, other, strict=True)))

    def times(self, factor: Scalar) -> Pass:
        """So many of them."""
        return Pass(*(one * factor for one in self))


class Passes(NamedTuple):
    """Forward and backward of all layers; the backward's products of weights' gradients apart; the head."""

    forward: Pass
    backward: Pass
    weights: Seconds
    """Of the backward's products: those for the weights' gradients."""
    head: Pass
    """Head and loss, forward and backward, on the rank that has them."""
    embedding: Pass
    """Embedding, forward and backward."""
    again: Pass
    """The forward pass as full recomputation runs it once more."""
    weight_casts: Seconds
    """Of all layers' weights to a low precision: once a step, for all its micro-batches."""


def again_share(layers: Count, layout: Layout) -> Scalar:
    """Share of the layers whose forward pass runs twice: every k-th of them under full recomputation.

    >>> again_share(32.0, Layout(recompute="full", recompute_every=3))
    0.3125
    """
    if layout.recompute != "full":
        return 0.0
    return floor(layers / layout.recompute_every) / layers


def tokens_per_rank(job: Job, layout: Layout) -> Count:
    """Tokens of one micro-batch that one rank works on."""
    return layout.micro_batch * job.seq_len / layout.cp


def passes(job: Job, layout: Layout, there: Setting) -> Passes:
    """Times of one micro-batch on one rank of the whole depth."""
    rates, tokens = there.rates, tokens_per_rank(job, layout)
    zero = 0.0 * tokens
    forward = backward = Pass(zero, zero, zero, zero)
    weights, casts, spared = zero, zero, zero
    for work, core in zip(there.model.layers, there.cores, strict=True):
        ahead, back, of_weights, last = _layer(work, core, job, layout, rates, tokens)
        forward, backward = forward.plus(ahead.times(work.times)), backward.plus(back.times(work.times))
        weights, spared = weights + of_weights * work.times, spared + last * work.times
        casts = casts + _weight_casts(work, layout, rates) * work.times
    head, embedding = _head(job, layout, there, tokens), _embedding(there, tokens)
    again = forward._replace(products=forward.products - where(job.engine.stops_early, spared, zero))
    return Passes(forward, backward, weights, head, embedding, again, casts)


def _layer(
    work: LayerWork, flop: Core, job: Job, layout: Layout, rates: Rates, tokens: Count
) -> tuple[Pass, Pass, Seconds, Seconds]:
    """Forward, backward, the weights' part of the backward's products, and the products that end the layer."""
    zero = 0.0 * tokens
    ahead, inputs, weights, last = zero, zero, zero, zero
    for product in work.products:
        times = _product(product, work, job, layout, rates, tokens)
        ahead, inputs, weights = ahead + times[0], inputs + times[1], weights + times[2]
        if product.rows and product.part in CHANNELS:
            last = last + times[0]
    core, core_back = _core(work, flop, job, layout, rates, tokens)
    factor = job.engine.moved_factor(compiled=layout.compiled)
    moved = rates.move(_moved(work, job, layout, tokens) * rates.element_bytes) * factor
    adapted = _adapted(work, job)
    adapters = ADAPTER_KERNELS * len(adapted)
    if adapted:
        moved = moved + rates.move(_adapters_moved(work, adapted, layout, tokens) * rates.element_bytes)
    operators = work.kernels + _stepwise(job, layout) * work.stepwise_kernels + CORE_KERNELS[layout.kernel]
    short = operators - len(work.products)
    moved = moved + short * rates.curve.floor_s  # however little it moves, a kernel takes the device's shortest time
    kernels = operators + adapters + zero
    *_, counting = job.engine.launches(graphs=layout.graphs)
    routed = where(work.experts, counting, 0.0)
    forward = Pass(ahead, core, moved + routed, kernels)
    backward = Pass(inputs + weights, core_back, moved * MOVED_BACKWARD + routed, kernels * BACKWARD_KERNELS)
    return forward, backward, weights, last


def _product(
    product: Product, work: LayerWork, job: Job, layout: Layout, rates: Rates, tokens: Count
) -> tuple[Seconds, Seconds, Seconds]:
    """Forward, gradient of the inputs, gradient of the weights; the last is none where the weights are frozen.

    y = x·W: t x out x in      dx = dy·Wᵀ: t x in x out      dW = xᵀ·dy: in x out x t

    In low precision x is cast before the forward pass and dy before the backward one.
    """
    inputs, outputs = product.shape(layout)
    count, rows = _rows(product, work, job, layout, tokens)
    gradient = written_bytes(job, rates)
    cast, cast_back = rates.cast(rows * inputs * count), rates.cast(rows * outputs * count)
    if product.routed:
        width = minimum(product.inputs * 1.0, product.outputs * 1.0)
        ahead = rates.grouped(rows, inputs, outputs, width=width, count=count) + cast
        back = rates.grouped(rows, outputs, inputs, width=width, count=count) + cast_back
        if job.training.adapters:
            return ahead, back, 0.0 * back
        return ahead, back, rates.grouped(rows, inputs, outputs, width=width, count=count, gradient_bytes=gradient)
    ahead = rates.product(rows, outputs, inputs) + cast
    back = rates.product(rows, inputs, outputs) + cast_back
    if job.training.adapters:
        return ahead, back, 0.0 * back
    return ahead, back, rates.product(inputs, outputs, rows, output_bytes=gradient)


def _rows(product: Product, work: LayerWork, job: Job, layout: Layout, tokens: Count) -> tuple[Count, Count]:
    """Products of one kind that a rank runs at once, and the rows of each: experts get their tokens' copies.

    Every rank of the expert group has E/ep experts, on which the group's tokens arrive.
    """
    if product.routed:
        rows = tokens * (work.top_k * 1.0) * job.expert_load / work.experts * layout.ep
        return work.experts / layout.ep, rows * layout.etp / layout.tp
    return 1.0, where(layout.sp, tokens / layout.tp, tokens) if product.whole else tokens


def _weight_casts(work: LayerWork, layout: Layout, rates: Rates) -> Seconds:
    """Seconds to cast one layer's weights, as a rank holds them.

    Engines keep the copies from micro-batch to micro-batch. Source: transformer-engine (is_first_microbatch).
    """
    elements: Scalar = 0.0 * layout.tp
    for product in work.products:
        inputs, outputs = product.shape(layout)
        elements = elements + inputs * outputs * (work.experts / layout.ep if product.routed else 1.0)
    return rates.cast(elements)


def _core(
    work: LayerWork, flop: Core, job: Job, layout: Layout, rates: Rates, tokens: Count
) -> tuple[Seconds, Seconds]:
    """Scores and averages: a fused kernel on the causal half, or the whole square through memory (eager)."""
    if layout.kernel == "eager":
        scores = work.score_heads * job.attended_length * tokens / layout.tp
        slow = where(work.head_dim % ALIGNED, rates.without_tensor_cores, 1.0)
        ahead = rates.attend(flop.square * tokens / layout.tp) * slow
        ahead = ahead + rates.move(EAGER_PASSES * rates.element_bytes * scores)
        return ahead, ahead * EAGER_BACKWARD
    # Without balance the rank with the last piece sees nearly the whole of the square's lower half.
    # Ulysses deals out heads, each with its whole square.
    even = layout.balanced or layout.context_kind == "ulysses"
    uneven = 1.0 if even else 2.0 - 1.0 / layout.cp
    ahead = rates.attend(flop.causal * tokens / layout.tp * uneven)
    return ahead, ahead * FLASH_BACKWARD


def _compiled(job: Job, layout: Layout) -> Scalar:
    """Whether a compiler sees the operators: as the layout says, or else as the engine does by default."""
    return where(job.engine.compiled if layout.compiled is None else layout.compiled, 1.0, 0.0)


def _stepwise(job: Job, layout: Layout) -> Scalar:
    """Whether norms and rotary embeddings run in steps, as nothing fuses them."""
    return where(job.engine.memory.fused, 0.0, 1.0 - _compiled(job, layout))


def _moved(work: LayerWork, job: Job, layout: Layout, tokens: Count) -> Scalar:
    """Elements that memory-bound operators move, forward, counted operator by operator."""
    split = where(layout.sp, layout.tp, 1.0)
    elements = work.moved_whole / split + work.moved_split / layout.tp
    elements = elements + _stepwise(job, layout) * (work.stepwise_whole / split + work.stepwise_split / layout.tp)
    if any_of(work.experts):
        load = job.expert_load
        elements = elements + (DISPATCH_MOVES * work.dispatched + work.moved_routed) * load / layout.tp
        elements = elements + work.experts * (ROUTER_BYTES / HALF_BYTES) / split
    return elements * tokens


def _adapted(work: LayerWork, job: Job) -> tuple[Product, ...]:
    """Products of a layer whose matrices have adapters."""
    if not job.training.adapters:
        return ()
    parts = ADAPTED.get(job.training.targets)
    return tuple(product for product in work.products if parts is None or product.part in parts)


def _adapters_moved(work: LayerWork, adapted: tuple[Product, ...], layout: Layout, tokens: Count) -> Scalar:
    """Elements of the adapters' skinny products and additions: the input read, the output written, read and written."""
    elements: Scalar = 0.0
    for product in adapted:
        inputs, outputs = product.shape(layout)
        used = work.top_k * 1.0 if product.routed else 1.0
        elements = elements + used * (inputs + 3.0 * outputs)
    return elements * tokens


def _head(job: Job, layout: Layout, there: Setting, tokens: Count) -> Pass:
    """The product with the vocabulary, three times, and what the loss moves for each logit.

    It stays in 16 bit in every recipe of low precision. Sources: transformer-engine, torchtitan.
    """
    rates, width = there.rates, there.model.embedding_width
    columns = padded_vocabulary(there.model.vocab, layout) / layout.tp
    trained = 0.0 if job.training.adapters else 1.0
    products = (
        rates.product(tokens, columns, width, wide=True)
        + rates.product(tokens, width, columns, wide=True)
        + trained * rates.product(width, columns, tokens, output_bytes=written_bytes(job, rates), wide=True)
    )
    slow = where(rates.element_bytes > HALF_BYTES, 1.0, minimum(UNALIGNED, rates.without_tensor_cores))
    products = products * where(_pads_products(job, layout), 1.0, where(columns % ALIGNED, slow, 1.0))
    passes = job.engine.chunked_loss_passes if layout.chunked_loss else job.engine.loss_passes
    moved = rates.move(columns * tokens * passes)
    return Pass(products, 0.0 * products, moved, 0.0 * products + HEAD_KERNELS)


def _pads_products(job: Job, layout: Layout) -> Scalar:
    """Whether the head's columns are made as many as suit the kernels: by the engine, or by a compiler."""
    if job.bare_vocabulary:
        return 0.0
    return where(job.engine.pads_vocabulary, 1.0, _compiled(job, layout))


EMBEDDING_MOVES = 6.0
"""Elements of the hidden width: gathered and written, dropout or scale, and the gradient added into the table."""


def _embedding(there: Setting, tokens: Count) -> Pass:
    moved = there.rates.move(tokens * there.model.hidden * EMBEDDING_MOVES * there.rates.element_bytes)
    return Pass(0.0 * moved, 0.0 * moved, moved, 0.0 * moved + EMBEDDING_KERNELS)
