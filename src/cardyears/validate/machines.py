"""Which machine did a measured run have? Device, domain and network from loosely written cells.

Names that people write become keys of the catalogue, and the network's words become bandwidth for each device, so that
`resolve.devices.cluster` can make the cluster.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from cardyears.base.errors import CardyearsError
from cardyears.base.units import GIGA
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import AcceleratorRow

ALIASES: Mapping[str, str] = {
    "quadrortx8000": "quadro-rtx-8000",
    "rtxpro6000": "rtx-pro-6000-server",
    "rtxpro6000-workstation": "rtx-pro-6000-server",
    "h100-sxm": "h100-sxm-80gb",
    "h100": "h100-sxm-80gb",
    "a100": "a100-sxm-80gb",
    "a100-80gb": "a100-sxm-80gb",
    "a100-40gb": "a100-sxm-40gb",
    "h800": "h800-sxm-80gb",
    "h800-sxm": "h800-sxm-80gb",
    "h800-80gb": "h800-sxm-80gb",
    "a800-80gb": "a800-sxm-80gb",
}
"""Names of the public format that the catalogue has not, and unstated forms: taken as SXM, the common one."""

BOX = 8
"""Devices of a server where nobody says."""
RACK = 72
"""Devices that one NVLink domain of an NVL72 rack joins, whatever a "node" of four is called."""
RACK_USED = 64
"""Of those, how many a job takes from each rack when it takes several: its degrees are powers of two."""
SLICES: Mapping[str, int] = {"tpu-v4": 64, "tpu-v5e": 256, "tpu-v5p": 4_096, "tpu-v6e": 256, "tpu-v7x": 4_096}
"""Chips of one slice, joined by ICI, where a run spans several and does not say of how many: the usual order."""

_NAMED: Mapping[str, tuple[float, bool]] = {
    "gpudirect-tcpx": (800, False),
    "on-chip 100 gbe": (300, True),
    "slingshot-11 200": (200, True),
    "slingshot-11": (800, False),
    "dcn": (50, True),
}
"""Networks by name: gigabits per second, and whether each device has them or each node."""


class Network(msgspec.Struct, frozen=True):
    """What a cell says of the network."""

    gbit_s: float | None = None
    """None: the words have no rate."""
    each_device: bool = False
    """Whether the rate is one device's; else one node's."""
    domain: int | None = None
    """Devices inside one fast domain, where the words say."""
    single: bool = False
    """There is one node only."""


def network(words: str) -> Network:
    """The rate between nodes that words such as "8x HDR InfiniBand 200Gb/s per node" mean.

    Ports for storage and management do not count.

    >>> network("NVLink/NVSwitch in node, 8x HDR InfiniBand 200Gb/s per node (Selene)").gbit_s
    1600.0
    >>> network("RDMA CX-7 400 Gb/s per GPU")
    Network(gbit_s=400.0, each_device=True, domain=None, single=False)
    >>> network("8×400 Gb/s").gbit_s, network("400 Gb/s × 8").gbit_s, network("3.2 Tbps EFA").gbit_s
    (3200.0, 3200.0, 3200.0)
    """
    plain = words.casefold()
    if plain in ("single node", "none"):
        return Network(single=True)
    chips = re.search(r"(\d+)-chip slices", plain)
    domain = int(chips[1]) if chips else None
    for name, (rate, each) in _NAMED.items():
        if name in plain:
            return Network(rate, each, domain)
    clauses = [clause for clause in re.split(r"[,;]|\band\b", words) if not _aside(clause)]
    rates = [rate for rate in map(_rate, clauses) if rate is not None]
    if not rates:
        return Network(domain=domain)
    return Network(max(rates), re.search(r"per (?:gpu|device|chip)", plain) is not None, domain)


SENT_BYTES = 2.0
"""For each parameter, into and out of each node that holds the whole model: its gradient and its new weight in 16 bits,
each of which crosses half a time at least."""


def other_port(said: Network, per_node: int, parameters: float, step_s: float | None) -> bool:
    """Whether the gradients of a model that stands in every node would take longer over this network than the step.

    Then the words are of another port than the one that joins the devices: management's.

    >>> other_port(network("100GbE"), 8, 8e9, 0.19), other_port(network("8x 400 Gb/s"), 8, 8e9, 0.19)
    (True, False)
    """
    rate = bandwidth(said, per_node)
    if rate is None or step_s is None:
        return False
    return SENT_BYTES * parameters > step_s * rate * per_node


def _aside(clause: str) -> bool:
    """Whether a clause is of ports that carry no gradients."""
    return re.match(r"\s*(?:storage|management)(?!&compute)", clause, re.IGNORECASE) is not None


def _rate(clause: str) -> float | None:
    """Gigabits per second: links times their rate; gigabytes, with a capital B, are of something else."""
    found = re.search(r"(\d+(?:\.\d+)?)\s?([GT])(?:b|bit)(?:/s|/Sec|ps|E)?\b", clause)
    if found is None:
        return None
    before = re.search(r"(?<!\w)(\d+)\s?[x×](?!\w*X)", clause)
    after = re.search(r"[x×]\s?(\d+)\b", clause[found.end() :])
    links = before or after
    return float(found[1]) * (1_000.0 if found[2] == "T" else 1.0) * (int(links[1]) if links else 1)


def device_key(name: str, catalogue: Catalogue) -> str | None:
    """The catalogue's key for a device as people write it; None where it has none.

    >>> from cardyears.catalogue.load import load
    >>> device_key("A100-80GB", load()), device_key("Ascend-910B", load())
    ('a100-sxm-80gb', None)
    """
    if name in catalogue.accelerators:
        return name
    for words in dict.fromkeys((name, bare(name))):
        known = ALIASES.get(words.casefold().replace(" ", ""))
        if known is not None:
            return known
        try:
            return find(words, catalogue.accelerators, "devices").key
        except CardyearsError:
            continue
    return None


def bare(name: str) -> str:
    """A device's name without its number, the box that it stands in, and the size of its slice.

    >>> bare("8x NVIDIA H100"), bare("H100×8"), bare("HGX H100"), bare("TPU v5p-128")
    ('NVIDIA H100', 'H100', 'H100', 'TPU v5p')
    """
    name = re.sub(r"^\s*\d+\s*[x×*]\s*|\s*[x×*]\s*\d+\s*$", "", name)
    name = re.sub(r"\b(?:dgx|hgx|hpu|accelerators?|graphics card)\b", " ", name, flags=re.IGNORECASE)
    name = re.sub(r"(v\d+\w?)-\d+$", r"\1", name.strip(), flags=re.IGNORECASE)
    return " ".join(name.split()) or name


def domain(key: str, row: AcceleratorRow, devices: int, said: Network) -> int | None:
    """Devices that a job takes of one fast network beyond the box, where it is not the whole of it; None elsewhere."""
    if row.form == "NVL72" and devices > RACK and devices % RACK_USED == 0:
        return RACK_USED
    if row.form == "TPU" and said.gbit_s is not None:
        return said.domain or SLICES.get(key)
    return None


def bandwidth(said: Network, per_node: int) -> float | None:
    """Bytes per second between nodes for each device; None where the words have no rate."""
    if said.gbit_s is None:
        return None
    return said.gbit_s / (1 if said.each_device else per_node) * GIGA / 8
