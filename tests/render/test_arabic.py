"""Arabic answers: no English is left, and the numbers are those of the English ones."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import get_args

import pytest

from cardyears.catalogue.load import load
from cardyears.cli.main import COMMANDS
from cardyears.question.layout import KEYS
from cardyears.resolve.defaults import DEFAULTS
from cardyears.validate.runs import sources
from cardyears.work.activations import Recompute
from cardyears.work.state import RECIPES
from support.arabic import visible
from support.asking import FOUNDING, answered, invoke, on_one_line

ANSWERS = (
    FOUNDING,
    f"{FOUNDING} --explain",
    'check llama-3.1-8b --on "8x H100" --for 90d --budget 50k --explain',
    'check llama-2-7b --method qlora --on "RTX 3090"',
    "check gpt2 --on H100 --for 1y",
    "need gpt2 --within 30d --explain",
    "need gpt-3 --within 1h --budget 1",
    'instead --on "RTX 4070 Ti" --for 1y --explain',
    'audit "7B on 2T tokens: 84 quintillion FLOP, 104 A100-days, $7,500" --explain',
    "audit --params 8B --tokens 15T --device H100 --devices 16384 --device-hours 1.3M --wall-hours 20",
    "audit --params 8B --tokens 15T",
    "audit --params 8B --tokens 15T --device H100 --device-hours 1.3M --usd 3.9M --explain",
    "reconcile llama-7b 153GB 59GB 1GB --explain",
    "params gpt2 --explain",
    "params mixtral-8x7b",
    "flops gpt-3 --explain",
    'devices "rtx 4070 ti"',
    "models gpt-3",
    'estimate llama-3-8b --method qlora --on "RTX 4070 Ti" --explain',
    'estimate llama-3-8b --method full --on "4x RTX 4090"',
    'estimate gpt-3 --on "1024x A100-80GB" --layout "tp=8,pp=32,micro_batch=1,global_batch=128" --explain',
)
REFUSALS = (
    "check nosuchmodel --on H100",
    "check gpt2 --on RTX",
    'check gpt2 --on "RTX 9999"',
    'check gpt2 --on "10x H100 in nodes of 4"',
    'check gpt2 --on "8x H100 over"',
    "check gpt2 --on mine",
    "check gpt2 --on H100 --for 5",
    "check gpt2 --on H100 --for 5m",
    "check gpt2 --on H100 --for soon",
    "check gpt2 --on H100 --utilization 90",
    "check gpt2 --on H100 --duty 120%",
    'check gpt2 --on H100 --budget "5 EUR"',
    "check gpt2 --on H100 --tokens 1,5B",
    "check gpt2 --on H100 --seq-len 1.5",
    "check gpt2 --on H100 --micro-batch -1",
    "check gpt2 --on H100 --assume nokey=1",
    "check gpt2 --on H100 --assume pue=0.5",
    "check gpt2 --on H100 --assume pue",
    'check gpt2 --on "RTX 4070 Ti" --peak fp64',
    "check gpt2 --on H100 --peak fp99",
    "check gpt-3 --on H100 --method lora",
    "check 5 --on H100",
    "check 1k --on H100",
    "check shape.json --on H100",
    "params gpt-3.5",
    "audit hello",
    "audit --device H100",
    "audit --params 8B --device H100 --device-hours many",
    "devices nosuchdevice",
    "models nosuchmodel",
    "models ???",
    "reconcile gpt-3.5 100GB",
    "reconcile llama-7b 59",
    "check gpt2 --on H100 --catalogue mine.toml",
    "prices nosuchdevice",
    "estimate gpt2 --on 8xH100 --layout tp=5",
    "estimate gpt2 --on 8xH100 --layout tp=16",
    "estimate gpt2 --on 8xH100 --layout pp=16",
    "estimate gpt2 --on 8xH100 --layout virtual_stages=2",
    "estimate gpt2 --on 8xH100 --layout ep=2",
    "estimate gpt2 --on 8xH100 --layout micro_batch=3,global_batch=64",
    "estimate gpt2 --on 8xH100 --layout zero=9",
    "estimate gpt2 --on 8xA100 --precision fp8",
    "estimate gpt2 --on 8xH100 --engine nosuchengine",
)

TERMS = """
    adapters eager logits tokens hardware over FLOP TFLOP PFLOP EFLOP GFLOP MFLOP FlashAttention ZeRO Adam AdamW SGD
    LoRA QLoRA macOS TOML cardyears file name shape layers hidden heads vocab head docs device mine soon many hello
    nosuchmodel nosuchdevice nosuchengine layout optimizer engine
    nokey json VALUE peak active hours wall true false fp16acc accumulate matmul adapter
"""
"""Terms that stand in brackets beside the Arabic one, units, and words that these questions themselves bring."""
NAMES = {word.casefold() for word in re.findall(r"[A-Za-z]{4,}", TERMS)}


def names_of_the_catalogue() -> Iterator[str]:
    """Names and keys of things, which are the same in every language."""
    known = load()
    named = (known.models, known.accelerators, known.runs, known.links, known.shares, known.grid, known.sources)
    for section in (*named, known.engines):
        for key, row in section.items():
            yield from (key, getattr(row, "name", ""), getattr(row, "developer", ""))
    yield from (
        *sources(),
        *DEFAULTS,
        *RECIPES,
        *COMMANDS,
        *KEYS,
        *get_args(Recompute),
        "catalogue",
        "method",
        "assume",
        "params",
        "pretrain",
        "lora",
        "qlora",
    )


@cache
def known_words() -> frozenset[str]:
    named = {word.casefold() for name in names_of_the_catalogue() for word in re.findall(r"[A-Za-z]{4,}", name)}
    return frozenset(NAMES | named)


def english_words(text: str) -> list[str]:
    """Words of four and more Latin letters that are no name, key, unit or term."""
    return [word for word in re.findall(r"[A-Za-z]{4,}", text) if word.casefold() not in known_words()]


@pytest.mark.parametrize("line", ANSWERS)
def test_an_answer_in_arabic_has_no_english_words(line: str) -> None:
    out = answered(f"{line} --lang ar")
    assert english_words(out) == []
    assert len(re.findall(r"[\u0600-\u06ff]{2,}", out)) >= 7


@pytest.mark.parametrize("line", REFUSALS)
def test_a_refusal_in_arabic_has_no_english_words(line: str) -> None:
    code, out, err = invoke(*shlex.split(line), "--lang", "ar")
    assert (code, out) == (2, "")
    assert err.startswith("cardyears: ")
    assert err.count("\n") == 1
    assert english_words(err) == []
    assert len(re.findall(r"[\u0600-\u06ff]{2,}", err)) >= 4


def test_the_founding_answer_begins_with_the_verdict() -> None:
    shown = on_one_line(visible(answered(f"{FOUNDING} --lang ar")))
    assert re.match(r"لا[:.] .*GPT-3\.5 إلى ذاكرة قدرها 2\.8 TB والمتاح 12\.9 GB", shown)
    assert "138 (138 إلى 1,130) سنة" in shown
    assert "0.362%" in shown


def test_arabic_answers_have_the_numbers_of_the_english_ones() -> None:
    def numbers(language: str) -> set[str]:
        return set(re.findall(r"\d[\d,.]*\d|\d", visible(answered(f"{FOUNDING} --lang {language}"))))

    assert numbers("ar") == numbers("en")


def test_a_language_may_stand_in_the_environment() -> None:
    assert "المعاملات" in invoke("params", "gpt2", CARDYEARS_LANG="ar").out
    assert "ليس" in invoke("params", "nosuchmodel", CARDYEARS_LANG="ar").err
