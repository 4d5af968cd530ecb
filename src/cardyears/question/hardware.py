"""Which machine did the person name?

    [COUNT x] DEVICE [in nodes of K] [over LINK [per gpu]] [+ the same for a second kind of device]

Reads the grammar only: whether the device and the link exist is for the catalogue to say. A count without the "x"
is read where the next word can only be a device ("8 H100", "2 RTX 4090"), so "4090 Ti" stays one name.
"""

from __future__ import annotations

import re

import msgspec

from cardyears.base.text import N_, Text
from cardyears.base.units import GIGA
from cardyears.question.networks import BITS, FASTEST, bandwidth, network
from cardyears.question.numbers import LONGEST, NUMBER, NUMBER_WORDS, Entry, fold, plain, read_whole
from cardyears.question.read import nominal_memory, read_bandwidth

MOST_DEVICES = 10_000_000
"""More than all accelerators of one kind ever sold to one owner."""
LONGEST_PATH = 4_096
"""Characters in the path of a file, as Linux has it."""


class HardwareText(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as its words say it: nothing is looked up, nothing filled in."""

    device: str
    """The name as written, a generic card ("12GB GPU"), "mine", or the path of a TOML file."""
    count: int = 1
    per_node: int | None = None
    """Devices in one node; None: did not say."""
    link: str | None = None
    """The name of the link; None if only its bandwidth, or nothing, is said."""
    link_bandwidth_bytes_s: float | None = None
    link_per_device: bool = False
    """"over" means one link for each node, unless it says "per gpu"."""
    second: HardwareText | None = None
    """Another kind of device in the same machine."""

    @property
    def written(self) -> str:
        """Count and name of every kind, as a sentence takes them.

        >>> read_hardware("8x H100 + 2 nodes of 8x A100").written
        '8x H100 + 16x A100'
        """
        mine = f"{self.count}x {self.device}"
        return mine if self.second is None else f"{mine} + {self.second.written}"


_HARDWARE = N_("hardware")
_COUNT, _NODE_COUNT, _PER_NODE = N_("number of devices"), N_("number of nodes"), N_("devices in a node")
_EXAMPLES = Text("Write it as in RTX 4070 Ti, 8x H100, or 64x H100 in nodes of 8 over 400Gb/s per gpu.")

MOST_KINDS = 2
_AND = rf"(?<=\S)\s?\+\s?|\s(?:and|plus)\s|\s{fold('و')}\s|\s{fold('و')}(?=\d)"
"""Between two kinds of device; the Arabic word for "and" also stands before a number without a space."""
_OVER = r"(?:^|\s)(?:over|عبر)(?:\s|$)"
_PER_DEVICE = r"(?:(?:^|\s)(?:per|a)\s|\s?/\s?)(?:gpu|card|device|accelerator)$|(?:^|\s)(?:each|لكل بطاقه)$"
_PER_NODE_TAIL = r"(?:^|\s)(?:per (?:node|server|machine)|لكل عقده)$"
_IN_NODES = r"\s(?:in nodes? of|في عقد من)\s(\S+)(?=\s|$)"
_NODES_OF = r"(\S+)\s(?:nodes? of|عقد من|عقده من)(?:\s(.*))?"

_DIGITS = r"[+-]?\d[\d.,_']*(?:[eE]\d+)?[kKmM]?"
_COUNT_X = rf"({_DIGITS})\s?[xX*](?![tT][xX]?\b)\s?(.*)"
"""The exception is for "7900 XT" and "7900XTX"."""
_X_COUNT = r"([^\W\d].*(?<!pcie)|\d{3,4}\b.*)\s[xX*]\s?([+-]?\d[\d.,]*[kK]?)"
"""After the device: "H100 x8"; but "PCIe x16" is a slot."""
_SERIES = (
    "rtx|gtx|rx|gt|nvidia|geforce|tesla|quadro|titan|amd|radeon|instinct|intel|arc|gaudi|google|tpu|apple|mac|"
    "trainium|inferentia|ascend|mine"
)
_DEVICE_WORD = rf"(?:(?:{_SERIES})\b|(?=[^\W\d])[^\s\d]*\d)"
"""What can only start a device's name: a maker or series, or letters with a digit ("H100", "MI300X")."""

_JOINED_OTHERWISE = re.compile(
    rf"(?:\s?(?!(?<=\d),\d{{3}}(?!\d))([,;&،؛])\s?|\s(with|مع)\s)(?:{_DIGITS}\s?[xX*]\s?|{_DIGITS}\s)?{_DEVICE_WORD}",
    re.IGNORECASE,
)
"""What cannot be in a device's name: another device behind a comma or a word other than "and" or "plus"."""

_CARDS = {
    word: count
    for words, count in (("بطاقة كرت", 1), ("بطاقتان بطاقتين بطاقتا بطاقتي كرتان كرتين", 2), ("بطاقات كروت", None))
    for word in fold(words).split()
}
_CARD = "|".join(sorted(_CARDS, key=len, reverse=True))
_CARD_NOUN = r"(?:graphics\s)?(?:gpus?|cards?|vram|accelerators?)"
_MEMORY = rf"{NUMBER}\s?(?:[mgt]i?b|g|giga\s?bytes?|[جغ]ي[جغ]ا(?:\s?بايت)?)"
_GENERIC = re.compile(
    rf"(?:(?:an?\s)?(?P<before>{_MEMORY})(?:\s(?:of\s)?{_CARD_NOUN})?"
    rf"|(?:{_CARD}|gpu|card)\s(?:with\s|بسعه\s|ب)?(?P<after>{_MEMORY}))",
    re.ASCII | re.IGNORECASE,
)


def generic_memory(device: str) -> float | None:
    """Bytes of memory of a card that is named by its memory alone; None for any other name.

    >>> generic_memory("24 GB card") / 2**30, generic_memory("RTX 4090")
    (24.0, None)
    """
    match = _GENERIC.fullmatch(plain(device)) if len(device) <= LONGEST else None
    return nominal_memory(match["before"] or match["after"]) if match else None


def read_hardware(text: str) -> HardwareText:
    """A machine from one line, as on the command line.

    >>> machine = read_hardware("16 nodes of 8x A100-80GB over 200Gb/s")
    >>> machine.count, machine.device, machine.per_node, machine.link_bandwidth_bytes_s
    (128, 'A100-80GB', 8, 25000000000.0)
    """
    if isinstance(text, str) and _is_file(text):
        return HardwareText(device=text.strip())
    entry = Entry(text, _HARDWARE, _EXAMPLES)
    if entry.number is not None:
        raise entry.unreadable()
    pieces = re.split(_AND, entry.text, flags=re.IGNORECASE)
    if len(pieces) > MOST_KINDS:
        raise entry.refused(
            Text(
                "hardware: at most {most:integer} kinds of device make one machine, and {n:integer} are named.",
                most=MOST_KINDS,
                n=len(pieces),
            ),
            Text("Name two of them, as in 8x H100 + 8x A100."),
        )
    for piece in pieces:
        joined = _JOINED_OTHERWISE.search(re.split(_OVER, piece, maxsplit=1, flags=re.IGNORECASE)[0])
        if joined:
            raise entry.refused(
                Text('hardware: "{written}" joins kinds of device by "{word}", which is not read.',
                     written=entry.written, word=joined[1] or joined[2]),
                Text("Join them by +, as in 8x H100 + 8x A100."),
            )  # fmt: skip
    machines = [_one_kind(entry, piece.strip()) for piece in pieces]
    return machines[0] if len(machines) == 1 else _both(entry, *machines)


def _both(entry: Entry, first: HardwareText, second: HardwareText) -> HardwareText:
    """Two kinds as one machine; the same kind twice is one kind. What the second is linked by, the first is too."""
    if first.link is None and first.link_bandwidth_bytes_s is None:
        first = msgspec.structs.replace(
            first, link=second.link, link_bandwidth_bytes_s=second.link_bandwidth_bytes_s,
            link_per_device=second.link_per_device,
        )  # fmt: skip
    together = first.count + second.count
    if msgspec.structs.replace(second, count=first.count) == first:
        _check(entry, together, first.device, first.per_node)
        return msgspec.structs.replace(first, count=together)
    _check(entry, together, first.device, None)
    return msgspec.structs.replace(first, second=second)


def _one_kind(entry: Entry, text: str) -> HardwareText:
    """Count, device, nodes and link of one kind."""
    rest, per_node = _without_nodes(text)
    parts = re.split(_OVER, rest, maxsplit=1, flags=re.IGNORECASE)
    count, device, per_node = _devices(entry, parts[0].strip(), per_node)
    _check(entry, count, device, per_node)
    link, bandwidth, per_device = _link(entry, parts[1].strip()) if len(parts) == 2 else (None, None, False)
    return HardwareText(
        device=device,
        count=count,
        per_node=per_node,
        link=link,
        link_bandwidth_bytes_s=bandwidth,
        link_per_device=per_device,
    )


def _is_file(text: str) -> bool:
    return text.strip().casefold().endswith(".toml") and text.strip().isprintable() and len(text) <= LONGEST_PATH


def _without_nodes(text: str) -> tuple[str, int | None]:
    """The text without its "in nodes of K", and K."""
    match = re.search(_IN_NODES, text, re.IGNORECASE)
    if match is None:
        return text, None
    return text[: match.start()] + text[match.end() :], read_whole(match[1], _PER_NODE)


def _devices(entry: Entry, text: str, per_node: int | None) -> tuple[int, str, int | None]:
    """Count, device and devices in a node, from what stands before "over"."""
    nodes = re.fullmatch(_NODES_OF, text, re.IGNORECASE)
    if nodes is None:
        count, device = _counted_device(text)
        return count or 1, device, per_node
    node_count = read_whole(nodes[1], _NODE_COUNT)
    each, device = _counted_device((nodes[2] or "").strip())
    if per_node is not None and each is not None and each != per_node:
        raise entry.refused(
            Text(
                'hardware: "{written}" has {each:integer} devices in a node and {per_node:integer} devices in a node.',
                written=entry.written,
                each=each,
                per_node=per_node,
            ),
            Text("Say it once."),
        )
    each = each or per_node
    if each is None:
        raise entry.refused(
            Text('hardware: "{written}" does not say how many devices are in a node.', written=entry.written),
            Text("Write it as in 16 nodes of 8x H100."),
        )
    return node_count * each, device, each


def _counted_device(text: str) -> tuple[int | None, str]:
    """The count, if one is said, and the device."""
    after = re.fullmatch(_X_COUNT, text, re.IGNORECASE)
    if after and (after[1][0].isalpha() or len(after[2]) <= 2):
        return read_whole(after[2], _COUNT), _bare_device(after[1])
    before = re.fullmatch(_COUNT_X, text) or re.fullmatch(
        rf"({_DIGITS})\s((?:(?:{_CARD})\s|{_DEVICE_WORD}).*)", text, re.IGNORECASE
    )
    if before:
        return read_whole(before[1], _COUNT), _bare_device(_without_card(before[2])[1])
    word, _, rest = text.partition(" ")
    digits = NUMBER_WORDS.get(word.casefold()) if len(word) > 1 and rest else None
    if digits and float(digits) >= 1:
        return int(float(digits)), _bare_device(_without_card(rest)[1])
    count, device = _without_card(text)
    return count, _bare_device(device)


def _without_card(text: str) -> tuple[int | None, str]:
    """The number that an Arabic word for cards says, and the text without it; "بطاقة 12GB" stays whole."""
    word, _, rest = text.partition(" ")
    if word not in _CARDS or not rest:
        return None, text
    rest = re.sub(rf"^{fold('واحدة')}\s", "", rest)
    return _CARDS[word], text if _GENERIC.fullmatch(text) else rest


def _bare_device(text: str) -> str:
    """A device's name without the noun behind it: "H100 GPUs" is "H100", but "12GB GPU" stays, in any language."""
    generic = _GENERIC.fullmatch(text)
    if generic:
        return f"{generic['after']} GPU" if generic["after"] else text
    return re.sub(r"\s(?:graphics )?(?:gpus?|cards?)$", "", text, flags=re.IGNORECASE)


def _check(entry: Entry, count: int, device: str, per_node: int | None) -> None:
    """Raises unless the count, the device and the nodes can be."""
    if not any(char.isalnum() for char in device):
        raise entry.refused(Text('hardware: "{written}" names no device.', written=entry.written))
    generic_memory(device)
    if count > MOST_DEVICES:
        raise entry.refused(
            Text(
                "hardware: at most {most:integer} devices can be reckoned with, and {count:integer} are named.",
                most=MOST_DEVICES,
                count=count,
            ),
            Text("Name fewer."),
        )
    if per_node is not None and count % per_node:
        raise entry.refused(
            Text(
                "hardware: {count:integer} devices do not fill nodes of {per_node:integer}.",
                count=count,
                per_node=per_node,
            ),
            Text("Name {above:integer} devices, or nodes of another size.", above=-(-count // per_node) * per_node),
        )


def _link(entry: Entry, text: str) -> tuple[str | None, float | None, bool]:
    """Name, bandwidth in bytes per second, and whether each device has one, from what stands after "over"."""
    bare = re.sub(_PER_DEVICE, "", text, flags=re.IGNORECASE).strip()
    per_device = bare != text
    bare = re.sub(_PER_NODE_TAIL, "", bare, flags=re.IGNORECASE).strip()
    if not bare:
        raise entry.refused(Text('hardware: "{written}" names no link after "over".', written=entry.written))
    said = network(bare, asked=True, of_device=per_device)
    if said.rate:
        return said.name or None, bandwidth(said, 1), per_device
    if bare[0].isdecimal():
        stated = read_bandwidth(bare)
        if stated > FASTEST * GIGA / BITS:
            raise entry.refused(
                Text('hardware: "{written}" is faster than any link: at most 1,000 Tb/s can be named.', written=bare)
            )
        return None, stated, per_device
    return bare, None, per_device
