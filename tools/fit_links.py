"""What do links attain in collectives? Fitted on measured times by size, group and operation.

    python tools/fit_links.py COMMS.csv

Fits the coefficients of `machine.collectives` for each class of link that was measured and prints them as they stand
in ``catalogue/data/links.toml``; then the errors of what the catalogue says now, by hardware and by collective.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from cardyears.base.units import GIGA, MIB, Scalar
from cardyears.catalogue.load import load
from cardyears.machine.cluster import Cluster
from cardyears.machine.collectives import Group, Wires, all_gather, all_reduce, all_to_all, group, reduce_scatter, wires
from cardyears.resolve.devices import device, link

Array: TypeAlias = NDArray[np.float64]

HUBER = 0.1
"""Logarithmic error beyond which a row pulls no harder."""
MACHINES = {
    "A100-SXM": ("a100-sxm-80gb", ""),
    "A100-SXM-80GB": ("a100-sxm-80gb", ""),
    "H100-SXM-80GB": ("h100-sxm-80gb", ""),
    "H200-SXM": ("h200-sxm", ""),
    "H200-SXM (p5en)": ("h200-sxm", ""),
    "B200": ("b200", ""),
    "B200 (P6-B200, EFA v4 8x50 GB/s)": ("b200", "efa-3200"),
    "B300": ("b300", ""),
    "GB200": ("gb200", ""),
    "GB300": ("gb300", ""),
    "L40S (PCIe)": ("l40s", ""),
    "RTXPRO6000-Server (PCIe 5)": ("rtx-pro-6000-server", ""),
    "ArcProB60 (PCIe, oneCCL)": ("arc-pro-b60", ""),
    "MI300X": ("mi300x", ""),
    "unnamed 4-node cluster": ("a100-sxm-80gb", "infiniband-edr"),
}
"""Name in the table -> device and, for several nodes, link between them. The unnamed cluster's 92 GB/s in a node of
eight are 100 Gb/s for each device; its text is of the time of A100."""
UNNAMED_RANKS, MOST_IN_A_NODE = 32, 8
PAIRS_ONLY = "pcie-4-x16"
"""Of this link only pairs are fitted: with 4 and 8 L40S one server fell to 5 and 1.5 GB/s, but MLPerf's L40S servers
finish steps whose tensor-parallel traffic in groups of 4 would take twice the step at that rate."""
FROM_PYTHON = "ml-engineering"
"""These were timed around the call in Python: below 1 MiB the host's time is what they show."""
PARTS_COUNTED = "oneCCL"
"""Its all-gather's bytes are of each rank's part: the time is that of an array so many times larger."""

OPERATIONS: Mapping[str, Callable[[Scalar, Group, Wires], Scalar]] = {
    "all_reduce": all_reduce,
    "all_gather": all_gather,
    "reduce_scatter": reduce_scatter,
    "alltoall": all_to_all,
}
FIRST = {
    "inside_bytes_s": 0.75,
    "inside_hop_s": 1e-6,
    "call_s": 6e-6,
    "ramp_s": 1e-5,
    "in_switch": 0.8,
    "crowding": 0.1,
}
"""Where the search for a link inside a node begins; bandwidth as a share of nominal."""
FIRST_BETWEEN = {"between_bytes_s": 0.9, "between_hop_s": 2e-5}
PRIOR_SD, ROWS_OF_PRIOR = 1.0, 1.0
"""The prior is worth one row and decides only what rows leave open."""
KEYS = {
    "inside_bytes_s": ("attained_share", 1.0),
    "between_bytes_s": ("attained_share", 1.0),
    "inside_hop_s": ("hop_us", 1e6),
    "between_hop_s": ("hop_us", 1e6),
    "call_s": ("call_us", 1e6),
    "ramp_s": ("ramp_us", 1e6),
    "in_switch": ("in_switch_gain", 1.0),
    "crowding": ("crowding", 1.0),
}
SMALLEST_STEP, MOST_ROUNDS = 1e-4, 300


class Measured(NamedTuple):
    """One collective as it was measured."""

    hardware: str
    operation: str
    ranks: int
    nodes: int
    array_bytes: float
    seconds: float
    ring: bool
    """The switch was not used."""
    from_python: bool

    @property
    def small(self) -> bool:
        """Whether latency rules."""
        return self.array_bytes < MIB

    @property
    def link(self) -> str:
        """The link that decides: between nodes where there are several."""
        name, between = MACHINES[self.hardware]
        return between if self.nodes > 1 else load().accelerators[name].link or ""

    @property
    def fitted(self) -> bool:
        """Whether it tells about its class of link."""
        return not (self.small and self.from_python) and not (self.link == PAIRS_ONLY and self.ranks > 2)


def read(path: Path) -> Iterator[Measured]:
    """Rows of the table; seconds from the latency, or from the bus bandwidth where only that was printed."""
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            ranks = int(row["n_gpus"] or UNNAMED_RANKS)
            array_bytes, operation = float(row["size_bytes"]), row["collective"]
            moved = array_bytes * (ranks - 1) / ranks * (2 if operation == "all_reduce" else 1)
            seconds = float(row["latency_ms"]) / 1e3 if row["latency_ms"] else moved / GIGA / float(row["busbw_gbs"])
            if PARTS_COUNTED in row["hardware"] and operation == "all_gather":
                array_bytes *= ranks
            yield Measured(
                row["hardware"], operation, ranks, int(row["n_nodes"]), array_bytes, seconds,
                row["algo"].startswith("Ring"), row["source"].startswith(FROM_PYTHON),
            )  # fmt: skip


def predicted(rows: Sequence[Measured], by_row: Callable[[Measured], Wires]) -> Array:
    """Seconds that the sums say, row by row; rows with the same wires and operation go through at once."""
    seconds = np.empty(len(rows))
    batches: dict[tuple[int, str], list[int]] = {}
    found: dict[int, Wires] = {}
    for i, row in enumerate(rows):
        one = by_row(row)
        found[id(one)] = one
        batches.setdefault((id(one), row.operation), []).append(i)
    for (one_id, operation), places in batches.items():
        sizes = np.array([rows[i].array_bytes for i in places])
        ranks = np.array([float(rows[i].ranks) for i in places])
        per_node = np.array([rows[i].ranks / rows[i].nodes for i in places])
        seconds[places] = OPERATIONS[operation](sizes, group(ranks, 1.0, per_node), found[one_id])
    return seconds


def machine(hardware: str) -> Wires:
    """Wires of a machine as the catalogue has them."""
    name, between = MACHINES[hardware]
    catalogue = load()
    one = device(name, catalogue.accelerators[name])
    far = link(between, catalogue.links) if between else None
    inside = link(one.link or "", catalogue.links)
    return wires(Cluster(one, UNNAMED_RANKS, MOST_IN_A_NODE, inside, far))


def without_switch(these: Wires) -> Wires:
    """The same wires where the switch only passes data on."""
    return msgspec.structs.replace(these, in_switch=0.0)


# The fit


def fit(key: str, rows: Sequence[Measured]) -> dict[str, float]:
    """Coefficients of one link."""
    nominal = load().links[key].bandwidth_gb_s * GIGA
    between = load().links[key].scope != "node"
    first = FIRST_BETWEEN if between else FIRST
    bandwidth = "between_bytes_s" if between else "inside_bytes_s"
    names = [name for name in first if applies(name, rows)]
    start = np.log([first[name] for name in names])
    base = machine(rows[0].hardware)
    measured = np.array([row.seconds for row in rows])

    def loss(logs: Array) -> float:
        values = dict(zip(names, map(float, np.exp(logs)), strict=True))
        values[bandwidth] *= nominal
        these = msgspec.structs.replace(base, **({} if between else {"in_switch": 0.0, "crowding": 0.0}) | values)
        ring = without_switch(these)
        wrong = np.log(predicted(rows, lambda row: ring if row.ring else these) / measured) / HUBER
        prior = float(np.square((logs - start) / PRIOR_SD).sum()) * ROWS_OF_PRIOR
        return float(np.sqrt(1 + np.square(wrong)).sum()) + prior

    return dict(zip(names, map(float, np.exp(search(loss, start))), strict=True))


def applies(name: str, rows: Sequence[Measured]) -> bool:
    """Whether rows can show a coefficient at all."""
    if name == "in_switch":
        return any(row.ranks > 4 for row in rows) and load().links[rows[0].link].in_switch_gain is not None
    if name == "crowding":
        return rows[0].link.startswith("pcie") and any(row.ranks > 2 for row in rows)
    return True


def search(loss: Callable[[Array], float], point: Array) -> Array:
    """The lowest point near this one: a step along each axis in turn, longer where it helps, shorter where not."""
    best, steps = loss(point), np.full(len(point), 0.4)
    for _ in range(MOST_ROUNDS):
        for axis in range(len(point)):
            for direction in (1, -1):
                tried = point.copy()
                tried[axis] += direction * steps[axis]
                if (value := loss(tried)) < best:
                    point, best = tried, value
                    steps[axis] *= 1.3
                    break
            else:
                steps[axis] *= 0.6
        if steps.max() < SMALLEST_STEP:
            break
    return point


# What it prints


def rounded(value: float) -> str:
    """Three digits."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def median(values: Iterable[float]) -> str:
    """The middle one in per cent, or a dash."""
    found = list(values)
    return f"{100 * float(np.median(found)):6.1f}" if found else "     -"


def print_errors(rows: Sequence[Measured], seconds: Array) -> None:
    """Median error and bias, of large and of small messages, of each hardware and collective."""
    errors = seconds / np.array([row.seconds for row in rows]) - 1
    by: dict[str, list[int]] = {"all": list(range(len(rows)))}
    for i, row in enumerate(rows):
        by.setdefault(f"{row.hardware}, {row.nodes} nodes" if row.nodes > 1 else row.hardware, []).append(i)
        by.setdefault(f"  {row.operation}", []).append(i)
        by.setdefault(f"    {row.hardware} x{row.ranks} {row.operation}", []).append(i)
    print(f"\n{'median error in %':58s} rows  >=1 MiB   bias   <1 MiB   bias")
    for name, places in by.items():
        large, small = [i for i in places if not rows[i].small], [i for i in places if rows[i].small]
        cells = [median(abs(errors[large])), median(errors[large]), median(abs(errors[small])), median(errors[small])]
        print(f"{name:58s} {len(places):4d}  {'  '.join(cells)}")


def main(arguments: Sequence[str]) -> int:
    """Fit, print, compare."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    rows = list(read(Path(arguments[0])))
    by_link: dict[str, list[Measured]] = {}
    for row in rows:
        if row.fitted:
            by_link.setdefault(row.link, []).append(row)
    for key, measured in by_link.items():
        if len(measured) > len(FIRST):
            print(f"[{key}]  # {len(measured)} rows")
            for name, value in fit(key, measured).items():
                print(f"{KEYS[name][0]} = {rounded(value * KEYS[name][1])}")
    known = {name: machine(name) for name in MACHINES}
    rings = {name: without_switch(these) for name, these in known.items()}
    print_errors(rows, predicted(rows, lambda row: (rings if row.ring else known)[row.hardware]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
