"""What number did the person write?

Digits of any script, scales ("15T", "300 مليار"), powers of ten ("1.14 × 10²¹") and amounts of dollars.
A value that is already a number passes through with the same checks. This file knows no unit: `read` has those.

A comma groups thousands ("1,000,000"); a decimal comma ("1,5B") is refused, since it is a thousand times off
when read the other way. The Arabic marks are plain: ٫ is decimal and ٬ groups thousands.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

from cardyears.base.errors import UnreadableValue
from cardyears.base.text import N_, Text

LONGEST = 200
"""Characters in a value that someone wrote; anything longer was pasted by mistake."""
LARGEST = 1e40
"""Larger numbers overflow when a few of them are multiplied, and count nothing in this trade."""

_SUPERSCRIPTS = "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_FROM_SUPERSCRIPT = str.maketrans(_SUPERSCRIPTS, "+-0123456789")
_SPELLING: Mapping[int, int | str | None] = {
    **str.maketrans("٫٬،٪×✕✖−–⋅’", ".,,%xxx--·'"),
    **str.maketrans("أإآٱىیکة", "ااااييكه"),
    **dict.fromkeys([0x0640, 0x0670, *range(0x064B, 0x0660)]),  # tatweel and diacritics
}

_POWER = r"(?:[eE][+-]?\d+|\s?[xX*·]\s?10\s?(?:\^|\*\*)\s?[+-]?\d+)"
_DECIMAL = r"(?:(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?:\s\d{3})+|[1-9]\d{0,2}(?:[_']\d{3})+|\d+)(?:\.\d*)?|\.\d+)"
NUMBER = rf"(?:\+?(?:10\s?(?:\^|\*\*)\s?[+-]?\d+|{_DECIMAL}{_POWER}?))"
"""Matches a number in the text that `plain` gives."""


def plain(text: str) -> str:
    """Text with ASCII digits and marks, Arabic letters in one spelling, single spaces; case is kept.

    >>> plain("١٫١٤ ×  10²¹")
    '1.14 x 10^21'
    """
    raised = re.sub(f"[{_SUPERSCRIPTS}]+", lambda match: "^" + match[0].translate(_FROM_SUPERSCRIPT), text)
    spelled = unicodedata.normalize("NFKC", raised).translate(_SPELLING)
    kept = (char for char in spelled if unicodedata.category(char) != "Cf")  # marks of writing direction
    return " ".join("".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in kept).split())


def fold(text: str) -> str:
    """Text as words are looked up: `plain`, in lower case."""
    return plain(text).casefold()


def shown(value: object) -> str:
    """A value as a message quotes it: printable, on one line, cut where it is long."""
    text = " ".join("".join(char if char.isprintable() else " " for char in str(value)[: LONGEST + 1]).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


class Entry:
    """One value as it was written, what it is for, and how to write it right."""

    __slots__ = ("number", "remedy", "text", "what", "written")

    def __init__(self, value: str | float, what: str, remedy: Text) -> None:
        self.what, self.remedy = what, remedy
        self.text, self.number = "", None if isinstance(value, bool) else _as_float(value)
        self.written = shown(value if self.number is None or math.isfinite(self.number) else self.number)
        if isinstance(value, str):
            self._take(value)
        elif self.number is None:
            raise self.unreadable()

    def _take(self, value: str) -> None:
        if len(value) > LONGEST:
            raise self.refused(
                Text(
                    "{what:word}: at most {most:integer} characters can be read, and {length:integer} are written.",
                    what=self.what,
                    most=LONGEST,
                    length=len(value),
                )
            )
        self.text = plain(value)
        if not self.text:
            raise self.refused(Text("{what:word}: nothing is written.", what=self.what))

    def refused(self, rule: Text, remedy: Text | None = None) -> UnreadableValue:
        """The error with this rule and, unless another is given, the usual remedy."""
        return UnreadableValue(rule=rule, remedy=remedy or self.remedy)

    def unreadable(self) -> UnreadableValue:
        """The error for text that does not read, with the likeliest reason."""
        named = {"what": self.what, "written": self.written}
        if self.text.startswith("-") and self.text[1:].strip()[:1].isdecimal():
            return self.refused(Text('{what:word}: "{written}" is not more than zero.', **named))
        if self.text.strip("+-").casefold() in ("nan", "inf", "infinity", "∞"):
            return self.refused(Text('{what:word}: "{written}" is not a finite number.', **named))
        if re.search(r"\d,\d", self.text):
            return self.refused(
                Text('{what:word}: the comma in "{written}" does not group thousands.', **named),
                Text("Write 1.5 for one and a half, and 1,500 or 1500 for fifteen hundred."),
            )
        return self.refused(Text('{what:word}: "{written}" cannot be read.', **named))

    def positive(self, number: float) -> float:
        """The number, once it is known to be finite and more than zero."""
        named = {"what": self.what, "written": self.written}
        if math.isnan(number) or (self.number is not None and math.isinf(number)):
            raise self.refused(Text('{what:word}: "{written}" is not a finite number.', **named))
        if number <= 0:
            raise self.refused(Text('{what:word}: "{written}" is not more than zero.', **named))
        if number > LARGEST:
            raise self.refused(Text('{what:word}: "{written}" is too large to count anything.', **named))
        return number


def _as_float(value: object) -> float | None:
    if not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


_SCALE_LETTERS = {"k": 3, "m": 6, "mn": 6, "b": 9, "bn": 9, "t": 12, "tn": 12}
"""Powers of ten; a letter never stands alone, a word may ("million")."""
_SCALE_WORDS = {
    word: power
    for words, power in (
        ("thousand ألف آلاف ألفا", 3),
        ("million millions مليون ملايين مليونا", 6),
        ("billion billions مليار مليارات مليارا بليون بلايين", 9),
        ("trillion trillions تريليون تريليونات تريليونا ترليون", 12),
        ("quadrillion", 15),
        ("quintillion", 18),
        ("sextillion", 21),
    )
    for word in fold(words).split()
}
_SCALES = _SCALE_LETTERS | _SCALE_WORDS

NUMBER_WORDS = {
    word: digits
    for words, digits in (
        ("a an one", "1"),
        ("two اثنان اثنين اثنتان اثنتين", "2"),
        ("three ثلاثة ثلاث", "3"),
        ("four أربعة أربع", "4"),
        ("five خمسة خمس", "5"),
        ("six ستة ست", "6"),
        ("seven سبعة سبع", "7"),
        ("eight ثمانية ثماني ثمان", "8"),
        ("nine تسعة تسع", "9"),
        ("ten عشرة عشر", "10"),
        ("twelve", "12"),
        ("hundred مئة مائة", "100"),
        ("مئتان مئتين مائتان مائتين", "200"),
        ("ألفان ألفين", "2e3"),
        ("مليونان مليونين", "2e6"),
        ("ملياران مليارين", "2e9"),
        ("تريليونان تريليونين", "2e12"),
        ("half نصف", "0.5"),
    )
    for word in fold(words).split()
}
"""Small numbers as words, and the Arabic duals."""

_NOUNS = {
    what: frozenset(fold(words).split())
    for what, words in (
        ("tokens", "token tokens رمز رمزا رموز"),
        ("parameters", "parameter parameters param params معامل معاملا معاملات"),
        ("FLOP", "flop flops"),
    )
}
"""Words that may follow a count, by what is counted: "300B tokens"."""


def leading_number(text: str) -> tuple[str, str] | None:
    """The number that `plain` text starts with, as a float literal, and what follows it; None without one.

    >>> leading_number("1.14 x 10^21 FLOP")
    ('1.14e21', 'FLOP')
    """
    match = re.match(NUMBER, text)
    if match is None:
        return None
    digits = re.sub(r"(?<=\d)[,_'\s](?=\d)|\+(?=\d)", "", match[0])
    power_only = re.fullmatch(r"10\s?(?:\^|\*\*)\s?(-?\d+)", digits)
    literal = f"1e{power_only[1]}" if power_only else re.sub(r"\s?[xX*·]\s?10\s?(?:\^|\*\*)\s?", "e", digits)
    return literal, text[match.end() :].strip()


def times_ten_to(literal: str, power: int) -> float:
    """A float literal times a power of ten, rounded once (4.6 million is 4,600,000 exactly).

    >>> times_ten_to("4.6", 6)
    4600000.0
    """
    mantissa, _, exponent = literal.casefold().partition("e")
    return float(f"{mantissa}e{int(exponent or 0) + power}")


def counted(text: str, nouns: frozenset[str] = frozenset()) -> float | None:
    """The count that folded text says, with its scales; None if any part of it does not read.

    >>> counted("300 billion"), counted("5 الاف مليار"), counted("many")
    (300000000000.0, 5000000000000.0, None)
    """
    found = leading_number(text)
    words = found[1].split() if found else text.split()
    if found:
        literal = found[0]
    elif words and words[0] in NUMBER_WORDS:
        literal = NUMBER_WORDS[words.pop(0)]
    elif words and words[0] in _SCALE_WORDS:
        literal = "1"
    else:
        return None
    if words and words[-1] in nouns:
        words.pop()
    if any(word not in _SCALES for word in words):
        return None
    return times_ten_to(literal, sum(_SCALES[word] for word in words))


def read_count(value: str | float, what: str = N_("number")) -> float:
    """A count of anything: tokens, parameters, FLOP.

    Letters are scales in either case: K, M, B, T. A noun may follow when `what` is tokens, parameters or FLOP.

    >>> read_count("15T"), read_count("1.14 × 10²¹"), read_count("٣٠٠ مليار")
    (15000000000000.0, 1.14e+21, 300000000000.0)
    """
    entry = Entry(value, what, Text("Write it as in 15T, 300 billion or 1e21."))
    return _count(entry, _NOUNS.get(what, frozenset()))


def _count(entry: Entry, nouns: frozenset[str]) -> float:
    number = counted(entry.text.casefold(), nouns) if entry.number is None else entry.number
    if number is None:
        raise entry.unreadable()
    return entry.positive(number)


def read_whole(value: str | float, what: str = N_("number")) -> int:
    """A whole number of things: cards, layers, tokens in a sequence. "8k" is 8,000; for 8,192 write 8192.

    >>> read_whole("16,384"), read_whole("100k")
    (16384, 100000)
    """
    entry = Entry(value, what, Text("Write a whole number as in 8 or 16,384."))
    number = _count(entry, _NOUNS.get(what, frozenset()))
    if number != int(number):
        raise entry.refused(
            Text('{what:word}: "{written}" is not a whole number.', what=what, written=entry.written),
            Text("Write {whole:integer}.", whole=max(1, int(number))),
        )
    return int(number)


_DOLLAR = r"(?:us\s?\$|\$|usd|(?:us )?dollars?|دولار(?:ات|ا)?(?: امريكي(?:ه|ا)?)?)"
_FOREIGN = frozenset(
    fold(
        """eur euro euros gbp pound pounds sterling egp sar aed kwd qar bhd omr jod iqd lbp mad dzd tnd try cny rmb
        yuan jpy yen inr rupee rupees krw chf cad aud hkd sgd brl rub يورو جنيه جنيها ريال ريالا درهم درهما دينار دينارا
        ليرة يوان ين روبية"""
    ).split()
)


def read_usd(value: str | float, what: str = N_("budget")) -> float:
    """An amount of US dollars. Other currencies are refused: this program knows no rates of exchange.

    >>> read_usd("$4.6 million"), read_usd("٥٠٠٠ دولار")
    (4600000.0, 5000.0)
    """
    entry = Entry(value, what, Text("Write it in US dollars as in $5M, 5000 or 4.6 million USD."))
    text = entry.text.casefold()
    if _is_foreign(text):
        raise entry.refused(
            Text('{what:word}: "{written}" is not in US dollars.', what=what, written=entry.written),
            Text("Convert it, and write it in US dollars as in $5M."),
        )
    entry.text = re.sub(rf"^{_DOLLAR}\s?|\s?{_DOLLAR}$", "", text)
    return _count(entry, frozenset())


def _is_foreign(text: str) -> bool:
    signs = any(unicodedata.category(char) == "Sc" and char != "$" for char in text)
    words = {word.removesuffix("$") for word in re.findall(r"[^\W\d_]+\$?", text)}
    dollar_of = re.search(r"(?<![a-z])(?:[ac]|hk|nt|nz|r|s)\$", text)
    return signs or dollar_of is not None or not words.isdisjoint(_FOREIGN)
