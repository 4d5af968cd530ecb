"""What can a layout never be faster than? A bound that is cheap and provably safe: some lines of the ledger alone.

No line of a step's ledger is negative, and the bound is the sum of some of them: whatever it excludes would have
been slower than what is already found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardyears.estimate.passes import again_share

if TYPE_CHECKING:
    from cardyears.base.units import Scalar, Seconds
    from cardyears.case import Job
    from cardyears.estimate.step import Block
    from cardyears.layout.layout import Layout

ROUNDING = 1.0 - 1e-9
"""Sums in another order differ in their last digits."""


def least_layers(job: Job, layout: Layout, within: Block) -> Seconds:
    """Seconds below which one micro-batch cannot go through all layers of one rank.

    products + attention + memory-bound, forward, backward and again, + tensor and expert traffic

    Leaves out the experts' traffic where it may hide.
    """
    computed, inside = within.computed, within.inside
    twice: Scalar = again_share(float(job.architecture.layer_count), layout)
    layers = computed.forward.device + computed.again.device * twice + computed.backward.device
    hidden = layout.schedule == "dualpipe" or layout.expert_overlap
    return layers + (inside.tensor + (0.0 if hidden else inside.expert)) * (2.0 + twice)


def least_step(job: Job, layout: Layout, within: Block) -> Seconds:
    """Seconds below which one step cannot be: what an average stage computes and its tensor and expert traffic.

    (what the layers take + head) · m/p

    Leaves out bubble, context and data traffic, launches, optimiser and stragglers.
    """
    each = least_layers(job, layout, within) + within.computed.head.device
    return each * (layout.accumulation / layout.pp) * ROUNDING
