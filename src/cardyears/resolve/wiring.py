"""Which wires does a machine have where nobody said? What is usual for its devices, each with a reason."""

from __future__ import annotations

from typing import NamedTuple

from cardyears.base.text import N_
from cardyears.machine.device import Device

EACH_NODE = 0.0
"""Ports for each device where the devices of a node share one."""


class Usual(NamedTuple):
    """A link that such machines usually have."""

    link: str
    ports: float
    """For each device as software sees it; `EACH_NODE`: one for the whole node."""
    reason: str


_EDR = Usual("infiniband-edr", 0.5, N_("four ports of 100 Gb/s for eight devices, as in DGX-1"))
_HDR = Usual("infiniband-hdr", 1.0, N_("one port of 200 Gb/s for each device, as in DGX A100"))
_NDR = Usual("infiniband-ndr", 1.0, N_("one port of 400 Gb/s for each device, as in DGX H100 and most servers since"))
_XDR = Usual("infiniband-xdr", 1.0, N_("one port of 800 Gb/s for each device, as in DGX B300 and GB300 NVL72"))
_SLINGSHOT = Usual("slingshot-11", 0.5, N_("four ports of 200 Gb/s for eight dies, as in Frontier"))
_GAUDI_2 = Usual("ethernet-100", 3.0, N_("the three ports of each chip that leave its box"))
_GAUDI_3 = Usual("ethernet-200", 3.0, _GAUDI_2.reason)
_POD = Usual("ethernet-100", 0.5, N_("50 Gb/s of the data centre's network for each chip, as a TPU v5p has"))
_TRAINIUM = Usual("efa-3200", 0.5, N_("the 3,200 Gb/s of an instance, shared by its 16 chips"))
_SPARK = Usual("ethernet-200", EACH_NODE, N_("the port of 200 Gb/s that each such computer has"))
_SERVER = Usual("ethernet-100", EACH_NODE, N_("one port of 100 Gb/s for each server"))
_DESK = Usual("ethernet-10", EACH_NODE, N_("one port of 10 Gb/s for each computer"))

_OF_DEVICE = {"b300": _XDR, "gb300": _XDR, "rubin": _XDR, "gaudi-2": _GAUDI_2, "gaudi-3": _GAUDI_3}
_OF_FAMILY = {
    "volta": _EDR,
    "a100": _HDR,
    "mi200": _SLINGSHOT,
    "gaudi": _GAUDI_3,
    "tpu": _POD,
    "trainium": _TRAINIUM,
    "gb10": _SPARK,
}
_SHARED_FORMS = ("PCIe", "SoC", "laptop")
"""Forms whose boxes have one network card for all devices."""


def usual_between(device: Device, *, owned: bool) -> Usual:
    """What usually joins nodes of such devices.

    >>> from cardyears.catalogue.load import load
    >>> from cardyears.resolve.devices import device
    >>> usual_between(device("h100-sxm-80gb", load().accelerators["h100-sxm-80gb"]), owned=False).link
    'infiniband-ndr'
    """
    if device.form in _SHARED_FORMS and device.family != "gb10":
        return _DESK if owned else _SERVER
    return _OF_DEVICE.get(device.key) or _OF_FAMILY.get(device.family, _NDR)


_INSIDE = {"h200-nvl": "pcie-5-x16", "tpu-v3": "tpu-ici-v3", "mi250": "infinity-fabric-mi250x"}
_INSIDE_FORM = {"SXM": "nvlink-5", "NVL72": "nvlink-5", "superchip": "nvlink-4", "OAM": "infinity-fabric-mi355x"}
_INSIDE_FORM |= {"TPU": "tpu-ici-v5p", "instance": "neuronlink-3"}


def usual_inside(device: Device) -> str:
    """Key of what usually joins such devices in a box, where their row names nothing."""
    return _INSIDE.get(device.key) or _INSIDE_FORM.get(device.form, "pcie-4-x16")


FABRICS = {"NVL72": 72}
"""Devices that one switch joins where a box, as software sees it, may hold fewer."""


def like_stated(bytes_s: float) -> str:
    """Key of the link whose latencies are taken for a bandwidth that was stated without a name."""
    return "infiniband-edr" if bytes_s >= RDMA_BYTES_S else "ethernet-10"


RDMA_BYTES_S = 10e9
"""From about 100 Gb/s on, network cards write to a device's memory by themselves."""
