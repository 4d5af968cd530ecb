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


class Pair(msgspec.Struct, frozen=True):
    """Two kinds of device in one machine, each in nodes of its own or all of them in one box."""

    kinds: tuple[Cluster, Cluster]
    """As they were named."""
    across: Link
    """What joins the kinds: the slower of their own links."""
    one_box: bool = False
    makers: tuple[str, str] = ("", "")
    """Of each kind; devices of different makers have no communication library in common. Empty: not known."""

    @property
    def talking(self) -> bool:
        """Whether devices of both kinds can be in one training."""
        return self.makers[0] == self.makers[1] or "" in self.makers

    @property
    def count(self) -> int:
        """Devices of both kinds."""
        return self.kinds[0].count + self.kinds[1].count

    def whole(self, kind: int) -> Cluster:
        """The whole machine as if all devices were of one kind, joined as they really are.

        What devices of this kind take for work that all devices share, they take in such a cluster.
        """
        cluster = self.kinds[kind]
        if self.one_box:
            return msgspec.structs.replace(
                cluster, count=self.count, per_node=self.count, inside=self.across, between=None
            )
        near = min(cluster.count, cluster.domain)
        return msgspec.structs.replace(
            cluster, count=self.count, per_node=min(cluster.per_node, near), fabric=min(cluster.fabric, near),
            between=self.across,
        )  # fmt: skip
