"""Which layers each stage has, how long the pipe stands idle, what is in flight: the papers' own numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cardyears.layout.layout import Layout, Schedule
from cardyears.layout.pipeline import bubble, in_flight, in_flight_last, stage_times, stages

few = settings(max_examples=100, deadline=None, derandomize=True)
counts = st.integers

# Stages


@pytest.mark.parametrize(
    ("layers", "pp", "chunks", "found"),
    [
        (126, 16, 1, (7, 8, 7)),  # Llama 3 405B (llama3-2024, section 3.3: one layer less on first and last)
        (126, 16, 8, (7, 8, 7)),
        (96, 12, 2, (8, 8, 8)),
        (61, 16, 1, (3, 4, 3)),  # DeepSeek-V3's 61 layers
        (32, 3, 1, (11, 11, 10)),
        (32, 1, 1, (32, 32, 32)),
        (2, 2, 1, (1, 1, 1)),
    ],
)
def test_stages_are_even_but_for_the_ends(layers: int, pp: int, chunks: int, found: tuple[int, int, int]) -> None:
    assert tuple(stages(float(layers), Layout(pp=pp, virtual_stages=chunks))) == found


@few
@given(counts(2, 200), counts(2, 32), counts(1, 8))
def test_all_stages_together_have_all_layers(layers: int, pp: int, chunks: int) -> None:
    assume(pp <= layers and (chunks == 1 or pp * chunks <= layers + 2))
    found = stages(float(layers), Layout(pp=pp, virtual_stages=chunks))
    assert 0 <= found.first <= found.middle
    assert 0 <= found.last <= found.first
    # What the ends cannot give up, some stages between have less of: `middle` is the most that one has.
    assert found.first + found.last + (pp - 2) * found.middle >= layers
    assert found.middle == math.ceil(layers / (pp * chunks)) * chunks


@few
@given(counts(1, 199), counts(1, 32), counts(1, 4))
def test_more_layers_never_make_the_fullest_stage_smaller(layers: int, pp: int, chunks: int) -> None:
    assume(pp <= layers)
    fewer, more = (max(stages(float(n), Layout(pp=pp, virtual_stages=chunks))[::2]) for n in (layers, layers + 1))
    assert fewer <= more


# Times of stages


def test_the_slowest_stage_has_the_head() -> None:
    found = stage_times(32.0, Layout(pp=4), 1.0, 0.5, 2.0)
    assert found == (10.0, 34.5)


def test_one_stage_does_everything() -> None:
    assert stage_times(32.0, Layout(), 1.0, 0.5, 2.0) == (34.5, 34.5)


def test_uneven_ends_hide_embedding_and_head() -> None:
    # 126 layers on 16 stages: 7 layers and a head of one layer's time are no slower than 8 layers.
    assert stage_times(126.0, Layout(pp=16), 1.0, 1.0, 1.0) == (8.0, 128.0)


# Bubbles: even stages of F = 1, B = 2 of which W = 1; p = 4 or 8.

EVEN = (1.0, 2.0, 1.0)


def idle(schedule: Schedule, pp: float, batches: float = 64, chunks: float = 1) -> float:
    layout = Layout(pp=pp, schedule=schedule, accumulation=batches, virtual_stages=chunks)
    return float(bubble(layout, stage_times(pp * 1.0, layout, 3.0, 0.0, 0.0), *EVEN))


def test_1f1b_waits_for_all_other_stages_once() -> None:
    assert idle("1f1b", 4) == 3 * (1 + 2)  # Narayanan 2021, section 2.2.1


def test_interleaving_divides_the_wait_by_its_chunks() -> None:
    layout = Layout(pp=4, schedule="interleaved", virtual_stages=2, accumulation=64)
    assert bubble(layout, stage_times(8.0, layout, 1.5, 0.0, 0.0), *EVEN) == 3 * 3 / 2  # section 2.2.2


def test_zero_bubble_fills_gaps_with_the_weights_gradients() -> None:
    # Qi 2023, table 1: (p-1)·(F + B' - W) where B' = B - W is the inputs' gradient alone.
    assert idle("zero-bubble", 4) == 3 * (1 + 1 - 1)


def test_few_micro_batches_have_few_gradients_to_fill_gaps_with() -> None:
    # One micro-batch: its own gradients of weights wait until it is through; there are no others.
    assert idle("zero-bubble", 4, batches=1) == 3 * (1 + 1)
    assert idle("zero-bubble", 4, batches=4) == 3 * (1 + 1 - 1)


def test_dualpipe_waits_for_half_the_stages() -> None:
    # DeepSeek-V3, table 3: (p/2 - 1)·(F&B + B - 3W), F&B a forward and a backward that overlap.
    assert idle("dualpipe", 8) == (8 / 2 - 1) * (3 + 2 - 3)
    assert idle("dualpipe", 2) == 0


@few
@given(
    st.sampled_from(("1f1b", "interleaved", "zero-bubble", "dualpipe")),
    counts(2, 64),
    counts(1, 256),
    st.floats(1e-3, 1e3),
    st.floats(1e-3, 1e3),
    st.floats(0, 1e3),
)
def test_nobody_waits_less_than_not_at_all(
    schedule: Schedule, pp: int, batches: int, forward: float, inputs: float, weights: float
) -> None:
    layout = Layout(pp=pp, schedule=schedule, accumulation=batches)
    times = stage_times(pp * 1.0, layout, forward + inputs + weights, 0.0, 0.0)
    assert (
        0 <= bubble(layout, times, forward, inputs + weights, weights) <= (times.together - times.slowest) * (1 + 1e-9)
    )


@few
@given(counts(2, 64), counts(1, 256), st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0, 10))
def test_cheaper_gradients_of_weights_never_make_a_step_longer(
    pp: int, batches: int, forward: float, inputs: float, weights: float, more: float
) -> None:
    layout = Layout(pp=pp, schedule="zero-bubble", accumulation=batches)

    def step(cost: float) -> float:
        times = stage_times(pp * 1.0, layout, forward + inputs + cost, 0.0, 0.0)
        return batches * times.slowest + float(bubble(layout, times, forward, inputs + cost, cost))

    assert step(weights) <= step(weights + more) * (1 + 1e-9)


# What is in flight


@pytest.mark.parametrize(
    ("schedule", "pp", "chunks", "batches", "first", "last"),
    [
        ("1f1b", 1, 1, 64, 1, 1),
        ("1f1b", 8, 1, 64, 8, 1),  # Korthikanti 2022, section 4.2.3
        ("1f1b", 8, 1, 3, 3, 1),
        ("interleaved", 8, 2, 64, 8 * (1 + 7 / 16), 9 / 2),
        ("interleaved", 4, 4, 64, 4 * (1 + 3 / 16), 13 / 4),
        ("zero-bubble", 8, 1, 64, 8, 8),  # Qi 2023, table 1: p; the last waits with its weights' gradients
        ("dualpipe", 8, 1, 64, 9, 9),  # DeepSeek-V3, table 3: p + 1
    ],
)
def test_micro_batches_in_flight(
    schedule: Schedule, pp: int, chunks: int, batches: int, first: float, last: float
) -> None:
    layout = Layout(pp=pp, schedule=schedule, virtual_stages=chunks, accumulation=batches)
    assert in_flight(layout) == first
    assert in_flight_last(layout) == last


# Many at once


@pytest.mark.parametrize("schedule", ["1f1b", "interleaved", "zero-bubble", "dualpipe"])
def test_arrays_give_the_bits_of_floats(schedule: Schedule) -> None:
    degrees = [(1.0, 1.0, 1.0), (2.0, 3.0, 7.0), (16.0, 8.0, 16.0), (16.0, 1.0, 4.0), (6.0, 2.0, 12.0)]
    pp, chunks, batches = (np.array(column) for column in zip(*degrees, strict=True))

    def sums(layout: Layout) -> list[object]:
        times = stage_times(126.0, layout, 0.1, 0.01, 0.3)
        found = [*stages(126.0, layout), *times, bubble(layout, times, 0.3, 0.7, 0.31)]
        return [*found, in_flight(layout), in_flight_last(layout)]

    together = sums(Layout(pp=pp, virtual_stages=chunks, accumulation=batches, schedule=schedule))
    for place, (p, v, m) in enumerate(degrees):
        alone = sums(Layout(pp=p, virtual_stages=v, accumulation=m, schedule=schedule))
        assert [float(np.broadcast_to(np.asarray(value), 5)[place]) for value in together] == alone
