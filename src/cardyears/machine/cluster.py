"""What machine is it in all? So many devices, in nodes, over links. Knows no model."""

from __future__ import annotations

import math

import msgspec

from cardyears.base.sourced import Sourced
from cardyears.machine.device import Device


class Link(msgspec.Struct, frozen=True):
    """One class of wire: bandwidth of one direction for one device."""

    key: str
    name: str
    bandwidth: Sourced
    latency: Sourced | None = None
    upload: Sourced | None = None
    """Bandwidth away from the device where it differs, as at home."""


class Cluster(msgspec.Struct, frozen=True):
    """Equal devices in equal nodes.

    `inside` joins the devices of one node, `between` joins the nodes; None where nothing was said or none is needed.
    """

    device: Device
    count: int
    per_node: int
    inside: Link | None = None
    between: Link | None = None

    @property
    def nodes(self) -> int:
        """Boxes, the last of which may be partly filled."""
        return math.ceil(self.count / self.per_node)
