"""Two kinds of device: the sums are those of one cluster, the search those of the sums, and speed never hurts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from cardyears.base.sourced import Sourced
from cardyears.case import Job
from cardyears.catalogue.load import load
from cardyears.estimate.estimate import estimate
from cardyears.estimate.mixed import Mixed, Stretch, Task, piped_estimate, replicas_estimate
from cardyears.layout.layout import Layout
from cardyears.layout.pipeline import in_flight, in_flight_at, in_flight_last, in_flight_second
from cardyears.layout.site import Site, site
from cardyears.machine.cluster import Pair
from cardyears.question.hardware import read_hardware
from cardyears.question.question import read_question
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.pairs import pair
from cardyears.resolve.silicon import silicon
from cardyears.search import mixed, replicas
from cardyears.search.measured import pessimism
from cardyears.search.search import search
from cardyears.search.space import Space, space
from cardyears.verbs.estimate import estimate_layout

LIMITS = (0.6, 0.9, 1.1)


def two(on: str) -> Pair:
    return pair(read_hardware(on), load(), (Assumed({}), Assumed({})))


def task(model: str, machine: Pair, **said: Any) -> Task:
    """The same training as each kind of a machine sees it."""
    first = estimate_layout(read_question(model, on="8x H100", engine="megatron-core", **said), load()).job

    def on(cluster: Any) -> Job:
        usable = cluster.device.memory.value * 0.94
        return msgspec.structs.replace(
            first, cluster=cluster, silicon=silicon(cluster.device, load()), usable_bytes=usable
        )

    one, other = machine.kinds
    return Task((on(one), on(other)), (on(machine.whole(0)), on(machine.whole(1))))


def ground(of: Task, batch: int) -> Site:
    job, devices = of.kinds[0], of.wholes[0].cluster.count
    return site(
        job.architecture, devices=devices, per_node=8, seq_len=int(job.seq_len), method=job.training.method,
        engine=job.engine.key, global_batch=batch,
    )  # fmt: skip


def room(of: Task, where: Site, **fixed: Any) -> Space:
    made = space(
        where, of.kinds[0].engine.axes, Layout(), domain=min(one.cluster.domain for one in of.kinds), brief=True
    )
    return msgspec.structs.replace(made, **fixed)


def alike(count: int) -> tuple[Job, Task]:
    """A job on so many H100, and on two kinds that are both H100."""
    whole = estimate_layout(read_question("llama-3-8b", on=f"{count}x H100", engine="megatron-core"), load()).job
    half = msgspec.structs.replace(whole.cluster, count=count // 2)
    assert half.between is not None
    machine = Pair((half, half), half.between)
    part = msgspec.structs.replace(whole, cluster=half)
    seen = msgspec.structs.replace(whole, cluster=machine.whole(0))
    return whole, Task((part, part), (seen, seen))


PIPELINES = (
    {"tp": 2, "pp": 4, "dp": 8, "zero": 1},
    {"tp": 2, "pp": 4, "dp": 8, "zero": 3, "recompute": "full"},
    {"tp": 4, "pp": 4, "dp": 4, "schedule": "zero-bubble"},
    {"tp": 4, "pp": 4, "dp": 4, "schedule": "interleaved", "virtual_stages": 4, "sp": False},
    {"cp": 2, "pp": 8, "dp": 4, "zero": 1, "recompute": "selective-norms", "chunked_loss": True},
    {"tp": 8, "pp": 2, "dp": 4, "zero": 1, "offload": "optimizer"},
)


@pytest.mark.parametrize("fields", PIPELINES)
def test_a_pipeline_over_two_equal_kinds_is_one_over_one_cluster(fields: dict[str, Any]) -> None:
    job, both = alike(64)
    layout = Layout(micro_batch=1, accumulation=16, **fields)
    half = Stretch(layout.pp / 2.0, 16.0)
    alone, found = estimate(job, layout), piped_estimate(both, layout, 0, (half, half))
    assert dict(found.estimate.time) == pytest.approx(dict(alone.time), rel=1e-12, abs=1e-15)
    assert float(found.estimate.peak_bytes) == pytest.approx(float(alone.peak_bytes), rel=1e-12)
    assert float(found.estimate.mfu) == pytest.approx(float(alone.mfu), rel=1e-12)


@pytest.mark.parametrize("fields", [{"tp": 2, "dp": 32, "zero": 1}, {"pp": 4, "dp": 16}, {"dp": 64, "zero": 1}])
def test_replicas_on_two_equal_kinds_are_those_of_one_cluster(fields: dict[str, Any]) -> None:
    job, both = alike(64)
    layout = Layout(micro_batch=1, accumulation=16, recompute="full", **fields)
    alone, found = estimate(job, layout), replicas_estimate(both, layout, (16, 16))
    assert dict(found.estimate.time) == pytest.approx(dict(alone.time), rel=1e-12, abs=1e-15)
    assert dict(found.kinds[1].memory) == pytest.approx(dict(alone.memory), rel=1e-12)
    assert float(found.estimate.layout.global_batch) == float(layout.global_batch)


def test_a_pipeline_over_two_equal_kinds_is_never_slower_than_one_over_one_cluster() -> None:
    """Faster it may be: its layers can be shared out unevenly, which leaves time for the head."""
    job, both = alike(32)
    where = ground(both, 64)
    only = {"pp": (2, 4, 8), "virtual_stages": (2, 4), "shard_nodes": ()}
    one = search(job, room(both, where, **only), where, [limit * job.usable_bytes for limit in LIMITS])
    found = mixed.pipelines(both, room(both, where, **only), where, LIMITS)
    best = found.best[0].estimate
    assert 0.9 * float(one.best[0].step_s) <= float(best.step_s) <= float(one.best[0].step_s)


def test_what_any_rank_holds_in_flight_is_what_the_first_second_and_last_hold() -> None:
    for layout in (
        Layout(pp=8, accumulation=64), Layout(pp=8, accumulation=4),
        Layout(pp=4, accumulation=8, schedule="zero-bubble"),
        Layout(pp=8, virtual_stages=2, schedule="interleaved", accumulation=64),
    ):  # fmt: skip
        for rank, known in ((0, in_flight), (1, in_flight_second), (layout.pp - 1, in_flight_last)):
            assert in_flight_at(layout, rank) == known(layout)


# Arrays and floats.


def drawn(of: Task, where: Site, space_: Space) -> Iterator[tuple[Mixed, float, float]]:
    """Every layout that comes out best of a small space, its estimate beside the search's numbers."""
    for way in (mixed.pipelines, replicas.replicas):
        found = way(of, space_, where, LIMITS, top=50, prune=False)
        assert found.best
        for one, value in zip(found.best, found.values, strict=True):
            yield one, value, LIMITS[found.level]


@pytest.mark.parametrize(
    ("model", "on"),
    [
        ("llama-3-8b", "16x H100 + 8x A100"),
        ("mixtral-8x7b", "16x H100 + 16x A100"),
        ("gpt2", "4x RTX 4090 + 2x RTX 3090"),
    ],
)
def test_the_search_has_the_numbers_of_the_estimate(model: str, on: str) -> None:
    of = task(model, two(on))
    where = ground(of, 96)
    for one, value, limit in drawn(of, where, room(of, where)):
        found = one.estimate
        ranked = float(found.step_s * pessimism(of.kinds[0].engine.key, found.layout, mixed=True))
        assert value * 96 == pytest.approx(ranked, rel=1e-9)
        for kind, job in zip(one.kinds, of.kinds, strict=True):
            assert float(kind.memory.total) <= limit * job.usable_bytes * (1 + 1e-12)
        assert float(found.layout.global_batch) == pytest.approx(96)
        assert sum(float(kind.layout.devices) for kind in one.kinds) == where.devices


@pytest.mark.parametrize("way", [mixed.pipelines, replicas.replicas])
@pytest.mark.parametrize("seed", range(6))
def test_bounds_never_lose_the_best(seed: int, way: Any) -> None:
    dice = random.Random(seed)
    model = dice.choice(("gpt2", "1.3B", "llama-3-8b", "mixtral-8x7b"))
    on = f"{dice.choice((4, 8, 16))}x H100 + {dice.choice((4, 8, 16))}x {dice.choice(('A100-40GB', 'V100', 'L40S'))}"
    of = task(model, two(on))
    where = ground(of, 64)
    space_ = room(of, where, micro_batch=(1, 2, 4))
    bounded, whole = (way(of, space_, where, LIMITS, top=3, prune=prune) for prune in (True, False))
    assert [one.estimate.layout for one in bounded.best] == [one.estimate.layout for one in whole.best]
    assert bounded.values == whole.values
    assert bounded.searched <= whole.searched <= whole.legal == bounded.legal


# More speed is never slower, more of a kind's memory never loses a layout.


def faster(job: Job, factor: float) -> Job:
    device = job.cluster.device
    peaks = {
        name: Sourced(peak.value * factor, peak.unit, peak.kind, peak.source, peak.checked)
        for name, peak in device.peaks.items()
    }
    return msgspec.structs.replace(
        job, cluster=msgspec.structs.replace(job.cluster, device=msgspec.structs.replace(device, peaks=peaks))
    )


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("way", [mixed.pipelines, replicas.replicas])
def test_a_faster_kind_never_makes_the_best_slower(kind: int, way: Any) -> None:
    of = task("llama-3-8b", two("8x H100 + 8x A100"))
    where = ground(of, 64)
    space_ = room(of, where)
    steps = []
    for factor in (0.5, 1.0, 2.0):
        kinds, wholes = list(of.kinds), list(of.wholes)
        kinds[kind], wholes[kind] = faster(kinds[kind], factor), faster(wholes[kind], factor)
        found = way(Task((kinds[0], kinds[1]), (wholes[0], wholes[1])), space_, where, LIMITS)
        steps.append(found.values[0])
    assert steps[0] > steps[1] > steps[2]


def test_the_faster_kind_has_the_more_layers_and_micro_batches() -> None:
    of = task("llama-3-8b", two("8x H100 + 8x A100"))
    where = ground(of, 128)
    piped = mixed.pipelines(of, room(of, where), where, LIMITS).best[0]
    assert piped.kinds[0].layers > piped.kinds[1].layers
    assert piped.kinds[0].layers + piped.kinds[1].layers == 32
    many = replicas.replicas(of, room(of, where), where, LIMITS).best[0]
    assert many.kinds[0].layout.accumulation > many.kinds[1].layout.accumulation
    dealt = sum(float(kind.layout.global_batch) for kind in many.kinds)
    assert dealt == 128


def test_little_memory_takes_layers_away() -> None:
    """A kind with less memory has fewer layers than its speed alone would give it."""
    of = task("llama-3-8b", two("8x H100 + 8x A100"))
    where = ground(of, 128)
    layers = {}
    for share in (1.0, 0.25):
        kinds = (of.kinds[0], msgspec.structs.replace(of.kinds[1], usable_bytes=of.kinds[1].usable_bytes * share))
        found = mixed.pipelines(Task(kinds, of.wholes), room(of, where, pp=(2,)), where, (1.0,))
        layers[share] = found.best[0].kinds[1].layers
        assert float(found.best[0].kinds[1].memory.total) <= kinds[1].usable_bytes
    assert layers[0.25] < layers[1.0]


def test_the_machine_as_one_kind_sees_it_is_joined_by_the_slower_link() -> None:
    machine = two("16x H100 + 16x A100")
    assert machine.across.bandwidth.value == 25e9  # HDR of the A100, not NDR of the H100
    assert {machine.whole(kind).count for kind in (0, 1)} == {32}
    assert all(machine.whole(kind).between == machine.across for kind in (0, 1))


def test_cards_of_a_desk_stand_in_one_box() -> None:
    machine = two("RTX 4090 + 2x RTX 3090")
    assert machine.one_box
    assert [machine.whole(kind).domain for kind in (0, 1)] == [3, 3]
    assert not two("RTX 4090 + RTX 3090 over 10Gb/s").one_box


def test_no_library_joins_devices_of_two_makers() -> None:
    assert not two("8x H100 + 8x MI300X").talking
    assert two("8x H100 + 8x A100").talking


def test_choices_fill_the_stages_of_a_kind() -> None:
    for layers in mixed._choices(126, 8, 8):
        assert 8 <= layers <= 118
        assert any(count % 8 in (0, 7) for count in (layers, 126 - layers))
    assert np.unique(mixed._choices(126, 8, 8)).size == mixed._choices(126, 8, 8).size
