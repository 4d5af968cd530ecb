"""What do two tables of measured matrix products say? Latencies by shape and rates at best shapes, by device."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cardyears.base.units import GIGA, KILO, TERA
from cardyears.catalogue.compile import DATA, convert_row, read_toml, section_files
from cardyears.catalogue.schema import AcceleratorRow
from fit_shares import squash

Array: TypeAlias = NDArray[np.float64]

SMALLEST = 256
"""Shapes of interest to training have m, n and k of at least this."""

MORE_NAMES = {
    "A100-PCIe": "a100-pcie-80gb",
    "A100-SXM": "a100-sxm-80gb",
    "GH200-141GB-900W": "gh200-141gb",
    "H100-SXM": "h100-sxm-80gb",
    "RTX5060Ti": "rtx-5060-ti-16gb",
    "V100-32GB": "v100-sxm-32gb",
    "TPU-v7x (per device = 1 of 2 TensorCores)": "tpu-v7x",
}
HALVES = ("tpu-v7x",)
"""Rows of these are of one of two cores in a package."""

PUBLISHERS = {
    "aiconfigurator GEMM database": "aiconfigurator",
    "ml-engineering MAMF table": "ml-engineering",
    "mli transformers-benchmarks README": "mli-benchmarks",
    "gpu-flops-bench cuBLASLt results": "gpu-flops-bench",
    "tpu-recipes Ironwood microbenchmark": "tpu-recipes",
    "BLACKWALL RTX 5060 Ti measurements": "blackwall",
    "tinygrad PR 11390": "tinygrad-11390",
}
"""Sources of the two tables -> keys of the bibliography."""

LAYER = "one "
"""Opens the statistic of rows that time a whole layer, not a product."""
SIXTEEN, LOW = ("bf16", "fp16"), {"fp8_e4m3": "fp8", "nvfp4": "nvfp4"}


class Shapes(NamedTuple):
    """Measured latencies of products, as columns."""

    device: str
    dtype: str
    peak: Array
    bandwidth: Array
    """Nominal."""
    m: Array
    n: Array
    k: Array
    seconds: Array

    @property
    def large(self) -> NDArray[np.bool_]:
        """Which shapes are of interest to training."""
        return np.minimum(np.minimum(self.m, self.n), self.k) >= SMALLEST


class Best(NamedTuple):
    """One attained rate at the best shape that a publisher found."""

    device: str
    publisher: str
    dtype: str
    tflop_s: float


def devices() -> dict[str, AcceleratorRow]:
    """Every accelerator of the catalogue."""
    return {
        key: convert_row(raw, AcceleratorRow, path.name, key)
        for path in section_files(DATA, "accelerators")
        for key, raw in read_toml(path).items()
    }


DEVICES = devices()
NAMES = {squash(name): key for key, row in DEVICES.items() for name in (*row.stands_for, *row.aliases, row.name, key)}


def device_of(name: str) -> str | None:
    """Key of the device that a table names; None where the catalogue has no such device with a 16-bit peak."""
    key = MORE_NAMES.get(name) or NAMES.get(squash(name))
    return key if key and peak_of(key) else None


def peak_of(key: str) -> float:
    """Dense 16-bit peak in TFLOP/s of what one row of a table measures; 0 where no source gives one."""
    peaks = DEVICES[key].peak_tflop_s
    return (peaks.get("bf16") or peaks.get("fp16") or 0.0) / (2 if key in HALVES else 1)


def read(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def read_shapes(rows: Iterable[Mapping[str, str]], seconds: Callable[[Mapping[str, str]], float]) -> list[Shapes]:
    """Latencies by device and dtype."""
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for row in rows:
        key = device_of(row["gpu"])
        if key:
            sizes = (float(row["m"]), float(row["n"]), float(row["k"]))
            found.setdefault((key, row["dtype"].split()[0]), []).append((*sizes, seconds(row)))
    return [columns(key, dtype, np.array(values).T) for (key, dtype), values in found.items()]


def columns(key: str, dtype: str, values: Array) -> Shapes:
    """One device's latencies with its peak and nominal bandwidth beside each."""
    share = 2 if key in HALVES else 1
    bandwidth = (DEVICES[key].bandwidth_gb_s or 0.0) * GIGA / share
    peak, same = peak_of(key) * TERA, np.ones(values.shape[1])
    return Shapes(key, dtype, same * peak, same * bandwidth, *values)


def read_best(rows: Iterable[Mapping[str, str]]) -> Iterator[Best]:
    """Rates at best shapes, without casts and summaries of the shapes that are fitted anyway."""
    for row in rows:
        key, publisher = device_of(row["gpu"]), PUBLISHERS[row["source"]]
        summary = publisher in {"aiconfigurator", "tpu-recipes"} or row["stat"].startswith(LAYER)
        half = row["dtype"] in SIXTEEN and row["accumulate"] == "fp32"
        if key and not summary and (half or row["dtype"] in LOW):
            yield Best(key, publisher, "half" if half else LOW[row["dtype"]], float(row["tflops"]))


def joined(parts: Sequence[Shapes]) -> Shapes:
    """Latencies of several devices as one."""
    return Shapes(
        parts[0].device, parts[0].dtype, *(np.concatenate(one) for one in zip(*(p[2:] for p in parts), strict=True))
    )


def latency(row: Mapping[str, str]) -> float:
    """Seconds of one product, from its latency or else its rate."""
    if row.get("latency_ms"):
        return float(row["latency_ms"]) / KILO
    return 2 * float(row["m"]) * float(row["n"]) * float(row["k"]) / (float(row["tflops"]) * TERA)
