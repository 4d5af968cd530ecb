"""How long does a group of ranks exchange data? Collectives by size, group and wires. Knows no model.

Every time is

    t = call + latency + w + √(ramp·w)        w = bytes on the slowest wire / its bandwidth

`call` is the same for any size; `latency` grows with the hops, one behind the other; the root is what a message loses
that is cut into pieces so that they flow: (√a + √b)² for the best size of the pieces (Thakur 2005, section 2). Fitted
on measured collectives, the four coefficients of a link reproduce them within 10 % at the median (tools/fit_links.py).

An array means the same on every rank: what each holds after an all-gather, before a reduce-scatter, before and after
an all-reduce. Sources: nccl-tests for bytes and bandwidths, thakur-2005 for ring and tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cardyears.base.broadcast import any_of, ceil, floor, log2, maximum, minimum, sqrt, where

if TYPE_CHECKING:
    from cardyears.base.sourced import Sourced
    from cardyears.base.units import Bytes, BytesPerSecond, Count, Scalar, Seconds
    from cardyears.machine.cluster import Cluster, Link

WITHOUT_PEERS = 0.7
"""Bandwidth over PCIe of devices that cannot read each other's memory: traffic goes through the host's. Assumed,
between a half, as copies between two A40 fall to, and all of it, as all-reduces of the same A40 and of eight RTX 5090
keep. Source: nccl-tests, with its issue 74, and issue 1639 of NCCL."""
SWITCH_HOPS = 7.0
"""Hops in a switched node after which more ranks add none: eight is the largest ring that was measured there, and
beyond it libraries let the switch multiply data. Assumed."""
ONE_WAY = 2.0
"""Directions of one axis of a torus: a ring uses both, a neighbour one."""
NO_LINK = 1e-30
"""Bytes per second where no link was named: whatever needs it takes for ever."""
TORUS_EXCHANGE = 4.0
"""An all-to-all of n ranks along an axis takes n/4 times what its bytes alone would. Source: scaling-book, part 3."""


class Group(NamedTuple):
    """Ranks that talk to each other, and how they lie in the nodes; made by `group`."""

    ranks: Count
    inside: Count
    """How many of them lie in one node."""
    nodes: Count
    depth: Count
    """Steps of a tree over the nodes."""
    card_load: Count
    """Share of a ring's bytes that each network card of its ranks in a node carries; 0 where none leave the node."""
    talks: Count
    """1 where there is more than one rank, else 0."""


def group(ranks: Count, stride: Count, per_node: Count) -> Group:
    """Ranks whose neighbours lie `stride` ranks apart, where `per_node` devices are joined by the inner link.

    The innermost axis of a mesh has stride 1, the next one the size of the innermost, and so on.

    >>> group(16.0, 4.0, 8.0)
    Group(ranks=16.0, inside=2.0, nodes=8.0, depth=3.0, card_load=0.5, talks=1.0)
    """
    ranks = maximum(ranks, 1.0)
    inside = minimum(maximum(floor(per_node / stride), 1.0), ranks)
    nodes = ranks / inside
    card_load = where(nodes > 1.0, 1.0 / inside, 0.0)
    return Group(ranks, inside, nodes, ceil(log2(nodes)), card_load, where(ranks > 1.0, 1.0, 0.0))


class Wires(msgspec.Struct, frozen=True, kw_only=True):
    """What links attain, as plain numbers; made once for each cluster by `wires`."""

    inside_bytes_s: float
    """Large messages, one direction of one device, to its neighbours in the node."""
    between_bytes_s: float
    """To other nodes; where up and down differ, the slower: a ring needs both."""
    inside_hop_s: float = 0.0
    between_hop_s: float = 0.0
    call_s: float = 0.0
    """On the device; what the host needs to start it is the engine's."""
    ramp_s: float = 0.0
    in_switch: float = 0.0
    """Rate of a reduction in the switch over a ring's; 0: none."""
    crowding: float = 0.0
    peers: float = 0.0
    axes: float = 0.0
    axis_ranks: float = 0.0
    """Ranks along one axis of the torus."""


def wires(cluster: Cluster) -> Wires:
    """What the links of a cluster attain. Where one of them is missing, the other stands in for latency.

    >>> from cardyears.base.sourced import Sourced
    >>> from cardyears.machine.cluster import Cluster, Link
    >>> from cardyears.machine.device import Device
    >>> def measured(value, unit=""): return Sourced(value, unit, "measured", "aiconfigurator", "2026-11-24")
    >>> device = Device("h200", "H200", "h200", measured(141e9, "B"))
    >>> nvlink = Link("nvlink", "NVLink", measured(450e9, "B/s"), attained=measured(0.8))
    >>> f"{wires(Cluster(device, 8, 8, nvlink)).inside_bytes_s:.3g}"
    '3.6e+11'
    """
    inside, between = cluster.inside, cluster.between
    near = inside or between
    slowed = 1.0 if cluster.device.peer_to_peer else WITHOUT_PEERS
    axes = float(inside.axes) if inside else 0.0
    return Wires(
        inside_bytes_s=(_attained(inside) if cluster.domain > 1 else float("inf")) * slowed,
        between_bytes_s=_attained(between),
        inside_hop_s=_figure(inside, "hop"),
        between_hop_s=_figure(between, "hop"),
        call_s=_figure(near, "call"),
        ramp_s=_figure(near, "ramp"),
        in_switch=_figure(inside, "in_switch"),
        crowding=_figure(inside, "crowding"),
        peers=float(inside.peers) if inside else 0.0,
        axes=axes,
        axis_ranks=_axis_ranks(min(cluster.count, cluster.domain), axes),
    )


def _figure(link: Link | None, name: str) -> float:
    """A figure of a link in SI units; 0 where it, or the link, is missing."""
    figure: Sourced | None = getattr(link, name, None)
    return figure.value if figure else 0.0


def _attained(link: Link | None) -> float:
    """Bandwidth of large messages."""
    if link is None:
        return NO_LINK
    share = link.attained.value if link.attained else 1.0
    slower = min(link.bandwidth.value, link.upload.value) if link.upload else link.bandwidth.value
    return slower * share


def _axis_ranks(devices: int, axes: float) -> float:
    """Length of one axis of a torus with equal axes."""
    length = 1
    while axes and length**axes < devices:
        length += 1
    return float(length)


# How fast, how far


def _inside_rate(wires: Wires, inside: Count) -> BytesPerSecond:
    """Bandwidth of one device in a group of which so many ranks lie in its node.

    crowded PCIe     B/(1 + c·(r-2))
    wires to peers   B·(r-1)/peers
    torus            B·(axes that the group spans)/axes
    """
    rate: BytesPerSecond = wires.inside_bytes_s
    if any_of(wires.crowding):
        rate = rate / (1.0 + wires.crowding * maximum(inside - 2.0, 0.0))
    if any_of(wires.peers):
        rate = rate * minimum(maximum(inside - 1.0, 1.0) / maximum(wires.peers, 1.0), 1.0)
    if any_of(wires.axes):
        rate = rate * (_spanned(wires, inside) / maximum(wires.axes, 1.0))
    return rate


def _spanned(wires: Wires, inside: Count) -> Count:
    """Axes of the torus that a group spans."""
    length = wires.axis_ranks
    second = where(inside > length, 1.0, 0.0)
    third = where(inside > length * length, 1.0, 0.0)
    return minimum(1.0 + second + third, maximum(wires.axes, 1.0))


def _steps(wires: Wires, inside: Count) -> Count:
    """Hops of one ring in a node."""
    return where(wires.in_switch, minimum(inside - 1.0, SWITCH_HOPS), inside - 1.0)


def _time(wires: Wires, who: Group, latency: Seconds, wire: Seconds) -> Seconds:
    """The sum at the head of this file; nothing for a group of one, whose latency and wire are nothing."""
    return latency + wire + sqrt(wires.ramp_s * wire) + wires.call_s * who.talks


# The collectives


def all_reduce(array_bytes: Bytes, who: Group, wires: Wires) -> Seconds:
    """Seconds until every rank has the sum of all ranks' arrays of so many bytes.

        in a node    2(n-1)/n · V/B, or by the switch (1+1/r) · V/(s·B)
        over nodes   ring or double tree, the slower of the inner wire and r network cards:   2(n-1)/n · V/(r·C)
                     or reduce-scatter inside, all-reduce across, all-gather inside:
                     2(r-1)/r · V/B + 2(m-1)/m · V/(r·C)

    n ranks, r of them in each of m nodes; the fastest is taken, as libraries do. Hops: a chain inside, there and back,
    and a tree over the nodes. Sources: thakur-2005; sanders-2009 for the double tree, which moves what a ring does;
    nccl-tests, PERFORMANCE.md.

    >>> fast = Wires(inside_bytes_s=2.0**38, between_bytes_s=2.0**35)
    >>> all_reduce(2.0**38, group(8.0, 1.0, 8.0), fast)
    1.75
    """
    each = 2.0 - 2.0 / who.ranks
    part = 1.0 / who.inside
    near_cost, far_cost = 1.0 / _inside_rate(wires, who.inside), who.card_load / wires.between_bytes_s
    near = minimum(each, (1.0 + part) / maximum(wires.in_switch, NO_LINK)) if any_of(wires.in_switch) else each
    ring = maximum(near * near_cost, each * far_cost)
    by_stages = (2.0 - 2.0 * part) * near_cost + (2.0 - 2.0 / who.nodes) * far_cost
    latency = 2.0 * wires.inside_hop_s * _steps(wires, who.inside) + 2.0 * wires.between_hop_s * who.depth
    return _time(wires, who, latency, array_bytes * minimum(ring, by_stages))


def all_gather(array_bytes: Bytes, who: Group, wires: Wires) -> Seconds:
    """Seconds until every rank has the whole array of so many bytes, of which it had one part.

        (n-1)/n · V / min(B, r·C)    a ring: n-1 hops, of which m-1 cross from node to node

    Libraries have no tree for it, so over many nodes the hops of small messages add up. Sources: thakur-2005;
    nccl-tests, PERFORMANCE.md; fernandez-2024 for the growth with the nodes.

    >>> fast = Wires(inside_bytes_s=2.0**38, between_bytes_s=2.0**35)
    >>> all_gather(2.0**38, group(8.0, 1.0, 8.0), fast)
    0.875
    """
    cost = maximum(1.0 / _inside_rate(wires, who.inside), who.card_load / wires.between_bytes_s)
    latency = wires.inside_hop_s * (who.nodes * _steps(wires, who.inside)) + wires.between_hop_s * (who.nodes - 1.0)
    return _time(wires, who, latency, array_bytes * ((1.0 - 1.0 / who.ranks) * cost))


def reduce_scatter(array_bytes: Bytes, who: Group, wires: Wires) -> Seconds:
    """Seconds until every rank has its part of the sum of all ranks' arrays of so many bytes: an all-gather backwards.

    >>> fast = Wires(inside_bytes_s=2.0**38, between_bytes_s=2.0**35)
    >>> reduce_scatter(2.0**38, group(8.0, 1.0, 8.0), fast)
    0.875
    """
    return all_gather(array_bytes, who, wires)


def all_to_all(array_bytes: Bytes, who: Group, wires: Wires) -> Seconds:
    """Seconds until every rank has sent each other one its part of the so many bytes that it held.

        max( (r-1)/n · V/B,  (n-r)/n · V/C )

    What leaves the node goes over each rank's own network card, the rest over the inner wire meanwhile.
    Source: nccl-tests, PERFORMANCE.md.

    >>> fast = Wires(inside_bytes_s=2.0**38, between_bytes_s=2.0**35)
    >>> all_to_all(2.0**35, group(16.0, 1.0, 8.0), fast)
    0.5
    """
    near_cost = 1.0 / _inside_rate(wires, who.inside)
    if any_of(wires.axes):
        near_cost = near_cost * maximum(minimum(who.inside, wires.axis_ranks) / TORUS_EXCHANGE, 1.0)
    each = maximum((who.inside - 1.0) * near_cost, (who.ranks - who.inside) / wires.between_bytes_s)
    latency = wires.inside_hop_s * ceil(log2(who.inside)) + wires.between_hop_s * who.depth
    return _time(wires, who, latency, array_bytes * (each / who.ranks))


def send(array_bytes: Bytes, across: Group | Scalar, wires: Wires) -> Seconds:
    """Seconds to hand so many bytes to the next rank of a group, or to a rank in another node where a flag is not 0.

        V/B inside, V/C where any rank of the group has its next one in another node

    >>> fast = Wires(inside_bytes_s=2.0**38, between_bytes_s=2.0**35)
    >>> send(2.0**35, 1.0, fast), send(2.0**38, group(8.0, 1.0, 8.0), fast)
    (1.0, 1.0)
    """
    who = across if isinstance(across, Group) else _PAIR
    far = across.nodes > 1.0 if isinstance(across, Group) else across
    neighbours = wires.inside_bytes_s / maximum(1.0, wires.peers, ONE_WAY * wires.axes)
    latency = where(far, wires.between_hop_s, wires.inside_hop_s) * who.talks
    return _time(wires, who, latency, array_bytes * who.talks / where(far, wires.between_bytes_s, neighbours))


_PAIR = group(2.0, 1.0, 1.0)
