"""Where does a number come from? A value with its unit, kind, source and date."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["estimate", "bound", "measured", "published", "derived", "assumed"]
"""How a number came about; the kinds are never mixed."""


class Sourced(msgspec.Struct, frozen=True, omit_defaults=True):
    """One figure of the catalogue: its value in SI units and everything needed to doubt it.

    >>> Sourced(80.18e12, "FLOP/s", "derived", "techpowerup", "2026-11-24").value
    80180000000000.0
    """

    value: float
    unit: str
    kind: Kind
    source: str
    checked: str
    note: str = ""
