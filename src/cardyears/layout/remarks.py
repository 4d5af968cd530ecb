"""What should be said about a layout that is legal? What engines do with it, and what is slower than it looks."""

from __future__ import annotations

from cardyears.base.text import Text
from cardyears.layout.layout import ZERO_GRADIENTS, ZERO_WEIGHTS, Layout
from cardyears.layout.site import Site
from cardyears.machine.rates import LOW_PRECISION


def remarks(layout: Layout, site: Site) -> tuple[Text, ...]:
    """Sentences about one legal layout, none if it is plain.

    >>> from cardyears.layout.site import Shape
    >>> [str(line) for line in remarks(Layout(tp=16), Site(shape=Shape(8), devices=16, per_node=8, seq_len=2_048))]
    ['tp = 16 reaches over the node of 8 devices: its traffic takes the slower links.']
    """
    found = (
        _across_nodes(layout, site),
        _copied_heads(layout, site),
        _sharded_pipeline(layout),
        _uneven(layout, site),
        _low(layout),
    )
    return tuple(line for line in found if line is not None)


def _across_nodes(layout: Layout, site: Site) -> Text | None:
    if layout.tp <= site.per_node:
        return None
    return Text(
        "tp = {tp:integer} reaches over the node of {per_node:integer} devices: its traffic takes the slower links.",
        tp=layout.tp,
        per_node=site.per_node,
    )


def _copied_heads(layout: Layout, site: Site) -> Text | None:
    fewest = min(site.shape.kv_heads, default=0)
    if not fewest or layout.tp <= fewest:
        return None
    return Text(
        "tp = {tp:integer} is more than {heads:integer} key and value heads: each is held {copies:integer} times.",
        tp=layout.tp,
        heads=fewest,
        copies=layout.tp / fewest,
    )


def _sharded_pipeline(layout: Layout) -> Text | None:
    """Source: torchtitan (FSDP with a pipeline gathers a stage's weights for each micro-batch, or keeps them)."""
    if layout.pp <= 1 or layout.zero < ZERO_GRADIENTS:
        return None
    if layout.zero < ZERO_WEIGHTS:
        return Text(
            "zero = 2 with a pipeline keeps gradients whole until the last micro-batch, as zero = 1 does; DeepSpeed "
            "refuses it."
        )
    return Text(
        "zero = 3 with a pipeline gathers weights and exchanges gradients for every micro-batch: torchtitan runs it "
        "so, DeepSpeed refuses it."
    )


def _uneven(layout: Layout, site: Site) -> Text | None:
    chunks = layout.pp * layout.virtual_stages
    if site.shape.layers % chunks == 0:
        return None
    return Text(
        "{layers:integer} layers do not fill {chunks:integer} chunks evenly: the fullest stage sets the pace.",
        layers=site.shape.layers,
        chunks=chunks,
    )


def _low(layout: Layout) -> Text | None:
    if layout.precision not in LOW_PRECISION:
        return None
    return Text(
        "Products in {precision} change the training numerically: what that does to the loss is not estimated.",
        precision=layout.precision,
    )
