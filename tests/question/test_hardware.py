"""Machines as people name them: [COUNT x] DEVICE [in nodes of K] [over LINK [per gpu]]."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardyears.base.errors import CardyearsError, UnreadableValue
from cardyears.base.units import GIB
from cardyears.question.hardware import HardwareText, generic_memory, read_hardware

COUNTED = [
    ("RTX 4070 Ti", 1, "RTX 4070 Ti"),
    ("8x H100", 8, "H100"),
    ("8 x H100", 8, "H100"),
    ("8× H100", 8, "H100"),
    ("8xH100", 8, "H100"),
    ("8X H100", 8, "H100"),
    ("8 * H100", 8, "H100"),
    ("H100 x8", 8, "H100"),
    ("H100 × 8", 8, "H100"),
    ("8 H100", 8, "H100"),
    ("8 H100 GPUs", 8, "H100"),
    ("2 RTX 4090", 2, "RTX 4090"),
    ("2 NVIDIA H100 80GB", 2, "NVIDIA H100 80GB"),
    ("16,384 H100", 16_384, "H100"),
    ("100k H100", 100_000, "H100"),
    ("100kx H100", 100_000, "H100"),
    ("one RTX 4070 Ti", 1, "RTX 4070 Ti"),
    ("two H100", 2, "H100"),
    ("8x MI300X", 8, "MI300X"),
    ("8 MI300X", 8, "MI300X"),
    ("MI300X", 1, "MI300X"),
    ("2x 3090", 2, "3090"),
    ("8x T4", 8, "T4"),
    ("8xT4", 8, "T4"),
    ("mine", 1, "mine"),
    ("4x mine", 4, "mine"),
    ("A100-80GB", 1, "A100-80GB"),
    ("٨× H100", 8, "H100"),
    ("٨ H100", 8, "H100"),
    ("8 بطاقات H100", 8, "H100"),
    ("٨ بطاقات RTX 4090", 8, "RTX 4090"),
    ("بطاقة RTX 4070 Ti", 1, "RTX 4070 Ti"),
    ("بطاقة واحدة H100", 1, "H100"),
    ("بطاقتان H100", 2, "H100"),
    ("بطاقتَيْن RTX 4090", 2, "RTX 4090"),
]

NOT_COUNTED = [
    "RTX 4090",
    "A100 80",
    "4090",
    "4090 Ti",
    "4090 24GB",
    "3090 FE",
    "6000 Ada",
    "7900 XTX",
    "7900XTX",
    "7900 XT",
    "RX 7900 XTX",
    "64 GB M2 Ultra",
    "H100 PCIe x16",
]

GENERIC = [
    ("12GB GPU", 12),
    ("12 GB GPU", 12),
    ("12GB", 12),
    ("12gb gpu", 12),
    ("24 GB card", 24),
    ("24GB graphics card", 24),
    ("8GB VRAM", 8),
    ("8 GB of VRAM", 8),
    ("a 12 GB card", 12),
    ("GPU with 12GB", 12),
    ("بطاقة 12GB", 12),
    ("بطاقة بسعة ١٢ جيجابايت", 12),
]


@pytest.mark.parametrize(("written", "count", "device"), COUNTED)
def test_a_count_and_a_device_are_read(written: str, count: int, device: str) -> None:
    assert read_hardware(written) == HardwareText(count=count, device=device)


@pytest.mark.parametrize("written", NOT_COUNTED)
def test_digits_in_a_devices_name_are_no_count(written: str) -> None:
    assert read_hardware(written) == HardwareText(count=1, device=written)


@pytest.mark.parametrize(("written", "count", "device"), [("2x 7900 XT", 2, "7900 XT"), ("4090 x2", 2, "4090")])
def test_the_count_stands_apart_from_a_name_of_digits(written: str, count: int, device: str) -> None:
    assert read_hardware(written) == HardwareText(count=count, device=device)


def h100(count: int, **said: Any) -> HardwareText:
    return HardwareText(device="H100", count=count, **said)


LINKED = [
    ("16384x H100 over 400Gb/s per gpu", h100(16_384, link_bandwidth_bytes_s=50e9, link_per_device=True)),
    ("16384x H100 over 400Gb/s/gpu", h100(16_384, link_bandwidth_bytes_s=50e9, link_per_device=True)),
    ("8x H100 over 900GB/s each", h100(8, link_bandwidth_bytes_s=900e9, link_per_device=True)),
    ("8x H100 over 400Gb/s per node", h100(8, link_bandwidth_bytes_s=50e9)),
    ("64x H100 in nodes of 8 over InfiniBand NDR", h100(64, per_node=8, link="InfiniBand NDR")),
    ("64x H100 over InfiniBand NDR in nodes of 8", h100(64, per_node=8, link="InfiniBand NDR")),
    (
        "64x H100 in nodes of 8 over InfiniBand NDR per gpu",
        h100(64, per_node=8, link="InfiniBand NDR", link_per_device=True),
    ),
    (
        "64x H100 in nodes of 8 over InfiniBand 400Gb/s",
        h100(64, per_node=8, link="InfiniBand", link_bandwidth_bytes_s=50e9),
    ),
    ("64x H100 over 400Gb NDR", h100(64, link="NDR", link_bandwidth_bytes_s=50e9)),
    ("64x H100 over 400Gb NDR per gpu", h100(64, link="NDR", link_bandwidth_bytes_s=50e9, link_per_device=True)),
    ("64x H100 over 8x 400G InfiniBand", h100(64, link="InfiniBand", link_bandwidth_bytes_s=400e9)),
    ("64x H100 over 8x 400Gb/s per gpu", h100(64, link_bandwidth_bytes_s=50e9, link_per_device=True)),
    ("64x H100 over 3.2 Tbps EFA", h100(64, link="EFA", link_bandwidth_bytes_s=400e9)),
    ("64x H100 over 10 Gigabit Ethernet", h100(64, link="Ethernet", link_bandwidth_bytes_s=1.25e9)),
    ("64x H100 over 4x HDR", h100(64, link="4x HDR", link_bandwidth_bytes_s=100e9)),
    ("64x H100 over IB NDR", h100(64, link="IB NDR")),
    ("64x H100 over EFA 3200", h100(64, link="EFA 3200")),
    ("64x H100 over HPE Slingshot 11 200 Gb/s", h100(64, link="HPE Slingshot 11", link_bandwidth_bytes_s=25e9)),
    ("64x H100 over Home internet 100/20 Mb/s", h100(64, link="Home internet 100/20 Mb/s")),
    ("64x H100 over NDR400 per gpu", h100(64, link="NDR400", link_per_device=True)),
    ("64x H100 in nodes of 8 over 8x 400Gb/s", h100(64, per_node=8, link_bandwidth_bytes_s=400e9)),
    ("16 nodes of 8x H100 over 200Gb/s", h100(128, per_node=8, link_bandwidth_bytes_s=25e9)),
    ("16 nodes of 8 H100", h100(128, per_node=8)),
    ("16 nodes of H100 in nodes of 4", h100(64, per_node=4)),
    ("one node of 8x H100", h100(8, per_node=8)),
    ("100x H100 over 100Mb/s home internet", h100(100, link="home internet", link_bandwidth_bytes_s=12.5e6)),
    ("100x H100 OVER 100GbE", h100(100, link_bandwidth_bytes_s=12.5e9)),
    (
        "16 عقدة من 8x H100 عبر 200Gb/s لكل بطاقة",
        h100(128, per_node=8, link_bandwidth_bytes_s=25e9, link_per_device=True),
    ),
    ("64x H100 في عُقد من ٨", h100(64, per_node=8)),
]


@pytest.mark.parametrize(("written", "machine"), LINKED)
def test_nodes_and_links_are_read(written: str, machine: HardwareText) -> None:
    assert read_hardware(written) == machine


@pytest.mark.parametrize(("written", "gib"), GENERIC)
def test_a_card_may_be_named_by_its_memory_alone(written: str, gib: float) -> None:
    machine = read_hardware(written)
    assert machine.count == 1
    assert generic_memory(machine.device) == gib * GIB


@pytest.mark.parametrize("written", ["4x 12GB GPU", "4x 12GB GPUs", "4 بطاقات 12GB"])
def test_several_generic_cards_are_counted(written: str) -> None:
    machine = read_hardware(written)
    assert (machine.count, generic_memory(machine.device)) == (4, 12 * GIB)


@pytest.mark.parametrize("device", ["RTX 4090", "4090 Ti", "mine", "A100-80GB", "", "12", "x" * 300])
def test_any_other_name_is_no_generic_card(device: str) -> None:
    assert generic_memory(device) is None


@pytest.mark.parametrize("path", ["machine.toml", "/a b/over c/8x m.toml", "~/" + "long/" * 60 + "machine.TOML"])
def test_a_toml_file_is_kept_as_it_is(path: str) -> None:
    assert read_hardware(path) == HardwareText(device=path)


HOW = " Write it as in RTX 4070 Ti, 8x H100, or 64x H100 in nodes of 8 over 400Gb/s per gpu."
WHOLE = " Write a whole number as in 8 or 16,384."
SENTENCES = [
    ("", "hardware: nothing is written." + HOW),
    ("H" * 201, "hardware: at most 200 characters can be read, and 201 are written." + HOW),
    ("8x", 'hardware: "8x" names no device.' + HOW),
    ("over 5Gb/s", 'hardware: "over 5Gb/s" names no device.' + HOW),
    ("?!", 'hardware: "?!" names no device.' + HOW),
    ("8x H100 over", 'hardware: "8x H100 over" names no link after "over".' + HOW),
    ("8x H100 over per gpu", 'hardware: "8x H100 over per gpu" names no link after "over".' + HOW),
    ("0x H100", 'number of devices: "0" is not more than zero.' + WHOLE),
    ("-8x H100", 'number of devices: "-8" is not more than zero.' + WHOLE),
    ("-8 H100", 'number of devices: "-8" is not more than zero.' + WHOLE),
    ("8.5x H100", 'number of devices: "8.5" is not a whole number. Write 8.'),
    ("8.5 H100", 'number of devices: "8.5" is not a whole number. Write 8.'),
    ("H100 x 0", 'number of devices: "0" is not more than zero.' + WHOLE),
    (
        "20000000x H100",
        "hardware: at most 10,000,000 devices can be reckoned with, and 20,000,000 are named. Name fewer.",
    ),
    (
        "10x H100 in nodes of 8",
        "hardware: 10 devices do not fill nodes of 8. Name 16 devices, or nodes of another size.",
    ),
    ("64x H100 in nodes of 0", 'devices in a node: "0" is not more than zero.' + WHOLE),
    ("0 nodes of 8x H100", 'number of nodes: "0" is not more than zero.' + WHOLE),
    (
        "16 nodes of H100",
        'hardware: "16 nodes of H100" does not say how many devices are in a node. Write it as in 16 nodes of 8x H100.',
    ),
    (
        "16 nodes of 8x H100 in nodes of 4",
        'hardware: "16 nodes of 8x H100 in nodes of 4" has 8 devices in a node and 4 devices in a node. Say it once.',
    ),
    (
        "8x H100 over 400G",
        'bandwidth: "400G" may be in bits or in bytes. Write it as in 400Gb/s (bits) or 50GB/s (bytes).',
    ),
    (
        "8x H100 over 0Gb/s",
        'bandwidth: "0Gb/s" is not more than zero. Write it as in 400Gb/s (bits) or 50GB/s (bytes).',
    ),
    (
        "8x H100 over 5mb/s home internet",
        'bandwidth: "5mb/s" may be in bits or in bytes. Write it as in 400Gb/s (bits) or 50GB/s (bytes).',
    ),
    ("12Gb GPU", 'memory: "12Gb" is in bits, since its b is small. Write a capital B for bytes, as in 12GB.'),
]


@pytest.mark.parametrize(("written", "sentence"), SENTENCES)
def test_what_is_no_machine_is_said_with_a_remedy(written: str, sentence: str) -> None:
    with pytest.raises(UnreadableValue) as caught:
        read_hardware(written)
    assert str(caught.value) == sentence


def test_a_bare_number_is_no_machine() -> None:
    with pytest.raises(UnreadableValue, match='hardware: "8" cannot be read'):
        read_hardware(8)  # type: ignore[arg-type]


WORDS = [
    "8x",
    "8",
    "x",
    "H100",
    "RTX",
    "4090",
    "Ti",
    "over",
    "in",
    "nodes",
    "node",
    "of",
    "per",
    "gpu",
    "400Gb/s",
    "400Gb",
    "8x400G",
    "NDR",
    "EFA",
    "0Gb/s",
    "12GB",
    "GPU",
    "بطاقة",
    "بطاقات",
    "عبر",
    "mine",
    "0",
    "-1",
    "1e9",
    "k",
    "each",
    "a",
    "half",
    ".toml",
]


@given(st.one_of(st.text(max_size=210), st.lists(st.sampled_from(WORDS), max_size=10).map(" ".join)))
def test_no_text_brings_down_the_reader(written: str) -> None:
    machine, said = HardwareText(device="none"), ""
    try:
        machine = read_hardware(written)
        generic_memory(machine.device)
    except CardyearsError as error:
        said = str(error)
    assert "\n" not in said
    assert 1 <= machine.count <= 10_000_000
    assert machine.device
    assert machine.count % (machine.per_node or 1) == 0


@given(
    st.integers(min_value=1, max_value=1000),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from(["H100", "RTX 4090", "MI300X", "RX 7900 XTX"]),
    st.sampled_from(["", " per gpu"]),
)
def test_a_machine_is_read_back_as_it_was_written(nodes: int, per_node: int, device: str, tail: str) -> None:
    machine = read_hardware(f"{nodes * per_node}x {device} in nodes of {per_node} over 200Gb/s{tail}")
    assert machine == read_hardware(f"{nodes} nodes of {per_node}x {device} over 200Gb/s{tail}")
    assert machine == HardwareText(
        count=nodes * per_node,
        device=device,
        per_node=per_node,
        link_bandwidth_bytes_s=25e9,
        link_per_device=bool(tail),
    )


# Two kinds in one machine.

TWO_KINDS = [
    ("8x H100 + 8x A100", "8x H100 + 8x A100"),
    ("8x H100+8x A100", "8x H100 + 8x A100"),
    ("8 H100 and 16 A100", "8x H100 + 16x A100"),
    ("8x H100 plus RTX 4090", "8x H100 + 1x RTX 4090"),
    ("2 nodes of 8x H100 + 4 nodes of 8x A100-80GB over 200Gb/s", "16x H100 + 32x A100-80GB"),
    ("٨ بطاقات H100 و ٨ بطاقات A100", "8x H100 + 8x A100"),
    ("8 بطاقات H100 و4 بطاقات A100", "8x H100 + 4x A100"),
    ("24GB GPU + 12GB GPU", "1x 24GB GPU + 1x 12GB GPU"),
]


@pytest.mark.parametrize(("text", "machine"), TWO_KINDS)
def test_two_kinds_of_device_make_one_machine(text: str, machine: str) -> None:
    assert read_hardware(text).written == machine


def test_a_link_that_is_said_last_joins_both_kinds() -> None:
    machine = read_hardware("2 nodes of 8x H100 + 4 nodes of 8x A100 over 200Gb/s")
    assert machine.second is not None
    assert machine.link_bandwidth_bytes_s == machine.second.link_bandwidth_bytes_s == 25e9
    assert (machine.per_node, machine.second.per_node) == (8, 8)


def test_each_kind_may_have_a_link_of_its_own() -> None:
    machine = read_hardware("8x H100 over 400Gb/s per gpu + 8x A100 over 200Gb/s")
    assert machine.second is not None
    assert (machine.link_bandwidth_bytes_s, machine.link_per_device) == (50e9, True)
    assert (machine.second.link_bandwidth_bytes_s, machine.second.link_per_device) == (25e9, False)


def test_the_same_kind_twice_is_one_kind() -> None:
    assert read_hardware("8x H100 + 8x H100 over 200Gb/s") == read_hardware("16x H100 over 200Gb/s")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8x H100 + 8x A100 + 8x V100", "at most 2 kinds of device make one machine, and 3 are named"),
        ("8x H100 +", "names no device"),
        ("8x H100 + 0x A100", "not more than zero"),
        ("9000000x H100 + 9000000x A100", "18,000,000 are named"),
    ],
)
def test_what_is_no_machine_of_two_kinds_is_refused(text: str, says: str) -> None:
    with pytest.raises(UnreadableValue, match=says):
        read_hardware(text)
