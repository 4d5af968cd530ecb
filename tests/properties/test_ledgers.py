"""What must hold for both ledgers of any legal layout: they add up, and arrays go through the same lines."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from cardyears.case import Job
from cardyears.estimate.estimate import Estimate, estimate
from cardyears.estimate.setting import setting
from cardyears.layout.layout import Layout
from cardyears.work.channels import Experts
from cardyears.work.state import RECIPES
from support.legal_layouts import (
    CATALOGUED,
    ENGINES,
    LENGTHS,
    METHODS,
    NUMBERS,
    WORDS,
    allowed,
    cases,
    changed,
    few,
    made,
    shape,
)

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


@few
@given(cases())
def test_a_setting_made_once_gives_the_same(case: tuple[Job, Layout]) -> None:
    where, layout = case
    assert estimate(where, layout, setting(where, layout.precision)) == estimate(where, layout)
