"""The step's ledger: what adds up, what the pipeline costs, what hides behind what."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cardyears.case import Job
from cardyears.estimate.estimate import Estimate, estimate, step_flop
from cardyears.estimate.passes import passes
from cardyears.estimate.setting import setting
from cardyears.layout.layout import Layout
from cardyears.work.architecture import GPT3_175B, LLAMA2_7B, LLAMA3_8B, plain_decoder
from cardyears.work.flops import finetune_flop, model_flop
from cardyears.work.params import active_lora_parameters

BARE = plain_decoder("no vocabulary to speak of", layers=32, hidden=4_096, heads=32, vocab=1, ffn=11_008)
"""A pipeline whose stages are even."""
COMPUTED = ("products", "attention_core", "memory_bound", "recomputation", "launch")


def run(job: Job, **fields: Any) -> Estimate:
    return estimate(job, Layout(**fields))


# Adding up


def test_the_lines_add_up_to_the_step(ideal: Any) -> None:
    found = run(ideal(LLAMA3_8B), tp=2, pp=4, dp=8, zero=1, accumulation=8)
    assert sum(found.time.values()) == pytest.approx(found.step_s, rel=1e-12)
    assert sum(found.memory.values()) == pytest.approx(found.peak_bytes, rel=1e-12)


def test_a_step_on_a_lossless_machine_takes_its_flop_over_the_peak(ideal: Any) -> None:
    # One device, all of memory and wires free: 6·N + attention over the causal half, 3.5 times its forward pass.
    found = run(ideal(LLAMA2_7B, moved=1e40), accumulation=4)
    core = 2 * 32 * 2_048 * 4_096
    flop = model_flop(LLAMA2_7B, 2_048, causal=True) + 0.5 * core
    assert found.step_s * 1e15 == pytest.approx(4 * 2_048 * flop, rel=1e-9)


def test_tokens_per_second_are_the_batch_over_the_step(ideal: Any) -> None:
    found = run(ideal(LLAMA3_8B), tp=2, pp=2, dp=4, micro_batch=2, accumulation=8)
    assert found.tokens_per_s_per_device * 16 * found.step_s == pytest.approx(2 * 8 * 4 * 2_048, rel=1e-12)


def test_padding_is_no_token_seen(ideal: Any) -> None:
    job = ideal(LLAMA3_8B)
    padded = msgspec.structs.replace(job, useful_tokens=0.75)
    assert run(padded).tokens_per_s_per_device == 0.75 * run(job).tokens_per_s_per_device
    assert run(padded).step_s == run(job).step_s


def test_mfu_is_model_flop_over_peak_and_step(ideal: Any) -> None:
    found = run(ideal(LLAMA3_8B), dp=8, accumulation=2)
    assert found.mfu == pytest.approx(2 * 2_048 * model_flop(LLAMA3_8B, 2_048) / found.step_s / 1e15, rel=1e-12)


def test_frozen_weights_count_for_two_of_three(ideal: Any) -> None:
    job = ideal(LLAMA2_7B, method="lora")
    assert step_flop(job) == finetune_flop(LLAMA2_7B, 2_048, active_lora_parameters(LLAMA2_7B, 16))


@pytest.mark.parametrize("kernel", ["flash", "eager"])
@pytest.mark.parametrize("recompute", ["none", "selective", "selective-norms", "selective-products", "full"])
def test_hardware_flop_are_no_fewer_than_model_flop(ideal: Any, recompute: str, kernel: str) -> None:
    found = run(ideal(LLAMA2_7B), recompute=recompute, kernel=kernel)
    again = recompute in ("selective-products", "full") or (kernel == "eager" and recompute != "none")
    assert found.mfu <= found.hfu <= 4 / 3 * found.mfu
    assert (found.hfu > found.mfu) == again


# The pipeline. Narayanan 2021, section 2.2: (p-1)/m of the ideal time, (p-1)/(v·m) interleaved.


@pytest.mark.parametrize(("pp", "batches"), [(2, 8), (4, 4), (8, 64)])
def test_the_bubble_of_even_stages(ideal: Any, pp: int, batches: int) -> None:
    found = run(ideal(BARE, between=1e40, moved=1e40), pp=pp, accumulation=batches).time
    computed = sum(found[name] for name in COMPUTED)
    assert found["bubble"] / computed == pytest.approx((pp - 1) / batches, rel=1e-6)
    assert found["stage_imbalance"] == pytest.approx(0, abs=1e-5 * computed)


def test_interleaving_divides_the_bubble(ideal: Any) -> None:
    found = run(ideal(BARE), pp=4, virtual_stages=4, schedule="interleaved", accumulation=8).time
    computed = sum(found[name] for name in COMPUTED)
    assert found["bubble"] / computed == pytest.approx(3 / (4 * 8), rel=1e-2)


def test_more_micro_batches_lower_the_bubbles_share(ideal: Any) -> None:
    shares = [
        found.time["bubble"] / found.step_s
        for found in (run(ideal(LLAMA3_8B), pp=8, accumulation=batches) for batches in (8, 16, 64, 256))
    ]
    assert shares == sorted(shares, reverse=True)


def test_schedules_without_bubbles_have_smaller_ones(ideal: Any) -> None:
    plain, zero, dual = (
        run(ideal(GPT3_175B), pp=8, accumulation=64, schedule=word).time["bubble"]
        for word in ("1f1b", "zero-bubble", "dualpipe")
    )
    assert dual < zero < plain


def test_the_head_makes_the_last_stage_slower(ideal: Any) -> None:
    # 32 layers on 4 stages and the head on the last: all wait for it, m times its excess over the average.
    found = run(ideal(LLAMA3_8B, moved=1e40), pp=4, accumulation=16).time
    assert found["stage_imbalance"] == pytest.approx(found["head"] * (4 - 1), rel=1e-6)


# What hides behind what


def test_the_host_shows_where_it_is_slower_than_the_device(ideal: Any) -> None:
    # A host that needs a second for each kernel is all that counts: kernels forward and twice backward, and those of
    # the head (12) and of the embedding (6), which are for both ways.
    job = ideal(LLAMA2_7B)
    slow = ideal(LLAMA2_7B, kernel_s=1.0)
    found = run(slow)
    computed = ("products", "attention_core", "memory_bound", "head", "embedding")
    launched = sum(found.time[name] for name in (*computed, "launch"))
    kernels = passes(job, Layout(), setting(job, "bf16")).forward.kernels
    assert launched == pytest.approx(3 * kernels + 12 + 6, rel=1e-9)
    assert run(job).time["launch"] == 0


def test_replayed_graphs_take_the_host_no_time(ideal: Any) -> None:
    assert run(ideal(LLAMA2_7B, kernel_s=1.0, collective_s=1.0), tp=2, graphs=True).time["launch"] == 0


def test_weights_are_cast_once_a_step_however_many_micro_batches(ideal: Any) -> None:
    job = ideal(LLAMA2_7B)
    few, many = (run(job, accumulation=batches).time["weight_casts"] for batches in (1, 8))
    assert few == many == 0  # in 16 bit
    low = {**job.silicon.gain, "fp8": 2.0}
    eight = msgspec.structs.replace(job, silicon=msgspec.structs.replace(job.silicon, gain=low))
    few, many = (run(eight, accumulation=batches, precision="fp8").time["weight_casts"] for batches in (1, 8))
    assert few == many > 0


def test_a_faster_device_is_never_slower_where_the_host_is_behind(ideal: Any) -> None:
    # Gathered weights (ZeRO 3) hide behind the host's time too.
    slow, fast = (run(ideal(LLAMA2_7B, kernel_s=2e-4, moved=moved), dp=64, zero=3).step_s for moved in (1e12, 1e13))
    assert fast <= slow


def test_overlap_hides_traffic_of_gradients_and_weights(ideal: Any) -> None:
    job = ideal(LLAMA2_7B, gradient_exposure=0.1)
    for zero in (0, 1, 2, 3):
        hidden, shown = (run(job, dp=64, zero=zero, overlap=word).time["data_traffic"] for word in (True, False))
        assert hidden < shown


def test_no_more_gradient_traffic_hides_than_the_last_backward_pass_is_long(ideal: Any) -> None:
    job = ideal(LLAMA2_7B, seq_len=16, gradient_exposure=0.0)
    hidden, shown = (run(job, dp=64, overlap=word) for word in (True, False))
    saved = shown.time["data_traffic"] - hidden.time["data_traffic"]
    computed = sum(hidden.time[name] for name in ("products", "attention_core", "memory_bound", "head"))
    assert saved == pytest.approx(computed * 2 / 3, rel=1e-6)


def test_stragglers_take_0_4_per_cent_for_each_doubling_beyond_eight(ideal: Any) -> None:
    def share(**fields: Any) -> float:
        found = run(ideal(LLAMA2_7B), **fields)
        return found.time["stragglers"] / (found.step_s - found.time["stragglers"])

    assert share(dp=8) == 0
    assert share(dp=64) == pytest.approx(3 * 0.004, rel=1e-9)


def test_each_step_costs_the_engine_a_constant(ideal: Any) -> None:
    assert run(ideal(LLAMA2_7B, step_s=0.02)).time["step_overhead"] == 0.02
