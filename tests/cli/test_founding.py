"""The founding question: would one RTX 4070 Ti that runs for a year at 90 % train GPT-3.5?"""

from __future__ import annotations

import re

import pytest

from support.asking import FOUNDING, answered, asked, on_one_line

METHODS = ("pretrain", "full", "lora", "qlora")


def test_the_founding_question_is_answered_on_one_page() -> None:
    text = answered(FOUNDING)
    flat = on_one_line(text)
    assert flat.startswith(
        "No: training GPT-3.5 takes 2.8 TB of memory where 12.9 GB are there, and in 1 year one RTX 4070 Ti can do "
        "0.725 % of the computation."
    )
    for question in (r"Fits no", r"Fast enough no", r"Connected enough yes"):
        assert question in flat
    assert "GPT-3.5 is undisclosed" in flat
    assert "2,497 kWh for the cards alone in 1 year, at 285 W" in flat
    assert "at 90 % of the fp32 rate, 40.1 TFLOP/s: 1.14 × 10²¹ FLOP, 0.362 %, 276 card-years" in flat
    assert "it equals an MFU of 45 % in bf16 (0.9 × 40.1 TFLOP/s / 80.2 TFLOP/s)" in flat
    assert "the two agree by accident" in flat
    assert "35 years on 1 A100 SXM 80GB takes 91.2 % of its bf16 peak, more than any measured" in flat
    assert len(text.splitlines()) < 80


def test_the_founding_answer_has_every_rung_and_every_alternative() -> None:
    flat, found = on_one_line(answered(FOUNDING)), asked(FOUNDING)
    rungs = [one["label"] for one in found["ladder"]]
    assert [one.split()[0] for one in rungs[:4]] == ["fp32,", "bf16", "FlashAttention", "8-bit"]
    assert any(one.startswith("sharding") for one in rungs)
    assert any(one.startswith("fp8") for one in rungs)
    assert rungs[-1] == "the whole bf16 peak"
    assert all(rung in flat for rung in rungs)
    assert {one["method"] for one in found["alternatives"]} == set(METHODS)
    assert {(one["method"], one["recipe"]) for one in found["alternatives"]} == {
        ("pretrain", "adamw"),
        ("pretrain", "adamw-8bit"),
        ("full", "adamw"),
        ("full", "adamw-8bit"),
        ("lora", "adamw"),
        ("qlora", "adamw"),
    }
    shown = re.search(r"Instead, on this machine within 1 year (.*) Sources", flat)
    assert shown is not None
    surest = {(one["method"], one["recipe"]): one["model"] for one in found["alternatives"]}
    scratch = [one["model"] for one in found["alternatives"] if one["method"] == "pretrain"]
    assert all(name in shown[1] for name in (*scratch, *surest.values()))
    assert shown[1].count(" tokens ") == len(scratch) + 4
    assert len(found["levers"]) == 3


def test_the_rungs_are_of_one_device_and_shown_where_the_answer_needs_them() -> None:
    for line, shown in ((FOUNDING, True), ("check gpt2 --on 4090", False)):
        assert asked(line)["ladder"]
        assert ("What each saving brings" in answered(line)) is shown
    assert asked('check gpt-3 --on "8x A100"')["ladder"] == []


def test_the_founding_answer_gives_three_readings_of_a_percentage() -> None:
    found = asked(FOUNDING)
    years = {one["key"]: one["card_years"]["mid"] for one in found["utilization_readings"]}
    assert list(years) == ["share-of-peak", "calendar", "driver-busy"]
    assert years["share-of-peak"] == found["card_years"]["mid"] == pytest.approx(137.98, rel=1e-3)
    assert years["calendar"] == pytest.approx(years["driver-busy"] / 0.9)
    assert found["naive"]["by_accident"] is True
    assert found["naive"]["equal_mfu"] == pytest.approx(0.45)
    claim = next(one for one in found["claims"] if one["source"] == "video-35-years")
    assert claim["implied_mfu"] == pytest.approx(0.9118, rel=1e-3)
    assert claim["plausibility"] == "implausible"


def test_the_founding_sum_on_the_fp32_rate() -> None:
    found = asked(f"{FOUNDING} --peak fp32")
    assert found["available_flop"]["mid"] == pytest.approx(1.1379e21, rel=1e-4)
    assert found["share"]["mid"] == pytest.approx(0.0036, rel=1e-2)
    assert found["card_years"]["mid"] == pytest.approx(276, rel=1e-3)
    assert found["verdict"]["overall"] == "no"
    flat = on_one_line(answered(f"{FOUNDING} --peak fp32"))
    for part in ("1.14 × 10²¹ FLOP", "0.362 (", "276 ("):
        assert part in flat
