"""Pipelines played out: the closed forms of time and of kept micro-batches against schedules of published order."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from cardyears.estimate.stages import layers_by_rank
from cardyears.layout.layout import Layout
from cardyears.layout.pipeline import StageTimes, bubble, in_flight, in_flight_at, in_flight_last, stage_times
from cardyears.layout.schedules import ORDERS
from cardyears.layout.timeline import (
    Event,
    StageCost,
    busy,
    drawn_batches,
    even_costs,
    kept,
    makespan,
    repeating,
    timeline,
)

FORWARD, BACKWARD, WEIGHTS = 1.0, 2.0, 1.0
EVEN = [
    *(Layout(pp=p, accumulation=m) for p, m in ((2, 2), (3, 7), (4, 2), (4, 8), (8, 8), (8, 64), (16, 48))),
    *(
        Layout(pp=p, accumulation=m, virtual_stages=v, schedule="interleaved")
        for p, v, m in ((2, 2, 4), (4, 2, 4), (4, 3, 8), (8, 2, 64), (8, 5, 16))
    ),
    *(Layout(pp=p, accumulation=m, schedule="zero-bubble") for p, m in ((2, 2), (4, 4), (4, 9), (8, 32), (16, 16))),
    *(Layout(pp=p, accumulation=m, schedule="dualpipe") for p, m in ((2, 4), (4, 8), (8, 20), (8, 64), (16, 32))),
]


def name(layout: Layout) -> str:
    return f"{layout.schedule}-pp{layout.pp}-v{layout.virtual_stages}-m{layout.accumulation}"


def closed(layout: Layout, times: StageTimes, forward: float, backward: float, weights: float) -> float:
    return float(layout.accumulation * times.slowest + bubble(layout, times, forward, backward, weights))


def uneven(layout: Layout, layers: int, *, head: float, embedding: float) -> list[StageCost]:
    """Costs where a layer takes 1 + 2 seconds, a third of the backward's two thirds for the weights."""
    chunks = int(layout.virtual_stages)
    one = StageCost(FORWARD, BACKWARD, WEIGHTS)
    costs = [
        StageCost(*(part * have / chunks for part in one))
        for _ in range(chunks)
        for have in layers_by_rank(layers, layout)
    ]
    costs[0] = StageCost(costs[0].forward + embedding / 3, costs[0].backward + embedding * 2 / 3, costs[0].weights)
    costs[-1] = StageCost(*(part + head / 3 * share for part, share in zip(costs[-1], (1, 2, 1), strict=True)))
    return costs


@pytest.mark.parametrize("layout", EVEN, ids=name)
def test_the_closed_form_is_the_makespan_of_even_stages(layout: Layout) -> None:
    played = makespan(timeline(layout, even_costs(layout, FORWARD, BACKWARD, WEIGHTS)))
    each = FORWARD + BACKWARD
    times = StageTimes(each, each * layout.pp)
    assert played == pytest.approx(closed(layout, times, FORWARD, BACKWARD, WEIGHTS))


@pytest.mark.parametrize("layout", [one for one in EVEN if one.schedule == "dualpipe"], ids=name)
@pytest.mark.parametrize(("backward", "weights"), [(2.2, 0.9), (3.0, 1.0), (2.0, 0.7)])
def test_dualpipe_is_within_three_per_cent_where_its_passes_differ(
    layout: Layout, backward: float, weights: float
) -> None:
    played = makespan(timeline(layout, even_costs(layout, FORWARD, backward, weights)))
    each = FORWARD + backward
    said = closed(layout, StageTimes(each, each * layout.pp), FORWARD, backward, weights)
    assert played <= said * (1 + 1e-9)
    assert played == pytest.approx(said, rel=0.03)


@pytest.mark.parametrize(
    ("schedule", "chunks", "within"), [("1f1b", 1, 0.04), ("interleaved", 2, 0.05), ("zero-bubble", 1, 0.05)]
)
@pytest.mark.parametrize("ranks", [4, 8, 16])
@pytest.mark.parametrize("times", [1, 2, 8])
@pytest.mark.parametrize("short", [0, 2])
@pytest.mark.parametrize("head", [0.0, 1.5, 4.0])
def test_the_closed_form_is_near_the_makespan_of_uneven_stages(
    schedule: str, chunks: int, within: float, ranks: int, times: int, short: int, head: float
) -> None:
    layers = 8 * ranks - short
    layout = Layout(pp=ranks, accumulation=ranks * times, virtual_stages=chunks, schedule=schedule)  # type: ignore[arg-type]
    costs = uneven(layout, layers, head=head, embedding=0.5)
    found = stage_times(float(layers), layout, FORWARD + BACKWARD, 0.5, head)
    average = found.together / ranks
    forward, weights = (layers + head / 3) / ranks, layers / ranks
    said = closed(layout, found, forward, average - forward, weights)
    assert said == pytest.approx(makespan(timeline(layout, costs)), rel=within)


@pytest.mark.parametrize("layout", [one for one in EVEN if one.schedule != "interleaved"], ids=name)
def test_the_first_rank_keeps_what_the_closed_form_says(layout: Layout) -> None:
    assert kept(timeline(layout, even_costs(layout, 1.0, 2.0, 1.0)))[0] == in_flight(layout)


@pytest.mark.parametrize(("ranks", "chunks"), [(2, 2), (4, 2), (4, 3), (8, 2), (8, 5)])
def test_interleaving_keeps_what_the_closed_forms_say(ranks: int, chunks: int) -> None:
    layout = Layout(pp=ranks, virtual_stages=chunks, accumulation=2 * ranks, schedule="interleaved")
    found = kept(timeline(layout, even_costs(layout, 1.0, 2.0)), chunks)
    assert found[0] == pytest.approx(in_flight(layout))
    assert found[ranks - 1] == pytest.approx(in_flight_last(layout))
    assert found[1] == pytest.approx(found[0] - 2 / chunks)


@pytest.mark.parametrize("batches", [2, 4, 16])
def test_1f1b_keeps_one_micro_batch_fewer_on_each_rank_but_never_more_than_there_are(batches: int) -> None:
    layout = Layout(pp=8, accumulation=batches)
    found = kept(timeline(layout, even_costs(layout, 1.0, 2.0)))
    assert [found[rank] for rank in range(8)] == [min(8 - rank, batches) for rank in range(8)]


@pytest.mark.parametrize(("schedule", "expected"), [("zero-bubble", 8), ("dualpipe", 9)])
def test_schedules_that_put_weights_off_keep_as_much_on_every_rank(schedule: str, expected: int) -> None:
    layout = Layout(pp=8, accumulation=32, schedule=schedule)  # type: ignore[arg-type]
    assert set(kept(timeline(layout, even_costs(layout, 1.0, 2.0, 1.0))).values()) == {expected}


@pytest.mark.parametrize("layout", EVEN, ids=name)
def test_every_micro_batch_passes_every_chunk_once_and_no_rank_does_two_things_at_once(layout: Layout) -> None:
    events = timeline(layout, even_costs(layout, FORWARD, BACKWARD, WEIGHTS))
    each = layout.accumulation * (FORWARD + BACKWARD)
    assert busy(events) == {rank: pytest.approx(each) for rank in range(int(layout.pp))}
    for rank in range(int(layout.pp)):
        mine = [event for event in events if event.rank == rank]
        assert all(one.end <= after.start + 1e-9 for one, after in pairwise(mine))
        done = [(event.kind, event.micro_batch, event.chunk) for event in mine]
        assert len(set(done)) == len(done)
        assert sum(kind == "weights" for kind, *_ in done) == sum(kind == "inputs" for kind, *_ in done)


@pytest.mark.parametrize("layout", EVEN, ids=name)
def test_no_pass_begins_before_what_it_needs_is_done(layout: Layout) -> None:
    ranks, mirror = int(layout.pp), layout.schedule == "dualpipe"
    events = timeline(layout, even_costs(layout, FORWARD, BACKWARD, WEIGHTS))

    def stage(event: Event) -> int:
        if mirror:
            return event.rank if event.chunk == 0 else ranks - 1 - event.rank
        return event.rank + ranks * event.chunk

    ends = {
        ("b" if event.kind in ("backward", "inputs") else event.kind, event.micro_batch, stage(event)): event.end
        for event in events
    }
    depth = ranks * int(layout.virtual_stages)
    for event in events:
        here = stage(event)
        if event.kind == "forward":
            before = ("forward", event.micro_batch, here - 1) if here else None
        elif event.kind == "weights":
            before = ("b", event.micro_batch, here)
        elif here == depth - 1:
            before = ("forward", event.micro_batch, here)
        else:
            before = ("b", event.micro_batch, here + 1)
        assert before is None or ends[before] <= event.start + 1e-9


@pytest.mark.parametrize("layout", [one for one in EVEN if one.accumulation >= 2 * one.pp], ids=name)
@pytest.mark.parametrize("head", [0.0, 1.5])
def test_what_is_drawn_and_what_repeats_make_the_whole_step(layout: Layout, head: float) -> None:
    costs = uneven(layout, 8 * int(layout.pp) * int(layout.virtual_stages), head=head, embedding=0.1)
    long = Layout(
        pp=layout.pp, virtual_stages=layout.virtual_stages, schedule=layout.schedule, accumulation=12 * layout.pp
    )
    drawn = drawn_batches(long)
    reckoned = makespan(timeline(long, costs, drawn)) + (long.accumulation - drawn) * repeating(long, costs)
    assert reckoned == pytest.approx(makespan(timeline(long, costs)), rel=0.02)


def test_a_long_step_is_played_out_no_further_than_it_is_drawn() -> None:
    layout = Layout(pp=64, accumulation=100_000)
    assert drawn_batches(layout) == 128
    assert drawn_batches(Layout(pp=4, accumulation=3)) == 3
    assert drawn_batches(Layout(accumulation=100_000)) == 8


def test_the_last_stage_of_a_dualpipe_shares_its_rank_with_the_first() -> None:
    layout = Layout(pp=4, accumulation=400, schedule="dualpipe")
    costs = uneven(layout, 32, head=12.0, embedding=0.0)
    assert repeating(layout, costs) == 24.0 + 12.0 / 2
    assert makespan(timeline(layout, costs)) == pytest.approx(400 * 30.0, rel=0.01)


def test_every_schedule_of_a_layout_has_an_order() -> None:
    assert set(ORDERS) == {"1f1b", "interleaved", "zero-bubble", "dualpipe"}


# Two kinds of device: the stages of one speed come first, those of another after them.


def _two_speeds(first: int, last: int, speed: float, chunks: int, rounds: int) -> tuple[Layout, list[float]]:
    layout = Layout(
        pp=first + last, virtual_stages=chunks, schedule="interleaved" if chunks > 1 else "1f1b",
        accumulation=(first + last) * rounds,
    )  # fmt: skip
    return layout, [1.0] * first + [speed] * last


@pytest.mark.parametrize("chunks", [1, 2, 3])
@pytest.mark.parametrize("rounds", [1, 2, 8])
@pytest.mark.parametrize("speed", [0.4, 0.9, 1.0, 1.1, 2.5])
@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 3), (3, 1), (2, 4)])
def test_stages_of_two_speeds_take_no_longer_than_the_closed_form(
    first: int, last: int, speed: float, rounds: int, chunks: int
) -> None:
    layout, stages = _two_speeds(first, last, speed, chunks, rounds)
    costs = [StageCost(seconds / 3 / chunks, seconds * 2 / 3 / chunks) for _ in range(chunks) for seconds in stages]
    reckoned = closed(layout, StageTimes(max(stages), sum(stages)), FORWARD, BACKWARD, WEIGHTS)
    played = makespan(timeline(layout, costs))
    assert played <= reckoned * (1 + 1e-12)
    if min(stages) >= 0.9 * max(stages):  # as layers are shared out by speed
        assert played >= 0.94 * reckoned


@pytest.mark.parametrize("rounds", [1, 2, 8])
@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_a_zero_bubble_schedule_of_nearly_even_stages_is_within_three_per_cent(speed: float, rounds: int) -> None:
    layout, stages = _two_speeds(2, 3, speed, 1, rounds)
    layout = msgspec.structs.replace(layout, schedule="zero-bubble")
    costs = [StageCost(seconds / 3, seconds * 2 / 3, seconds / 3) for seconds in stages]
    mean = sum(stages) / 5 / 3
    reckoned = closed(layout, StageTimes(max(stages), sum(stages)), mean, 2 * mean, mean)
    assert makespan(timeline(layout, costs)) == pytest.approx(reckoned, rel=0.03)


@pytest.mark.parametrize("chunks", [1, 2])
@pytest.mark.parametrize("speed", [0.4, 2.5])
def test_what_a_rank_keeps_does_not_depend_on_the_speeds(speed: float, chunks: int) -> None:
    layout, stages = _two_speeds(2, 4, speed, chunks, 4)
    costs = [StageCost(seconds / 3 / chunks, seconds * 2 / 3 / chunks) for _ in range(chunks) for seconds in stages]
    held = kept(timeline(layout, costs), chunks)
    for rank, most in held.items():
        assert most <= float(in_flight_at(layout, rank)) + 1e-9
