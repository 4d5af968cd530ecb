"""Two kinds of device in one machine: where does each stand, and what joins them?"""

from __future__ import annotations

import msgspec

from cardyears.base.text import Text
from cardyears.catalogue.load import Catalogue
from cardyears.machine.cluster import Cluster, Link, Pair
from cardyears.question.hardware import HardwareText
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import BOX, cluster, owned


def pair(words: HardwareText, catalogue: Catalogue, assumed: tuple[Assumed, Assumed]) -> Pair:
    """The machine that the person named, kind by kind.

    Every kind has nodes of its own, joined by the slower of both networks; up to eight consumer cards of which nothing
    is said stand in one box, joined by the slower of both buses.
    """
    assert words.second is not None
    said = (msgspec.structs.replace(words, second=None), words.second)
    alone = [cluster(one, catalogue, Assumed({})) for one in said]
    count = sum(one.count for one in alone)
    desks = all(owned(one.device.family) and one.between is None for one in alone)
    if desks and count <= BOX and all(one.per_node is None for one in said):
        boxed = [msgspec.structs.replace(one, count=count, per_node=count) for one in said]
        made = [cluster(one, catalogue, each) for one, each in zip(boxed, assumed, strict=True)]
        kinds = [msgspec.structs.replace(one, count=of.count) for one, of in zip(made, alone, strict=True)]
        wires = [one.inside for one in kinds if one.inside is not None]
    else:
        kinds = [cluster(one, catalogue, each, linked=True) for one, each in zip(said, assumed, strict=True)]
        wires = [one.between for one in kinds if one.between is not None]
    boxed_up = all(one.between is None for one in kinds)
    across = min(wires, key=_bandwidth)
    if boxed_up:
        assumed[0].filled(
            "box", count, kind="assumed", source="", unit="",
            reason=Text("consumer cards of which nothing else is said stand in one box, over its slower bus"),
        )  # fmt: skip
    one, other = kinds
    return Pair((one, other), across, boxed_up, (_maker(one, catalogue), _maker(other, catalogue)))


def _maker(one: Cluster, catalogue: Catalogue) -> str:
    row = catalogue.accelerators.get(one.device.key)
    return "" if row is None else row.vendor


def _bandwidth(wire: Link) -> float:
    """Of the slower direction."""
    return min(wire.bandwidth.value, wire.upload.value) if wire.upload else wire.bandwidth.value
