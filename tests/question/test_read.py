"""Numbers as people write them. Every row of a table is something that someone has typed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("written", "whole"), [("8", 8), ("16,384", 16_384), ("100k", 100_000), ("1.1B", 1_100_000_000)]
)
def test_a_whole_number_reads_as_an_int(written: str, whole: int) -> None:
    assert read_whole(written) == whole
    assert isinstance(read_whole(written), int)


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
