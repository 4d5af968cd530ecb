"""From rows of the catalogue to devices, links and clusters in SI units."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cardyears.base.errors import AmbiguousName, BadInput, Contradiction, UnknownName, shown
from cardyears.base.interval import Interval
from cardyears.base.sourced import Sourced
from cardyears.base.text import N_, Text
from cardyears.base.units import GIB, GIGA, TERA
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import AcceleratorRow, LinkRow
from cardyears.machine.cluster import Cluster, Link
from cardyears.machine.device import TRAINING_DTYPES, Device
from cardyears.question.hardware import HardwareText, generic_memory
from cardyears.question.networks import BITS, generation, network
from cardyears.question.read import nominal_memory
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.wiring import EACH_NODE, FABRICS, like_stated, usual_between, usual_inside

OWNED_FAMILIES = ("geforce", "radeon", "apple", "gb10", "intel-arc")
"""Families of cards that people buy for a desk; all others are usually rented."""
_NODE_SIZES = {"SXM": 8, "OAM": 8, "NVL72": 72, "TPU": 4, "superchip": 4, "instance": 16, "SoC": 1, "laptop": 1}
BOX = 8
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
        ecc=row.ecc,
        peer_to_peer=row.peer_to_peer,
        link=row.link,
        form=row.form,
    )


def link(key: str, links: Mapping[str, LinkRow]) -> Link:
    """A class of wire in SI units; what was not measured of it is taken from the link that its row names."""
    row = links[key]

    def attained(name: str, scale: float, unit: str) -> Sourced | None:
        value = getattr(row, name)
        if value is not None:
            return figure(row, name, value * scale, unit)
        other = links.get(row.like or "")
        value = getattr(other, name, None)
        if other is None or value is None:
            return None
        source = figure(other, name, value * scale, unit).source
        return Sourced(value * scale, unit, "assumed", source, row.checked.isoformat(), f"As {other.name}.")

    return Link(
        key,
        row.name,
        figure(row, "bandwidth_gb_s", row.bandwidth_gb_s * GIGA, "B/s"),
        None if row.latency_us is None else figure(row, "latency_us", row.latency_us * MICRO, "s"),
        None if row.upload_gb_s is None else figure(row, "upload_gb_s", row.upload_gb_s * GIGA, "B/s"),
        attained("attained_share", 1.0, ""),
        attained("hop_us", MICRO, "s"),
        attained("call_us", MICRO, "s"),
        attained("ramp_us", MICRO, "s"),
        attained("in_switch_gain", 1.0, ""),
        attained("crowding", 1.0, ""),
        row.peers or 0,
        row.axes or 0,
        row.joins or 0,
    )


MICRO = 1e-6


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


def cluster(words: HardwareText, catalogue: Catalogue, assumed: Assumed, *, linked: bool = False) -> Cluster:
    """The machine that the person named; variants and node sizes that were filled in are noted.

    Packages of several dies are counted as software sees them. A `linked` one has a link to other machines in any case.
    """
    if words.second is not None:
        raise Contradiction(
            Text("Only cardyears plan takes two kinds of device, and two are named: {machine}.", machine=words.written),
            Text("Name one of them, or ask cardyears plan, which shares a training out to both."),
        )
    named = _named_device(words.device, catalogue, assumed)
    row = catalogue.accelerators.get(named.key)
    dies = row.dies if row is not None else 1
    per_node = words.per_node or _per_node(named, words)
    held = (min(per_node, words.count) if words.per_node is None else per_node) * dies
    inside = _inside(named, held, catalogue, assumed)
    fabric = max(FABRICS.get(named.form, 0), inside.joins if inside else 0)
    sharing = min(per_node, words.count) * dies
    between = _between(words, sharing, catalogue)
    if between is None and (linked or words.count * dies > max(held, fabric)):
        between = _usual_between(named, sharing, catalogue, assumed)
    return Cluster(named, words.count * dies, held, inside, between, fabric)


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
    if owned(named.family) and (words.link or words.link_bandwidth_bytes_s or words.count > BOX):
        return 1
    return BOX


def _inside(named: Device, held: int, catalogue: Catalogue, assumed: Assumed) -> Link | None:
    """What joins the devices of one node: as stated, by the device's row, or usual for its form."""
    if assumed.stated("inside_link"):
        return _named_link(assumed.take("inside_link"), catalogue)
    if named.link is not None and named.link in catalogue.links:
        return link(named.link, catalogue.links)
    if held == 1:
        return None
    found = link(usual_inside(named), catalogue.links)
    reason = Text("no source says what joins {device} in a box: what is usual for its form", device=named.name)
    assumed.filled("inside_link", found.name, kind="assumed", source=found.bandwidth.source, reason=reason)
    return found


def _between(words: HardwareText, sharing: int, catalogue: Catalogue) -> Link | None:
    """What joins the nodes, as bandwidth for each device: one link a node is shared by the devices in it."""
    ports = 1.0 if words.link_per_device else 1.0 / sharing
    if words.link_bandwidth_bytes_s is not None:
        return _with_ports(_stated_link(words.link, words.link_bandwidth_bytes_s, catalogue), ports)
    return (
        None if words.link is None else _link_of_words(words.link, ports, catalogue, each_device=words.link_per_device)
    )


def _link_of_words(words: str, ports: float, catalogue: Catalogue, *, each_device: bool) -> Link:
    """The catalogue's link of that name, or of the generation of ports that the words name, or one of their rate."""
    key = _link_key(words, catalogue)
    if key is not None:
        return _ports_of(key, ports, catalogue, each_device=each_device)
    said = network(words, asked=True)
    if said.gbit_s is None:
        return _ports_of(_named_link(words, catalogue).key, ports, catalogue, each_device=each_device)
    found = _stated_link(words, said.gbit_s * GIGA / BITS, catalogue)
    return _with_ports(found, 1.0 if said.each_device else ports)


def _ports_of(key: str, ports: float, catalogue: Catalogue, *, each_device: bool) -> Link:
    """A link of the catalogue, of which a node has one: its ports are all of them where the row is a device's part.

    What joins devices in a box is each device's own, between boxes too (a rack of trays).
    """
    row = catalogue.links[key]
    if row.scope == "node":
        return link(key, catalogue.links)
    return _with_ports(link(key, catalogue.links), (1.0 if each_device else row.shared_by or 1.0) * ports)


def _stated_link(name: str | None, bytes_s: float, catalogue: Catalogue) -> Link:
    """A link of a stated bandwidth, with the latencies of the one named beside it or of one about as fast."""
    rate = Sourced(bytes_s, "B/s", "assumed", "", "", "as you said")
    like = link(_link_key(name or "", catalogue) or like_stated(bytes_s), catalogue.links)
    return msgspec.structs.replace(
        like, key="stated", name=name or N_("the link that you named"), bandwidth=rate, upload=None
    )


def _link_key(words: str, catalogue: Catalogue) -> str | None:
    """Key of the link that words name, by its name or by its generation; None where they name none."""
    for name in (words, generation(words)):
        try:
            return find(name, catalogue.links, "links").key
        except (UnknownName, AmbiguousName):
            continue
    return None


def _named_link(name: str, catalogue: Catalogue) -> Link:
    try:
        match = find(name, catalogue.links, "links")
    except UnknownName as error:
        raise UnknownName(error.rule, Text("Name its bandwidth, such as 400Gb/s per gpu.")) from error
    return link(match.key, catalogue.links)


def _with_ports(wire: Link, ports: float) -> Link:
    """The link of one device that has so many ports of it, or so small a share of one."""

    def scaled(rate: Sourced) -> Sourced:
        return msgspec.structs.replace(rate, value=rate.value * ports)

    upload = scaled(wire.upload) if wire.upload else None
    return msgspec.structs.replace(wire, bandwidth=scaled(wire.bandwidth), upload=upload)


def _usual_between(named: Device, sharing: int, catalogue: Catalogue, assumed: Assumed) -> Link:
    """What joins the nodes where nobody said: as stated among the assumptions, or usual for such devices."""
    if assumed.stated("link"):
        key = _named_link(assumed.take("link"), catalogue).key
        return _ports_of(key, 1.0 / sharing, catalogue, each_device=False)
    usual = usual_between(named, owned=owned(named.family))
    found = link(usual.link, catalogue.links)
    assumed.filled("link", found.name, kind="assumed", source=found.bandwidth.source, reason=Text(usual.reason))
    return _with_ports(found, 1.0 / sharing if usual.ports == EACH_NODE else usual.ports)


def usable_assumption(machine: Device, assumed: Assumed) -> str:
    """Key of the assumption on the share of a device's memory that one training process may take."""
    if machine.unified_memory:
        return "usable_unified_memory"
    return "usable_ecc_memory" if machine.ecc and not assumed.stated("usable_memory") else "usable_memory"
