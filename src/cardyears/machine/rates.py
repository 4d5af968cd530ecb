"""How fast does one device run the operators of a training step, with this engine and precision? Knows no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from cardyears.base.broadcast import where
from cardyears.base.errors import MissingFigure
from cardyears.base.text import Text
from cardyears.machine.device import Device
from cardyears.machine.engine import Engine
from cardyears.machine.products import GROUPED_ROWS, GROUPED_WIDTH, ProductCurve, product_time
from cardyears.machine.silicon import Silicon

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, BytesPerSecond, Count, Flop, FlopPerSecond, Scalar, Seconds

LOW_PRECISION: tuple[Literal["fp8", "mxfp8", "nvfp4"], ...] = ("fp8", "mxfp8", "nvfp4")
_PEAKS = {"fp8": "fp8", "mxfp8": "fp8", "nvfp4": "fp4"}
HALF_BYTES = 2.0
CAST_COPIES = 2.0
"""A cast writes an operand twice: as it is and transposed, for the products of both passes. Source:
transformer-engine."""


class Rates(msgspec.Struct, frozen=True):
    """Rates of one device in one engine and precision; seconds, FLOP/s, bytes/s."""

    curve: ProductCurve
    product_peak: FlopPerSecond
    """Dense peak of the 16-bit products, times what this engine attains of isolated ones."""
    gain: float
    """Rate of low-precision products over 16 bit; 1 without."""
    attention: FlopPerSecond
    bandwidth: BytesPerSecond
    peak: FlopPerSecond
    """Dense peak that MFU is a share of: of the precision's own products where it is published, else of 16 bit."""
    operand_bytes: float
    element_bytes: float
    """Of activations between products: 2 in 16 bit and below, 4 in fp32 and tf32."""
    casts: bool
    without_tensor_cores: float = 1.0
    """Time of products that tensor cores cannot take, over those that they can: their peak over that of fp32."""
    grouped_loss: float = 1.0
    """What the engine's grouped products lose, over the usual."""

    def product(
        self,
        m: Scalar,
        n: Scalar,
        k: Scalar,
        *,
        output_bytes: Scalar = HALF_BYTES,
        count: Scalar = 1.0,
        wide: bool = False,
    ) -> Seconds:
        """Seconds of `count` products of m x k by k x n, without the casts that low precision needs before (`cast`).

        Products in lower precision run faster by `gain`; with `wide` they stay in 16 bit all the same.
        """
        gain, operand = (1.0, self.element_bytes) if wide else (self.gain, self.operand_bytes)
        return product_time(
            self.curve, self.product_peak * gain, self.bandwidth, m, n, k,
            operand_bytes=operand, output_bytes=output_bytes, count=count,
        )  # fmt: skip

    def cast(self, elements: Count) -> Seconds:
        """Seconds to cast an operand to the low precision, for all products that it is in; nothing in 16 bit.

        (2 + 2·e)·elements / B    read in 16 bit, written twice in e bytes
        """
        moved = where(self.casts, HALF_BYTES + CAST_COPIES * self.operand_bytes, 0.0)
        return elements * (moved / self.bandwidth)

    def grouped(
        self,
        rows: Scalar,
        inputs: Scalar,
        outputs: Scalar,
        *,
        width: Scalar,
        count: Scalar,
        gradient_bytes: Scalar | None = None,
    ) -> Seconds:
        """Seconds of the products of `count` experts with `rows` tokens each, launched as one.

            t(rows + 350·g) · (1 + 1500·g/width)

        which for many rows is the rate of one large product times rows/(rows + 350) · width/(width + 1500), and for few
        no more than the weights' way through memory; g is the engine's `grouped_loss`. With `gradient_bytes` of each
        weight it is the weights' gradient.
        """
        padded = rows + GROUPED_ROWS * self.grouped_loss
        if gradient_bytes is None:
            time = self.product(padded, outputs, inputs, count=count)
        else:
            time = self.product(inputs, outputs, padded, output_bytes=gradient_bytes, count=count)
        return time * (1.0 + GROUPED_WIDTH * self.grouped_loss / width)

    def attend(self, flop: Flop) -> Seconds:
        """Seconds of the fused attention kernel's forward pass."""
        return flop / self.attention

    def move(self, moved: Bytes) -> Seconds:
        """Seconds of memory-bound operators that move so many bytes."""
        return moved / self.bandwidth


MOST_OF_PEAK, MOST_IN_ATTENTION = 1.0, 0.85
"""Shares of the dense peak that products and fused attention kernels never exceed, whatever engine and device were
fitted apart; cards that boost beyond their rated clock keep what they were measured at. Assumed."""


def _capped(factor: float, share: float, most: float) -> float:
    """A factor on a share of peak, so that both together stay below the most that can be."""
    return min(factor, max(most, share) / share)


def rates(device: Device, silicon: Silicon, engine: Engine, precision: str) -> Rates:
    """The rates of a device; `MissingFigure` where no source gives the peak or the bandwidth."""
    if device.bandwidth is None:
        raise MissingFigure(
            Text("{device} has no published memory bandwidth.", device=device.name),
            Text("Bring a row of your own with --catalogue FILE."),
        )
    low = precision in LOW_PRECISION
    usual = device.training_dtype if low or precision == "bf16" else precision
    peak = device.peak(usual or "bf16").value
    if low and precision not in silicon.gain:
        have = ", ".join(sorted({"bf16", *silicon.gain}))
        raise MissingFigure(
            Text(
                "{device} does not train in {precision} (it does in {have}).",
                device=device.name,
                precision=precision,
                have=have,
            ),
            Text("Take another precision."),
        )
    wide = 4.0 if precision in ("fp32", "tf32") else HALF_BYTES
    return Rates(
        curve=silicon.products,
        product_peak=peak * _capped(silicon.sustained * engine.product_factor, silicon.products.share, MOST_OF_PEAK),
        gain=silicon.gain[precision] if low else 1.0,
        attention=peak
        * silicon.attention_share
        * _capped(silicon.sustained_attention * engine.attention_factor, silicon.attention_share, MOST_IN_ATTENTION),
        bandwidth=device.bandwidth.value * silicon.bandwidth_share,
        peak=device.peaks[_PEAKS[precision]].value if low and _PEAKS[precision] in device.peaks else peak,
        operand_bytes=1.0 if low else wide,
        element_bytes=wide,
        casts=low,
        without_tensor_cores=max(1.0, peak / device.peaks["fp32"].value) if "fp32" in device.peaks else 1.0,
        grouped_loss=engine.grouped_loss,
    )
