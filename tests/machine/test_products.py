"""Matrix products: measured latencies are met, and no shape makes the curve misbehave.

`MEASURED` holds rows of aiconfigurator's GEMM database (commit 095f58a5, bf16): four of each accelerator, drawn at
random among those with m, n and k of at least 256.
"""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

import pytest
from hypothesis import settings

from cardyears.base.units import Scalar
from cardyears.catalogue.load import load
from cardyears.machine.device import Device
from cardyears.machine.products import product_time
from cardyears.machine.silicon import Silicon
from cardyears.resolve.devices import device
from cardyears.resolve.silicon import silicon

some = settings(max_examples=150, deadline=None, derandomize=True)

MEASURED = """
a100-sxm-80gb 8192 256 16384 0.286058
a100-sxm-80gb 1024 3584 12288 0.405204
a100-sxm-80gb 8192 7168 1024 0.507347
a100-sxm-80gb 1024 16384 7168 0.866412
h100-sxm-80gb 32768 1024 2560 0.207827
h100-sxm-80gb 32768 2560 3584 0.751081
h100-sxm-80gb 1024 12288 51200 1.66896
h100-sxm-80gb 16384 51200 5120 11.407
h200-sxm 1024 6144 256 0.00877973
h200-sxm 8192 256 3072 0.0205259
h200-sxm 256 51200 3584 0.143083
h200-sxm 16384 12288 7168 3.64087
b200 1024 1024 512 0.0034336
b200 256 1024 7168 0.0104139
b200 4096 5120 512 0.0165493
b200 32768 16384 1536 1.02978
b300 16384 1024 3072 0.0647424
b300 1024 16384 7168 0.160496
b300 8192 10240 2048 0.195992
b300 8192 12288 4096 0.456421
gb200 1024 5120 8192 0.0550267
gb200 32768 1536 3072 0.195597
gb200 4096 16384 5120 0.420517
gb200 8192 16384 65536 12.1768
gb300 256 51200 768 0.0208907
gb300 8192 3584 2048 0.0633419
gb300 1024 8192 65536 0.619083
gb300 16384 5120 10240 0.948451
l40s 1024 1536 512 0.0117476
l40s 16384 2560 4096 1.79641
l40s 16384 7168 1536 2.35787
l40s 4096 3584 16384 1.79977
rtx-pro-6000-server 1024 10240 3584 0.203826
rtx-pro-6000-server 8192 16384 2560 1.69834
rtx-pro-6000-server 16384 12288 7168 7.28561
rtx-pro-6000-server 8192 51200 16384 32.6132
arc-pro-b60 8192 1024 3584 0.688848
arc-pro-b60 256 65536 8192 2.98487
arc-pro-b60 8192 3072 10240 5.50494
arc-pro-b60 8192 6144 65536 92.5703
"""
"""Accelerator, m, n, k, milliseconds."""


class Product(NamedTuple):
    """One measured product."""

    key: str
    shape: tuple[int, int, int]
    seconds: float


def products() -> list[Product]:
    rows = (line.split() for line in MEASURED.split("\n") if line)
    return [Product(key, (int(m), int(n), int(k)), float(ms) / 1e3) for key, m, n, k, ms in rows]


def named(key: str) -> tuple[Device, Silicon]:
    found = device(key, load().accelerators[key])
    return found, silicon(found, load())


def seconds(key: str, m: Scalar, n: Scalar, k: Scalar) -> Scalar:
    found, attained = named(key)
    assert found.bandwidth is not None
    bandwidth = found.bandwidth.value * attained.bandwidth_share
    return product_time(attained.products, found.peak("bf16").value, bandwidth, m, n, k)


def share(key: str, m: int, n: int, k: int) -> float:
    return float(2 * m * n * k / seconds(key, m, n, k) / named(key)[0].peak("bf16").value)


# Measured latencies.


@pytest.mark.parametrize("key", sorted({product.key for product in products()}))
def test_measured_latencies_are_met_within_a_third(key: str) -> None:
    for product in products():
        if product.key == key:
            assert seconds(key, *product.shape) == pytest.approx(product.seconds, rel=0.34), product.shape


def test_half_of_the_measured_latencies_are_met_within_eight_percent() -> None:
    errors = [abs(math.log(seconds(product.key, *product.shape) / product.seconds)) for product in products()]
    assert median(errors) < 0.08


@pytest.mark.parametrize(
    ("key", "attained"),
    [
        ("a100-sxm-80gb", 0.85),
        ("h100-sxm-80gb", 0.82),
        ("h200-sxm", 0.81),
        ("b200", 0.69),
        ("gb300", 0.77),
        ("rtx-pro-6000-server", 0.86),
        ("tpu-v7x", 0.78),
    ],
)
def test_large_products_attain_what_is_published(key: str, attained: float) -> None:
    assert share(key, 8_192, 8_192, 8_192) == pytest.approx(attained, abs=0.03)


def test_small_products_attain_little() -> None:
    assert share("h100-sxm-80gb", 256, 256, 256) < 0.02
    assert 0.3 < share("h100-sxm-80gb", 2_048, 2_048, 2_048) < 0.8


def test_a_skinny_product_waits_for_memory() -> None:
    found, attained = named("h100-sxm-80gb")
    assert found.bandwidth is not None
    moved = 2 * (16_384 * 16_384 + 2 * 8 * 16_384)
    assert seconds("h100-sxm-80gb", 8, 16_384, 16_384) == pytest.approx(
        moved / found.bandwidth.value / attained.bandwidth_share, rel=0.1
    )


def test_fewer_bytes_for_each_operand_are_faster_where_memory_bounds() -> None:
    curve = named("h100-sxm-80gb")[1].products
    wide, narrow = (product_time(curve, 1e15, 3e12, 8, 16_384, 16_384, operand_bytes=size) for size in (2.0, 1.0))
    assert narrow == pytest.approx(wide / 2, rel=0.1)


def test_so_many_products_take_so_many_times_as_long() -> None:
    curve = named("a100-sxm-80gb")[1].products
    assert product_time(curve, 1e15, 3e12, 64, 64, 64, count=12.0) == pytest.approx(
        12 * product_time(curve, 1e15, 3e12, 64, 64, 64)
    )
