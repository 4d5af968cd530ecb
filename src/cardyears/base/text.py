"""How does a number become a sentence, in any language?

A `Text` keeps its sentence and its numbers apart. A `Voice` puts them together: this file has the English one;
`render.locale` has the others. The scale (days or years, MB or TB) is chosen here, once for all languages.

The format after the colon names the quantity:

>>> str(Text("{need:flop} is needed and {have:flop} is there: {share:percent}.", need=3.14e23, have=1.1379e21,
...          share=1.1379e21 / 3.14e23))
'3.14 × 10²³ FLOP is needed and 1.14 × 10²¹ FLOP is there: 0.362 %.'
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from cardyears.base.interval import Interval
from cardyears.base.units import DAY, HOUR, MINUTE, YEAR

if TYPE_CHECKING:
    from cardyears.base.units import Scalar

Value: TypeAlias = "Scalar | int | str | Interval | Text"

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def N_(msgid: str) -> str:  # noqa: N802 - gettext's own name, which extractors look for
    """Mark a word for translation without translating it yet."""
    return msgid


class Text:
    """A sentence in English with named numbers, to be said in any language later."""

    __slots__ = ("msgid", "values")

    def __init__(self, msgid: str, /, **values: Value) -> None:
        self.msgid = msgid
        self.values: Mapping[str, Value] = values

    def __str__(self) -> str:
        return ENGLISH.say(self)

    def __repr__(self) -> str:
        return f"Text({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (self.msgid, self.values) == (other.msgid, other.values)

    def __hash__(self) -> int:
        return hash((self.msgid, tuple(sorted(map(str, self.values.items())))))


class Voice(string.Formatter):
    """Says a `Text` in English. Other languages override `translate`, `plural` and `number`."""

    language = "en"

    def say(self, text: Text | str) -> str:
        """The sentence with its numbers put in."""
        if isinstance(text, str):
            return self.translate(text)
        return self.vformat(self.translate(text.msgid), (), text.values)

    def translate(self, msgid: str) -> str:
        """The sentence in this voice's language."""
        return msgid

    def plural(self, singular: str, plural: str, number: float) -> str:
        """The form of a word that goes with a number."""
        return singular if number == 1 else plural

    def number(self, value: float, decimals: int) -> str:
        """Digits, grouping and decimal mark."""
        return f"{value:,.{decimals}f}"

    def format_field(self, value: Any, format_spec: str) -> str:
        """One value by the name of its quantity; called by `say` for each ``{name:quantity}``."""
        if isinstance(value, Interval):
            return self._interval(value, format_spec)
        if isinstance(value, Text):
            return self.say(value)
        if isinstance(value, str):
            return self.translate(value) if format_spec == "word" else value
        if format_spec not in _WRITERS:
            raise ValueError(f"no way to write {value!r} as {format_spec!r}")
        return _WRITERS[format_spec](self, float(value))

    def _interval(self, value: Interval, spec: str) -> str:
        mid, low, high = (self.format_field(part, spec) for part in (value.mid, value.low, value.high))
        if low == mid == high:
            return mid
        parts = [text.rpartition(" ") for text in (mid, low, high)]
        units = {unit for _, _, unit in parts}
        shared = len(units) == 1 and not any(unit[:1].isdigit() or not number for number, _, unit in parts)
        if shared:  # say a unit that all three have once
            mid, low, high = (number for number, _, _ in parts)
            return self.translate("{mid} ({low} to {high}) {unit}").format(
                mid=mid, low=low, high=high, unit=units.pop()
            )
        return self.translate("{mid} ({low} to {high})").format(mid=mid, low=low, high=high)

    def significant(self, value: float, digits: int = 3) -> str:
        """A number to so many significant digits, never in exponents, without needless zeros."""
        if value == 0 or math.isinf(value):
            return self.number(value, 0) if value == 0 else "∞"
        decimals = digits - 1 - math.floor(math.log10(abs(value)))
        rounded = self.as_shown(value, digits)
        shown = max(0, decimals)
        while shown and round(rounded, shown - 1) == rounded:
            shown -= 1
        return self.number(rounded, shown)

    def as_shown(self, value: float, digits: int = 3) -> float:
        """The number that `significant` writes: its plural is the one to take."""
        if value == 0 or math.isinf(value):
            return value
        decimals = digits - 1 - math.floor(math.log10(abs(value)))
        return round(value, decimals) if decimals > 0 or abs(value) < 10 ** (digits + 1) else round(value)

    def power_of_ten(self, value: float) -> str:
        """A number as a × 10ⁿ, three significant digits; plain between 0.00001 and 100,000.

        >>> ENGLISH.power_of_ten(3.143e23)
        '3.14 × 10²³'
        """
        if value == 0 or 1e-5 <= abs(value) < 1e5 or math.isinf(value):
            return self.significant(value)
        exponent = math.floor(math.log10(abs(value)))
        mantissa = round(value / 10**exponent, 2)
        if abs(mantissa) >= 10:
            mantissa, exponent = mantissa / 10, exponent + 1
        return f"{self.number(mantissa, 2)} × 10{str(exponent).translate(_SUPERSCRIPT)}"

    def scaled(self, value: float, scales: Sequence[tuple[float, str]]) -> str:
        """A number with the largest unit that leaves at least one of it."""
        for size, unit in scales:
            if abs(value) >= size * 0.9995 or size == scales[-1][0]:
                if math.isfinite(value) and abs(value) / size >= 1e6:
                    return f"{self.power_of_ten(value / size)} {self.translate(unit)}"
                return f"{self.significant(value / size)} {self.translate(unit)}"
        raise AssertionError("unreachable: the last scale takes everything")


def _steps(unit: str) -> tuple[tuple[float, str], ...]:
    return tuple(
        (size, f"{prefix}{unit}")
        for size, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
    )


_BYTES = tuple(row for row in _steps("B") if row[0] < 1e18)
_RATE, _BANDWIDTH, _POWER = _steps("FLOP/s"), _steps("B/s"), _steps("W")
_GIB = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_COUNTS = ((1e12, N_("{n} trillion")), (1e9, N_("{n} billion")), (1e6, N_("{n} million")))
_TIMES = (
    (2 * YEAR, YEAR, N_("{n} year"), N_("{n} years")),
    (2 * DAY, DAY, N_("{n} day"), N_("{n} days")),
    (2 * HOUR, HOUR, N_("{n} hour"), N_("{n} hours")),
    (2 * MINUTE, MINUTE, N_("{n} minute"), N_("{n} minutes")),
    (0.0, 1.0, N_("{n} second"), N_("{n} seconds")),
)


def _duration(voice: Voice, value: float) -> str:
    for start, size, one, many in _TIMES:
        if value >= start or (value >= size and value % size == 0):
            amount = value / size
            shown = voice.power_of_ten(amount) if amount >= 1e7 else voice.significant(amount)
            return voice.plural(one, many, voice.as_shown(amount)).format(n=shown)
    raise ValueError(f"a duration cannot be negative: {value}")


def _count(voice: Voice, value: float) -> str:
    if value >= 1e15:
        return voice.power_of_ten(value)
    for size, pattern in _COUNTS:
        if value >= size * 0.9995:
            return voice.translate(pattern).format(n=voice.significant(value / size))
    return voice.number(value, 0) if value >= 100 or value == int(value) else voice.significant(value)


def _usd(voice: Voice, value: float) -> str:
    if value >= 1e6:
        return voice.translate("${n}").format(n=_count(voice, value))
    if 0 < value < 0.01:
        return voice.translate("less than ${n}").format(n=voice.number(0.01, 2))
    return voice.translate("${n}").format(n=voice.number(value, 0 if value >= 100 else 2))


def _kwh(voice: Voice, value: float) -> str:
    if value >= 1e5:
        return voice.scaled(value, ((1e9, "TWh"), (1e6, "GWh"), (1e3, "MWh")))
    return f"{voice.number(value, 0 if value >= 10 else 2)} {voice.translate('kWh')}"


def _percent(voice: Voice, value: float) -> str:
    shown = value * 100
    return voice.translate("{n} %").format(
        n=voice.power_of_ten(shown) if abs(shown) >= 1e6 else voice.significant(shown)
    )


_WRITERS: Mapping[str, Callable[[Voice, float], str]] = {
    "flop": lambda voice, value: f"{voice.power_of_ten(value)} FLOP",
    "rate": lambda voice, value: voice.scaled(value, _RATE),
    "bytes": lambda voice, value: voice.scaled(value, _BYTES),
    "gib": lambda voice, value: voice.scaled(value, _GIB),
    "bandwidth": lambda voice, value: voice.scaled(value, _BANDWIDTH),
    "power": lambda voice, value: voice.scaled(value, _POWER),
    "kwh": _kwh,
    "duration": _duration,
    "percent": _percent,
    "usd": _usd,
    "count": _count,
    "integer": lambda voice, value: voice.number(value, 0),
    "number": lambda voice, value: voice.power_of_ten(value),
    "": lambda voice, value: voice.power_of_ten(value),
}
"""How each quantity is written: the name after the colon in a sentence."""

ENGLISH = Voice()
