"""Which machine did a measured run have? Device and fast domain from loosely written cells.

Names that people write become keys of the catalogue. The network's words are read by `question.networks`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from cardyears.base.errors import CardyearsError
from cardyears.base.text import N_
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import AcceleratorRow
from cardyears.question.networks import Network, bandwidth

ALIASES: Mapping[str, str] = {
    "quadrortx8000": "quadro-rtx-8000",
    "rtxpro6000": "rtx-pro-6000-server",
    "rtxpro6000workstation": "rtx-pro-6000-server",
    "h100sxm": "h100-sxm-80gb",
    "h100": "h100-sxm-80gb",
    "a100": "a100-sxm-80gb",
    "a10080gb": "a100-sxm-80gb",
    "a10040gb": "a100-sxm-40gb",
    "h800": "h800-sxm-80gb",
    "h800sxm": "h800-sxm-80gb",
    "h80080gb": "h800-sxm-80gb",
    "a80080gb": "a800-sxm-80gb",
    "gh200120gb": "gh200-96gb",
    "rtx4060ti": "rtx-4060-ti-16gb",
    "rtx5060ti": "rtx-5060-ti-16gb",
    "tputrillium": "tpu-v6e",
    "tpuironwood": "tpu-v7x",
    "hl225h": "gaudi-2",
    "hl325l": "gaudi-3",
}
"""Names of the public format that the catalogue has not, and unstated forms: taken as SXM, the common one. A GH200 is
named by the memory of its processor too (120 or 480 GB), which is not that of its accelerator."""
_WORKSTATION = N_("no figures for the workstation's card: those of the server edition")
_TWO_SIZES = N_("not stated which of two memories: the larger")
TAKEN_FOR: Mapping[str, str] = {
    "rtxpro6000": _WORKSTATION,
    "rtxpro6000workstation": _WORKSTATION,
    "rtxpro6000blackwell": _WORKSTATION,
    "rtxpro6000blackwellworkstation": _WORKSTATION,
    "rtxpro6000blackwellworkstationedition": _WORKSTATION,
    "rtx4060ti": _TWO_SIZES,
    "rtx5060ti": _TWO_SIZES,
}
"""Names of cards for which another of the catalogue stands in, and why it may."""
NEAR_MEMORY = 0.09
"""How far a stated memory may be from the catalogue's: what the driver shows is less than what is sold, and binary and
decimal gigabytes are mixed up."""

BOX = 8
"""Devices of a server where nobody says."""
RACK = 72
"""Devices that one NVLink domain of an NVL72 rack joins, whatever a "node" of four is called."""
RACK_USED = 64
"""Of those, how many a job takes from each rack when it takes several: its degrees are powers of two."""
SLICES: Mapping[str, int] = {"tpu-v4": 64, "tpu-v5e": 256, "tpu-v5p": 4_096, "tpu-v6e": 256, "tpu-v7x": 4_096}
"""Chips of one slice, joined by ICI, where a run spans several and does not say of how many: the usual order."""


def device_key(name: str, catalogue: Catalogue) -> str | None:
    """The catalogue's key for a device as people write it; None where it has none.

    >>> from cardyears.catalogue.load import load
    >>> device_key("A100-80GB", load()), device_key("Ascend-910B", load()), device_key("A100-SXM-64GB", load())
    ('a100-sxm-80gb', None, None)
    """
    if name in catalogue.accelerators:
        return name
    for words in dict.fromkeys((name, bare(name))):
        found = _found(words, catalogue)
        if found is not None:
            return found
    words, memory_gb = pared(bare(name))
    found = _found(words, catalogue)
    if found is None or memory_gb is None:
        return found
    has = catalogue.accelerators[found].memory_gib
    return found if abs(memory_gb / has - 1.0) <= NEAR_MEMORY else None


def _found(words: str, catalogue: Catalogue) -> str | None:
    known = ALIASES.get(_joined(words))
    if known is not None:
        return known
    try:
        return find(words, catalogue.accelerators, "devices").key
    except CardyearsError:
        return None


@lru_cache(maxsize=1024)
def taken_for(name: str) -> str:
    """Why another card stands in for this one; "" where none does.

    >>> taken_for("NVIDIA RTX PRO 6000"), taken_for("RTX 4090")
    ("no figures for the workstation's card: those of the server edition", '')
    """
    return TAKEN_FOR.get(_joined(bare(name)), "")


def _joined(words: str) -> str:
    """A name in one word, without its maker and its marks."""
    return re.sub(r"[\s_()-]+|nvidia|geforce|intel|habana|google|cloud", "", words.casefold())


@lru_cache(maxsize=1024)
def bare(name: str) -> str:
    """A device's name without its number, the box that it stands in, and the size of its slice.

    >>> bare("8x NVIDIA H100"), bare("H100×8"), bare("HGX H100"), bare("TPU v5p-128"), bare("A100s")
    ('NVIDIA H100', 'H100', 'H100', 'TPU v5p', 'A100')
    """
    name = re.sub(r"^\s*\d+\s*[x×*]\s*|\s*[x×*]\s*\d+\s*$", "", name)
    name = re.sub(r"\b(?:dgx|hgx|hpu|accelerators?|graphics card)\b", " ", name, flags=re.IGNORECASE)
    name = re.sub(r"((?:v\d+|7)(?:\w|litepod|x)?)-\d+$", r"\1", name.strip(), flags=re.IGNORECASE)
    name = re.sub(r"(?<=\d)s$", "", name)
    return " ".join(name.split()) or name


def pared(name: str) -> tuple[str, float | None]:
    """A name without remarks, generation of the socket and memory, and the memory in gigabytes where it is stated.

    >>> pared("H200-SXM5-141GB"), pared("AMD Instinct MI300X OAM"), pared("TPU v6e (Trillium)")
    (('H200 SXM', 141.0), ('AMD Instinct MI300X', None), ('TPU v6e', None))
    """
    memory = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)\s?Gi?B?(?!\w)", name, re.IGNORECASE)
    name = name if memory is None else f"{name[: memory.start()]} {name[memory.end() :]}"
    name = re.sub(r"\(([^)]*)\)|\b(?:OAM|UBB|GCD|AC|HBM\d\w?)\b", " ", name, flags=re.IGNORECASE)
    name = re.sub(r"(SXM)\d", r"\1", name, flags=re.IGNORECASE)
    return " ".join(re.sub(r"[-_]", " ", name).split()), None if memory is None else float(memory[1])


def domain(key: str, row: AcceleratorRow, devices: int, said: Network) -> int | None:
    """Devices that a job takes of one fast network beyond the box, where it is not the whole of it; None elsewhere."""
    if row.form == "NVL72" and devices > RACK and devices % RACK_USED == 0:
        return RACK_USED
    if row.form == "TPU" and said.gbit_s is not None:
        return said.domain or SLICES.get(key)
    return None


SENT_BYTES = 2.0
"""For each parameter, into and out of each node that holds the whole model: its gradient and its new weight in 16 bits,
each of which crosses half a time at least."""


def other_port(said: Network, per_node: int, parameters: float, step_s: float | None) -> bool:
    """Whether the gradients of a model that stands in every node would take longer over this network than the step.

    Then the words are of another port than the one that joins the devices: management's.

    >>> from cardyears.question.networks import network
    >>> other_port(network("100GbE"), 8, 8e9, 0.19), other_port(network("8x 400 Gb/s"), 8, 8e9, 0.19)
    (True, False)
    """
    rate = bandwidth(said, per_node)
    if rate is None or step_s is None:
        return False
    return SENT_BYTES * parameters > step_s * rate * per_node
