"""How long ranks exchange data: measured times, and what must hold for all sizes, groups and wires."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardyears.base.units import GB, GIB, MIB
from cardyears.catalogue.load import load
from cardyears.machine.cluster import Cluster
from cardyears.machine.collectives import (
    WITHOUT_PEERS,
    Wires,
    all_gather,
    all_reduce,
    all_to_all,
    group,
    reduce_scatter,
    send,
    wires,
)
from cardyears.question.hardware import read_hardware
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster

few = settings(max_examples=100, deadline=None, derandomize=True)
Collective = Callable[..., Any]
COLLECTIVES: tuple[Collective, ...] = (all_reduce, all_gather, reduce_scatter, all_to_all, send)


def machine(text: str) -> Cluster:
    return cluster(read_hardware(text), load(), Assumed({}))


def on(text: str) -> Wires:
    return wires(machine(text))


# Measured: (machine, collective, ranks, bytes of the array, seconds, source)

A, B = "ml-engineering, network/README.md", "aiconfigurator, nccl_perf"
MEASURED = [
    ("8x H200", all_reduce, 8, 8 * GIB, 1.75 * 8 * GIB / 473.1e9, A),
    ("8x H200", all_reduce, 4, 8 * GIB, 1.5 * 8 * GIB / 363.3e9, A),
    ("8x H200", all_reduce, 6, 8 * GIB, 5 / 3 * 8 * GIB / 435.6e9, A),
    ("8x H200", all_gather, 8, 16 * GIB, 0.875 * 16 * GIB / 361.4e9, A),
    ("8x H200", reduce_scatter, 8, 16 * GIB, 0.875 * 16 * GIB / 362.9e9, A),
    ("8x H200", all_to_all, 8, 512 * MIB, 1.5099e-3, B),
    ("8x A100", all_reduce, 8, 512 * MIB, 4.2259e-3, B),
    ("8x A100", all_reduce, 8, 4_096.0, 21.4e-6, B),
    ("8x A100", all_gather, 8, 4_096.0, 14.7e-6, B),
    ("32x B200 over EFA 3200 per gpu", all_reduce, 32, 16 * GIB, 1.9375 * 16 * GIB / 381.8e9, A),
    ("8x MI300X", all_reduce, 8, 4 * GIB, 1.75 * 4 * GIB / 312.9e9, A),
    ("8x MI300X", all_reduce, 2, 4 * GIB, 4 * GIB / 47.67e9, A),
]


@pytest.mark.parametrize(("on_machine", "collective", "ranks", "array_bytes", "seconds", "source"), MEASURED)
def test_measured_times_are_met(
    on_machine: str, collective: Collective, ranks: int, array_bytes: float, seconds: float, source: str
) -> None:
    found = machine(on_machine)
    took = collective(array_bytes, group(float(ranks), 1.0, float(found.domain)), wires(found))
    assert took == pytest.approx(seconds, rel=0.10)


# Who lies where


@pytest.mark.parametrize(
    ("ranks", "stride", "domain", "inside", "nodes"),
    [(8, 1, 8, 8, 1), (16, 1, 8, 8, 2), (4, 8, 8, 1, 4), (16, 4, 8, 2, 8), (2, 1, 72, 2, 1), (3, 100, 8, 1, 3)],
)
def test_neighbours_lie_a_stride_apart(ranks: int, stride: int, domain: int, inside: int, nodes: int) -> None:
    who = group(float(ranks), float(stride), float(domain))
    assert (who.inside, who.nodes) == (inside, nodes)


def test_groups_are_made_of_arrays_as_of_numbers() -> None:
    ranks, strides = np.array([8.0, 16.0, 12.0]), np.array([1.0, 4.0, 1.0])
    each = [group(float(r), float(s), 8.0) for r, s in zip(ranks, strides, strict=True)]
    assert [tuple(map(float, row)) for row in zip(*group(ranks, strides, 8.0), strict=True)] == [tuple(g) for g in each]


# What must hold for all of them

CLUSTERS = (
    "64x H100",
    "64x A100 over 100Gb/s",
    "144x GB200",
    "32x RTX PRO 6000 Server",
    "16x RTX 4090 in nodes of 8",
    "64x MI300X",
    "512x TPU v5e",
    "8x RTX 4070 Ti over home internet",
)
on_wires = st.sampled_from([on(text) for text in CLUSTERS])
in_a_node = st.sampled_from([on("8x A100"), on("8x H100"), on("72x GB300"), on("8x RTX PRO 6000 Server")])
rings = st.sampled_from(
    [on("8x A100"), on("8x RTX PRO 6000 Server"), msgspec.structs.replace(on("8x H100"), in_switch=0.0)]
)
sizes = st.floats(1.0, 1e12)
ranks_of = st.integers(1, 512).map(float)
strides = st.sampled_from([1.0, 2.0, 4.0, 8.0, 64.0])
collectives = st.sampled_from(COLLECTIVES)


@given(on_wires, collectives, sizes, strides)
def test_a_group_of_one_takes_no_time(here: Wires, collective: Collective, array_bytes: float, stride: float) -> None:
    assert collective(array_bytes, group(1.0, stride, 8.0), here) == 0


@few
@given(on_wires, collectives, sizes, ranks_of, strides)
def test_times_are_positive_and_grow_with_the_bytes(
    here: Wires, collective: Collective, array_bytes: float, ranks: float, stride: float
) -> None:
    who = group(ranks + 1, stride, 8.0)
    assert 0 < collective(array_bytes, who, here) <= collective(array_bytes * 1.5, who, here) < math.inf


@few
@given(on_wires, collectives, sizes, ranks_of, strides, st.floats(1.0, 100.0), st.floats(1.0, 100.0))
def test_more_bandwidth_never_slows(
    here: Wires, collective: Collective, array_bytes: float, ranks: float, stride: float, near: float, far: float
) -> None:
    faster = msgspec.structs.replace(
        here, inside_bytes_s=here.inside_bytes_s * near, between_bytes_s=here.between_bytes_s * far
    )
    who = group(ranks, stride, 8.0)
    assert collective(array_bytes, who, faster) <= collective(array_bytes, who, here)


@few
@given(rings, sizes, st.integers(1, 71).map(float))
def test_a_larger_ring_in_one_node_never_speeds_an_all_reduce(here: Wires, array_bytes: float, ranks: float) -> None:
    smaller, larger = group(ranks, 1.0, 72.0), group(ranks + 1, 1.0, 72.0)
    assert all_reduce(array_bytes, smaller, here) <= all_reduce(array_bytes, larger, here) * (1 + 1e-12)


def test_a_switch_that_adds_up_speeds_a_larger_group_as_measured() -> None:
    """8 GiB on H200: 8 GiB / 242 GB/s with four, which ring, 259 with five and 270 with eight, which do not."""
    four, five, eight = (all_reduce(8 * GIB, group(n, 1.0, 8.0), on("8x H200")) for n in (4.0, 5.0, 8.0))
    assert four > five > eight


@few
@given(in_a_node, sizes, st.integers(1, 72).map(float))
def test_an_all_reduce_takes_at_least_a_reduce_scatter(here: Wires, array_bytes: float, ranks: float) -> None:
    who = group(ranks, 1.0, 72.0)
    assert all_reduce(array_bytes, who, here) >= reduce_scatter(array_bytes, who, here) * (1 - 1e-12)


@pytest.mark.parametrize("nodes", [2, 16, 128])
def test_over_nodes_too_where_bandwidth_rules(nodes: int) -> None:
    who = group(8.0 * nodes, 1.0, 8.0)
    assert all_reduce(10 * GB, who, on("1024x H100")) > reduce_scatter(10 * GB, who, on("1024x H100"))


def test_over_many_nodes_a_small_all_gather_waits_for_every_hop_and_a_small_all_reduce_for_a_tree() -> None:
    """Fernandez 2024, section 4: all-gather and reduce-scatter have only rings."""
    who = group(1_024.0, 1.0, 8.0)
    assert all_gather(MIB, who, on("1024x H100")) > 3 * all_reduce(MIB, who, on("1024x H100"))


@few
@given(on_wires, collectives, st.lists(st.tuples(sizes, ranks_of, strides), min_size=1, max_size=5))
def test_arrays_are_numbers_bit_for_bit(here: Wires, collective: Collective, rows: list[tuple[float, ...]]) -> None:
    array_bytes, ranks, stride = np.array(rows).T
    at_once = collective(array_bytes, group(ranks, stride, 8.0), here)
    assert at_once.tolist() == [collective(v, group(n, s, 8.0), here) for v, n, s in rows]


# Links


def test_a_ring_over_nodes_uses_the_network_card_of_each_rank_in_a_node() -> None:
    fast = Wires(inside_bytes_s=1e12, between_bytes_s=25e9)
    one, eight = (all_gather(GIB, group(16.0, stride, 8.0), fast) for stride in (8.0, 1.0))
    assert one / eight == pytest.approx(8)


def test_the_inner_wire_caps_the_network_cards() -> None:
    fast = Wires(inside_bytes_s=1e11, between_bytes_s=25e9)
    assert all_gather(GIB, group(16.0, 1.0, 8.0), fast) == pytest.approx(15 / 16 * GIB / 1e11)


def test_two_nodes_on_a_slow_network_reduce_by_stages() -> None:
    """16 A100 with one port of 100 Gb/s each: over the network goes V/8 of each, not 15/8 of V by one ring of eight."""
    slow = Wires(inside_bytes_s=300e9, between_bytes_s=1.25e9)
    who = group(16.0, 1.0, 8.0)
    assert all_reduce(GIB, who, slow) == pytest.approx(1.75 * GIB / 300e9 + GIB / 8 / 1.25e9)


def test_an_all_to_all_leaves_the_node_over_each_ranks_own_card() -> None:
    fast = Wires(inside_bytes_s=1e12, between_bytes_s=50e9)
    assert all_to_all(GIB, group(32.0, 1.0, 8.0), fast) == pytest.approx(24 / 32 * GIB / 50e9)


def test_a_flag_sends_to_another_node() -> None:
    here = on("16x H100")
    assert send(GIB, 1.0, here) == send(GIB, group(2.0, 8.0, 8.0), here) > send(GIB, 0.0, here)
    assert send(np.array([GIB, GIB]), np.array([0.0, 1.0]), here).tolist() == [
        send(GIB, 0.0, here),
        send(GIB, 1.0, here),
    ]


def test_two_devices_alone_have_one_wire_of_a_mesh() -> None:
    here = on("8x MI300X")
    two, eight = (all_gather(GB, group(n, 1.0, 8.0), here) for n in (2.0, 8.0))
    assert two > 3 * eight


def test_one_axis_of_a_torus_has_its_share_and_a_pod_has_all_axes() -> None:
    pod = on("256x TPU v5e")
    one, both = (all_gather(100 * GB, group(n, 1.0, 256.0), pod) for n in (16.0, 256.0))
    assert one == pytest.approx(15 / 16 * 100 * GB / 90e9, rel=0.03)
    assert both == pytest.approx(255 / 256 * 100 * GB / 180e9, rel=0.03)


def test_without_peer_to_peer_traffic_takes_the_way_through_the_host() -> None:
    found = machine("2x RTX 4090")
    peers = msgspec.structs.replace(found, device=msgspec.structs.replace(found.device, peer_to_peer=True))
    assert wires(found).inside_bytes_s == wires(peers).inside_bytes_s * WITHOUT_PEERS


def test_at_home_the_slower_of_up_and_down_counts() -> None:
    home = machine("4x RTX 4070 Ti over home internet")
    assert home.between.upload.value < home.between.bandwidth.value
    assert wires(home).between_bytes_s == pytest.approx(home.between.upload.value * home.between.attained.value)


def test_what_needs_a_link_that_is_not_there_takes_for_ever() -> None:
    alone = msgspec.structs.replace(machine("16x H100"), between=None)
    assert all_reduce(GIB, group(16.0, 1.0, 8.0), wires(alone)) > 1e30
    assert all_reduce(GIB, group(8.0, 1.0, 8.0), wires(alone)) < 1
