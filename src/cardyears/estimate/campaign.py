"""How long does it take and what does it need? FLOP over the attained rate. Everything broadcasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cardyears.base.units import YEAR

if TYPE_CHECKING:
    from cardyears.base.interval import Interval
    from cardyears.base.units import Scalar

    Quantity = TypeVar("Quantity", float, Scalar, Interval)


LEAST_STEPS = 100
"""Optimiser steps below which nothing is trained, however many devices share each: warm-up alone takes as many."""


def attained_rate(peak: Quantity, share: Quantity, duty: float) -> Quantity:
    """Model FLOP per second of one device over the calendar.

        peak · MFU · duty cycle

    >>> attained_rate(312e12, 0.45, 1.0) / 1e12
    140.4
    """
    return peak * share * duty


def training_time(flop: Quantity, rate: Quantity, devices: float) -> Quantity:
    """Seconds to train, with every device busy on its own share and no traffic between them: a lower bound.

        t = C / (n · rate)

    Source: narayanan-2021, eq. 4, whose 8·T·P is C with full recomputation.

    >>> training_time(3.14e23, 312e12, 1) / (365 * 86_400)
    31.91...
    """
    return flop / (rate * devices)


def card_years(flop: Quantity, rate: Quantity) -> Quantity:
    """Years of 365 days that one device takes.

        C / (rate · 31,536,000 s)

    >>> card_years(3.14e23, 0.9 * 40.09e12)
    275.95...
    """
    return flop / (rate * YEAR)


def available_flop(rate: Quantity, devices: float, seconds: float) -> Quantity:
    """Model FLOP that the devices deliver in a span of time.

        n · rate · t

    >>> available_flop(0.9 * 40.09e12, 1, 365 * 86_400) / 1e21
    1.1378...
    """
    return rate * devices * seconds
