"""Many jobs at once: the numbers of each by itself, whatever they are of."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from cardyears.base.stack import stacked
from cardyears.catalogue.load import load
from cardyears.estimate.many import FEW, Task, step_seconds
from cardyears.estimate.setting import setting
from cardyears.estimate.step import step
from cardyears.layout.layout import Layout
from cardyears.layout.shard import model_work
from cardyears.validate.compare import engines, estimable, job
from cardyears.validate.read import problems
from cardyears.validate.runs import load_runs
from cardyears.work.architecture import GPT3_175B, LLAMA2_7B, LLAMA3_8B


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    catalogue = load()
    known = engines(catalogue)
    made = [one for one in problems(load_runs(), catalogue)[0] if estimable(one)]
    jobs = [(job(one, catalogue, known[one.engine]), one.layout) for one in made]
    return [Task(one, layout, setting(one, layout.precision)) for one, layout in jobs]


def test_every_measured_run_takes_as_long_among_many_as_by_itself(tasks: list[Task]) -> None:
    with np.errstate(all="raise"):
        found = step_seconds(tasks)
    alone = [float(step(*one).total) for one in tasks]
    assert len(alone) > 3_000
    np.testing.assert_allclose(found, alone, rtol=1e-12)


def test_the_order_of_tasks_is_that_of_their_times(tasks: list[Task]) -> None:
    some = tasks[::7]
    assert step_seconds(some[::-1]).tolist() == pytest.approx(step_seconds(some)[::-1].tolist(), rel=1e-12)
    assert step_seconds([]).size == 0


@pytest.mark.parametrize("many", [1, FEW - 1, FEW, 9])
def test_dense_models_of_any_size_run_together(ideal: Any, many: int) -> None:
    kinds = [LLAMA2_7B, LLAMA3_8B, msgspec.structs.replace(LLAMA3_8B, tied=True), GPT3_175B]
    jobs = [ideal(kinds[place % len(kinds)]) for place in range(many)]
    layouts = [Layout(tp=2 ** (place % 3), shard_group=2 if place % 2 else None, dp=4) for place in range(many)]
    some = [Task(one, at, setting(one, "bf16")) for one, at in zip(jobs, layouts, strict=True)]
    assert step_seconds(some).tolist() == pytest.approx([float(step(*one).total) for one in some], rel=1e-12)


def test_numbers_that_differ_become_arrays_and_words_are_the_first() -> None:
    two = stacked([model_work(LLAMA2_7B), model_work(LLAMA3_8B)])
    assert two.vocab.tolist() == [32_000.0, 128_256.0]  # type: ignore[union-attr]
    assert two.hidden == 4_096.0
    assert two.layers[0].products[0].part == "attention"
    assert two.layers[0].kv_heads.tolist() == [32.0, 8.0]  # type: ignore[union-attr]


def test_what_is_the_same_stays_itself() -> None:
    work = model_work(LLAMA3_8B)
    assert stacked([work, work, work]) is work
