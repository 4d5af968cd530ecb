"""How long does a matrix product take, by its shape? A curve with four coefficients. Knows no model.

Four coefficients for each family of accelerators, fitted on measured latencies by ``tools/fit_products.py``; values
live in the catalogue (``silicon.toml``). Tiles and waves over the multiprocessors are not counted one by one: software
picks among many kernels, and stepwise forms were no nearer to the measurements than the smooth one here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cardyears.base.broadcast import sqrt

if TYPE_CHECKING:
    from cardyears.base.units import BytesPerSecond, Count, FlopPerSecond, Scalar, Seconds

HALF_BYTES = 2.0
"""Bytes of one element in bf16 or fp16."""
GROUPED_ROWS, GROUPED_WIDTH = 350.0, 1_500.0
"""Rows of each expert, and its width, at which a grouped product runs at half the rate. Source: measured-runs."""


class ProductCurve(msgspec.Struct, frozen=True):
    """What a family attains of its peak in one matrix product, by shape."""

    share: float
    """Share of the dense peak that large products approach; above 1 where cards boost beyond their rated clock."""
    depth: float
    """Length of the sum, in elements, that is lost filling and draining the pipelines: half the rate at k = depth."""
    fill: float
    """Elements of the output, for each FLOP/s of peak, below which it no longer fills the device."""
    floor_s: float
    """Time on the device of the smallest product."""


def product_time(
    curve: ProductCurve,
    peak: FlopPerSecond,
    bandwidth: BytesPerSecond,
    m: Scalar,
    n: Scalar,
    k: Scalar,
    *,
    operand_bytes: Scalar = HALF_BYTES,
    output_bytes: Scalar = HALF_BYTES,
    count: Count = 1.0,
) -> Seconds:
    """Seconds of `count` products of m x k by k x n, one after the other, on the device.

        t = count · (√(c² + b²) + floor)
        c = 2 · √((m·n)² + (fill·P)²) · (k + depth) / (P · share)        computing
        b = (e·k·(m + n) + o·m·n) / B                                    moving, e and o bytes per element

    Computing and moving partly hide behind each other. `peak` P is the dense peak of the operands' dtype; `bandwidth`
    B is what a streaming kernel attains. Counts each operand once, as if the cache held all that is read again.
    Leaves out casts, epilogues and the host's time to launch. Never faster for a larger m, n or k, nor slower for more
    peak or bandwidth. Source: fitted on aiconfigurator.

    A large product on an A100 attains 85 % of its peak:

    >>> curve = ProductCurve(share=0.86, depth=110.0, fill=2.4e-10, floor_s=4.5e-6)
    >>> time = product_time(curve, 312e12, 1.8e12, 8_192, 8_192, 8_192)
    >>> round(2 * 8_192**3 / time / 312e12, 2)
    0.85
    """
    outputs = m * n
    filled = outputs * (2.0 / (peak * curve.share))
    unfilled = 2.0 * curve.fill / curve.share
    deep = k + curve.depth
    moving = (m + n) * (operand_bytes / bandwidth) * k + outputs * (output_bytes / bandwidth)
    computing_squared = (filled * filled + unfilled * unfilled) * (deep * deep)
    return (sqrt(computing_squared + moving * moving) + curve.floor_s) * count
