"""What does an hour of a device cost? Quantiles of the newest dated prices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec

from cardyears.base.interval import Interval
from cardyears.catalogue.load import Catalogue
from cardyears.machine.device import Device

NEWEST_SPAN = dt.timedelta(days=365)
"""Prices older than this before the newest one of the device are left out."""
LOW, MID, HIGH = 0.1, 0.5, 0.9


class Price(msgspec.Struct, frozen=True):
    """Dollars per device-hour on demand: 10th, 50th and 90th percentile, and what they are taken from."""

    usd: Interval
    count: int
    newest: dt.date
    source: str


def rent(one: Device, catalogue: Catalogue) -> Price | None:
    """The on-demand price of the newest twelve months; None where the catalogue has none."""
    rows = [row for row in catalogue.prices if row.device == one.key and row.market == "on_demand"]
    if not rows:
        return None
    newest = max(rows, key=lambda row: row.date)
    recent = sorted(row.usd_per_device_hour for row in rows if row.date > newest.date - NEWEST_SPAN)
    return Price(
        Interval(quantile(recent, LOW), quantile(recent, MID), quantile(recent, HIGH)),
        len(recent),
        newest.date,
        newest.source,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share of ordered values lies, between neighbours in proportion.

    >>> quantile([1.0, 2.0, 4.0, 8.0], 0.5)
    3.0
    """
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
