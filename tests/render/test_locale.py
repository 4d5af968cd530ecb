"""Languages: which there are, their digits and plurals, and that what they say reads back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from cardyears.base.errors import UnknownName
from cardyears.base.text import _TIMES, Text
from cardyears.base.units import DAY, HOUR, YEAR
from cardyears.question.hardware import read_hardware
from cardyears.question.read import read_count, read_duration, read_share, read_usd
from cardyears.render.locale.voice import languages, voice
from support.arabic import FILES, visible


def said(sentence: str, language: str = "ar", **values: Any) -> str:
    return visible(voice(language).say(Text(sentence, **values)))


# Languages.


def test_english_and_arabic_are_there() -> None:
    assert languages() == ["en", "ar"]


@pytest.mark.parametrize("language", ["tlh", "xx_YY", "arabic", ""])
def test_an_unknown_language_is_refused_and_the_known_ones_are_named(language: str) -> None:
    with pytest.raises(UnknownName, match=r"en, ar") as error:
        voice(language)
    assert repr(language) in str(error.value)


@pytest.mark.parametrize("language", ["ar", "AR", "ar-AE", "ar_EG", "ar_XX"])
def test_every_region_of_a_language_has_its_sentences(language: str) -> None:
    assert voice(language).say("yes") == "نعم"


def test_a_sentence_that_is_not_translated_stays_english() -> None:
    assert voice("ar").say("not in any catalogue") == "not in any catalogue"


# Digits.


@pytest.mark.parametrize(
    ("language", "digits"), [("ar", "1,234.5"), ("ar_AE", "1,234.5"), ("ar_EG", "١٬٢٣٤٫٥"), ("ar-EG", "١٬٢٣٤٫٥")]
)
def test_the_region_decides_the_digits(language: str, digits: str) -> None:
    assert voice(language).number(1234.5, 1) == digits


@pytest.mark.parametrize("language", ["ar", "ar_EG"])
@pytest.mark.parametrize(
    ("read", "spec", "value"),
    [
        (read_count, "count", 124_000_000.0),
        (read_count, "count", 300e9),
        (read_count, "count", 15e12),
        (read_count, "count", 1234.0),
        (read_count, "number", 3.14e23),
        (read_count, "number", 0.00123),
        (read_count, "integer", 46_702_792_704.0),
        (read_duration, "duration", 138 * YEAR),
        (read_duration, "duration", 3.5 * YEAR),
        (read_duration, "duration", YEAR),
        (read_duration, "duration", 18.7 * DAY),
        (read_duration, "duration", 5 * DAY),
        (read_duration, "duration", 12 * DAY),
        (read_duration, "duration", 2.76 * HOUR),
        (read_duration, "duration", 7.0),
        (read_share, "percent", 0.9),
        (read_share, "percent", 0.00725),
        (read_usd, "usd", 513.0),
        (read_usd, "usd", 2.5),
        (read_usd, "usd", 98_295.0),
        (read_usd, "usd", 4_600_000.0),
    ],
)
def test_what_arabic_output_says_reads_back(
    language: str, read: Callable[[str], float], spec: str, value: float
) -> None:
    assert read(voice(language).say(Text("{x:" + spec + "}", x=value))) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("language", ["ar", "ar_EG"])
def test_flop_of_an_arabic_answer_read_back(language: str) -> None:
    assert read_count(voice(language).say(Text("{x:flop}", x=3.14e23)), "FLOP") == pytest.approx(3.14e23)


@pytest.mark.parametrize(
    "written", ["64x H100 في عقد من 8 عبر 400Gb/s لكل بطاقة", "16 عقدة من 8x H100", "8x H100", "RTX 4070 Ti"]
)
def test_examples_of_machines_in_arabic_remedies_read(written: str) -> None:
    assert any(written in po.read_text(encoding="utf-8") for po in FILES)
    assert read_hardware(written).device in ("H100", "RTX 4070 Ti")


@pytest.mark.parametrize(
    ("read", "written", "value"),
    [
        (read_duration, "18 شهرًا", 1.5 * YEAR),
        (read_count, "300 مليار", 3e11),
        (read_usd, "5M USD", 5e6),
        (read_usd, "4.6 مليون دولار", 4.6e6),
    ],
)
def test_examples_of_values_in_arabic_remedies_read(read: Callable[[str], float], written: str, value: float) -> None:
    assert any(written in po.read_text(encoding="utf-8") for po in FILES)
    assert read(written) == pytest.approx(value)


# Plurals.


def counted(unit: str, count: float) -> str:
    """The form of a unit of time that goes with a number, without the number."""
    one, many = next((one, many) for *_, one, many in _TIMES if unit in one)
    return visible(voice("ar").plural(one, many, count)).replace("{n}", "").strip()


@pytest.mark.parametrize(
    ("count", "days", "years"),
    [
        (0, "يوم", "سنة"),
        (1, "يوم( واحد)?", "سنة( واحدة)?"),
        (2, "يوم(ين)?", "سنة|سنتين"),
        (3, "أيام", "سنوات"),
        (10, "أيام", "سنوات"),
        (11, "يومًا", "سنة"),
        (99, "يومًا", "سنة"),
        (100, "يوم", "سنة"),
        (103, "أيام", "سنوات"),
        (138, "يومًا", "سنة"),
        (1.5, "يوم", "سنة"),
        (18.7, "يوم", "سنة"),
    ],
)
def test_a_counted_word_takes_its_plural_form(count: float, days: str, years: str) -> None:
    """A fraction goes like a hundred; behind the digits of one and two stands the noun alone, never the dual."""
    assert re.fullmatch(days, counted("day", count))
    assert re.fullmatch(years, counted("year", count))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ثانية"),
        (7.0, "7 ثوانٍ"),
        (30.0, "30 ثانية"),
        (5 * 60.0, "5 دقائق"),
        (3 * HOUR, "3 ساعات"),
        (2.76 * HOUR, "2.76 ساعة"),
        (3 * DAY, "3 أيام"),
        (3.5 * DAY, "3.5 يوم"),
        (11 * DAY, "11 يومًا"),
        (3 * YEAR, "3 سنوات"),
        (138 * YEAR, "138 سنة"),
    ],
)
def test_a_duration_says_the_right_form(seconds: float, words: str) -> None:
    assert said("{x:duration}", x=seconds) == words
