"""From rows of the catalogue to what a device attains of its data sheet."""

from __future__ import annotations

from cardyears.base.units import TERA
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import SiliconRow
from cardyears.machine.device import Device
from cardyears.machine.products import ProductCurve
from cardyears.machine.silicon import Silicon

EVERY_FAMILY = "all"
"""Key of the row that stands in for a family without one."""
_MICRO = 1e-6


def silicon_row(device: Device, catalogue: Catalogue) -> SiliconRow:
    """The row of single kernels that a device has: its own, or its family's, or else all accelerators'."""
    rows = catalogue.silicon
    return rows.get(device.key) or rows.get(device.family) or rows[EVERY_FAMILY]


def silicon(device: Device, catalogue: Catalogue) -> Silicon:
    """What a device attains: from its own row, or its family's, or else from all accelerators'.

    >>> from cardyears.catalogue.load import load
    >>> from cardyears.resolve.devices import device
    >>> a100 = device("a100-sxm-80gb", load().accelerators["a100-sxm-80gb"])
    >>> silicon(a100, load()).kind
    'measured'
    """
    row = silicon_row(device, catalogue)
    sustained = catalogue.sustained
    kept = sustained.get(device.key) or sustained.get(device.family) or sustained[EVERY_FAMILY]
    return Silicon(
        family=device.family,
        products=ProductCurve(
            share=row.share, depth=row.depth, fill=row.fill_per_tflop_s / TERA, floor_s=row.floor_us * _MICRO
        ),
        attention_share=row.attention_share,
        bandwidth_share=row.bandwidth_share,
        gain={str(dtype): gained * getattr(kept, dtype) for dtype, gained in row.gain.items()},
        sustained=kept.products,
        sustained_attention=kept.attention,
        kind=row.kind,
        source=row.source,
        reason=row.note,
    )
