"""Which wires a machine has: as said, as its devices' rows say, or as is usual."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cardyears.catalogue.load import load
from cardyears.machine.cluster import Cluster
from cardyears.question.hardware import read_hardware
from cardyears.question.networks import bandwidth, network
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster, device, link, owned
from cardyears.resolve.wiring import EACH_NODE, usual_between, usual_inside


def machine(text: str, assume: Mapping[str, str] = {}) -> tuple[Cluster, Assumed]:
    assumed = Assumed(assume)
    return cluster(read_hardware(text), load(), assumed), assumed


# (machine, what joins its nodes, Gb/s of each device)

USUAL = [
    ("16x A100", "infiniband-hdr", 200),
    ("16x H100", "infiniband-ndr", 400),
    ("16x B200", "infiniband-ndr", 400),
    ("16x B300", "infiniband-xdr", 800),
    ("144x GB200", "infiniband-ndr", 400),
    ("144x GB300", "infiniband-xdr", 800),
    ("16x V100", "infiniband-edr", 50),
    ("16x MI300X", "infiniband-ndr", 400),
    ("16x Gaudi 2", "ethernet-100", 300),
    ("16x L40S", "ethernet-100", 100 / 8),
    ("16x RTX 4090 in nodes of 8", "ethernet-10", 10 / 8),
    ("9x RTX 4090", "ethernet-10", 10),
    ("512x TPU v5e", "ethernet-100", 50),
]


@pytest.mark.parametrize(("text", "key", "gbit_s"), USUAL)
def test_several_nodes_are_joined_by_what_is_usual_and_it_is_said(text: str, key: str, gbit_s: float) -> None:
    found, assumed = machine(text)
    assert found.between is not None
    assert (found.between.key, found.between.bandwidth.value) == (key, pytest.approx(gbit_s * 1e9 / 8))
    said = {note.key: note for note in assumed.used}["link"]
    assert (said.kind, said.value) == ("assumed", found.between.name)
    assert said.reason


@pytest.mark.parametrize("text", ["8x H100", "RTX 4090", "8x RTX 3090", "72x GB200", "256x TPU v5e", "8960x TPU v5p"])
def test_one_node_needs_no_link_to_others(text: str) -> None:
    found, assumed = machine(text)
    assert found.between is None
    assert "link" not in {note.key for note in assumed.used}


def test_a_stated_link_is_not_assumed() -> None:
    found, assumed = machine("16x H100 over 100Gb/s per gpu")
    assert found.between.bandwidth.value == 12.5e9
    assert "link" not in {note.key for note in assumed.used}


def test_a_link_between_nodes_may_be_an_assumption_of_ones_own() -> None:
    found, _ = machine("16x RTX 4090 in nodes of 8", {"link": "100GbE"})
    assert (found.between.key, found.between.bandwidth.value) == ("ethernet-100", 12.5e9 / 8)


def test_cards_may_have_a_bridge() -> None:
    found, _ = machine("2x RTX 3090", {"inside_link": "NVLink bridge"})
    assert found.inside.key == "nvlink-bridge-ampere"


def test_a_device_whose_row_names_no_link_has_the_usual_one_and_it_is_said() -> None:
    found, assumed = machine("8x H200 NVL")
    assert found.inside.key == "pcie-5-x16"
    assert "inside_link" in {note.key for note in assumed.used}


@pytest.mark.parametrize(
    ("text", "per_node", "domain"),
    [
        ("16x H100", 8, 8),
        ("16x H100 in nodes of 4", 4, 4),
        ("72x GB200", 72, 72),
        ("144x GB200 in nodes of 4", 4, 72),
        ("256x TPU v5e", 4, 256),
        ("4x TPU v3", 4, 1_024),
        ("4096x TPU v4", 4, 4_096),
        ("9216x TPU v7x", 4, 9_216),
        ("2x RTX 4090 over home internet", 1, 1),
        ("4x GB10", 1, 1),
        ("2x M2 Ultra", 1, 1),
    ],
)
def test_the_inner_link_joins_a_box_or_a_rack_or_a_pod(text: str, per_node: int, domain: int) -> None:
    found, _ = machine(text)
    assert (found.per_node, found.domain) == (per_node, domain)


def test_what_was_not_measured_is_taken_from_another_link_and_is_an_assumption() -> None:
    measured, like = link("nvlink-3", load().links), link("nvlink-2", load().links)
    assert measured.attained.kind == "measured"
    assert (like.attained.value, like.attained.kind) == (measured.attained.value, "assumed")
    assert like.attained.note == "As NVLink 3."


def test_a_stated_bandwidth_has_the_latencies_of_a_link_as_fast() -> None:
    slow, fast = machine("2x RTX 4090 over 1Gb/s")[0], machine("16x H100 over 400Gb/s per gpu")[0]
    home = machine("2x RTX 4090 over 100Mb/s home internet")[0]
    assert fast.between.hop.value < slow.between.hop.value < home.between.hop.value


ONE_PORT = {
    # as the network column of a table has it, and as a question has it behind "over": Gb/s of each device
    "400Gb NDR": 400 / 8,
    "400Gb NDR per GPU": 400,
    "8x400G NDR": 400,
    "8x HDR InfiniBand 200Gb/s per node": 200,
    "RDMA CX-7 400 Gb/s per GPU": 400,
    "3.2 Tbps EFA": 400,
    "4x HDR": 100,
    "IB HDR 200 per GPU": 200,
    "DCN": 50,
    "4x FDR": 28,
}


@pytest.mark.parametrize("words", ONE_PORT)
def test_words_of_a_network_mean_the_same_in_a_question_and_in_a_table(words: str) -> None:
    found, _ = machine(f"16x H100 in nodes of 8 over {words}")
    assert found.between is not None
    assert found.between.bandwidth.value == pytest.approx(ONE_PORT[words] * 1e9 / 8)
    assert bandwidth(network(words), 8) == pytest.approx(ONE_PORT[words] * 1e9 / 8)


@pytest.mark.parametrize(("words", "key"), [("EFA 3200", "efa-3200"), ("IB HDR", "infiniband-hdr")])
def test_a_link_that_the_catalogue_has_is_that_one_and_no_rate_of_its_words(words: str, key: str) -> None:
    found, _ = machine(f"16x H100 in nodes of 8 over {words} per gpu")
    assert found.between == link(key, load().links)


@pytest.mark.parametrize(("words", "each"), [("EFA 3200", 50e9), ("EFA v2", 50e9), ("EFA v1", 6.25e9)])
def test_a_nodes_ports_by_name_are_all_of_them(words: str, each: float) -> None:
    for per in ("", " per gpu"):
        found, _ = machine(f"16x H100 in nodes of 8 over {words}{per}")
        assert found.between is not None
        assert found.between.bandwidth.value == each
    for nodes in (1, 2, 4, 16):
        found, _ = machine(f"32x H100 in nodes of {nodes} over {words}")
        assert found.between is not None
        assert found.between.bandwidth.value == each * 8 / nodes
        assumed, _ = machine(f"32x H100 in nodes of {nodes}", {"link": words})
        assert assumed.between == found.between


def test_what_joins_devices_in_a_box_is_each_devices_own_between_boxes_too() -> None:
    found, _ = machine("144x GB200 in nodes of 4 over NVLink 5")
    assert found.between == link("nvlink-5", load().links)


def test_a_generation_alone_is_a_nodes_port_in_a_question_and_a_devices_in_a_table() -> None:
    for words in ("NDR", "IB NDR", "NDR400", "InfiniBand NDR"):
        found, _ = machine(f"16x H100 in nodes of 8 over {words}")
        assert found.between is not None
        assert (found.between.key, found.between.bandwidth.value) == ("infiniband-ndr", 50e9 / 8)
        assert bandwidth(network(words), 8) == 50e9


@pytest.mark.parametrize("key", load().links)
def test_every_link_says_what_it_attains(key: str) -> None:
    found = link(key, load().links)
    assert 0 < found.attained.value <= 1
    assert found.hop.value > 0
    assert found.call.value > 0


@pytest.mark.parametrize("key", load().accelerators)
def test_every_device_has_usual_links(key: str) -> None:
    one = device(key, load().accelerators[key])
    usual = usual_between(one, owned=owned(one.family))
    assert {usual.link, usual_inside(one)} <= set(load().links)
    assert usual.ports > 0 or usual.ports == EACH_NODE
