"""What do power and time cost? Energy, money and carbon of a campaign. Knows no model.

Everything broadcasts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardyears.base.units import HOUR, KWH

if TYPE_CHECKING:
    from cardyears.base.units import Scalar, Seconds, Usd, Watts


def energy_kwh(device_seconds: Seconds, board_w: Watts, *, host_factor: float = 1.0, pue: float = 1.0) -> Scalar:
    """Energy in kWh of so many device-seconds under load.

        E = t · P_board · host factor · PUE / 3.6e6

    Counts the board at its rated power. The host factor adds processor, memory, fans and network per device; PUE
    adds cooling and losses of the building. Source: patterson-2021, eq. 1.

    >>> round(energy_kwh(365 * 86_400, 285))
    2497
    """
    return device_seconds * board_w * host_factor * pue / KWH


def rent_usd(device_seconds: Seconds, usd_per_device_hour: Usd) -> Usd:
    """Rent of so many device-seconds in dollars.

    >>> round(rent_usd(355.6 * 365 * 86_400, 1.50) / 1e6, 2)
    4.67
    """
    return device_seconds / HOUR * usd_per_device_hour


def depreciation_usd(device_seconds: Seconds, price_usd: Usd, lifetime_s: Seconds) -> Usd:
    """The part of a purchase that so many device-seconds use up, in a straight line over its life.

    >>> depreciation_usd(365 * 86_400, 800, 4 * 365 * 86_400)
    200.0
    """
    return price_usd * device_seconds / lifetime_s
