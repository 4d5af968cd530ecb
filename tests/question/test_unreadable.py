"""Numbers that cannot be read: each is refused with the value and a remedy, and nothing else brings a reader down."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardyears.base.errors import CardyearsError, UnreadableValue
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


def test_a_count_of_something_else_is_refused() -> None:
    assert message(read_count, "7B parameters", what="tokens").startswith('tokens: "7B parameters" cannot be read.')
