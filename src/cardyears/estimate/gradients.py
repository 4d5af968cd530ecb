"""What does it cost to add up the gradients of a step's micro-batches? The work of memory that no operator takes.

A product may add a weight's gradient to the sum as it writes it. Otherwise, and for tables whose rows are looked up, a
kernel of its own does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import any_of, minimum, where
from cardyears.layout.layout import ZERO_GRADIENTS, ZERO_WEIGHTS, Layout
from cardyears.layout.shard import RankParameters, padded_vocabulary

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Count, Scalar, Seconds
    from cardyears.case import Job
    from cardyears.estimate.setting import Setting
    from cardyears.machine.rates import Rates

WIDEST_SUM = 4.0
"""Bytes of a summed gradient at most, those of fp32: what a recipe keeps beyond it is the copy that the product wrote.
"""


def written_bytes(job: Job, rates: Rates) -> Scalar:
    """Bytes that the product of a weight's gradient moves for it: the sum read and written; apart, one written."""
    return where(job.engine.adds_apart, rates.element_bytes, job.training.recipe.gradient * 2.0)


def added_bytes(gradient: Scalar, element: Scalar, batches: Count, *, kept: Scalar = 0.0) -> Scalar:
    """Bytes that kernels of their own move for one weight and micro-batch, to add its gradient to those before.

        others          e + 2·g   read, and the sum read and written
        first           e + g     written out in the wider type; nothing where it has it: it is taken as it is
        first, `kept`   e + 2·g   as the others, where the sum lies in a buffer that was cleared

    The mean of so many micro-batches, for e bytes that arrive and g of the sum. Leaves out what clears the buffer.
    Source: megatron-core, whose gradient_accumulation_fusion says what there is to fuse.

    >>> added_bytes(2.0, 2.0, 4.0), added_bytes(4.0, 2.0, 1.0), added_bytes(4.0, 2.0, 1.0, kept=1.0)
    (4.5, 6.0, 10.0)
    """
    summed = minimum(gradient, WIDEST_SUM)
    each = element + 2.0 * summed
    taken = where(summed > element, element + summed, 0.0)
    return each + where(kept, 0.0, taken - each) / batches


class Weights(NamedTuple):
    """Weights of one rank of the whole depth: the seconds in which a byte of each is moved, and its bytes."""

    dense: Seconds
    routed: Seconds
    embedding: Seconds
    """Tables whose rows are looked up (of tokens, of positions, of what layers look up besides), and the last norm."""
    head: Seconds
    element: Scalar
    """Bytes of a gradient as its product writes it."""


def rank_weights(layout: Layout, there: Setting, held: RankParameters) -> Weights:
    """The weights that gradients are summed of: matrices and tables. A tied head has a gradient of its own."""
    rates = there.rates
    head = padded_vocabulary(there.model.vocab, layout) / layout.tp * there.model.embedding_width
    return Weights(
        dense=rates.move(held.dense_linear), routed=rates.move(held.routed), embedding=rates.move(held.embedding),
        head=rates.move(head), element=rates.element_bytes,
    )  # fmt: skip


def _each(job: Job, layout: Layout, element: Scalar, dealt: Count) -> Bytes:
    """Bytes of one weight and micro-batch to add its gradients up.

    What is scattered after every micro-batch is added where it arrives, in the type that it was sent in.
    """
    engine = job.engine
    often = (layout.zero >= ZERO_WEIGHTS) | ((layout.zero == ZERO_GRADIENTS) & (layout.pp <= 1))
    arrives = where(often, engine.reduce_bytes, element)
    each = added_bytes(job.training.recipe.gradient, arrives, layout.accumulation * 1.0, kept=engine.adds_first * 1.0)
    return each / where(often, dealt * 1.0, 1.0)


def layers_added(job: Job, layout: Layout, of: Weights) -> Seconds:
    """Seconds of one micro-batch's backward pass to add the layers' gradients up, where their products do not."""
    nothing = 0.0 * of.dense
    if job.training.adapters or not any_of(job.engine.adds_apart):
        return nothing
    dense = of.dense * _each(job, layout, of.element, layout.shards)
    routed = of.routed * _each(job, layout, of.element, layout.expert_replicas)
    return where(job.engine.adds_apart, dense + routed, nothing)


def head_added(job: Job, layout: Layout, of: Weights) -> Seconds:
    """The same of the matrix with the vocabulary."""
    if job.training.adapters:
        return 0.0 * of.head
    return where(job.engine.adds_apart, of.head * _each(job, layout, of.element, layout.shards), 0.0)


def embedding_added(job: Job, layout: Layout, of: Weights) -> Seconds:
    """The same of tables, whose gradient is a whole table of zeros into which few rows are added.

    No product writes it, so that every engine clears it and adds it by kernels of their own.
    """
    if job.training.adapters:
        return 0.0 * of.embedding
    return of.embedding * (of.element + _each(job, layout, of.element, layout.shards))
