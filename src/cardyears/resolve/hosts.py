"""What stands behind the devices? Host links, host memory and disks, where a layout moves state off the devices."""

from __future__ import annotations

from cardyears.machine.cluster import Cluster
from cardyears.machine.host import Host
from cardyears.resolve.defaults import Assumed

_LINKS = {"NVL72": 200e9, "superchip": 200e9}
"""Grace over NVLink-C2C: 450 GB/s one way, of which copies reach about half. Source: nvidia-gh200."""
_OLD = ("a100", "volta", "t4", "a10-class", "mi200")
"""Families on PCIe 4 or older; all later server parts have PCIe 5."""
_PCIE_4, _PCIE_5 = 25e9, 50e9
"""What copies over 16 lanes reach: about 80 % of 31 and 63 GB/s. Assumed; --assume host_link=... replaces it."""
_DESKTOP_LINKS = {"pcie-3-x16": 12.5e9, "pcie-3-x8": 6.3e9, "pcie-4-x8": 12.5e9, "pcie-5-x16": 50e9, "pcie-5-x8": 25e9}
_SERVER_MEMORY, _DESKTOP_MEMORY = 400e9, 60e9
"""Streaming from twelve to sixteen channels of DDR5 on two sockets, and from two channels on a desk. Assumed."""
_SERVER_ROOM, _DESKTOP_ROOM = 1e12, 64e9
"""Memory of a server with eight devices, and of a desktop computer; system and data take a fifth. Assumed."""
_FREE = 0.8
_DISKS = 6e9
"""One NVMe disk of PCIe 4, or several of them on a slower bus. Assumed."""
_DESKTOP_FORMS = ("PCIe", "laptop")


def host(machine: Cluster, assumed: Assumed) -> Host:
    """The host of a cluster's nodes, with whatever the person stated."""
    one, sharing = machine.device, float(min(machine.per_node, machine.count))
    server = one.form not in _DESKTOP_FORMS
    if one.form in _LINKS:
        link = _LINKS[one.form]
    elif server:
        link = _PCIE_4 if one.family in _OLD else _PCIE_5
    else:
        link = _DESKTOP_LINKS.get(one.link or "", _PCIE_4)
    memory = _SERVER_MEMORY if server or sharing >= _MANY else _DESKTOP_MEMORY
    stated = {
        key: assumed.take(key) for key in ("host_link", "host_memory", "host_room", "disk") if assumed.stated(key)
    }
    room = (_SERVER_ROOM if server or sharing >= _MANY else _DESKTOP_ROOM) * _FREE
    return Host(
        link=stated.get("host_link", link),
        memory=stated.get("host_memory", memory) / sharing,
        capacity=0.0 if one.unified_memory else stated.get("host_room", room) / sharing,
        disk=stated.get("disk", _DISKS) / sharing,
    )


_MANY = 4
"""Cards from which on a box is a server."""
