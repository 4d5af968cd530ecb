"""The rates of one device in one engine and precision, against what goes into them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cardyears.base.errors import MissingFigure
from cardyears.base.sourced import Sourced
from cardyears.catalogue.load import load
from cardyears.machine.device import Device
from cardyears.machine.products import ProductCurve, product_time
from cardyears.machine.rates import Rates, rates
from cardyears.machine.silicon import Silicon
from cardyears.resolve.engines import engine

CURVE = ProductCurve(share=0.8, depth=50.0, fill=1e-10, floor_s=3e-6)
SILICON = Silicon(family="made-up", products=CURVE, attention_share=0.4, bandwidth_share=0.9, gain={"fp8": 2.0})
ENGINE = msgspec.structs.replace(
    engine("megatron-core", load().engines["megatron-core"]),
    product_factor=0.5,
    grouped_loss=1.0,
    attention_factor=0.75,
)


def sourced(value: float, unit: str) -> Sourced:
    return Sourced(value, unit, "assumed", "made-up", "2026-11-24")


def device(bandwidth: float | None = 2e12, **peaks: float) -> Device:
    moved = sourced(bandwidth, "B/s") if bandwidth else None
    found = {dtype: sourced(value, "FLOP/s") for dtype, value in (peaks or {"bf16": 1e15, "fp8": 2e15}).items()}
    return Device("made-up", "Made-up", "made-up", sourced(80e9, "B"), found, moved)


def of(precision: str = "bf16", **peaks: Any) -> Rates:
    return rates(device(**peaks), SILICON, ENGINE, precision)


def test_rates_are_the_data_sheets_times_what_is_attained() -> None:
    found = of()
    assert found.product_peak == 1e15 * 0.5
    assert found.attention == 1e15 * 0.4 * 0.75
    assert found.bandwidth == 2e12 * 0.9
    assert found.peak == 1e15


def test_a_product_takes_what_the_curve_says() -> None:
    found = of().product(4_096, 8_192, 1_024)
    assert found == product_time(CURVE, 5e14, 1.8e12, 4_096, 8_192, 1_024)


def test_low_precision_runs_faster_unless_a_product_stays_in_16_bit() -> None:
    found = of("fp8").product(4_096, 8_192, 1_024)
    assert found == product_time(CURVE, 1e15, 1.8e12, 4_096, 8_192, 1_024, operand_bytes=1.0)
    assert of("fp8").product(4_096, 8_192, 1_024, wide=True) == of().product(4_096, 8_192, 1_024)


def test_a_cast_reads_16_bit_and_writes_8_twice_and_16_bit_needs_none() -> None:
    assert of("fp8").cast(1.8e12) == pytest.approx(2 + 1 + 1, rel=1e-12)
    assert of().cast(1.8e12) == 0.0


def test_activations_between_products_have_four_bytes_in_fp32_and_two_below() -> None:
    wide = rates(device(bf16=1e15, fp32=6e13), SILICON, ENGINE, "fp32")
    assert (wide.element_bytes, of().element_bytes, of("fp8").element_bytes) == (4.0, 2.0, 2.0)


def test_utilisation_in_low_precision_is_a_share_of_its_own_peak() -> None:
    assert of("fp8").peak == 2e15
    assert of("fp8", bf16=1e15).peak == 1e15  # where none is published, of 16 bit


def test_products_without_tensor_cores_run_at_the_fp32_peak() -> None:
    assert of(bf16=1e15, fp32=6e13).without_tensor_cores == pytest.approx(1e15 / 6e13)
    assert of(bf16=1e15).without_tensor_cores == 1.0  # where no source gives that peak


def test_fp32_moves_four_bytes_for_each_operand() -> None:
    found = rates(device(bf16=1e15, fp32=6e13), SILICON, ENGINE, "fp32")
    assert (found.peak, found.operand_bytes) == (6e13, 4.0)


def test_cards_without_bf16_train_in_fp16() -> None:
    assert of(fp16=1.25e14).peak == 1.25e14


def test_attention_and_movement_are_plain_quotients() -> None:
    assert of().attend(3e14) == 1.0
    assert of().move(1.8e12) == 1.0


# Experts, launched as one


def test_experts_with_many_rows_lose_by_their_width_alone() -> None:
    # 1e9 rows: 350 more do not count; half the rate at a width of 1,500.
    found = of().grouped(1e9, 4_096.0, 1_500.0, width=1_500.0, count=8.0)
    assert found == pytest.approx(2 * of().product(1e9, 1_500.0, 4_096.0, count=8.0), rel=1e-5)


def test_experts_of_350_rows_run_at_half_the_rate() -> None:
    def rate(rows: float) -> float:
        return rows / of(bandwidth=1e30).grouped(rows, 4_096.0, 14_336.0, width=1e12, count=1.0)

    assert rate(350.0) / rate(1e9) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("gradient", [0.0, 8.0])
def test_more_rows_never_take_less_time(gradient: float) -> None:
    found = [
        of().grouped(rows, 4_096.0, 1_536.0, width=1_536.0, count=128.0, gradient_bytes=gradient)
        for rows in (0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0)
    ]
    assert found == sorted(found)
    assert found[0] < 0.1  # 128 experts of 6 million weights, hardly used: milliseconds


# What is missing is said


def test_no_bandwidth_no_rates() -> None:
    with pytest.raises(MissingFigure, match="Made-up has no published memory bandwidth"):
        rates(device(bandwidth=None), SILICON, ENGINE, "bf16")


def test_no_rates_in_a_precision_that_the_family_does_not_train_in() -> None:
    with pytest.raises(MissingFigure, match="Made-up does not train in nvfp4"):
        of("nvfp4")
