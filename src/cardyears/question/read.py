"""How much time, memory or bandwidth, or what share, did the person write?

With `numbers` and `hardware`, the only parser of what people write. A value that is already a number is taken
as SI: seconds, bytes, bytes per second.

>>> read_duration("1 year 6 months") / 86_400
547.5
>>> read_bandwidth("400Gb/s")
50000000000.0
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from cardyears.base.text import N_, Text
from cardyears.base.units import DAY, HOUR, MINUTE, MONTH, WEEK, YEAR
from cardyears.question.numbers import (
    NUMBER,
    NUMBER_WORDS,
    Entry,
    fold,
    leading_number,
    read_count,
    read_usd,
    read_whole,
    times_ten_to,
)

__all__ = [
    "nominal_memory",
    "read_bandwidth",
    "read_bytes",
    "read_count",
    "read_duration",
    "read_share",
    "read_usd",
    "read_whole",
]

_ALONE: dict[str, int | None] = {"letters": None, "plural": None, "singular": 1, "dual": 2}
"""How many a unit means with no number before it: "سنة" is one year, "سنتان" two, "years" is unfinished."""
_TIME_WORDS = (
    (1.0, "letters", "s sec secs"),
    (1.0, "singular", "second ثانية"),
    (1.0, "dual", "ثانيتان ثانيتين"),
    (1.0, "plural", "seconds ثوان ثواني"),
    (MINUTE, "letters", "min mins"),
    (MINUTE, "singular", "minute دقيقة"),
    (MINUTE, "dual", "دقيقتان دقيقتين"),
    (MINUTE, "plural", "minutes دقائق"),
    (HOUR, "letters", "h hr hrs"),
    (HOUR, "singular", "hour ساعة"),
    (HOUR, "dual", "ساعتان ساعتين"),
    (HOUR, "plural", "hours ساعات"),
    (DAY, "letters", "d"),
    (DAY, "singular", "day يوم يوما"),
    (DAY, "dual", "يومان يومين"),
    (DAY, "plural", "days أيام"),
    (WEEK, "letters", "w wk wks"),
    (WEEK, "singular", "week أسبوع أسبوعا"),
    (WEEK, "dual", "أسبوعان أسبوعين"),
    (WEEK, "plural", "weeks أسابيع"),
    (MONTH, "letters", "mo mos mth mths"),
    (MONTH, "singular", "month شهر شهرا"),
    (MONTH, "dual", "شهران شهرين"),
    (MONTH, "plural", "months أشهر شهور"),
    (YEAR, "letters", "y yr yrs"),
    (YEAR, "singular", "year سنة عام عاما"),
    (YEAR, "dual", "سنتان سنتين عامان عامين"),
    (YEAR, "plural", "years سنوات سنين أعوام"),
)
_TIMES = {word: (size, _ALONE[form]) for size, form, words in _TIME_WORDS for word in fold(words).split()}
_JOINING = {"and", "و", fold("واحد"), fold("واحدة")}
"""Words that add nothing: "1 year and 6 months", "سنة واحدة"."""


def read_duration(value: str | float, what: str = N_("duration")) -> float:
    """A length of time in seconds. A year has 365 days and a month is a twelfth of it.

    >>> [read_duration(text) / 86_400 for text in ("1y", "90d", "36h", "سنة", "أسبوعان", "٩٠ يومًا")]
    [365.0, 90.0, 1.5, 365.0, 14.0, 90.0]
    """
    entry = Entry(value, what, Text("Write it as in 1y, 18 months, 90d or 36h."))
    if entry.number is not None:
        return entry.positive(entry.number)
    text = re.sub(r"(?<=\d)-(?=[^\W\d])", " ", entry.text.casefold())
    found = leading_number(text)
    if found and not found[1]:
        entry.positive(float(found[0]))
        raise entry.refused(Text('{what:word}: "{written}" has no unit.', what=what, written=entry.written))
    if re.search(r"\d\s?m\b", text):
        raise entry.refused(
            Text('{what:word}: "m" may be minutes or months in "{written}".', what=what, written=entry.written),
            Text("Write min for minutes and mo for months."),
        )
    total = _sum_of_times(text)
    if total is None:
        raise entry.unreadable()
    return entry.positive(total)


def _sum_of_times(text: str) -> float | None:
    """Seconds in folded text such as "1 year, 6 months"; None if any part of it does not read."""
    total, amount, rest = 0.0, None, text
    while rest:
        found = leading_number(rest)
        if found:
            if amount is not None:
                return None
            amount, rest = float(found[0]), found[1]
            continue
        match = re.match(r"([^\W\d_]+|,)\s?", rest)
        if match is None:
            return None
        word, rest = match[1], rest[match.end() :]
        if word in NUMBER_WORDS and amount is None:
            amount = float(NUMBER_WORDS[word])
        elif word not in _JOINING and not (word == "," and amount is None and total):
            part = _time(word, amount)
            if part is None:
                return _joined(word, rest, total, amount)
            total, amount = total + part, None
    return None if amount is not None else total


def _time(word: str, amount: float | None) -> float | None:
    """Seconds in so many of a unit; without an amount, in what the word means alone."""
    size, alone = _TIMES.get(word, (0.0, None))
    if not size or (amount is None and alone is None) or (amount is not None and alone == 2):
        return None
    return size * (alone or 0 if amount is None else amount)


def _joined(word: str, rest: str, total: float, amount: float | None) -> float | None:
    """The sum when the Arabic "and" is written as one with the next word: "وستة أشهر"."""
    if not total or amount is not None or len(word) < 3 or not word.startswith("و"):
        return None
    more = _sum_of_times(f"{word[1:]} {rest}".strip())
    return None if more is None else total + more


_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_PREFIXES = {
    word: prefix
    for words, prefix in (
        ("kilo كيلو", "k"),
        ("mega ميجا ميغا", "m"),
        ("giga جيجا جيغا غيغا", "g"),
        ("tera تيرا", "t"),
        ("peta بيتا", "p"),
        ("kibi", "ki"),
        ("mebi", "mi"),
        ("gibi", "gi"),
        ("tebi", "ti"),
        ("pebi", "pi"),
    )
    for word in fold(words).split()
}
_PREFIX, _NOUN = f"(?:{'|'.join(_PREFIXES)}|[kmgtp]i?)", "(?:bytes?|bits?|بايت|بت|b)"
DATA_UNIT = rf"(?:{_PREFIX}\s?{_NOUN}?|{_NOUN})"
"""Matches a unit of data in any case, in the text that `plain` gives; use with re.ASCII and re.IGNORECASE."""
PER_SECOND = r"(?:\s?(?:/|per)\s?(?:seconds?|sec|s|ثانيه|ث)|\sفي\sالثانيه|ps|(?<=b)e)"
"""Matches what makes a bandwidth of it: "/s", "per second", and as in Gbps and GbE."""


class _Data(NamedTuple):
    """A number of units of data, before it is known whether "GB" is meant in tens or in twos."""

    number: float
    power: int
    binary: bool
    of: Literal["byte", "bit", "unsaid"]
    """unsaid: "400G" and "400gb" name neither."""

    def amount(self, *, binary: bool) -> float:
        return self.number * (1024.0 if binary else 1e3) ** self.power


def _data(number: str, unit: str) -> _Data:
    match = re.fullmatch(rf"({_PREFIX})?\s?({_NOUN})?", unit, re.ASCII | re.IGNORECASE)
    assert match is not None, "only text that DATA_UNIT matches comes here"
    prefix = _PREFIXES.get((match[1] or "").casefold(), match[1] or "").casefold()
    noun, of = match[2] or "", _bits_or_bytes(match[2] or "")
    if noun == "b" and prefix and unit[0].islower():
        of = "unsaid"  # nobody who writes "gb" has thought about it
    found = leading_number(number)
    assert found is not None, "only text that NUMBER matches comes here"
    return _Data(float(found[0]), _POWERS[prefix[:1]], prefix.endswith("i"), of)


def _bits_or_bytes(noun: str) -> Literal["byte", "bit", "unsaid"]:
    if not noun:
        return "unsaid"
    return "byte" if noun == "B" or noun.casefold() in ("byte", "bytes", "بايت") else "bit"


def _read_data(value: str | float, what: str) -> tuple[Entry, _Data]:
    entry = Entry(value, what, Text("Write it as in 12GB, 12GiB or 512MB."))
    if entry.number is not None:
        return entry, _Data(entry.positive(entry.number), 0, False, "byte")
    match = re.fullmatch(rf"({NUMBER})[\s-]?({DATA_UNIT})", entry.text, re.ASCII | re.IGNORECASE)
    if match is None:
        found = leading_number(entry.text)
        if found and not found[1]:
            raise entry.refused(Text('{what:word}: "{written}" has no unit.', what=what, written=entry.written))
        raise entry.unreadable()
    data = _data(match[1], match[2])
    if data.of == "bit":
        raise entry.refused(
            Text('{what:word}: "{written}" is in bits, since its b is small.', what=what, written=entry.written),
            Text("Write a capital B for bytes, as in 12GB."),
        )
    return entry, data


def read_bytes(value: str | float, what: str = N_("memory")) -> float:
    """A number of bytes. GB is 10⁹ and GiB is 2³⁰; "12G" and "12gb" are read as 12 GB.

    >>> read_bytes("12GB"), read_bytes("12 GiB")
    (12000000000.0, 12884901888.0)
    """
    entry, data = _read_data(value, what)
    return entry.positive(data.amount(binary=data.binary))


def nominal_memory(value: str | float, what: str = N_("memory")) -> float:
    """Bytes of memory on a device that is sold as so many GB: each of these GB is a GiB.

    Memory chips hold powers of two, and vendors write GB for what they count in GiB:
    nvidia-smi shows 12,282 MiB on a "12 GB" card (12,288 less what the driver keeps).

    >>> nominal_memory("12GB") / 2**30
    12.0
    """
    entry, data = _read_data(value, what)
    return entry.positive(data.amount(binary=True))


def read_bandwidth(value: str | float, what: str = N_("bandwidth")) -> float:
    """Bytes per second. Gb/s, Gbps and GbE are bits; GB/s is bytes; "400G" and "400gb/s" say neither and are refused.

    >>> read_bandwidth("100 Mb/s"), read_bandwidth("50GB/s"), read_bandwidth("200Gbps")
    (12500000.0, 50000000000.0, 25000000000.0)
    """
    entry = Entry(value, what, Text("Write it as in 400Gb/s (bits) or 50GB/s (bytes)."))
    if entry.number is not None:
        return entry.positive(entry.number)
    match = re.fullmatch(rf"({NUMBER})[\s-]?({DATA_UNIT})({PER_SECOND})?", entry.text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise entry.unreadable()
    data, per = _data(match[1], match[2]), match[3] or ""
    of = _of_rate(data, match[2], per)
    if of == "unsaid":
        raise entry.refused(
            Text('{what:word}: "{written}" may be in bits or in bytes.', what=what, written=entry.written)
        )
    if not per:
        raise entry.refused(Text('{what:word}: "{written}" does not say per second.', what=what, written=entry.written))
    return entry.positive(data.amount(binary=data.binary) / (8 if of == "bit" else 1))


def _of_rate(data: _Data, unit: str, per: str) -> Literal["byte", "bit", "unsaid"]:
    if per.casefold() == "e" or (per == "ps" and unit.endswith("b")):
        return "bit"  # Ethernet is named in bits, and so is anything "bps"
    return "unsaid" if per == "PS" else data.of


_PERCENT = r"\s?(?:%|percent|per cent|بالمئه|بالمائه|في المئه|في المائه)"


SMALLEST_SHARE = 1e-6
"""Less than this of a peak or of a calendar is a slip of the pen."""


def read_share(value: str | float, what: str = N_("share")) -> float:
    """A share of a whole, more than 0 and at most 1. "1" is the whole; "90" lacks its percent sign and is refused.

    >>> read_share("90%"), read_share("٩٠٪"), read_share("0.9")
    (0.9, 0.9, 0.9)
    """
    entry = Entry(value, what, Text("Write it as in 90% or 0.9."))
    text = entry.text.casefold()
    bare = re.sub(rf"^%\s?|{_PERCENT}$", "", text)
    if entry.number is not None:
        share = entry.positive(entry.number)
    else:
        found = leading_number(bare)
        if found is None or found[1]:
            raise entry.unreadable()
        share = entry.positive(times_ten_to(found[0], -2 if bare != text else 0))
    if share < SMALLEST_SHARE:
        raise entry.refused(
            Text('{what:word}: "{written}" is less than a millionth.', what=what, written=entry.written)
        )
    if share <= 1:
        return share
    if bare == text and share <= 100:
        raise entry.refused(
            Text('{what:word}: "{written}" has no percent sign and is more than 1.', what=what, written=entry.written),
            Text("Write {percent}% or {fraction}.", percent=f"{share:g}", fraction=f"{share / 100:g}"),
        )
    raise entry.refused(
        Text('{what:word}: "{written}" is more than the whole, 100%.', what=what, written=entry.written)
    )
