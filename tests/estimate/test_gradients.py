"""Bytes that it takes to add up gradients, recovered as time x bandwidth of a step whose engine does nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardyears.case import Job
from cardyears.estimate.estimate import estimate
from cardyears.estimate.gradients import added_bytes
from cardyears.layout.layout import Layout
from cardyears.work.architecture import GPT2_SMALL, LLAMA3_8B

MEMORY = 1e12
MATRICES = 32 * (4_096 * 6_144 + 4_096 * 4_096 + 4_096 * 28_672 + 14_336 * 4_096)
TABLE, LAST_NORM = 128_256 * 4_096, 4_096


def bytes_of(line: str, job: Job, layout: Layout) -> float:
    """Bytes of one micro-batch over the whole depth that a line of the step moves."""
    return float(estimate(job, layout).time[line]) * MEMORY * layout.pp / layout.accumulation


def more(line: str, ideal: Any, layout: Layout, **costs: Any) -> float:
    """Bytes by which a line is more where gradients are added by kernels of their own."""
    within, apart = (bytes_of(line, ideal(LLAMA3_8B, adds_apart=word, **costs), layout) for word in (False, True))
    return apart - within


@pytest.mark.parametrize(
    ("recipe", "batches", "each"),
    [("adamw", 1, 0), ("adamw", 4, 0.75 * 6), ("adamw-fp32", 1, 6), ("adamw-fp32", 2, (6 + 10) / 2)],
)
def test_gradients_that_are_added_apart_are_read_and_their_sums_read_and_written(
    ideal: Any, recipe: str, batches: int, each: float
) -> None:
    # The first micro-batch's are taken as they are, but for a cast to fp32; others: 2 B read, the sum read and written.
    found = more("memory_bound", ideal, Layout(accumulation=batches), recipe=recipe)
    assert found == pytest.approx(each * MATRICES, rel=1e-9, abs=1.0)


def test_products_write_a_gradient_apart_and_read_no_sum(ideal: Any) -> None:
    for line in ("products", "head"):
        within, apart = (estimate(ideal(LLAMA3_8B, adds_apart=word), Layout()).time[line] for word in (False, True))
        assert apart < within


@pytest.mark.parametrize(
    ("layout", "over"), [({"zero": 1}, 1), ({"zero": 2}, 8), ({"zero": 3}, 8), ({"zero": 2, "pp": 2}, 1)]
)
def test_gradients_that_are_scattered_each_time_are_added_where_they_arrive(
    ideal: Any, layout: dict[str, int], over: int
) -> None:
    found = more("memory_bound", ideal, Layout(accumulation=4, dp=8, **layout))
    assert found == pytest.approx(4.5 * MATRICES / over, rel=1e-9)


def test_what_is_scattered_in_fp32_arrives_in_fp32(ideal: Any) -> None:
    # ZeRO 3, 4 B sent and kept: read, and the sum read and written, but for the first; 12 · 3/4 of an eighth.
    found = more("memory_bound", ideal, Layout(accumulation=4, dp=8, zero=3), recipe="adamw-fp32", reduce_bytes=4.0)
    assert found == pytest.approx(9.0 * MATRICES / 8, rel=1e-9)


def test_a_buffer_that_stays_takes_the_first_gradient_as_it_takes_the_others(ideal: Any) -> None:
    assert more("memory_bound", ideal, Layout(), adds_first=True) == pytest.approx(6 * MATRICES, rel=1e-9)


def test_the_embeddings_whole_table_is_cleared_and_added_in_any_engine(ideal: Any) -> None:
    rows = 6 * 2 * 4_096 * 2_048
    for apart in (False, True):
        job = ideal(LLAMA3_8B, adds_apart=apart)
        for batches, each in ((1, 2), (4, 2 + 4.5)):
            found = bytes_of("embedding", job, Layout(accumulation=batches))
            assert found == pytest.approx(each * (TABLE + LAST_NORM) + rows, rel=1e-9)


def test_tables_of_positions_are_cleared_and_added_too(ideal: Any) -> None:
    positions = 1_024 * 768
    bare = msgspec.structs.replace(GPT2_SMALL, positions=0)
    with_them, without = (bytes_of("embedding", ideal(one), Layout()) for one in (GPT2_SMALL, bare))
    assert with_them - without == pytest.approx(2 * positions, rel=1e-9)


def test_the_heads_gradient_is_added_up_as_a_layers_is(ideal: Any) -> None:
    # Its product writes less besides, and as much for each micro-batch, so that their number tells.
    of = {
        word: [bytes_of("head", ideal(LLAMA3_8B, adds_apart=word), Layout(accumulation=batches)) for batches in (1, 4)]
        for word in (False, True)
    }
    assert of[True][1] - of[True][0] == pytest.approx(4.5 * TABLE, rel=1e-6)
    assert of[False][1] == pytest.approx(of[False][0], rel=1e-12)


def test_frozen_weights_have_no_gradients_to_add(ideal: Any) -> None:
    layout = Layout(accumulation=4)
    within, apart = (estimate(ideal(LLAMA3_8B, method="lora", adds_apart=word), layout).time for word in (False, True))
    assert apart == within


@given(
    gradient=st.sampled_from([2.0, 4.0, 6.0]), element=st.sampled_from([2.0, 4.0]), kept=st.booleans(),
    batches=st.integers(1, 512),
)  # fmt: skip
def test_more_micro_batches_move_no_less_each_and_a_kept_buffer_no_less_than_none(
    gradient: float, element: float, batches: int, *, kept: bool
) -> None:
    one, other = (added_bytes(gradient, element, number, kept=kept) for number in (batches, batches + 1))
    assert 0.0 <= one <= other <= element + 8.0
    assert added_bytes(gradient, element, batches, kept=True) >= one
