"""Numbers as people write them. Every row of a table is something that someone has typed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardyears.base.errors import CardyearsError, UnreadableValue
from cardyears.base.units import DAY, GIB, HOUR, MINUTE, MONTH, WEEK, YEAR
from cardyears.question.read import (
    nominal_memory,
    read_bandwidth,
    read_bytes,
    read_count,
    read_duration,
    read_share,
    read_usd,
    read_whole,
)

READERS: list[Callable[[str | float], float]] = [
    nominal_memory,
    read_bandwidth,
    read_bytes,
    read_count,
    read_duration,
    read_share,
    read_usd,
    read_whole,
]

DURATIONS = [
    ("1y", YEAR),
    ("1 year", YEAR),
    ("year", YEAR),
    ("a year", YEAR),
    ("1-year", YEAR),
    ("1.5 years", 1.5 * YEAR),
    ("half year", 0.5 * YEAR),
    ("10,000 years", 1e4 * YEAR),
    ("18 months", 18 * MONTH),
    ("18mo", 18 * MONTH),
    ("90d", 90 * DAY),
    ("2 weeks", 2 * WEEK),
    ("36h", 36 * HOUR),
    ("36 HRS", 36 * HOUR),
    ("30 min", 30 * MINUTE),
    ("5s", 5.0),
    ("1 year 6 months", YEAR + 6 * MONTH),
    ("1y6mo", YEAR + 6 * MONTH),
    ("1 year, 6 months and 2 days", YEAR + 6 * MONTH + 2 * DAY),
    ("two weeks", 2 * WEEK),
    ("  3   days ", 3 * DAY),
    ("سنة", YEAR),
    ("سَنَة", YEAR),
    ("سنة واحدة", YEAR),
    ("عام", YEAR),
    ("سنتان", 2 * YEAR),
    ("سنتين", 2 * YEAR),
    ("عامان", 2 * YEAR),
    ("٣ سنوات", 3 * YEAR),
    ("ثلاث سنوات", 3 * YEAR),
    ("شهر", MONTH),
    ("شهران", 2 * MONTH),
    ("١٨ شهرًا", 18 * MONTH),
    ("١٨ شهرا", 18 * MONTH),
    ("ستة أشهر", 6 * MONTH),
    ("٦ شهور", 6 * MONTH),
    ("يوم", DAY),
    ("يومان", 2 * DAY),
    ("٩٠ يومًا", 90 * DAY),
    ("۹۰ يوم", 90 * DAY),
    ("٧ أيام", 7 * DAY),
    ("أسبوع", WEEK),
    ("أسبوعان", 2 * WEEK),
    ("٣ أسابيع", 3 * WEEK),
    ("ساعة", HOUR),
    ("ساعتان", 2 * HOUR),
    ("٣٦ ساعة", 36 * HOUR),
    ("٥ دقائق", 5 * MINUTE),
    ("سنة و٦ أشهر", YEAR + 6 * MONTH),
    ("سنة وستة أشهر", YEAR + 6 * MONTH),
    ("عامين وشهرين", 2 * YEAR + 2 * MONTH),
    (3600, HOUR),
]

COUNTS = [
    ("15T", 15e12),
    ("15t", 15e12),
    ("300B", 300e9),
    ("300b", 300e9),
    ("300 bn", 300e9),
    ("20M", 20e6),
    ("8k", 8e3),
    ("1.1B", 1_100_000_000.0),
    ("1e21", 1e21),
    ("1.14e+21", 1.14e21),
    ("1.14 x 10^21", 1.14e21),
    ("1.14 × 10²¹", 1.14e21),
    ("1.14*10**21", 1.14e21),
    ("1.14 · 10^21", 1.14e21),
    ("10^21", 1e21),
    ("10²¹", 1e21),
    ("1 × 10⁻³", 1e-3),
    ("300 billion", 300e9),
    ("a billion", 1e9),
    ("two trillion", 2e12),
    ("million", 1e6),
    ("100 thousand million", 1e11),
    ("1,000,000", 1e6),
    ("1 000 000", 1e6),
    ("1_000_000", 1e6),
    ("1,500B", 1.5e12),
    ("+5", 5.0),
    (".5", 0.5),
    ("300 مليار", 300e9),
    ("٣٠٠ مليار", 300e9),
    ("۳۰۰ مليار", 300e9),
    ("٢ تريليون", 2e12),
    ("2 تريليون", 2e12),
    ("١٫٥ مليار", 1.5e9),
    ("١٬٠٠٠٬٠٠٠", 1e6),
    ("ألف", 1e3),
    ("ألفان", 2e3),
    ("خمسة آلاف", 5e3),
    ("٥ آلاف مليار", 5e12),
    ("مئة مليار", 100e9),
    ("مليونان", 2e6),
    (300e9, 300e9),
    (7, 7.0),
]

DOLLARS = [
    ("$5M", 5e6),
    ("5M USD", 5e6),
    ("USD 5M", 5e6),
    ("US$5M", 5e6),
    ("5M$", 5e6),
    ("$5M USD", 5e6),
    ("5000", 5e3),
    ("$5,000", 5e3),
    ("5k dollars", 5e3),
    ("$4.6 million", 4.6e6),
    ("a million dollars", 1e6),
    ("٥٠٠٠ دولار", 5e3),
    ("٥ ملايين دولار أمريكي", 5e6),
    ("مليون دولار", 1e6),
    (5000, 5e3),
]

SHARES = [
    ("90%", 0.9),
    ("90 %", 0.9),
    ("٩٠٪", 0.9),
    ("٪٩٠", 0.9),
    ("%90", 0.9),
    ("90 percent", 0.9),
    ("٩٠ بالمئة", 0.9),
    ("٩٠ في المائة", 0.9),
    ("0.9", 0.9),
    (".9", 0.9),
    ("٠٫٩", 0.9),
    ("0.5%", 0.005),
    ("100%", 1.0),
    ("1", 1.0),
    (0.9, 0.9),
]

BYTES = [
    ("12GB", 12e9),
    ("12 GB", 12e9),
    ("12gb", 12e9),
    ("12G", 12e9),
    ("12 gigabytes", 12e9),
    ("12GiB", 12 * GIB),
    ("12 GiB", 12 * GIB),
    ("512MB", 512e6),
    ("2.8TB", 2.8e12),
    ("1.05 TB", 1.05e12),
    ("64 bytes", 64.0),
    ("١٢ جيجابايت", 12e9),
    ("١٢ غيغا بايت", 12e9),
    (1024, 1024.0),
]

BANDWIDTHS = [
    ("400Gb/s", 50e9),
    ("400 Gb/s", 50e9),
    ("400 Gbit/s", 50e9),
    ("400 gigabits per second", 50e9),
    ("100 Mb/s", 12.5e6),
    ("100Mbps", 12.5e6),
    ("100 mbps", 12.5e6),
    ("200Gbps", 25e9),
    ("100GbE", 12.5e9),
    ("50GB/s", 50e9),
    ("50 GByte/s", 50e9),
    ("50GBps", 50e9),
    ("3.35TB/s", 3.35e12),
    ("8 GiB/s", 8 * GIB),
    ("١٠٠ ميجابت/ث", 12.5e6),
    ("٤٠٠ جيجابت في الثانية", 50e9),
    ("٥٠ جيجابايت/ثانية", 50e9),
    (50e9, 50e9),
]


@pytest.mark.parametrize(("written", "seconds"), DURATIONS)
def test_a_duration_reads_in_seconds(written: str | float, seconds: float) -> None:
    assert read_duration(written) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize(("written", "count"), COUNTS)
def test_a_count_reads_exactly(written: str | float, count: float) -> None:
    assert read_count(written) == count


@pytest.mark.parametrize(("written", "usd"), DOLLARS)
def test_an_amount_reads_in_dollars(written: str | float, usd: float) -> None:
    assert read_usd(written) == usd


@pytest.mark.parametrize(("written", "share"), SHARES)
def test_a_share_reads_as_a_fraction(written: str | float, share: float) -> None:
    assert read_share(written) == share


@pytest.mark.parametrize(("written", "size"), BYTES)
def test_memory_reads_with_gb_and_gib_apart(written: str | float, size: float) -> None:
    assert read_bytes(written) == size


@pytest.mark.parametrize(("written", "rate"), BANDWIDTHS)
def test_bandwidth_reads_in_bytes_with_bits_apart(written: str | float, rate: float) -> None:
    assert read_bandwidth(written) == rate


@pytest.mark.parametrize(
    ("written", "gib"), [("12GB", 12), ("12 GiB", 12), ("80G", 80), ("512MB", 0.5), ("٢٤ جيجا", 24)]
)
def test_the_gb_on_a_cards_box_is_a_gib(written: str, gib: float) -> None:
    assert nominal_memory(written) == gib * GIB


@pytest.mark.parametrize(
    ("what", "written"), [("tokens", "300B tokens"), ("tokens", "٣٠٠ مليار رمز"), ("FLOP", "3e11 FLOP")]
)
def test_a_count_may_be_followed_by_what_it_counts(what: str, written: str) -> None:
    assert read_count(written, what) == 3e11


def test_a_count_of_something_else_is_refused() -> None:
    assert message(read_count, "7B parameters", what="tokens").startswith('tokens: "7B parameters" cannot be read.')


@pytest.mark.parametrize(
    ("written", "whole"), [("8", 8), ("16,384", 16_384), ("100k", 100_000), ("1.1B", 1_100_000_000)]
)
def test_a_whole_number_reads_as_an_int(written: str, whole: int) -> None:
    assert read_whole(written) == whole
    assert isinstance(read_whole(written), int)


HOW_COUNT = " Write it as in 15T, 300 billion or 1e21."
HOW_DURATION = " Write it as in 1y, 18 months, 90d or 36h."
HOW_USD = " Write it in US dollars as in $5M, 5000 or 4.6 million USD."
HOW_SHARE = " Write it as in 90% or 0.9."
HOW_BYTES = " Write it as in 12GB, 12GiB or 512MB."
HOW_BANDWIDTH = " Write it as in 400Gb/s (bits) or 50GB/s (bytes)."
HOW_COMMA = " Write 1.5 for one and a half, and 1,500 or 1500 for fifteen hundred."
CONVERT = " Convert it, and write it in US dollars as in $5M."

SENTENCES = [
    (read_count, "", "number: nothing is written." + HOW_COUNT),
    (read_count, " \u200f ", "number: nothing is written." + HOW_COUNT),
    (read_count, "9" * 201, "number: at most 200 characters can be read, and 201 are written." + HOW_COUNT),
    (read_count, "many", 'number: "many" cannot be read.' + HOW_COUNT),
    (read_count, "T", 'number: "T" cannot be read.' + HOW_COUNT),
    (read_count, "1.000.000", 'number: "1.000.000" cannot be read.' + HOW_COUNT),
    (read_count, "1.14 × 1021", 'number: "1.14 × 1021" cannot be read.' + HOW_COUNT),
    (read_count, "1,5B", 'number: the comma in "1,5B" does not group thousands.' + HOW_COMMA),
    (read_count, "١،٥", 'number: the comma in "١،٥" does not group thousands.' + HOW_COMMA),
    (read_count, "0,500", 'number: the comma in "0,500" does not group thousands.' + HOW_COMMA),
    (read_count, "-5B", 'number: "-5B" is not more than zero.' + HOW_COUNT),
    (read_count, "−5", 'number: "−5" is not more than zero.' + HOW_COUNT),
    (read_count, "0", 'number: "0" is not more than zero.' + HOW_COUNT),
    (read_count, "1e-400", 'number: "1e-400" is not more than zero.' + HOW_COUNT),
    (read_count, -5, 'number: "-5" is not more than zero.' + HOW_COUNT),
    (read_count, "nan", 'number: "nan" is not a finite number.' + HOW_COUNT),
    (read_count, "-inf", 'number: "-inf" is not a finite number.' + HOW_COUNT),
    (read_count, math.nan, 'number: "nan" is not a finite number.' + HOW_COUNT),
    (read_count, math.inf, 'number: "inf" is not a finite number.' + HOW_COUNT),
    (read_count, "1e400", 'number: "1e400" is too large to count anything.' + HOW_COUNT),
    (read_count, 1e41, 'number: "1e+41" is too large to count anything.' + HOW_COUNT),
    (read_count, True, 'number: "True" cannot be read.' + HOW_COUNT),
    (read_whole, "8.5", 'number: "8.5" is not a whole number. Write 8.'),
    (read_whole, "0.5", 'number: "0.5" is not a whole number. Write 1.'),
    (read_whole, "0", 'number: "0" is not more than zero. Write a whole number as in 8 or 16,384.'),
    (read_duration, "365", 'duration: "365" has no unit.' + HOW_DURATION),
    (read_duration, "0", 'duration: "0" is not more than zero.' + HOW_DURATION),
    (read_duration, "0 days", 'duration: "0 days" is not more than zero.' + HOW_DURATION),
    (read_duration, "-5d", 'duration: "-5d" is not more than zero.' + HOW_DURATION),
    (read_duration, "6m", 'duration: "m" may be minutes or months in "6m". Write min for minutes and mo for months.'),
    (read_duration, "years", 'duration: "years" cannot be read.' + HOW_DURATION),
    (read_duration, "y", 'duration: "y" cannot be read.' + HOW_DURATION),
    (read_duration, "3 سنتان", 'duration: "3 سنتان" cannot be read.' + HOW_DURATION),
    (read_duration, "10-20 days", 'duration: "10-20 days" cannot be read.' + HOW_DURATION),
    (read_duration, "1 year 6", 'duration: "1 year 6" cannot be read.' + HOW_DURATION),
    (read_duration, "2 light-years", 'duration: "2 light-years" cannot be read.' + HOW_DURATION),
    (read_duration, "1,5 years", 'duration: the comma in "1,5 years" does not group thousands.' + HOW_COMMA),
    (read_duration, "1e39 years", 'duration: "1e39 years" is too large to count anything.' + HOW_DURATION),
    (read_usd, "free", 'budget: "free" cannot be read.' + HOW_USD),
    (read_usd, "$", 'budget: "$" cannot be read.' + HOW_USD),
    (read_usd, "$0", 'budget: "$0" is not more than zero.' + HOW_USD),
    (read_usd, "-$5", 'budget: "-$5" cannot be read.' + HOW_USD),
    *((read_usd, text, f'budget: "{text}" is not in US dollars.' + CONVERT) for text in (
        "€5M", "5M EUR", "£5k", "5000 EGP", "5000SAR", "C$500", "٥٠٠٠ جنيه", "٥٠٠٠ ريال", "﷼500", "5000 euros")),
    (read_share, "90", 'share: "90" has no percent sign and is more than 1. Write 90% or 0.9.'),
    (read_share, 90, 'share: "90" has no percent sign and is more than 1. Write 90% or 0.9.'),
    (read_share, "1.5", 'share: "1.5" has no percent sign and is more than 1. Write 1.5% or 0.015.'),
    (read_share, "150%", 'share: "150%" is more than the whole, 100%.' + HOW_SHARE),
    (read_share, "900", 'share: "900" is more than the whole, 100%.' + HOW_SHARE),
    (read_share, "0%", 'share: "0%" is not more than zero.' + HOW_SHARE),
    (read_share, "most", 'share: "most" cannot be read.' + HOW_SHARE),
    (read_share, "0,9", 'share: the comma in "0,9" does not group thousands.' + HOW_COMMA),
    (read_bytes, "12", 'memory: "12" has no unit.' + HOW_BYTES),
    (read_bytes, "12Gb", 'memory: "12Gb" is in bits, since its b is small. Write a capital B for bytes, as in 12GB.'),
    (read_bytes, "0GB", 'memory: "0GB" is not more than zero.' + HOW_BYTES),
    (read_bytes, "12 apples", 'memory: "12 apples" cannot be read.' + HOW_BYTES),
    (nominal_memory, "12", 'memory: "12" has no unit.' + HOW_BYTES),
    (read_bandwidth, "400G", 'bandwidth: "400G" may be in bits or in bytes.' + HOW_BANDWIDTH),
    (read_bandwidth, "400gb/s", 'bandwidth: "400gb/s" may be in bits or in bytes.' + HOW_BANDWIDTH),
    (read_bandwidth, "400GBPS", 'bandwidth: "400GBPS" may be in bits or in bytes.' + HOW_BANDWIDTH),
    (read_bandwidth, "400Gb", 'bandwidth: "400Gb" does not say per second.' + HOW_BANDWIDTH),
    (read_bandwidth, "fast", 'bandwidth: "fast" cannot be read.' + HOW_BANDWIDTH),
    (read_bandwidth, "0Gb/s", 'bandwidth: "0Gb/s" is not more than zero.' + HOW_BANDWIDTH),
]  # fmt: skip


def message(reader: Callable[..., float], value: str | float, **named: str) -> str:
    with pytest.raises(UnreadableValue) as caught:
        reader(value, **named)
    return str(caught.value)


@pytest.mark.parametrize(("reader", "value", "sentence"), SENTENCES)
def test_what_cannot_be_read_is_said_with_the_value_and_a_remedy(
    reader: Callable[..., float], value: str | float, sentence: str
) -> None:
    assert message(reader, value) == sentence


def test_an_int_too_large_for_a_float_is_no_finite_number() -> None:
    assert message(read_count, 10**5000) == 'number: "inf" is not a finite number.' + HOW_COUNT


@pytest.mark.parametrize("reader", READERS)
def test_every_message_names_what_was_asked_for(reader: Callable[..., float]) -> None:
    assert message(reader, "?", what="sequence length").startswith('sequence length: "?" cannot be read. Write ')


def test_a_message_quotes_a_long_or_unprintable_value_on_one_short_line() -> None:
    said = message(read_count, "many\n\x1b[31m " + "x" * 100)
    assert said.startswith('number: "many [31m xxx')
    assert "…" in said
    assert said.isprintable()


@pytest.mark.parametrize("reader", READERS)
@given(
    value=st.one_of(
        st.text(max_size=210), st.text(alphabet="0123456789.,eE+-xX^% kKmMgGtTbBiIsS/$yd٠٩سنةو", max_size=30)
    )
)
def test_no_text_brings_down_a_reader(reader: Callable[[str | float], float], value: str) -> None:
    number, said = 1.0, ""
    try:
        number = reader(value)
    except CardyearsError as error:
        said = str(error)
    assert 0 < number <= 1e40
    assert "\n" not in said


@pytest.mark.parametrize("reader", READERS)
@given(value=st.one_of(st.floats(), st.integers(), st.integers(min_value=10**300, max_value=10**320)))
def test_no_number_brings_down_a_reader(reader: Callable[[str | float], float], value: float) -> None:
    try:
        number = reader(value)
    except CardyearsError:
        return
    assert number == float(value)


plain_numbers = st.floats(min_value=1e-6, max_value=1e24)


@given(plain_numbers)
def test_a_number_is_read_back_as_it_was_written(number: float) -> None:
    assert read_count(repr(number)) == number
    assert read_usd(f"${number!r}") == number
    assert read_duration(f"{number!r} s") == number
    assert read_bytes(f"{number!r}B") == number
    assert read_bandwidth(f"{number!r} B/s") == number


@given(st.integers(min_value=1, max_value=10**15))
def test_grouped_digits_of_any_script_are_read_back(number: int) -> None:
    grouped = f"{number:,}"
    arabic = grouped.translate(str.maketrans("0123456789,", "٠١٢٣٤٥٦٧٨٩٬"))
    assert read_whole(grouped) == read_whole(arabic) == read_whole(grouped.replace(",", " ")) == number


@given(st.floats(min_value=1e-4, max_value=100.0))
def test_a_percentage_is_read_back_within_rounding(percent: float) -> None:
    digits = f"{percent:.10f}"
    assert read_share(f"{digits}%") == pytest.approx(float(digits) / 100, rel=1e-12)


@given(st.integers(min_value=1, max_value=999), st.sampled_from(["سنة", "شهر", "يوم", "ساعة"]))
def test_diacritics_and_digits_of_another_script_change_nothing(number: int, unit: str) -> None:
    arabic = str(number).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    voweled = re.sub("(?<=.)", "\u064e", unit)
    assert read_duration(f"{arabic} {voweled}") == read_duration(f"{number} {unit}")
