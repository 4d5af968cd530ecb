"""How long does one rank compute on one micro-batch, operator class by operator class?

All layers of the model are counted as if one rank had the whole depth; pipeline stages take their share. Tensor,
context and expert parallelism, recomputation and frozen weights are in. Traffic is not: see `traffic`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import floor
from cardyears.layout.layout import Layout
from cardyears.layout.shard import DISPATCH_MOVES, LayerWork, Product, layer_works, padded_vocabulary
from cardyears.machine.efficiency import EAGER_PASSES
from cardyears.machine.rates import HALF_BYTES, Rates

if TYPE_CHECKING:
    from cardyears.base.units import Count, Scalar, Seconds
    from cardyears.case import Job

FLASH_BACKWARD, EAGER_BACKWARD = 2.5, 2.0
"""Backward over forward of the attention core: a fused kernel computes QKᵀ again. Source: flashattention2-2023."""
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


def again_share(job: Job, layout: Layout) -> Scalar:
    """Share of the layers whose forward pass runs twice: every k-th of them under full recomputation."""
    if layout.recompute != "full":
        return 0.0
    count = float(job.architecture.layer_count)
    return floor(count / layout.recompute_every) / count


def tokens_per_rank(job: Job, layout: Layout) -> Count:
    """Tokens of one micro-batch that one rank works on."""
    return layout.micro_batch * job.seq_len / layout.cp


def passes(job: Job, layout: Layout, rates: Rates) -> Passes:
    """Times of one micro-batch on one rank of the whole depth."""
    tokens = tokens_per_rank(job, layout)
    zero = 0.0 * tokens
    forward = backward = Pass(zero, zero, zero, zero)
    weights: Seconds = zero
    for work in layer_works(job.architecture):
        ahead, back, of_weights = _layer(work, job, layout, rates, tokens)
        forward, backward = forward.plus(ahead.times(work.times)), backward.plus(back.times(work.times))
        weights = weights + of_weights * work.times
    return Passes(forward, backward, weights, _head(job, layout, rates, tokens), _embedding(job, rates, tokens))


def _layer(work: LayerWork, job: Job, layout: Layout, rates: Rates, tokens: Count) -> tuple[Pass, Pass, Seconds]:
    """Forward, backward, and the weights' part of the backward's products, of one layer."""
    zero = 0.0 * tokens
    ahead, inputs, weights = zero, zero, zero
    for product in work.products:
        times = _product(product, work, job, layout, rates, tokens)
        ahead, inputs, weights = ahead + times[0], inputs + times[1], weights + times[2]
    core, core_back = _core(work, job, layout, rates, tokens)
    moved = rates.move(_moved(work, job, layout, tokens)) * job.engine.moved_factor(compiled=layout.compiled)
    adapters = ADAPTER_KERNELS * len(work.products) if job.training.adapters else 0
    if adapters:
        moved = moved + rates.move(_adapter_bytes(work, layout, tokens))
    short = work.kernels - len(work.products) + CORE_KERNELS[layout.kernel]
    moved = moved + short * rates.curve.floor_s  # however little it moves, a kernel takes the device's shortest time
    kernels = work.kernels + adapters + CORE_KERNELS[layout.kernel] + zero
    forward = Pass(ahead, core, moved, kernels)
    backward = Pass(inputs + weights, core_back, moved * MOVED_BACKWARD, kernels * BACKWARD_KERNELS)
    return forward, backward, weights


def _product(
    product: Product, work: LayerWork, job: Job, layout: Layout, rates: Rates, tokens: Count
) -> tuple[Seconds, Seconds, Seconds]:
    """Forward, gradient of the inputs, gradient of the weights; the last is none where the weights are frozen.

    y = x·W: t x out x in      dx = dy·Wᵀ: t x in x out      dW = xᵀ·dy: in x out x t
    """
    inputs, outputs = product.shape(layout)
    count: Scalar = 1.0
    rows = tokens
    if product.routed:
        # Every rank of the expert group has E/ep experts, on which the group's tokens arrive.
        count = work.experts / layout.ep
        rows = tokens * float(work.top_k) * job.expert_load / work.experts * layout.ep
        rows = rows * layout.etp / layout.tp
    elif product.whole and layout.sp:
        rows = tokens / layout.tp
    gradient = job.training.recipe.gradient * 2.0  # read, added to, written: gradients of micro-batches accumulate
    if product.routed:
        width = float(min(product.inputs, product.outputs))
        ahead = rates.grouped(rows, inputs, outputs, width=width, count=count)
        back = rates.grouped(rows, outputs, inputs, width=width, count=count)
        if job.training.adapters:
            return ahead, back, 0.0 * back
        return ahead, back, rates.grouped(rows, inputs, outputs, width=width, count=count, gradient_bytes=gradient)
    ahead = rates.product(rows, outputs, inputs)
    back = rates.product(rows, inputs, outputs)
    if job.training.adapters:
        return ahead, back, 0.0 * back
    return ahead, back, rates.product(inputs, outputs, rows, output_bytes=gradient)


def _core(work: LayerWork, job: Job, layout: Layout, rates: Rates, tokens: Count) -> tuple[Seconds, Seconds]:
    """Scores and averages: a fused kernel on the causal half, or the whole square through memory (eager)."""
    seen = job.attended_length
    mixer = work.layer.mixer
    if layout.kernel == "eager":
        flop = mixer.core_flop(seen, causal=False) * tokens / layout.tp
        passes = EAGER_PASSES * HALF_BYTES * mixer.score_heads * seen * tokens / layout.tp
        ahead = rates.attend(flop) + rates.move(passes)
        return ahead, ahead * EAGER_BACKWARD
    # Without balance the rank with the last piece sees nearly the whole of the square's lower half.
    # Ulysses deals out heads, each with its whole square.
    even = layout.balanced or layout.context_kind == "ulysses"
    uneven = 1.0 if even else 2.0 - 1.0 / layout.cp
    ahead = rates.attend(mixer.core_flop(seen, causal=True) * tokens / layout.tp * uneven)
    return ahead, ahead * FLASH_BACKWARD


def _moved(work: LayerWork, job: Job, layout: Layout, tokens: Count) -> Scalar:
    """Bytes of memory-bound operators, forward, counted operator by operator."""
    split = layout.tp if layout.sp else 1.0
    elements = work.moved_whole / split + work.moved_split / layout.tp
    if work.experts:
        load = job.expert_load
        elements = elements + (DISPATCH_MOVES * work.dispatched + work.moved_routed) * load / layout.tp
        elements = elements + work.experts * (ROUTER_BYTES / HALF_BYTES) / split
    return elements * HALF_BYTES * tokens


def _adapter_bytes(work: LayerWork, layout: Layout, tokens: Count) -> Scalar:
    """Bytes of the adapters' skinny products and additions: the input read, the output written, read and written."""
    elements: Scalar = 0.0
    for product in work.products:
        inputs, outputs = product.shape(layout)
        used = float(work.top_k) if product.routed else 1.0
        elements = elements + used * (inputs + 3.0 * outputs)
    return elements * HALF_BYTES * tokens


def _head(job: Job, layout: Layout, rates: Rates, tokens: Count) -> Pass:
    """The product with the vocabulary, three times, and what the loss moves for each logit."""
    arch = job.architecture
    columns, width = padded_vocabulary(arch, layout) / layout.tp, float(arch.embedding_width)
    trained = 0.0 if job.training.adapters else 1.0
    products = (
        rates.product(tokens, columns, width)
        + rates.product(tokens, width, columns)
        + trained * rates.product(width, columns, tokens, output_bytes=job.training.recipe.gradient * 2.0)
    )
    passes = job.engine.chunked_loss_passes if layout.chunked_loss else job.engine.loss_passes
    moved = rates.move(columns * tokens * passes)
    return Pass(products, 0.0 * products, moved, 0.0 * products + HEAD_KERNELS)


EMBEDDING_MOVES = 6.0
"""Elements of the hidden width: gathered and written, dropout or scale, and the gradient added into the table."""


def _embedding(job: Job, rates: Rates, tokens: Count) -> Pass:
    moved = rates.move(tokens * float(job.architecture.hidden) * EMBEDDING_MOVES * HALF_BYTES)
    return Pass(0.0 * moved, 0.0 * moved, moved, 0.0 * moved + EMBEDDING_KERNELS)
