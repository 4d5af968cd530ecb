"""From rows of the catalogue to devices, links and clusters in SI units."""

from __future__ import annotations

import statistics
from typing import Any

from cardyears.base.errors import BadInput, UnknownName
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
        return None if value is None else figure(row, name, value * scale, unit)

    return Device(
        key=key,
        name=row.name,
        family=row.family,
        memory=figure(row, "memory_gib", row.memory_gib * GIB, "B"),
        peaks={
            dtype: figure(row, f"peak.{dtype}", value * TERA, "FLOP/s") for dtype, value in row.peak_tflop_s.items()
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
    """A card of which only the memory is said: the middle of all consumer cards with that memory.

    Its peak is their median, and its spread reaches from the slowest to the fastest.
    """
    twins = [
        device(key, row)
        for key, row in catalogue.accelerators.items()
        if owned(row.family)
        and row.available
        and row.form in ("PCIe", "laptop")
        and abs(row.memory_gib * GIB / memory_bytes - 1) < 0.01
    ]
    memory = Sourced(memory_bytes, "B", "assumed", "", "", "as you said")
    if not twins:
        return Device(f"generic-{memory_bytes / GIB:.0f}gib", name, "all", memory)
    peaks = [peak for twin in twins if (peak := _training_peak(twin))]
    mid = statistics.median(peak.value for peak in peaks)
    middle = min(twins, key=lambda twin: abs(twin.peaks[twin.training_dtype or "fp32"].value - mid))
    board = [twin.board_w.value for twin in twins if twin.board_w]
    prices = [twin.launch_usd.value for twin in twins if twin.launch_usd]

    def median(values: list[float], unit: str) -> Sourced | None:
        return (
            Sourced(
                statistics.median(values),
                unit,
                "derived",
                middle.memory.source,
                middle.memory.checked,
                f"median of {len(values)} cards",
            )
            if values
            else None
        )

    return Device(
        f"generic-{memory_bytes / GIB:.0f}gib",
        name,
        middle.family,
        memory,
        peaks=middle.peaks,
        bandwidth=middle.bandwidth,
        board_w=median(board, "W"),
        launch_usd=median(prices, "USD"),
        spread=Interval(
            *sorted(
                (
                    min(p.value for p in peaks) / middle.peaks[middle.training_dtype or "fp32"].value,
                    1.0,
                    max(p.value for p in peaks) / middle.peaks[middle.training_dtype or "fp32"].value,
                )
            )
        ),
    )


def _training_peak(one: Device) -> Sourced | None:
    return next((one.peaks[dtype] for dtype in TRAINING_DTYPES if dtype in one.peaks), None)


def cluster(words: HardwareText, catalogue: Catalogue, assumed: Assumed) -> Cluster:
    """The machine that the person named; variants and node sizes that were filled in are noted."""
    named = _named_device(words.device, catalogue, assumed)
    per_node = words.per_node or _per_node(named, words)
    inside = catalogue.links.get(named.link or "")
    return Cluster(
        named,
        words.count,
        min(per_node, words.count) if words.per_node is None else per_node,
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
        rows = catalogue.with_file(name).accelerators
        own = {
            key: row
            for key, row in rows.items()
            if key not in catalogue.accelerators or row != catalogue.accelerators[key]
        }
        if len(own) != 1:
            raise BadInput(
                Text("{path} describes {n:integer} accelerators.", path=name, n=len(own)),
                Text("Put exactly one table [accelerators.NAME] into it."),
            )
        return device(*own.popitem())
    memory_bytes = generic_memory(name)
    if memory_bytes is not None:
        found = generic_device(name, memory_bytes, catalogue)
        assumed.filled(
            "device",
            found.name,
            kind="derived",
            source="techpowerup",
            reason=Text("only the memory was named: the middle of the consumer cards that have it"),
        )
        return found
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


def _per_node(named: Device, words: HardwareText) -> int:
    """Devices in one node where nobody said: eight of a server part; consumer cards one box up to eight."""
    if named.form in _NODE_SIZES:
        return _NODE_SIZES[named.form]
    if owned(named.family) and (words.link or words.link_bandwidth_bytes_s or words.count > _BOX):
        return 1
    return _BOX


def _between(words: HardwareText, per_node: int, catalogue: Catalogue) -> Link | None:
    """What joins the nodes: a named class of wire, or a bandwidth; as bandwidth for each device."""
    if words.link_bandwidth_bytes_s is not None:
        sharing = 1 if words.link_per_device else per_node
        rate = Sourced(words.link_bandwidth_bytes_s / sharing, "B/s", "assumed", "", "", "as you said")
        return Link("stated", words.link or "the link that you named", rate)
    if words.link is None:
        return None
    try:
        match = find(words.link, catalogue.links, "links")
    except UnknownName as error:
        raise UnknownName(error.rule, Text("Name its bandwidth, such as 400Gb/s per gpu.")) from error
    return link(match.key, catalogue.links[match.key])
