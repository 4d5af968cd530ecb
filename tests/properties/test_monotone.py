"""More is never worse: a faster machine, a finer sharding, more recomputation, for any legal layout."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from cardyears.base.sourced import Sourced
from cardyears.case import Job
from cardyears.estimate.estimate import estimate
from cardyears.layout.layout import Layout
from cardyears.machine.cluster import Link
from cardyears.work.state import RECIPES
from support.legal_layouts import CLOSE, EVEN, cases, changed, few, peak, step_s

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
