"""What must hold for both ledgers of any legal layout: they add up, broadcast, and more is never worse."""

from __future__ import annotations

import itertools
import math
import random
from functools import cache, lru_cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cardyears.base.sourced import Sourced
from cardyears.case import Job
from cardyears.catalogue.load import load
from cardyears.estimate.estimate import Estimate, estimate
from cardyears.estimate.step import setting
from cardyears.layout.layout import Layout
from cardyears.layout.legal import legal
from cardyears.layout.site import site
from cardyears.machine.cluster import Link
from cardyears.question.hardware import read_hardware
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster
from cardyears.resolve.engines import engine
from cardyears.resolve.jobs import job
from cardyears.resolve.models import model
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Experts, Mlp
from cardyears.work.linear_attention import GatedDeltaNet
from cardyears.work.mixers import NOTHING, Attention
from cardyears.work.recurrent import Mamba2
from cardyears.work.state import RECIPES, Training

few = settings(max_examples=int(__import__("os").environ.get("N", "40")), deadline=None, derandomize=True)
CLOSE = 1 + 1e-9
"""Sums in another order round in the last digits."""
HYBRID = Architecture(
    "hybrid",
    2_048,
    151_936,
    (
        (
            Layer(GatedDeltaNet(16, 32, 128, 128), Experts(64, 8, 512, gated=True, shared_width=512, shared_gate=True)),
            12,
        ),
        (Layer(Attention(16, 2, 256, gate="query"), Experts(64, 8, 512, gated=True, shared_width=512)), 4),
    ),
)
STATE_SPACE = Architecture(
    "state space",
    4_096,
    131_072,
    (
        (Layer(Mamba2(heads=128, head_dim=64, state=128, groups=8), NOTHING, norms=1), 14),
        (Layer(Attention(32, 8, 128), NOTHING, norms=1), 4),
        (Layer(NOTHING, Mlp(14_336, gated=False), norms=1), 14),
    ),
    tied=True,
)
CATALOGUED = ("llama-3-8b", "gpt2-xl", "llama-3.1-405b", "mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v3", "gemma-3-27b")
EVEN = ("llama-3-8b", "gpt2-xl", "llama-3.1-405b", "mixtral-8x7b", "qwen3-30b-a3b")
"""Models of one kind of layer."""
ENGINES = ("megatron-core", "hf-trainer", "torchtitan")
METHODS = ("pretrain", "full", "lora", "qlora")
RECOMPUTE = ("none", "selective", "selective-norms", "selective-products", "full")
LENGTHS = (512, 4_096, 32_768)


@lru_cache
def shape(key: str) -> Architecture:
    own = {"hybrid": HYBRID, "state space": STATE_SPACE}
    found = own.get(key) or model(key, load(), Assumed({})).architecture
    assert found is not None
    return found


@cache
def made(key: str, devices: int, method: str, recipe: str, by: str, seq_len: int) -> Job:
    catalogue = load()
    machine = cluster(read_hardware(f"{devices}x H100 over 400Gb/s per gpu"), catalogue, Assumed({}))
    training = Training(method, RECIPES[recipe])
    return job(shape(key), training, seq_len, machine, engine(by, catalogue.engines[by]), catalogue, Assumed({}))


NUMBERS = {
    "tp": (1, 1, 2, 4, 8, 16), "pp": (1, 1, 2, 4, 8), "dp": (1, 2, 3, 8, 32, 256), "cp": (1, 1, 1, 2, 4),
    "ep": (1, 1, 2, 8, 32), "etp": (1, 1, 1, 2), "micro_batch": (1, 1, 2, 4), "accumulation": (1, 4, 8, 16, 64),
    "virtual_stages": (1, 2, 4), "recompute_every": (1, 1, 2, 3),
}  # fmt: skip
"""Fields that may be arrays."""
WORDS: dict[str, tuple[Any, ...]] = {
    "sp": (True, False), "context_kind": ("ring", "ulysses", "all-gather"),
    "schedule": ("1f1b", "1f1b", "interleaved", "zero-bubble", "dualpipe"), "zero": (0, 1, 2, 3),
    "recompute": RECOMPUTE, "kernel": ("flash", "flash", "eager"), "chunked_loss": (True, False),
    "dropout": (False, True), "overlap": (True, False), "balanced": (True, False),
    "offload": ("none", "none", "optimizer", "optimizer+weights"), "precision": ("bf16", "bf16", "fp8"),
}  # fmt: skip


@st.composite
def cases(
    draw: st.DrawFn, models: tuple[str, ...] = (*CATALOGUED, "hybrid", "state space"), **fixed: Any
) -> tuple[Job, Layout]:
    """A job, and a layout that is legal on it."""
    key = draw(st.sampled_from(models))
    words = {name: draw(st.sampled_from(choices)) for name, choices in WORDS.items() if name not in fixed}
    numbers = {name: draw(st.sampled_from(choices)) for name, choices in NUMBERS.items() if name not in fixed}
    layout = mended(key, Layout(**{**words, **numbers, **fixed}), fixed)
    method, recipe = draw(st.sampled_from(METHODS)), draw(st.sampled_from(("adamw", "adamw-fp32", "adamw-8bit-bf16")))
    by, seq_len = draw(st.sampled_from(ENGINES)), draw(st.sampled_from(LENGTHS))
    assume(layout.devices <= 16_384 and allowed(key, layout, method, seq_len))
    return made(key, int(layout.devices), method, recipe, by, seq_len), layout


def mended(key: str, layout: Layout, fixed: dict[str, Any]) -> Layout:
    """Less of what is seldom legal."""
    change: dict[str, Any] = {}
    if not any(isinstance(layer.channel, Experts) for layer, _ in shape(key).layers):
        change |= {"ep": 1, "etp": 1}
    if layout.recompute != "full":
        change["recompute_every"] = 1
    if layout.pp == 1:
        change["schedule"] = "1f1b"
    if layout.pp == 1 or layout.schedule in ("1f1b", "dualpipe"):
        change["virtual_stages"] = 1
    elif layout.schedule == "interleaved" and layout.virtual_stages == 1:
        change["virtual_stages"] = 2
    return msgspec.structs.replace(layout, **{name: value for name, value in change.items() if name not in fixed})


def allowed(key: str, layout: Layout, method: str, seq_len: int) -> Any:
    """Whether a layout is legal on a cluster of just so many devices; element by element."""
    devices: Any = layout.devices
    ground = site(shape(key), devices=devices, per_node=8, seq_len=seq_len, method=method)  # type: ignore[arg-type]
    return legal(layout, ground)


def changed(layout: Layout, **fields: Any) -> Layout:
    return msgspec.structs.replace(layout, **fields)


def step_s(where: Job, layout: Layout) -> float:
    return float(estimate(where, layout).step_s)


def peak(where: Job, layout: Layout) -> float:
    return float(estimate(where, layout).peak_bytes)


# They add up


@few
@given(cases())
def test_ledgers_add_up_and_no_line_is_negative(case: tuple[Job, Layout]) -> None:
    found = estimate(*case)
    for ledger, total in ((found.time, found.step_s), (found.memory, found.peak_bytes)):
        assert all(0 <= value < math.inf for value in ledger.values()), dict(ledger)
        assert math.fsum(ledger.values()) == pytest.approx(total, rel=1e-9)
    assert 0 <= found.waiting < 1


@few
@given(cases())
def test_model_flop_are_no_more_than_hardware_flop(case: tuple[Job, Layout]) -> None:
    found = estimate(*case)
    # The whole square is counted, of which a flash kernel computes half: 1 + 1/3.5 at the very most.
    assert 0 < found.mfu <= found.hfu
    assert found.mfu < 2


@few
@given(cases())
def test_speed_is_the_batch_over_the_step(case: tuple[Job, Layout]) -> None:
    where, layout = case
    found = estimate(where, layout)
    tokens = found.tokens_per_s_per_device * layout.devices * found.step_s
    assert tokens == pytest.approx(layout.global_batch * where.seq_len, rel=1e-12)


# Floats, NumPy's scalars and arrays through the same lines


def drawn(seed: int) -> tuple[Job, Layout, dict[str, list[int]]] | None:
    """A job, the words of its layouts, and the numbers of up to six legal ones, on differently many devices."""
    some = random.Random(seed)
    key = some.choice((*CATALOGUED, "hybrid", "state space"))
    words = {name: some.choice(choices) for name, choices in WORDS.items()}
    method, seq_len = some.choice(METHODS), some.choice(LENGTHS)
    if words["recompute"] != "full":
        words["recompute_every"] = 1
    numbers = {name: np.array([some.choice(choices) for _ in range(512)], float) for name, choices in NUMBERS.items()}
    numbers = {name: values for name, values in numbers.items() if name not in words}
    if words["schedule"] in ("1f1b", "dualpipe"):
        numbers["virtual_stages"] = 0 * numbers["virtual_stages"] + 1
    if not any(isinstance(layer.channel, Experts) for layer, _ in shape(key).layers):
        numbers |= {"ep": numbers["ep"] * 0 + 1, "etp": numbers["etp"] * 0 + 1}
    fits = np.flatnonzero(allowed(key, Layout(**{**words, **numbers}), method, seq_len))[:6]
    if len(fits) < 2:
        return None
    recipe, by = some.choice(list(RECIPES)), some.choice(ENGINES)
    taken = {name: [int(value) for value in values[fits]] for name, values in numbers.items()}
    return made(key, 1_024, method, recipe, by, seq_len), Layout(**words), taken


def lines(found: Estimate, place: int = 0) -> dict[str, float]:
    """Every number of an estimate; of arrays, in one place."""
    numbers: dict[str, Any] = {f"time.{name}": value for name, value in found.time.items()}
    numbers |= {f"memory.{name}": value for name, value in found.memory.items()}
    numbers |= {name: getattr(found, name) for name in ("step_s", "peak_bytes", "mfu", "hfu", "waiting")}
    numbers["speed"] = found.tokens_per_s_per_device
    return {name: float(value[place]) if np.ndim(value) else float(value) for name, value in numbers.items()}


def test_arrays_give_the_bits_of_numpys_scalars_and_of_floats_within_four_ulp() -> None:
    compared = 0
    for seed in range(150):
        case = drawn(seed)
        if case is None:
            continue
        where, words, numbers = case
        together = estimate(
            where, changed(words, **{name: np.array(values, float) for name, values in numbers.items()})
        )
        for place in range(len(numbers["tp"])):
            one = {name: values[place] for name, values in numbers.items()}
            array = lines(together, place)
            scalar = lines(estimate(where, changed(words, **{name: np.float64(value) for name, value in one.items()})))
            plain = lines(estimate(where, changed(words, **one)))
            for name in array.keys() | plain.keys():  # a line that is nowhere more than zero may be missing
                found, expected = array.get(name, 0.0), plain.get(name, 0.0)
                assert found == scalar.get(name, 0.0), (seed, place, name)
                assert abs(found - expected) <= 4 * math.ulp(expected), (seed, place, name)
            compared += 1
    assert compared > 200


def test_one_array_without_an_axis_is_a_scalar() -> None:
    where = made("llama-3-8b", 64, "pretrain", "adamw", "megatron-core", 4_096)
    plain = estimate(where, Layout(tp=2, dp=32, accumulation=4))
    found = estimate(where, Layout(tp=np.array(2.0), dp=np.array(32.0), accumulation=np.array(4.0)))
    assert lines(found) == lines(plain)


def test_zero_stages_broadcast_too() -> None:
    where = made("qwen3-30b-a3b", 64, "pretrain", "adamw", "megatron-core", 4_096)
    together = estimate(where, Layout(dp=64, ep=8, zero=np.array([0.0, 1.0, 2.0, 3.0])))
    for zero in (0, 1, 2, 3):
        alone = lines(estimate(where, Layout(dp=64, ep=8, zero=zero)))
        found = lines(together, zero)
        assert {name: found.get(name, 0.0) for name in alone} == alone


# More is never worse


def times(figure: Sourced | None, factor: float) -> Sourced | None:
    return None if figure is None else msgspec.structs.replace(figure, value=figure.value * factor)


def wired(where: Job, which: str, **factors: float) -> Job:
    """The job with figures of one link multiplied."""
    link: Link = getattr(where.cluster, which)
    link = msgspec.structs.replace(link, **{name: times(getattr(link, name), by) for name, by in factors.items()})
    return msgspec.structs.replace(where, cluster=msgspec.structs.replace(where.cluster, **{which: link}))


def equipped(where: Job, *, peak: float = 1.0, bandwidth: float = 1.0) -> Job:
    """The job on a device with more peak or memory bandwidth."""
    device = where.cluster.device
    peaks = {name: times(figure, peak) for name, figure in device.peaks.items()}
    device = msgspec.structs.replace(device, peaks=peaks, bandwidth=times(device.bandwidth, bandwidth))
    return msgspec.structs.replace(where, cluster=msgspec.structs.replace(where.cluster, device=device))


better = st.sampled_from((1.01, 1.5, 4.0, 100.0))


@few
@given(cases(), better, st.sampled_from(("inside", "between")))
def test_more_link_bandwidth_never_slows_a_step(case: tuple[Job, Layout], factor: float, which: str) -> None:
    where, layout = case
    assume(getattr(where.cluster, which) is not None)
    assert step_s(wired(where, which, bandwidth=factor), layout) <= step_s(where, layout) * CLOSE


@few
@given(cases(), better, st.sampled_from(("inside", "between")))
def test_less_latency_never_slows_a_step(case: tuple[Job, Layout], factor: float, which: str) -> None:
    where, layout = case
    assume(getattr(where.cluster, which) is not None)
    quicker = wired(where, which, latency=1 / factor, hop=1 / factor, call=1 / factor, ramp=1 / factor)
    assert step_s(quicker, layout) <= step_s(where, layout) * CLOSE


def fills_gaps(layout: Layout) -> bool:
    """Whether gradients of weights fill the pipeline's gaps: faster ones fill less where host or wires set the pace."""
    return layout.schedule in ("zero-bubble", "dualpipe")


@few
@given(cases(), better)
def test_more_peak_never_slows_a_step(case: tuple[Job, Layout], factor: float) -> None:
    where, layout = case
    assume(not fills_gaps(layout))
    assert step_s(equipped(where, peak=factor), layout) <= step_s(where, layout) * CLOSE


@few
@given(cases(), better)
def test_more_memory_bandwidth_never_slows_a_step(case: tuple[Job, Layout], factor: float) -> None:
    where, layout = case
    assume(not fills_gaps(layout))
    assert step_s(equipped(where, bandwidth=factor), layout) <= step_s(where, layout) * CLOSE


@few
@given(
    cases(models=EVEN, schedule="zero-bubble", zero=1, offload="none", cp=1, virtual_stages=1)
    | cases(models=EVEN, schedule="dualpipe", zero=1, offload="none", cp=1),
    better,
)
def test_a_faster_device_never_slows_a_pipeline_without_bubbles(case: tuple[Job, Layout], factor: float) -> None:
    where, layout = case
    where = msgspec.structs.replace(where, engine=msgspec.structs.replace(where.engine, kernel_s=0.0, collective_s=0.0))
    for faster in (equipped(where, peak=factor), equipped(where, bandwidth=factor)):
        assert step_s(faster, layout) <= step_s(where, layout) * CLOSE


@few
@given(cases(), better)
def test_a_faster_host_never_slows_a_step(case: tuple[Job, Layout], factor: float) -> None:
    where, layout = case
    host = msgspec.structs.replace(
        where.host, link=where.host.link * factor, memory=where.host.memory * factor, disk=where.host.disk * factor
    )
    costs = {name: getattr(where.engine, name) / factor for name in ("kernel_s", "collective_s", "step_s")}
    quicker = msgspec.structs.replace(where, host=host, engine=msgspec.structs.replace(where.engine, **costs))
    assert step_s(quicker, layout) <= step_s(where, layout) * CLOSE


@few
@given(cases(), st.floats(1e9, 200e9), better, st.sampled_from(("adamw", "paged-adamw-8bit")))
def test_more_device_memory_never_loses_a_fit(
    case: tuple[Job, Layout], usable: float, factor: float, recipe: str
) -> None:
    where, layout = case
    training = msgspec.structs.replace(where.training, recipe=RECIPES[recipe])
    small, large = (
        msgspec.structs.replace(where, training=training, usable_bytes=size) for size in (usable, usable * factor)
    )
    assert peak(large, layout) <= usable * factor or peak(small, layout) > usable
    assert step_s(large, layout) <= step_s(small, layout) * CLOSE


def state(where: Job, layout: Layout) -> float:
    ledger = estimate(where, layout).memory
    return sum(float(ledger.get(name, 0.0)) for name in ("weights", "gradients", "master_weights", "optimizer"))


@few
@given(cases(pp=1, offload="none"))
def test_a_finer_zero_stage_never_holds_more_state(case: tuple[Job, Layout]) -> None:
    where, layout = case
    found = [state(where, changed(layout, zero=zero)) for zero in (0, 1, 2, 3)]
    assert all(finer <= coarser * CLOSE for coarser, finer in itertools.pairwise(found))


@few
@given(cases(models=EVEN, recompute="none"))
def test_more_recomputation_never_holds_more_nor_is_faster(case: tuple[Job, Layout]) -> None:
    where, layout = case
    habits = msgspec.structs.replace(where.engine.memory, boundary_copies=1.0)
    where = msgspec.structs.replace(where, engine=msgspec.structs.replace(where.engine, memory=habits))
    found = [
        estimate(where, changed(layout, recompute=word)) for word in ("none", "selective", "selective-norms", "full")
    ]
    for less, more in itertools.pairwise(found):
        assert more.peak_bytes <= less.peak_bytes * CLOSE
        assert more.memory.get("activations", 0.0) <= less.memory.get("activations", 0.0) * CLOSE
        assert less.step_s <= more.step_s * CLOSE


@few
@given(cases(recompute="full", recompute_every=1))
def test_recomputing_fewer_layers_is_never_slower(case: tuple[Job, Layout]) -> None:
    where, layout = case
    found = [step_s(where, changed(layout, recompute_every=every)) for every in (4, 2, 1)]
    assert found[0] <= found[1] * CLOSE
    assert found[1] <= found[2] * CLOSE


@few
@given(cases(), st.sampled_from((2, 3, 8)))
def test_a_larger_micro_batch_never_holds_less_nor_takes_less_time(case: tuple[Job, Layout], factor: int) -> None:
    where, layout = case
    larger = changed(layout, micro_batch=layout.micro_batch * factor)
    assert peak(where, layout) <= peak(where, larger)
    assert step_s(where, layout) <= step_s(where, larger) * CLOSE


@few
@given(cases(sp=True, tp=1, pp=1, etp=1), st.sampled_from((2, 4, 8)))
def test_more_tensor_ranks_never_hold_more_activations_each(case: tuple[Job, Layout], tp: int) -> None:
    where, layout = case
    habits = msgspec.structs.replace(where.engine.memory, logit_bytes=0.0)
    where = msgspec.structs.replace(where, engine=msgspec.structs.replace(where.engine, memory=habits))
    few_ranks, many = (estimate(where, changed(layout, tp=n)).memory.get("activations", 0.0) for n in (1, tp))
    assert many <= few_ranks * CLOSE


@few
@given(cases(models=EVEN, recompute_every=1), st.integers(1, 8))
def test_a_deeper_model_is_never_faster_nor_smaller(case: tuple[Job, Layout], more: int) -> None:
    where, layout = case
    (layer, count), *_ = where.architecture.layers
    assume(len(where.architecture.layers) == 1)
    deeper = msgspec.structs.replace(where.architecture, layers=((layer, count + more),))
    where_deeper = msgspec.structs.replace(where, architecture=deeper)
    assert step_s(where, layout) <= step_s(where_deeper, layout) * CLOSE
    assert peak(where, layout) <= peak(where_deeper, layout) * CLOSE


@few
@given(cases())
def test_a_longer_sequence_never_holds_less_nor_takes_less_time(case: tuple[Job, Layout]) -> None:
    where, layout = case
    longer = msgspec.structs.replace(where, seq_len=2 * where.seq_len)
    assert peak(where, layout) <= peak(longer, layout)
    assert step_s(where, layout) <= step_s(longer, layout) * CLOSE


@few
@given(cases())
def test_a_chunked_loss_never_holds_more(case: tuple[Job, Layout]) -> None:
    where, layout = case
    chunked, whole = (peak(where, changed(layout, chunked_loss=word)) for word in (True, False))
    assert chunked <= whole


def bubble_share(where: Job, layout: Layout) -> float:
    found = estimate(where, layout)
    return float(found.time["bubble"] / found.step_s)


@few
@given(cases(pp=4, accumulation=8), st.sampled_from((2, 4, 16)))
def test_more_micro_batches_lower_the_bubbles_share(case: tuple[Job, Layout], factor: int) -> None:
    where, layout = case
    assert bubble_share(where, changed(layout, accumulation=8 * factor)) <= bubble_share(where, layout) * CLOSE


@few
@given(cases(models=("llama-3-8b", "gpt2-xl", "mixtral-8x7b"), pp=4, schedule="interleaved", virtual_stages=2))
def test_more_chunks_of_even_stages_lower_the_bubble(case: tuple[Job, Layout]) -> None:
    where, layout = case
    plain = changed(layout, schedule="1f1b", virtual_stages=1)
    found = [estimate(where, one).time["bubble"] for one in (plain, layout, changed(layout, virtual_stages=4))]
    assert found == sorted(found, reverse=True)


@few
@given(cases())
def test_overlap_never_slows_a_step(case: tuple[Job, Layout]) -> None:
    where, layout = case
    assert step_s(where, changed(layout, overlap=True)) <= step_s(where, changed(layout, overlap=False)) * CLOSE


@few
@given(cases())
def test_a_setting_made_once_gives_the_same(case: tuple[Job, Layout]) -> None:
    where, layout = case
    assert estimate(where, layout, setting(where, layout.precision)) == estimate(where, layout)
