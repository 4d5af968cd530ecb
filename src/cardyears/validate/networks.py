"""How fast is what joins the nodes? From a cell's words: rates of ports, counts of them, generations, names.

This file knows no device and no catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from cardyears.base.units import GIGA

BITS = 8
"""Of a byte."""
MANY_LINKS = 4
"""Devices of the smallest node of which one says "so many times, per device" and means its devices."""
_FIRST: Mapping[str, tuple[float, bool]] = {"on-chip 100 gbe": (300, True)}
"""Names whose words have a rate that is not the whole."""
_NAMED: Mapping[str, tuple[float, bool]] = {
    "gpudirect-tcpx": (800, False),
    "slingshot-11": (800, False),
    "slingshot 11": (800, False),
    "dcn": (50, True),
}
"""Networks by name: gigabits per second, and whether each device has them or each node."""
GENERATIONS: Mapping[str, float] = {"fdr": 56, "edr": 100, "hdr": 200, "ndr": 400, "xdr": 800}
"""Gigabits per second of an InfiniBand port of four lanes. Source: InfiniBand Trade Association's roadmap."""
_KNOWN = re.compile(
    r"\b(?:single|none|nvl\d*|nvlink\w*|nvswitch|ici|dcn|infiniband|ib|ethernet|roce\w*|rdma|efa\w*|pcie|slingshot\w*|"
    r"omni-?path|opa|[fehnx]dr\d*|tcpx\w*|connectx\S*|torus|intra.?node)\b",
    re.IGNORECASE,
)
"""Words for what joins devices that have no rate: the usual one is taken then."""
_RATE = re.compile(
    r"(?<![\w.])(?:\d+\s?[x×*]\s?)?(\d+(?:\.\d+)?)\s?(?:(?P<bytes>GBps|GB/s)|(?P<scale>[GTgt])(?:igabits?|igaE|igE|bit|b)?(?:/s|/[Ss]ec|ps|E)?)"
    r"(?![\w])"
)
"""A capital B is a byte; G and T alone are of bits, as ports are sold by them."""
_BARE = re.compile(r"\b(?:efa\w*|infiniband|ib|opa|omni-path|roce\w*)\s+(?:\d+\s?[x×]\s?)?(\d{2,4})\b", re.IGNORECASE)
"""A number behind a network's name: gigabits per second."""
_GENERATION = re.compile(r"(?<![a-wyz])([fehnx]dr)[\s-]?(\d{2,3})?(?![\w])", re.IGNORECASE)
_BEFORE = re.compile(r"(?<!\w)(\d+)\s?(?:[x×*](?!\w*X)|(?:nics?|ports?|rails?|hcas?|links?)\b)", re.IGNORECASE)
_AFTER = re.compile(
    r"(?:[x×*]\s?(?P<times>\d+)\b|\b(?P<each>\d+)\s?(?:per |/\s?)(?:node|server|host)\b)", re.IGNORECASE
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ONE_CLAUSE = re.compile(r"[,;](?=\s*\d+\s?(?:per |/\s?)(?:node|server|host)\b)", re.IGNORECASE)
"""A comma between ports and how many there are of them."""
_EACH = re.compile(r"(?:per |/\s?)(?:gpu|device|chip|card|accelerator)", re.IGNORECASE)
_ANY_OWNER = re.compile(r"(?:per |/\s?)(?:gpu|device|chip|card|accelerator|node|server|host)", re.IGNORECASE)
_SINGLE = re.compile(r"none|(?:single|one|1)[ -]?node.*|intra[ -]?node.*", re.IGNORECASE)


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
    counted: bool = True
    """Whether the words say how many ports there are; else there is taken to be one for each device."""


@lru_cache(maxsize=1024)
def network(words: str) -> Network:
    """The rate between nodes that words such as "8x HDR InfiniBand 200Gb/s per node" mean.

    Ports for storage and management do not count.

    >>> network("NVLink/NVSwitch in node, 8x HDR InfiniBand 200Gb/s per node (Selene)").gbit_s
    1600.0
    >>> network("RDMA CX-7 400 Gb/s per GPU")
    Network(gbit_s=400.0, each_device=True, domain=None, single=False, counted=True)
    >>> network("8×400G").gbit_s, network("400 Gb/s × 8").gbit_s, network("3.2 Tbps EFA").gbit_s
    (3200.0, 3200.0, 3200.0)
    >>> network("1,600 Gb/s").gbit_s, network("10 Gigabit Ethernet").gbit_s, network("10GigE").gbit_s
    (1600.0, 10.0, 10.0)
    >>> network("400Gb NDR, 8 per node").gbit_s, network("8 x 400 Gbps per GPU").gbit_s
    (3200.0, 400.0)

    A rate is that of a node unless it is said to be a device's; a generation alone is a port for each device:

    >>> [network(words).each_device for words in ("NDR", "NDR400", "HDR200", "400Gb NDR", "400Gb NDR per GPU")]
    [True, True, True, False, True]
    >>> network("50 GB/s per GPU").gbit_s, network("4x HDR").gbit_s, network("IB NDR").each_device
    (400.0, 800.0, True)
    """
    words = _ONE_CLAUSE.sub(" ", _THOUSANDS.sub("", words))
    plain = words.casefold().strip()
    if _SINGLE.fullmatch(plain):
        return Network(single=True)
    chips = re.search(r"(\d+)-chip slices", plain)
    domain = int(chips[1]) if chips else None
    each = _EACH.search(plain) is not None
    for name, (rate, of_device) in _FIRST.items():
        if name in plain:
            return Network(rate, of_device, domain)
    clauses = [clause for clause in re.split(r"[,;]|\band\b|\s\+\s", words) if not _aside(clause)]
    rates = [rate for rate in (_rate(clause, each=each) for clause in clauses) if rate is not None]
    if rates:
        return Network(max(rates), each, domain)
    for name, (rate, of_device) in _NAMED.items():
        if name in plain:
            return Network(rate, of_device, domain)
    ports = [found for found in map(_ports, clauses) if found is not None]
    if not ports:
        return Network(domain=domain)
    rate, counted = max(ports)
    return Network(rate, each or not counted, domain, counted=counted)


def is_unheard(words: str) -> bool:
    """Whether words say nothing of a network that is known here.

    >>> is_unheard("carrier pigeons"), is_unheard("InfiniBand"), is_unheard("8x400G")
    (True, False, False)
    """
    said = network(words)
    return bool(words) and not (said.gbit_s or said.single or said.domain or _KNOWN.search(words))


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


def _rate(clause: str, *, each: bool = False) -> float | None:
    """Gigabits per second: links times their rate. Gigabytes count where they are somebody's or the whole clause.

    Of a rate that is each device's, eight links are the node's eight devices.
    """
    found = _RATE.search(clause)
    if found is None:
        bare = _BARE.search(clause)
        return None if bare is None else float(bare[1]) * _links(clause, bare.end())
    links = _links(clause, found.end())
    rate = float(found[1]) * (1 if each and links >= MANY_LINKS else links)
    if found["bytes"]:
        whole = found[0].strip() == clause.strip() or _ANY_OWNER.search(clause) is not None
        return rate * BITS if whole else None
    return rate * (1_000.0 if found["scale"] in "Tt" else 1.0)


def _ports(clause: str) -> tuple[float, bool] | None:
    """Gigabits per second of a clause that names a generation of ports, and whether it says how many there are."""
    found = _GENERATION.search(clause)
    if found is None:
        return None
    own = GENERATIONS[found[1].casefold()]
    rate = float(found[2] or own)
    counted = _BEFORE.search(clause) is not None or _AFTER.search(clause[found.end() :]) is not None
    return rate * _links(clause, found.end()), counted or rate != own


def _links(clause: str, end: int) -> int:
    """Links that a clause counts before its rate or behind it; one where it counts none."""
    before, after = _BEFORE.search(clause), _AFTER.search(clause[end:])
    if before:
        return int(before[1])
    return int(after["times"] or after["each"]) if after else 1


def bandwidth(said: Network, per_node: int) -> float | None:
    """Bytes per second between nodes for each device; None where the words have no rate."""
    if said.gbit_s is None:
        return None
    return said.gbit_s / (1 if said.each_device else per_node) * GIGA / BITS
