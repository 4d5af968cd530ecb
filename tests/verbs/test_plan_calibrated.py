"""A plan over several precisions with a calibration: each has the factors that hold for it."""

from __future__ import annotations

import msgspec
import pytest

from cardyears.catalogue.load import Catalogue, load
from cardyears.layout.partial import PartialLayout
from cardyears.machine.calibration import Calibration, Kept
from cardyears.question.question import Question, read_question
from cardyears.resolve.calibration import calibrated
from cardyears.verbs.estimate import estimate_layout
from cardyears.verbs.mixed import mixed
from cardyears.verbs.plan import Wish, plan_on

KEPT = Kept(
    engine="torchtitan", device="h100-sxm-80gb", method="pretrain", precision="bf16", experts=False, parameters=8.03e9,
    devices=8, seq_len=8_192, rows=9, slower=1.0,
)  # fmt: skip
OPEN = Wish(opened=("precision",), global_batch=64, top=6)


def catalogue(precision: str) -> Catalogue:
    """Runs in this precision were nearly three times as slow as estimated; those in others say less of it."""
    kept = msgspec.structs.replace(KEPT, precision=precision)
    return calibrated(load(), Calibration(name="mine.toml", rate=0.4, host=2.0, rows=9, kept=(kept,)))


def question(on: str = "8x H100") -> Question:
    return read_question("llama-3-8b", on=on, engine="torchtitan", seq_len=8_192)


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_every_layout_of_a_plan_has_the_factors_of_its_own_precision(precision: str) -> None:
    known = catalogue(precision)
    made = plan_on(question(), known, OPEN)
    assert {one.layout.precision for one in made.found.best} - {precision}
    for one in made.found.best:
        fields = {key: getattr(one.layout, key) for key in one.layout.__struct_fields__}
        said = PartialLayout(**fields, global_batch=64)
        alone = estimate_layout(msgspec.structs.replace(question(), layout=said), known).estimate
        assert float(one.step_s) == pytest.approx(float(alone.step_s))
    assert float(made.best.estimate.step_s) == pytest.approx(float(made.found.best[0].step_s))


def test_what_was_measured_to_be_slow_loses_to_another_precision_and_not_the_other_way_round() -> None:
    chosen = {
        precision: plan_on(question(), catalogue(precision), OPEN).best.estimate.layout.precision
        for precision in ("bf16", "fp8")
    }
    assert chosen["bf16"] == "fp8"
    assert chosen["fp8"] == "bf16"


def test_a_bound_excludes_nothing_that_is_best() -> None:
    for precision in ("bf16", "fp8"):
        known = catalogue(precision)
        every = plan_on(question(), known, msgspec.structs.replace(OPEN, prune=False))
        assert every.best.estimate.layout == plan_on(question(), known, OPEN).best.estimate.layout


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_on_two_kinds_of_device_a_way_takes_as_long_as_with_its_precision_alone(precision: str) -> None:
    known, wish = catalogue(precision), msgspec.structs.replace(OPEN, top=1)
    made = mixed(question("8x H100 + 8x H200"), known, wish)
    closed = msgspec.structs.replace(wish, opened=())
    for way in made.ways:
        assert way.best is not None
        layout = way.best.estimate.layout
        only = msgspec.structs.replace(question("8x H100 + 8x H200"), precision=layout.precision)
        alone = {one.key: one for one in mixed(only, known, closed).ways}[way.key].best
        assert alone is not None
        assert alone.estimate.layout == layout
        assert float(alone.estimate.step_s) == pytest.approx(float(way.best.estimate.step_s))
