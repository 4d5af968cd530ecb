"""What stands behind the devices of a node: the wire to the processor, its memory, its disk. Knows no model."""

from __future__ import annotations

import msgspec


class Host(msgspec.Struct, frozen=True):
    """Bytes per second, and bytes, for one device, with the others of its node beside it."""

    link: float
    """Between device and host memory, one direction."""
    memory: float
    """Streaming from host memory, for the part of an optimiser that the processor updates."""
    capacity: float
    """Bytes of host memory that state may move to, for each device."""
    disk: float
    """Of the node's NVMe disks, shared by its devices."""
