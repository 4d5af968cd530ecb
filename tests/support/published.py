"""What tests of published numbers share."""

from __future__ import annotations

from typing import Any

from cardyears import audit
from cardyears.catalogue.load import load
from cardyears.catalogue.schema import RunRow
from cardyears.machine.device import Device
from cardyears.resolve.devices import device

CARD = "RTX 4070 Ti"
GPT3_FLOP = 3.14e23
"""Brown et al. 2020, table D.1."""


def card(key: str) -> Device:
    return device(key, load().accelerators[key])


def run(key: str) -> RunRow:
    return load().runs[key]


def claimed_mfu(**claim: Any) -> float:
    """The share of peak that a claim implies, in the middle of the conventions."""
    found = audit(**claim).implied_mfu
    assert found is not None
    return found.mid
