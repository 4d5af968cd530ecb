"""What must hold for every question that the catalogue allows."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cardyears import check
from cardyears.answer.judgement import Judgement, judge, useful_devices
from cardyears.answer.verdict import Verdict
from cardyears.api.results import Check
from cardyears.base.errors import CardyearsError
from cardyears.base.units import DAY, HOUR, YEAR
from cardyears.catalogue.load import load
from cardyears.question.question import read_question
from cardyears.resolve.resolve import resolve
from cardyears.work.state import RECIPES

some = settings(max_examples=60, deadline=None, derandomize=True)
fewer = settings(max_examples=25, deadline=None, derandomize=True)
few = settings(max_examples=10, deadline=None, derandomize=True)

GOOD = ("yes", "probably")
SIZES = ("10M", "124M", "350M", "1B", "3B", "7B", "70B", "1T")


class Said(TypedDict, total=False):
    """What a person says besides model and hardware."""

    duration: float
    tokens: float | None
    method: str
    utilization: float | None
    seq_len: int
    assume: dict[str, str]


models = st.sampled_from(sorted(load().models)) | st.sampled_from(SIZES)
known_models = st.sampled_from(sorted(key for key, row in load().models.items() if row.shape and row.open_weights))
devices = st.sampled_from(sorted(load().accelerators))
rated_devices = st.sampled_from(sorted(key for key, row in load().accelerators.items() if row.peak_tflop_s))
cards = devices | st.sampled_from((4, 6, 8, 10, 12, 16, 24, 32, 48)).map(lambda memory: f"{memory}GB GPU")
counts = st.sampled_from((1, 1, 1, 2, 3, 8, 64, 1_024, 100_000))
methods = st.sampled_from(("pretrain", "full", "lora", "qlora"))
durations = st.floats(HOUR, 100 * YEAR)
said = st.fixed_dictionaries(
    {
        "duration": durations,
        "tokens": st.none() | st.floats(1e6, 1e13),
        "method": methods,
        "utilization": st.none() | st.floats(0.01, 1.0),
    }
)


def on(count: int, card: str) -> str:
    return card if count == 1 else f"{count}x {card}"


def judged(model: str, hardware: str, words: Said) -> Judgement:
    """The numbers and findings without the alternatives; questions that contradict themselves are left out."""
    try:
        return judge(resolve(read_question(model, on=hardware, **words), load()))
    except CardyearsError:
        assume(False)
        raise


@fewer  # each tries some hundred alternatives; the numbers and findings alone are drawn more often below
@given(models, counts, cards, said)
def test_every_question_has_an_answer_or_a_sentence_that_says_why_not(
    model: str, count: int, card: str, words: Said
) -> None:
    found: Check | CardyearsError
    try:
        found = check(model, on=on(count, card), **words)
    except CardyearsError as error:
        found = error
    if isinstance(found, CardyearsError):
        assert str(found.rule)
        assert str(found.remedy)
    else:
        assert repr(found)
        assert msgspec.json.encode(found.as_dict())


@some
@given(models, counts, cards, said)
def test_every_finding_is_one_of_five_words(model: str, count: int, card: str, words: Said) -> None:
    verdicts = judged(model, on(count, card), words).verdicts
    allowed = {"yes", "probably", "unlikely", "no", "unknown"}
    three = (verdicts.fits, verdicts.fast_enough, verdicts.connected_enough)
    assert {one.verdict.value for one in three} | {verdicts.overall.value} <= allowed


@some
@given(models, counts, cards, said)
def test_the_memory_ledger_adds_up_to_the_middle_of_what_is_required(
    model: str, count: int, card: str, words: Said
) -> None:
    memory = judged(model, on(count, card), words).memory
    assert memory is None or sum(memory.ledger.values()) == pytest.approx(memory.required.mid, rel=1e-12)


@some
@given(models, counts, cards, said)
def test_what_is_available_is_its_share_of_what_is_required(model: str, count: int, card: str, words: Said) -> None:
    found = judged(model, on(count, card), words)
    if found.share is not None and found.available is not None:
        case = resolve(read_question(model, on=on(count, card), **words), load())
        assert found.share.mid * case.workload.flop.mid == pytest.approx(found.available.mid, rel=1e-12)


@some
@given(models, counts, cards, said)
def test_card_years_are_the_time_of_all_devices_that_work(model: str, count: int, card: str, words: Said) -> None:
    found = judged(model, on(count, card), words)
    asked = resolve(read_question(model, on=on(count, card), **words), load())
    if found.time is not None and found.card_years is not None:
        for end in ("low", "mid", "high"):
            years = getattr(found.time, end) * useful_devices(asked) / YEAR
            assert getattr(found.card_years, end) == pytest.approx(years, rel=1e-12)


@some
@given(models, counts, cards, said)
def test_the_share_of_the_time_is_the_time_allowed_over_the_time_needed(
    model: str, count: int, card: str, words: Said
) -> None:
    found = judged(model, on(count, card), words)
    if found.time is not None and found.share is not None:
        assert found.share.mid == pytest.approx(words["duration"] / found.time.mid, rel=1e-12)


@some
@given(models, counts, cards, said, st.floats(1, 1_000))
def test_more_time_never_turns_a_yes_into_a_no(model: str, count: int, card: str, words: Said, longer: float) -> None:
    before = judged(model, on(count, card), words).verdicts
    after = judged(model, on(count, card), {**words, "duration": words["duration"] * longer}).verdicts
    assert not (before.fast_enough.verdict.value in GOOD and after.fast_enough.verdict.value not in GOOD)
    assert not (before.overall.value in GOOD and after.overall.value not in GOOD)


@some
@given(models, st.integers(1, 4_096), st.integers(1, 4_096), cards, said)
def test_more_cards_never_turn_a_yes_into_a_no(model: str, count: int, more: int, card: str, words: Said) -> None:
    before = judged(model, on(count, card), words).verdicts
    after = judged(model, on(count + more, card), words).verdicts
    assert not (before.fits.verdict.value in GOOD and after.fits.verdict.value not in GOOD)
    assert not (before.fast_enough.verdict.value in GOOD and after.fast_enough.verdict.value not in GOOD)
    assert not (before.overall.value in GOOD and after.overall is Verdict.NO)


@few
@given(known_models, st.sampled_from((1, 1, 2, 8, 64)), cards, said)
def test_every_alternative_passes_its_own_check(model: str, count: int, card: str, words: Said) -> None:
    hardware = on(count, card)
    try:
        found = check(model, on=hardware, **words).alternatives
    except CardyearsError:
        assume(False)
        raise
    for one in found:
        again: Said = {
            "duration": words["duration"],
            "tokens": one.tokens,
            "method": one.method,
            "seq_len": one.seq_len,
            "assume": {"recipe": one.recipe} if one.method in ("pretrain", "full") else {},
        }
        own = judge(resolve(read_question(one.key, on=hardware, **again), load()), links=True).verdicts
        assert own.fits.verdict.value in GOOD
        assert own.fast_enough.verdict.value in GOOD
        assert own.overall.value == one.verdict


@few
@given(rated_devices, rated_devices, st.floats(30 * DAY, YEAR))
def test_another_card_gives_another_list(one: str, other: str, duration: float) -> None:
    def offered(card: str) -> tuple[float | None, list[tuple[Any, ...]]]:
        found = check("gpt-2", on=card, duration=duration)
        rate = found.subject.judgement.rate
        return rate and rate.mid, [(each.key, each.method, each.time_s.mid) for each in found.alternatives]

    (rate, listed), (other_rate, other_listed) = offered(one), offered(other)
    assume(rate != other_rate)
    assert listed != other_listed


@pytest.mark.parametrize(
    ("small", "large"), [("8GB GPU", "RTX 4070 Ti"), ("RTX 4070 Ti", "RTX 4090"), ("RTX 4090", "H100")]
)
def test_a_larger_card_is_offered_other_models(small: str, large: str) -> None:
    first, second = ({(one.key, one.method) for one in check("gpt-3", on=card).alternatives} for card in (small, large))
    assert first
    assert first != second


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_every_recipe_has_an_answer(recipe: str) -> None:
    assert check("gpt-2", on="RTX 4090", duration="1y", assume={"recipe": recipe}).verdict.fits in GOOD
