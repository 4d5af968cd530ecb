"""What can one accelerator do? Peak rates, memory, power and price, each with its source. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cardyears.base.errors import MissingFigure
from cardyears.base.interval import Interval
from cardyears.base.sourced import Sourced
from cardyears.base.text import Text

TRAINING_DTYPES = ("bf16", "fp16", "fp32")
"""What training computes in, best first: fp16 (with loss scaling) where the device has no bf16, fp32 where neither."""


class Device(msgspec.Struct, frozen=True):
    """One accelerator. A figure that no source gives is absent, never guessed.

    Peaks are dense, at boost clock, with fp32 accumulate unless the dtype's name says otherwise.
    """

    key: str
    name: str
    family: str
    memory: Sourced
    """Nominal memory in bytes."""
    peaks: Mapping[str, Sourced] = {}
    bandwidth: Sourced | None = None
    board_w: Sourced | None = None
    launch_usd: Sourced | None = None
    unified_memory: bool = False
    ecc: bool = False
    """Whether error correction takes a part of the memory, as on cards for data centres with GDDR."""
    peer_to_peer: bool = True
    link: str | None = None
    form: str = "PCIe"
    spread: Interval = Interval(1.0, 1.0, 1.0)
    """How far real cards of a generic description lie around its peaks; exact for a named device."""

    def peak(self, dtype: str) -> Sourced:
        """Peak rate for a dtype in FLOP/s; `MissingFigure` where no source gives one."""
        if dtype not in self.peaks:
            have = ", ".join(self.peaks) or "none"
            raise MissingFigure(
                Text(
                    "{device} has no published {dtype} peak (published: {have}).",
                    device=self.name,
                    dtype=dtype,
                    have=have,
                ),
                Text("Name another dtype with --peak, or bring a row of your own with --catalogue FILE."),
            )
        return self.peaks[dtype]

    @property
    def training_dtype(self) -> str | None:
        """The dtype that training on this device computes in, as far as its peak is published."""
        return next((dtype for dtype in TRAINING_DTYPES if dtype in self.peaks), None)
