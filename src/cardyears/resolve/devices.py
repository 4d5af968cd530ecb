"""From rows of the catalogue to devices, links and clusters in SI units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from cardyears.base.errors import AmbiguousName, BadInput, UnknownName, shown
from cardyears.base.interval import Interval
from cardyears.base.sourced import Sourced
from cardyears.base.text import Text
from cardyears.base.units import GIB, GIGA, TERA
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import AcceleratorRow, LinkRow
from cardyears.machine.cluster import Cluster, Link
from cardyears.machine.device import TRAINING_DTYPES, Device
from cardyears.question.hardware import HardwareText, generic_memory
from cardyears.question.read import nominal_memory
from cardyears.resolve.defaults import Assumed

OWNED_FAMILIES = ("geforce", "radeon", "apple", "gb10", "intel-arc")
"""Families of cards that people buy for a desk; all others are usually rented."""
_NODE_SIZES = {"SXM": 8, "OAM": 8, "NVL72": 72, "TPU": 4, "superchip": 4, "instance": 16}
_BOX = 8
"""As many cards as one box holds."""


def figure(row: Any, key: str, value: float, unit: str) -> Sourced:
    """One figure of a row with its own provenance, or else the row's."""
    own = row.figures.get(key)
    return Sourced(
        value,
        unit,
        (own and own.kind) or row.kind,
        (own and own.source) or row.source,
        row.checked.isoformat(),
        (own and own.note) or "",
    )


def device(key: str, row: AcceleratorRow) -> Device:
    """A device as the sums know it."""

    def optional(name: str, value: float | None, scale: float, unit: str) -> Sourced | None:
        return None if value is None else figure(row, name, value * scale / row.dies, unit)

    return Device(
        key=key,
        name=row.name if row.dies == 1 else f"{row.name} die",
        family=row.family,
        memory=figure(row, "memory_gib", row.memory_gib * GIB / row.dies, "B"),
        peaks={
            dtype: figure(row, f"peak.{dtype}", value * TERA / row.dies, "FLOP/s")
            for dtype, value in row.peak_tflop_s.items()
        },
        bandwidth=optional("bandwidth_gb_s", row.bandwidth_gb_s, GIGA, "B/s"),
        board_w=optional("board_w", row.board_w, 1.0, "W"),
        launch_usd=optional("launch_usd", row.launch_usd, 1.0, "USD"),
        unified_memory=row.unified_memory,
        peer_to_peer=row.peer_to_peer,
        link=row.link,
        form=row.form,
    )


def link(key: str, row: LinkRow) -> Link:
    """A class of wire in SI units."""
    return Link(
        key,
        row.name,
        figure(row, "bandwidth_gb_s", row.bandwidth_gb_s * GIGA, "B/s"),
        None if row.latency_us is None else figure(row, "latency_us", row.latency_us * 1e-6, "s"),
        None if row.upload_gb_s is None else figure(row, "upload_gb_s", row.upload_gb_s * GIGA, "B/s"),
    )


def owned(family: str) -> bool:
    """Whether such a card is usually bought rather than rented."""
    return family.startswith(OWNED_FAMILIES)


def generic_device(name: str, memory_bytes: float, catalogue: Catalogue) -> Device:
    """A card of which only the memory is said: the middle of all consumer cards with the nearest memory.

    Its peak is that of the card in the middle, and its spread reaches from the slowest to the fastest.
    """
    cards = [
        device(key, row)
        for key, row in catalogue.accelerators.items()
        if owned(row.family) and row.available and row.form in ("PCIe", "laptop")
        if any(dtype in row.peak_tflop_s for dtype in TRAINING_DTYPES)
    ]
    nearest = min(abs(math.log(card.memory.value / memory_bytes)) for card in cards)
    twins = [card for card in cards if abs(math.log(card.memory.value / memory_bytes)) <= nearest + 0.01]
    twins.sort(key=_training_peak)
    middle = twins[len(twins) // 2]
    slowest, fastest = _training_peak(twins[0]), _training_peak(twins[-1])
    if nearest > SAME_MEMORY:
        slowest *= WITHOUT_TENSOR_CORES
    peak = _training_peak(middle)
    return msgspec.structs.replace(
        middle,
        key=f"generic-{memory_bytes / GIB:.0f}gib",
        name=name,
        memory=Sourced(memory_bytes, "B", "assumed", "", "", "as you said"),
        spread=Interval(slowest / peak, 1.0, fastest / peak),
        board_w=_median([card.board_w for card in twins]),
        launch_usd=_median([card.launch_usd for card in twins]),
    )


SAME_MEMORY = 0.02
"""Logarithmic distance within which two cards have the same memory."""
WITHOUT_TENSOR_CORES = 0.2
"""A card with less memory than any in the catalogue may be an older one without tensor cores: a GTX 1650 of 4 GB runs
fp16 at a fifth of the rate of an RTX 2060's tensor cores."""


def _training_peak(card: Device) -> float:
    return next(card.peaks[dtype].value for dtype in TRAINING_DTYPES if dtype in card.peaks)


def _median(figures: Sequence[Sourced | None]) -> Sourced | None:
    known = sorted((figure for figure in figures if figure is not None), key=lambda figure: figure.value)
    return known[len(known) // 2] if known else None


def cluster(words: HardwareText, catalogue: Catalogue, assumed: Assumed) -> Cluster:
    """The machine that the person named; variants and node sizes that were filled in are noted.

    Packages of several dies are counted as software sees them.
    """
    named = _named_device(words.device, catalogue, assumed)
    row = catalogue.accelerators.get(named.key)
    dies = row.dies if row is not None else 1
    per_node = words.per_node or _per_node(named, words)
    inside = catalogue.links.get(named.link or "")
    return Cluster(
        named,
        words.count * dies,
        (min(per_node, words.count) if words.per_node is None else per_node) * dies,
        link(named.link, inside) if inside is not None and named.link else None,
        _between(words, per_node, catalogue),
    )


def _named_device(name: str, catalogue: Catalogue, assumed: Assumed) -> Device:
    if name.strip().casefold() in ("mine", "this machine"):
        raise BadInput(
            Text("This machine has not been measured."),
            Text("Name its device, such as RTX 4070 Ti: cardyears devices lists all."),
        )
    if name.strip().casefold().endswith(".toml"):
        own = catalogue.on_top.get("accelerators", ())
        if len(own) != 1:
            raise BadInput(
                Text("{path} describes {n:integer} accelerators.", path=shown(name), n=len(own)),
                Text("Put exactly one table [accelerators.NAME] into it."),
            )
        return device(own[0], catalogue.accelerators[own[0]])
    memory_bytes = generic_memory(name)
    if memory_bytes is not None:
        found = generic_device(name, memory_bytes, catalogue)
        assumed.filled(
            "device",
            found.name,
            kind="derived",
            source="techpowerup",
            reason=Text("only the memory was named: the middle of the consumer cards whose memory is nearest"),
        )
        return found
    size = _UNIFIED.fullmatch(name.strip())
    if size is not None:
        shared = _unified(size["device"], nominal_memory(size["memory"]), catalogue)
        if shared is not None:
            return shared
    match = find(name, catalogue.accelerators, "devices")
    row = catalogue.accelerators[match.key]
    if match.assumed_variant:
        assumed.filled(
            "device",
            row.name,
            kind="assumed",
            source=row.source,
            reason=Text("{said} was taken as its commonest variant", said=name),
        )
    return device(match.key, row)


_UNIFIED = re.compile(r"(?P<device>.*\S)\s+(?P<memory>\d+\s?G(?:i?B))(?:\s+(?:unified|RAM|memory))?", re.IGNORECASE)
"""A part whose memory is sold in several sizes: "M2 16GB"."""


def _unified(name: str, memory_bytes: float, catalogue: Catalogue) -> Device | None:
    """A part with unified memory and the size that was named; None for any other device."""
    try:
        key = find(name, catalogue.accelerators, "devices").key
    except (UnknownName, AmbiguousName):
        return None
    found = device(key, catalogue.accelerators[key])
    if not found.unified_memory:
        return None
    memory = Sourced(memory_bytes, "B", "assumed", "", "", "as you said")
    return msgspec.structs.replace(found, name=f"{found.name} {memory_bytes / GIB:.0f}GB", memory=memory)


def _per_node(named: Device, words: HardwareText) -> int:
    """Devices in one node where nobody said: eight of a server part; consumer cards one box up to eight."""
    if named.form in _NODE_SIZES:
        return _NODE_SIZES[named.form]
    if owned(named.family) and (words.link or words.link_bandwidth_bytes_s or words.count > _BOX):
        return 1
    return _BOX


def _between(words: HardwareText, per_node: int, catalogue: Catalogue) -> Link | None:
    """What joins the nodes, as bandwidth for each device: one link a node is shared by the devices in it."""
    sharing = 1 if words.link_per_device else min(per_node, words.count)
    if words.link_bandwidth_bytes_s is not None:
        rate = Sourced(words.link_bandwidth_bytes_s / sharing, "B/s", "assumed", "", "", "as you said")
        return Link("stated", words.link or "the link that you named", rate)
    if words.link is None:
        return None
    try:
        match = find(words.link, catalogue.links, "links")
    except UnknownName as error:
        raise UnknownName(error.rule, Text("Name its bandwidth, such as 400Gb/s per gpu.")) from error
    named = link(match.key, catalogue.links[match.key])
    shared = msgspec.structs.replace(named.bandwidth, value=named.bandwidth.value / sharing)
    return msgspec.structs.replace(named, bandwidth=shared)
