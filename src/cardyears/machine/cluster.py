"""What machine is it in all? So many devices, in nodes, over links. Knows no model."""

from __future__ import annotations

import math

import msgspec

from cardyears.base.sourced import Sourced
from cardyears.machine.device import Device


class Link(msgspec.Struct, frozen=True):
    """One class of wire: bandwidth of one direction for one device, and what collectives attain of it.

    A figure that is None has no effect: the whole bandwidth is attained, nothing takes time but the bytes.
    """

    key: str
    name: str
    bandwidth: Sourced
    latency: Sourced | None = None
    upload: Sourced | None = None
    """Bandwidth away from the device where it differs, as at home."""
    attained: Sourced | None = None
    """Share of the bandwidth that large messages reach."""
    hop: Sourced | None = None
    """Seconds for a piece of data to get from one rank to the next."""
    call: Sourced | None = None
    """Seconds on the device that every collective takes, whatever its size."""
    ramp: Sourced | None = None
    """Seconds on the wire until which a message is too short for the whole bandwidth."""
    in_switch: Sourced | None = None
    """Bandwidth of a reduction that the switch does, over that of a ring; None: the switch cannot."""
    crowding: Sourced | None = None
    """Bandwidth that each device beyond the second takes from all, as where they share a host's memory."""
    peers: int = 0
    """Devices that it runs to by wires of their own: two devices alone have one of them. 0: any two have all."""
    axes: int = 0
    """Axes of the torus that it makes; 0: no torus."""
    joins: int = 0
    """Devices that it joins beyond one box, as in a pod; 0: those of one box."""


class Cluster(msgspec.Struct, frozen=True):
    """Equal devices in equal nodes.

    `inside` joins the devices of one node, `between` joins the nodes; None where nothing was said or none is needed.
    """

    device: Device
    count: int
    per_node: int
    inside: Link | None = None
    between: Link | None = None
    fabric: int = 0
    """Devices that `inside` joins where it reaches beyond the box: 72 in a rack, thousands in a pod; 0: the box."""

    @property
    def nodes(self) -> int:
        """Boxes, the last of which may be partly filled."""
        return math.ceil(self.count / self.per_node)

    @property
    def domain(self) -> int:
        """Devices that `inside` joins: a box, or more."""
        return max(self.per_node, self.fabric)
