"""What does a family of chips attain of its data sheet? Shares that no data sheet has. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cardyears.machine.products import ProductCurve


class Silicon(msgspec.Struct, frozen=True, kw_only=True):
    """Attained shares of one family of accelerators, or of one device of it that was measured apart."""

    family: str
    products: ProductCurve
    attention_share: float
    """Share of the dense 16-bit peak that a fused attention kernel reaches, forward, on the causal half."""
    bandwidth_share: float
    """Share of nominal memory bandwidth that a streaming kernel reaches."""
    gain: Mapping[str, float] = {}
    """Rate of products in a lower precision over 16 bit, for large products without the casts."""
    sustained: float = 1.0
    """Rate of products in whole training steps over the same products alone: power, heat, cold caches."""
    sustained_attention: float = 1.0
    """The same of the attention kernel."""
    kind: str = "measured"
    """Of the products' curve: measured by shape, derived from best rates, or assumed from a wider class."""
    source: str = ""
    reason: str = ""
    """What it was fitted on, and how well; or why another class stands in."""
