"""The optimiser, the gradient's norm, dequantising and the host: bytes over bandwidth, counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cardyears.estimate.estimate import estimate
from cardyears.estimate.setting import setting
from cardyears.estimate.step import step
from cardyears.estimate.update import trained_parameters, update_bytes
from cardyears.layout.layout import Layout
from cardyears.layout.shard import model_work, rank_parameters
from cardyears.work.architecture import LLAMA2_7B, LLAMA3_8B, Architecture, Layer
from cardyears.work.channels import Experts
from cardyears.work.mixers import Attention
from cardyears.work.params import linear_parameters, lora_parameters, total_parameters
from cardyears.work.state import RECIPES

MEMORY = 1e12
N = total_parameters(LLAMA2_7B)
MIXTURE = Architecture("mixture", 1_024, 32_000, ((Layer(Attention(8, 8, 128), Experts(8, 2, 2_048, gated=True)), 4),))


def line(job: Any, name: str, **fields: Any) -> float:
    return float(estimate(job, Layout(**fields)).time[name])


# Bytes of one update: gradient read; master and moments read and written; the 16-bit weight written.


@pytest.mark.parametrize(
    ("recipe", "moved"),
    [
        ("adamw", 2 + 2 * (4 + 8) + 2),
        ("adamw-fp32-gradients", 4 + 2 * (4 + 8) + 2),
        ("adamw-fp32", 4 + 2 * (4 + 8)),  # the weight is its own master
        ("adamw-bf16", 2 + 2 * (2 + 4)),
        ("sgd", 2 + 2 * (4 + 4) + 2),
        ("adamw-8bit", 2 + 2 * (4 + 2 + 2 * 4 / 256) + 2),
    ],
)
def test_an_update_reads_and_writes_the_state(recipe: str, moved: float) -> None:
    assert update_bytes(RECIPES[recipe]) == moved


def test_the_optimiser_moves_28_bytes_for_each_parameter(ideal: Any) -> None:
    assert line(ideal(LLAMA2_7B), "optimizer") * MEMORY == pytest.approx(28 * N, rel=1e-12)


@pytest.mark.parametrize(("zero", "share"), [(0, 1), (1, 8), (2, 8), (3, 8)])
def test_sharded_state_is_updated_in_shares(ideal: Any, zero: int, share: int) -> None:
    found = line(ideal(LLAMA2_7B), "optimizer", dp=8, zero=zero)
    assert found * MEMORY == pytest.approx(28 * N / share, rel=1e-12)


def test_zero_stages_may_come_as_an_array() -> None:
    held = rank_parameters(model_work(MIXTURE), Layout())
    stages = np.array([0.0, 1.0, 3.0])
    together = trained_parameters(Layout(dp=4, zero=stages), held, 1.0)
    assert np.asarray(together).tolist() == [trained_parameters(Layout(dp=4, zero=zero), held, 1.0) for zero in stages]


def test_experts_are_sharded_over_their_own_replicas(ideal: Any) -> None:
    # dp = 8, ep = 4: two replicas of each expert, eight of all else.
    experts = 4 * 8 * 3 * 1_024 * 2_048
    found = line(ideal(MIXTURE), "optimizer", dp=8, ep=4, zero=1)
    dense = total_parameters(MIXTURE) - experts
    assert found * MEMORY == pytest.approx(28 * (dense / 8 + experts / 4 / 2), rel=1e-12)


def test_loops_over_tensors_move_the_state_more_often(ideal: Any) -> None:
    once, twice = (line(ideal(LLAMA2_7B, optimizer_passes=passes), "optimizer") for passes in (1.0, 2.0))
    assert twice == 2 * once


def test_adapters_are_updated_alone(ideal: Any) -> None:
    # In fp32 with its own weight as master: 28 bytes.
    found = line(ideal(LLAMA2_7B, method="lora"), "optimizer")
    assert found * MEMORY == pytest.approx(28 * lora_parameters(LLAMA2_7B, 16), rel=1e-9)


# The gradient's norm


def test_the_norm_reads_every_gradient_once(ideal: Any) -> None:
    assert line(ideal(LLAMA2_7B), "gradient_norm") * MEMORY == pytest.approx(2 * N, rel=1e-12)


# NF4. Dettmers 2023, section 3: 4.127 bits for each weight, products in bf16.


@pytest.mark.parametrize(("recompute", "passes"), [("none", 2), ("full", 3)])
def test_a_quantised_base_is_written_out_for_each_pass(ideal: Any, recompute: str, passes: int) -> None:
    found = line(ideal(LLAMA2_7B, method="qlora"), "dequantisation", recompute=recompute, accumulation=2)
    written = linear_parameters(LLAMA2_7B) * (4.127 / 8 + 2)
    assert found * MEMORY == pytest.approx(2 * passes * written, rel=1e-9)


def test_a_base_in_16_bit_needs_none(ideal: Any) -> None:
    assert line(ideal(LLAMA2_7B, method="lora"), "dequantisation") == 0


# The host: 10 GB/s to the device, 20 GB/s of its memory, 5 GB/s of its disk, for each device.


def test_an_offloaded_optimiser_is_updated_by_the_host(ideal: Any) -> None:
    # Ren 2021 (ZeRO-Offload), section 4.1: gradients of 2 bytes down and weights of 2 bytes up; the host moves 28.
    job = ideal(LLAMA2_7B)
    assert line(job, "optimizer", offload="optimizer") == 0
    found = line(job, "host_transfers", offload="optimizer")
    assert found == pytest.approx(N * (4 / 1e10 + 28 / 2e10), rel=1e-12)


def test_on_nvme_the_state_is_read_and_written_besides(ideal: Any) -> None:
    # ZeRO-Infinity: 12 bytes of master and moments each way.
    job, fields = ideal(LLAMA2_7B), {"offload": "optimizer", "zero": 3, "dp": 8}
    more = line(job, "host_transfers", **fields, offload_to="nvme") - line(job, "host_transfers", **fields)
    assert more == pytest.approx(2 * 12 * N / 8 / 5e9, rel=1e-9)


def test_offloaded_weights_come_up_twice_for_each_micro_batch_as_far_as_computation_does_not_hide_them(
    ideal: Any,
) -> None:
    job = ideal(LLAMA2_7B, method="lora", seq_len=16)
    kept, gone = (estimate(job, Layout(offload=word)) for word in ("optimizer", "optimizer+weights"))
    computed = sum(kept.time[name] for name in ("products", "attention_core", "memory_bound", "head", "embedding"))
    up = 2 * 2 * N / 1e10
    more = gone.time["host_transfers"] - kept.time["host_transfers"]
    assert more == pytest.approx(up - computed, rel=1e-3)


def test_only_zero_3_shares_the_way_up_among_ranks(ideal: Any) -> None:
    job = ideal(LLAMA2_7B, method="lora", seq_len=16)
    away = {"offload": "optimizer+weights", "offload_to": "cpu"}
    one = line(job, "host_transfers", **away)
    eight, sharded = (line(job, "host_transfers", **away, dp=8, zero=zero) for zero in (0, 3))
    assert eight == pytest.approx(one, rel=0.01)
    assert sharded < one / 4


def test_nothing_of_the_host_shows_without_offload(ideal: Any) -> None:
    assert line(ideal(LLAMA3_8B), "host_transfers") == 0


def test_pages_go_out_and_come_back(ideal: Any) -> None:
    job = ideal(LLAMA2_7B)
    found = step(job, Layout(), setting(job, "bf16"), paged_out=1e9)["host_transfers"]
    assert found == pytest.approx(2 * 1e9 / 1e10, rel=1e-12)


def test_a_paged_optimiser_leaves_what_fits(ideal: Any) -> None:
    roomy = estimate(ideal(LLAMA2_7B, recipe="paged-adamw-8bit"), Layout(recompute="full"))
    assert roomy.time["host_transfers"] == 0
    tight = ideal(LLAMA2_7B, recipe="paged-adamw-8bit", usable_bytes=roomy.peak_bytes - 5e9)
    found = estimate(tight, Layout(recompute="full"))
    assert found.peak_bytes == pytest.approx(roomy.peak_bytes - 5e9, rel=1e-12)
    assert found.time["host_transfers"] == pytest.approx(2 * 5e9 / 1e10, rel=1e-9)


def test_no_more_than_the_optimiser_is_paged_out(ideal: Any) -> None:
    found = estimate(ideal(LLAMA2_7B, recipe="paged-adamw-8bit", usable_bytes=1e9), Layout(recompute="full"))
    assert found.memory["optimizer"] == 0
    assert found.peak_bytes > 1e9
