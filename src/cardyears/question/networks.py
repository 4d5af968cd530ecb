"""How fast is what joins the nodes? From words: rates of ports, counts of them, generations, names.

The one reader of such words: of what follows "over" in a question, and of the cells of a table of measured runs. This
file knows no device and no catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from cardyears.base.errors import UnreadableValue
from cardyears.base.text import Text
from cardyears.base.units import GIGA
from cardyears.question.numbers import NUMBER, plain
from cardyears.question.read import DATA_UNIT, PER_SECOND, read_bandwidth

BITS = 8
"""Of a byte."""
SHOWN = 60
"""Characters of what somebody wrote that a sentence repeats."""
LONGEST = 1_000
"""Characters that are looked at: whoever writes more writes of something else, and digits without end take minutes."""
FASTEST = 1e6
"""Gigabits per second beyond which words are of no network: a thousand of the fastest ports in one node."""
MANY_LINKS = 4
"""Devices of the smallest node of which one says "so many times, per device" and means its devices."""
USUAL_NODE = 8
"""Devices of a node where nobody says how many: so many links are theirs."""
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
_FULL = re.compile(rf"(?<![\w.])(?<!\d/){NUMBER}[\s-]?{DATA_UNIT}{PER_SECOND}(?!\w)", re.ASCII | re.IGNORECASE)
"""A rate in any unit, with its time: "100 Mb/s"."""
_BARE = re.compile(r"\b(?:efa\w*|infiniband|ib|opa|omni-path|roce\w*)\s+(?:\d+\s?[x×]\s?)?(\d{2,4})\b", re.IGNORECASE)
"""A number behind a network's name: gigabits per second."""
_GENERATION = re.compile(r"(?<![a-wyz])([fehnx]dr)[\s-]?(\d{2,3})?(?![\w])", re.IGNORECASE)
_COUNT = r"(?<![\w.])(\d{1,3})\s?(?:[x×*]|(?:nics?|ports?|rails?|hcas?|links?)\b)"
_BEFORE = re.compile(_COUNT, re.IGNORECASE)
_AFTER = re.compile(
    r"(?:[x×*]\s?(?P<times>\d{1,3})\b|\b(?P<each>\d{1,3})\s?(?:per |/\s?)(?:node|server|host)\b)", re.IGNORECASE
)
_UNIT = r"\s?[kmgt](?:igabits?|igae|ige|bits?|bps|ps|b)?(?:/s(?:ec)?)?(?!\w)"
_TOKEN = r"(?<![\w.\-−–])\d[\d.]*"
_NO_COUNT = re.compile(
    r"^\s*[-−–]\s?\d|(?<![\w)/])[-−–]\d|"  # a sign; a dash between words and a number is none
    rf"{_TOKEN}(?:{_UNIT})?[-−–]\d|{_TOKEN}{_UNIT}\s[-−–]\s\d[\d.]*{_UNIT}|"  # a range
    r"\d\.\d+\s?[x×*](?!large)|"  # a part of a port
    rf"\d{{4,}}\s?[x×*]|[x×*]\s?\d{{4,}}(?!\d|\.|{_UNIT})|"  # thousands of them
    r"(?<![\w.])0+\s?[x×*]|[x×*]\s?0+(?![\d.])|^\s*[x×*]\s?\d",  # none, nothing that is counted
    re.IGNORECASE,
)
"""What stands where the number of ports or their rate would, and is neither."""
_LANES = re.compile(rf"(?<=\d\.\d)\s?[x×]\s?\d{{1,2}}(?![\w.]|{_UNIT})", re.IGNORECASE)
"""Lanes behind a version, as in "PCIe 4.0 x16": no ports."""
_NO_NETWORK = re.compile(
    r"(?<!\w)(?:[a-z]\d\w*-\w+-\d+g|[a-z]\w*\.\d+xlarge|20\d\d-\d\d(?:-\d\d)?)(?!\w)", re.IGNORECASE
)
"""Machines of clouds, as "p5.48xlarge" and "a3-megagpu-8g", and dates."""
LARGEST_PORT = 800.0
"""Gigabits per second of one port; a faster rate is of several, and what counts them elsewhere counts them twice."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ONE_CLAUSE = re.compile(
    rf"[,;](?=\s*\d+\s?(?:per |/\s?)(?:node|server|host)\b|\s*(?:each\b|{_TOKEN}{_UNIT}\s+each\b))|"
    rf"(?<=each)[,;](?=\s*{_COUNT})",
    re.IGNORECASE,
)
"""A comma between ports and how many there are of them, or how fast each is."""
_ONE_LINK = re.compile(r"\beach\b", re.IGNORECASE)
"""What says that a rate is one link's."""
_EACH = re.compile(r"(?:per |/\s?)(?:gpu|device|chip|card|accelerator)", re.IGNORECASE)
_ANY_OWNER = re.compile(r"(?:per |/\s?)(?:gpu|device|chip|card|accelerator|node|server|host)", re.IGNORECASE)
_SINGLE = re.compile(r"none|(?:single|one|1)[ -]?node.*|intra[ -]?node.*", re.IGNORECASE)


class Network(msgspec.Struct, frozen=True):
    """What words say of the network."""

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
    rate: str = ""
    """The words of the rate, as in "400Gb/s" of "8x 400Gb/s InfiniBand", or of the ports that are counted, as in "4x
    HDR"; "" where only a name says how fast it is, as "EFA 3200" does."""
    name: str = ""
    """The words beside a rate."""


class _Part(NamedTuple):
    """The rate that one clause has, its words, and those beside it."""

    gbit_s: float
    rate: str
    name: str
    counted: bool = True


@lru_cache(maxsize=1024)
def network(words: str, *, asked: bool = False, of_device: bool = False) -> Network:
    """The rate between nodes that words such as "8x HDR InfiniBand 200Gb/s per node" mean.

    Ports for storage and management do not count.

    >>> network("NVLink/NVSwitch in node, 8x HDR InfiniBand 200Gb/s per node (Selene)").gbit_s
    1600.0
    >>> found = network("RDMA CX-7 400 Gb/s per GPU")
    >>> found.gbit_s, found.each_device, found.rate, found.name
    (400.0, True, '400 Gb/s', 'RDMA CX-7')
    >>> network("8×400G").gbit_s, network("400 Gb/s × 8").gbit_s, network("3.2 Tbps EFA").gbit_s
    (3200.0, 3200.0, 3200.0)
    >>> network("1,600 Gb/s").gbit_s, network("10 Gigabit Ethernet").gbit_s, network("10GigE").gbit_s
    (1600.0, 10.0, 10.0)
    >>> network("400Gb NDR, 8 per node").gbit_s, network("8 x 400 Gbps per GPU").gbit_s
    (3200.0, 400.0)

    A rate is that of a node unless it is said to be a device's, here or elsewhere (`of_device`). Two meanings differ
    with the place. In the cell of a table, a generation alone is a port for each device, and bytes count where they are
    somebody's or all that is said: such a cell tells of the whole machine. Where what joins the nodes was `asked` for,
    as behind "over", the words are of one link for each node, all bytes count, and a rate that may be of bits or of
    bytes raises `UnreadableValue` unless a network is named beside it:

    >>> [network(words).each_device for words in ("NDR", "NDR400", "HDR200", "400Gb NDR", "400Gb NDR per GPU")]
    [True, True, True, False, True]
    >>> [network(words, asked=True).each_device for words in ("NDR", "400Gb NDR", "400Gb NDR per GPU")]
    [False, False, True]
    >>> network("50 GB/s per GPU").gbit_s, network("4x HDR").gbit_s, network("IB NDR").each_device
    (400.0, 800.0, True)

    A sign, a range, a part of a port or none of them is no network, and behind "over" raises `UnreadableValue`, as do
    two generations at once, and a count of links that each device is said to have: it may be the node's.
    """
    words = _cleaned(words)
    folded = words.casefold()
    if _SINGLE.fullmatch(folded):
        return Network(single=True)
    if _NO_COUNT.search(words) or (asked and len(_generations(words)) > 1 and not _RATE.search(words)):
        return _not_read(words, asked=asked)
    chips = re.search(r"(?<!\d)(\d{1,6})-chip slices", folded)
    domain = int(chips[1]) if chips else None
    each = of_device or _EACH.search(folded) is not None
    for name, (rate, owned) in _FIRST.items():
        if name in folded:
            return Network(rate, owned, domain)
    clauses = [clause for clause in re.split(r"[,;]|\band\b|\s\+\s", words) if not _aside(clause)]
    rates = [part for part in (_rate(clause, each=each, asked=asked) for clause in clauses) if part is not None]
    if rates:
        best = max(rates)
        return Network(best.gbit_s, each, domain, rate=best.rate, name=best.name)
    for name, (rate, owned) in _NAMED.items():
        if name in folded:
            return Network(rate, owned, domain)
    return _of_generations(clauses, domain, each=each, asked=asked)


def _cleaned(words: str) -> str:
    """Words in one spelling, without what only looks like a count."""
    return _ONE_CLAUSE.sub(" ", _THOUSANDS.sub("", _LANES.sub(" ", _NO_NETWORK.sub(" ", plain(words[:LONGEST])))))


def _generations(words: str) -> set[str]:
    """The generations of ports that words name."""
    return {found[1].casefold() for found in _GENERATION.finditer(words)}


def _of_generations(clauses: list[str], domain: int | None, *, each: bool, asked: bool) -> Network:
    """What clauses without a rate say by the generation of their ports; who is asked has no other words beside it."""
    alone = [clause for clause in clauses if not asked or _of_network_alone(clause)]
    ports = [part for part in (_ports(clause, each=each, asked=asked) for clause in alone) if part is not None]
    if not ports:
        return Network(domain=domain)
    best = max(ports)
    of_device = each or not (best.counted or asked)
    return Network(best.gbit_s, of_device, domain, counted=best.counted, rate=best.rate, name=best.name)


def names_network(words: str) -> bool:
    """Whether words name a kind of network, so that its "400G" are of bits.

    >>> names_network("400G NDR"), names_network("400G")
    (True, False)
    """
    return _KNOWN.search(words) is not None


def is_unheard(words: str) -> bool:
    """Whether words say nothing of a network that is known here.

    >>> is_unheard("carrier pigeons"), is_unheard("InfiniBand"), is_unheard("8x400G")
    (True, False, False)
    """
    said = network(words)
    named = names_network(words) and not _NO_COUNT.search(_cleaned(words))
    return bool(words) and not (said.gbit_s or said.single or said.domain or named)


def generation(words: str) -> str:
    """The full name of the generation of ports that words name alone, without a rate of its own; "" for others.

    >>> generation("IB NDR"), generation("NDR400"), generation("HDR100"), generation("EFA")
    ('InfiniBand NDR', 'InfiniBand NDR', '', '')
    """
    found = _GENERATION.search(words)
    if found is None or float(found[2] or GENERATIONS[found[1].casefold()]) != GENERATIONS[found[1].casefold()]:
        return ""
    return f"InfiniBand {found[1].upper()}" if _of_network_alone(words) else ""


def _of_network_alone(words: str) -> bool:
    """Whether words name one generation of ports and nothing else that is unknown here.

    >>> [_of_network_alone(words) for words in ("4x HDR InfiniBand", "hdr nonsense", "HDR/NDR")]
    [True, False, False]
    """
    rest = _AFTER.sub(" ", _BEFORE.sub(" ", _ANY_OWNER.sub(" ", words)))
    return len(_generations(rest)) == 1 and re.search(r"\w", _KNOWN.sub(" ", _GENERATION.sub(" ", rest))) is None


def _not_read(words: str, *, asked: bool) -> Network:
    """Nothing is known of words that are no rate and no count of ports; who is asked hears so."""
    if not asked:
        return Network()
    raise UnreadableValue(
        Text('hardware: "{written}" behind "over" is no rate of a link.', written=words[:SHOWN]),
        Text("Write it as in 400Gb/s per gpu, 8x 400Gb/s or NDR."),
    )


def _aside(clause: str) -> bool:
    """Whether a clause is of ports that carry no gradients."""
    return re.match(r"\s*(?:storage|management)(?!&compute)", clause, re.IGNORECASE) is not None


def _rate(clause: str, *, each: bool, asked: bool) -> _Part | None:
    """Gigabits per second: links times their rate."""
    found = _RATE.search(clause)
    if found is None:
        return _plainer(clause, each=each, asked=asked)
    if asked and not names_network(clause):
        read_bandwidth(_written(found))
    rate = float(found[1])
    if found["bytes"]:
        whole = found[0].strip() == clause.strip() or _ANY_OWNER.search(clause) is not None
        if not (whole or asked):
            return None
        rate *= BITS
    elif found["scale"] in "Tt":
        rate *= 1_000.0
    return _part(clause, found, rate, each=each, asked=asked)


def _plainer(clause: str, *, each: bool, asked: bool) -> _Part | None:
    """A rate in another unit, or a number behind a network's name."""
    full = _FULL.search(clause)
    if full is not None:
        try:
            return _part(clause, full, read_bandwidth(full[0]) * BITS / GIGA, each=each, asked=asked)
        except UnreadableValue:
            if asked:
                raise
    bare = _BARE.search(clause)
    part = None if bare is None else _part(clause, bare, float(bare[1]), each=each, asked=asked)
    return None if part is None else part._replace(rate="", name=clause.strip())


def _written(found: re.Match[str]) -> str:
    """The words of a rate without the number of its links."""
    return _BEFORE.sub("", found[0]).strip()


def _part(clause: str, found: re.Match[str], rate: float, *, each: bool, asked: bool) -> _Part | None:
    """So many links of this rate, with its words and those beside it.

    Of a rate that is each device's, eight links are the node's eight devices; who is asked can say which is meant.
    """
    behind = clause[found.end() :].lstrip()
    counted = _BEFORE.match(found[0]) or _AFTER.match(behind) or _ONE_LINK.search(clause)
    links = 1 if rate > LARGEST_PORT and not counted else _links(clause, found.end())
    if asked and each and links >= MANY_LINKS and links != USUAL_NODE:
        raise UnreadableValue(
            Text(
                'hardware: "{written}" may count the links of each device or of a node.', written=clause.strip()[:SHOWN]
            ),
            Text("Write what each device has, as in 400Gb/s per gpu, or a node, as in 8x 400Gb/s per node."),
        )
    rate *= 1 if each and links >= MANY_LINKS else links
    if not 0.0 < rate <= FASTEST:
        return None
    beside = f"{_BEFORE.sub('', clause[: found.start()])} {_AFTER.sub('', clause[found.end() :])}"
    name = " ".join(_ONE_LINK.sub("", _ANY_OWNER.sub("", beside)).split())
    return _Part(rate, _written(found), name)


def _ports(clause: str, *, each: bool, asked: bool) -> _Part | None:
    """Gigabits per second of a clause that names a generation of ports."""
    found = _GENERATION.search(clause)
    if found is None:
        return None
    own = GENERATIONS[found[1].casefold()]
    rate = float(found[2] or own)
    many = _BEFORE.search(clause) is not None or _AFTER.search(clause[found.end() :]) is not None
    part = _part(clause, found, rate, each=each, asked=asked)
    if part is None:
        return None
    return part._replace(rate=found[0] if many else "", name=clause.strip(), counted=many or rate != own)


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
