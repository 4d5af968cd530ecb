"""The search: every layout of the space, the same numbers as one estimate, the same best with and without bounds."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardyears.answer.links import workable_batch
from cardyears.base.text import ENGLISH
from cardyears.case import Job
from cardyears.catalogue.load import load
from cardyears.estimate.estimate import estimate
from cardyears.estimate.setting import setting
from cardyears.layout.layout import Layout
from cardyears.layout.legal import refusal
from cardyears.layout.site import Site, site
from cardyears.question.question import read_question
from cardyears.search import measured
from cardyears.search.search import Bench, Found, complexity, search
from cardyears.search.space import OPENED, Space, blocks, parts, space, words
from cardyears.validate.read import problems
from cardyears.validate.runs import load_runs
from cardyears.verbs.estimate import estimate_layout

USABLE = (0.8, 0.95)


def job(model: str, on: str, **said: Any) -> Job:
    return estimate_layout(read_question(model, on=on, **said), load()).job


def ground(of: Job, batch: int | None) -> Site:
    return site(
        of.architecture, devices=of.cluster.count, per_node=of.cluster.per_node, seq_len=int(of.seq_len),
        method=of.training.method, engine=of.engine.key, global_batch=batch,
    )  # fmt: skip


def room(of: Job, where: Site, opened: Sequence[str] = (), *, brief: bool = False) -> Space:
    return space(where, of.engine.axes, Layout(sp=of.engine.sp), domain=of.cluster.domain, opened=opened, brief=brief)


def found(of: Job, batch: int | None, opened: Sequence[str] = (), **said: Any) -> Found:
    where = ground(of, batch)
    limits = [of.usable_bytes * share for share in USABLE]
    return search(of, room(of, where, opened), where, limits, **said)


CASES = (
    ("llama-3-8b", "64x H100", 128, ()),
    ("mixtral-8x7b", "32x H100", 64, ("chunked_loss", "sp", "dualpipe")),
    ("gemma-2-2b", "16x A100", 32, ("kernel", "overlap", "recompute_every")),
    ("gpt2", "16x H100 over 400Gb/s per gpu", 32, ("offload", "compile", "recompute")),
)


def drawn(
    of: Job, batch: int, opened: Sequence[str], how_many: int
) -> Iterator[tuple[Layout, float, dict[str, float], dict[str, float]]]:
    """Layouts drawn from the space, each with its peak and both ledgers as the search has them."""
    where, dice = ground(of, batch), random.Random(7)
    space_ = room(of, where, opened)
    bench = Bench(of, blocks(space_, where))
    grids = list(parts(space_, where, bench.blocks))
    for part in dice.sample(grids, min(len(grids), 12)):
        lines, held, peaks = bench.times(part), bench.held(part), bench.peaks(part)
        cells = np.flatnonzero(part.legal).tolist()
        for cell in dice.sample(cells, min(len(cells), how_many)):
            at = np.unravel_index(cell, part.legal.shape)

            def here(line: Any, at: Any = at, shape: Any = part.legal.shape) -> float:
                return float(np.broadcast_to(np.asarray(line), shape)[at])

            yield (
                part.one(cell),
                here(peaks),
                {name: here(line) for name, line in lines.items()},
                {name: here(line) for name, line in held.items()},
            )


@pytest.mark.parametrize(("model", "on", "batch", "opened"), CASES)
def test_every_line_is_that_of_the_estimate_of_the_layout_alone(
    model: str, on: str, batch: int, opened: tuple[str, ...]
) -> None:
    assert compared(job(model, on), batch, opened) * len(CASES) >= 1_000


@pytest.mark.parametrize("engine", ["torchtitan", "deepspeed", "internevo", "megatron-deepspeed"])
@pytest.mark.parametrize("model", ["llama-3-8b", "gpt2"])
def test_engines_that_add_gradients_apart_and_deal_out_whole_tensors_are_searched_by_the_same_sums(
    model: str, engine: str
) -> None:
    assert compared(job(model, "32x A100", engine=engine), 64, ()) >= 40


def compared(of: Job, batch: int, opened: Sequence[str]) -> int:
    """How many layouts were drawn whose ledgers in the search are those of the estimate."""
    there = setting(of, "bf16")
    count = 0
    for layout, peak, time, held in drawn(of, batch, opened, 25):
        alone = estimate(of, layout, there)
        count += 1
        assert peak == pytest.approx(float(alone.peak_bytes), rel=1e-12)
        assert time == pytest.approx({name: float(line) for name, line in alone.time.items()}, rel=1e-11, abs=1e-15)
        lines = {name: line for name, line in held.items() if line}
        assert lines == pytest.approx({name: float(line) for name, line in alone.memory.items() if line}, rel=1e-11)
    return count


@pytest.mark.parametrize(("model", "on", "batch", "opened"), CASES)
def test_every_layout_of_the_space_is_legal_and_comes_once(
    model: str, on: str, batch: int, opened: tuple[str, ...]
) -> None:
    of = job(model, on)
    layouts = [layout for layout, *_ in drawn(of, batch, opened, 25)]
    assert all(refusal(layout, ground(of, batch)) is None for layout in layouts)
    assert len(set(map(str, layouts))) == len(layouts)


def test_the_space_has_exactly_the_legal_combinations() -> None:
    """Counted a second time, one layout after the other."""
    of = job("gpt2", "4x H100", engine="megatron-core")
    where = ground(of, 16)
    small = room(of, where)
    counted = 0
    for kind in small.words:
        chunks = small.virtual_stages if kind.schedule == "interleaved" else (1,)
        for tp, pp, cp, ep, etp, zero, batch, chunk in product(
            small.tp, small.pp, small.cp, small.ep, small.etp, small.zero, small.micro_batch, chunks
        ):
            dp = 4 // (tp * pp * cp)
            if not dp or 16 % (dp * batch) or (zero and dp * cp == 1):
                continue
            numbers = {"tp": tp, "pp": pp, "cp": cp, "ep": ep, "etp": etp, "zero": zero, "micro_batch": batch}
            layout = Layout(
                **numbers, dp=dp, accumulation=16 // (dp * batch), virtual_stages=chunk, schedule=kind.schedule,
                recompute=kind.recompute, sp=kind.sp,
            )  # fmt: skip
            counted += refusal(layout, where) is None
    result = found(of, 16, prune=False)
    assert result.legal == counted > 100
    assert (result.searched, result.pruned) == (counted, 0)


def problem(seed: int) -> tuple[Job, int]:
    """A random small cluster and model."""
    dice = random.Random(seed)
    model = dice.choice(("gpt2", "1.3B", "llama-3-8b", "mixtral-8x7b", "gemma-2-2b", "7B"))
    device = dice.choice(("H100", "A100-40GB", "RTX 4090", "V100", "L40S"))
    of = job(model, f"{dice.choice((1, 2, 4, 8, 16, 24, 32))}x {device} over 200Gb/s", engine=dice.choice(
        ("megatron-core", "megatron-deepspeed", "torchtitan")
    ))  # fmt: skip
    return of, workable_batch(dice.choice((32, 64, 96, 256)), of.cluster.count)


@pytest.mark.parametrize("seed", range(50))
def test_bounds_never_lose_the_best(seed: int) -> None:
    of, batch = problem(seed)
    pruned = found(of, batch, top=3, with_frontier=True)
    whole = found(of, batch, top=3, with_frontier=True, prune=False)
    assert [one.layout for one in pruned.best] == [one.layout for one in whole.best]
    assert [one.step_s for one in pruned.best] == [one.step_s for one in whole.best]
    assert pruned.smallest == whole.smallest or pruned.smallest.layout == whole.smallest.layout  # type: ignore[union-attr]
    assert pruned.frontier == whole.frontier
    assert pruned.legal == whole.legal == whole.searched == pruned.searched + pruned.pruned
    assert pruned.fitting <= pruned.searched
    assert (pruned.level, bool(pruned.best)) == (whole.level, bool(whole.best))


@pytest.mark.parametrize("chunk", [1, 64, 1_000_000])
def test_how_many_are_evaluated_at_once_changes_nothing(chunk: int) -> None:
    of = job("llama-3-8b", "16x H100")
    usual, other = (found(of, 32, top=4, chunk=size) for size in (4_096, chunk))
    assert [one.layout for one in usual.best] == [one.layout for one in other.best]
    assert usual.legal == other.legal


def test_the_best_have_different_degrees_and_come_in_order() -> None:
    best = found(job("llama-3-8b", "64x H100"), 128, top=6).best
    degrees = [(one.layout.tp, one.layout.pp, one.layout.cp, one.layout.ep, one.layout.etp) for one in best]
    assert len(set(degrees)) == 6
    ranked = [
        float(one.step_s) * float(measured.pessimism("megatron-core", one.layout)) for one in best
    ]  # fmt: skip
    assert ranked == sorted(ranked)


def test_the_least_memory_is_the_aim_where_it_is_asked_for() -> None:
    of = job("llama-3-8b", "16x H100")
    small, fast = found(of, 32, aim="memory").best[0], found(of, 32).best[0]
    assert small.peak_bytes < fast.peak_bytes
    assert small.step_s > fast.step_s


def test_where_nothing_fits_the_smallest_is_known() -> None:
    result = found(job("llama-3.1-405b", "8x RTX 4090"), 16)
    assert not result.best
    assert result.smallest is not None
    assert result.fitting == 0


def test_the_frontier_buys_time_with_memory() -> None:
    result = found(job("llama-3-8b", "64x H100"), 128, with_frontier=True)
    held, times = [one.peak_bytes for one in result.frontier], [one.seconds for one in result.frontier]
    assert len(held) > 3
    assert held == sorted(held)
    assert times == sorted(times, reverse=True)


def test_opening_a_switch_makes_the_space_larger_and_the_best_no_slower() -> None:
    of = job("llama-3-8b", "16x H100")
    closed, opened = found(of, 32), found(of, 32, ["compile"])
    assert opened.legal > closed.legal
    assert opened.best[0].step_s <= closed.best[0].step_s * (1 + 1e-12)


@pytest.mark.parametrize("name", OPENED)
def test_each_switch_opens(name: str) -> None:
    assert len(words(Layout(), [name], precisions=("fp8",))) > len(words(Layout()))


def test_simpler_layouts_have_less_complexity() -> None:
    assert complexity(Layout()) < complexity(Layout(zero=1)) < complexity(Layout(tp=2)) < complexity(Layout(tp=2, pp=2))


# What was measured.


def test_what_counts_as_measured_is_what_the_runs_cover() -> None:
    made, _ = problems(load_runs(), load())
    layouts = [one.layout for one in made if not one.assumes("degrees")]
    for name, most in measured.LARGEST.items():
        seen = Counter(int(getattr(layout, name)) for layout in layouts)
        assert max(value for value, times in seen.items() if times > 1) == most, name
    schedules = Counter(layout.schedule for layout in layouts)
    assert {name for name, times in schedules.items() if times > 2} == set(measured.SCHEDULES)


def test_layouts_outside_of_what_was_measured_are_as_unsure_as_runs_far_from_it() -> None:
    found = json.loads((Path(__file__).parents[2] / "docs" / "examples" / "held_out.json").read_text("utf-8"))
    high = {one["band"]: one["p90"] for one in found["bands"] if one["kind"] == "dense"}
    assert (round(high["near"], 2), round(high["far"], 2)) == (measured.KNOWN_HIGH, measured.UNKNOWN_HIGH)


def test_a_layout_unlike_all_measured_ones_is_ranked_by_its_pessimistic_end() -> None:
    engine = job("gpt2", "16x H100").engine
    plain, odd = Layout(pp=4, zero=1), Layout(pp=4, schedule="zero-bubble")
    assert measured.pessimism(engine.key, plain) == 1.0
    assert measured.pessimism(engine.key, odd) > 1.0
    assert [ENGLISH.say(one) for one in measured.unlike(engine, odd)] == [
        "no measured run has the schedule zero-bubble"
    ]
    many = Layout(tp=np.array([1.0, 32.0]), pp=np.array([1.0, 1.0]))
    assert measured.pessimism(engine.key, many).tolist() == [1.0, pytest.approx(1.3 / 1.11)]
