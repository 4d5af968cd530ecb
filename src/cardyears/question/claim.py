"""Which figures are in a claim? Reads a sentence such as "7B on 2T tokens: 104 A100-days, $7,500".

Only figures with their unit are taken; what is not recognised is left out, and options name it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from cardyears.base.errors import BadInput
from cardyears.base.text import Text
from cardyears.base.units import DAY, GB, HOUR, YEAR
from cardyears.question.read import read_count


class ClaimText(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim says; None where it does not."""

    params: float | None = None
    tokens: float | None = None
    device: str | None = None
    devices: int | None = None
    device_hours: float | None = None
    wall_hours: float | None = None
    flop: float | None = None
    usd: float | None = None
    memory_bytes: float | None = None
    """The largest memory that it says a training needs."""
    flop_per_param_token: float | None = None
    text: str = ""
    """The sentence, for the models that it may name."""


_NUMBER = r"(?P<number>\d[\d.,]*(?:e[+-]?\d+)?)\s*"
_SIZE = r"(?P<size>thousand|million|billion|trillion|quadrillion|quintillion|k|m|b|t)?"
_DEVICE = r"(?:(?:gpu|card|device|tpu|[a-z]+\d+[a-z]*)s?)"
_BIG_WORDS = {"quadrillion": 1e15, "quintillion": 1e18}
"""Words that `read_count` does not know, as nobody counts tokens in them."""

_PATTERNS = (
    ("flop_per_param_token", _NUMBER + r"(?P<size>)flops? (?:for each|per|/) parameter (?:and|per|/) token"),
    ("tokens", _NUMBER + _SIZE + r"[- ]*tokens?\b"),
    ("flop", _NUMBER + _SIZE + r"\s*flops?\b(?!/)"),
    ("device_hours", _NUMBER + _SIZE + rf"[- ]*{_DEVICE}[- ]hours?\b"),
    ("device_days", _NUMBER + _SIZE + rf"[- ]*{_DEVICE}[- ]days?\b"),
    ("device_years", _NUMBER + _SIZE + rf"[- ]*{_DEVICE}[- ]years?\b"),
    ("memory", _NUMBER + r"(?P<size>)\s*gi?b\b(?! ?(?:gpu|card|a100|h100))"),
    ("usd", r"\$\s*" + _NUMBER + _SIZE + r"\b"),
    ("params", _NUMBER + r"(?P<size>million|billion|trillion|m|b|t)\b"),
    ("hours", _NUMBER + r"(?P<size>)hours?\b"),
    ("days", _NUMBER + r"(?P<size>)days?\b"),
    ("years", _NUMBER + r"(?P<size>)years?\b"),
    ("bare_flop", r"(?P<number>\d[\d.]*e(?:1[5-9]|[2-9]\d))(?P<size>)\b"),
    ("devices", _NUMBER + rf"(?P<size>k|thousand)?\s*(?:x\s*)?{_DEVICE}\b"),
)
"""In this order: what one has taken is gone for the next, so "2T tokens" is not read as 2T parameters."""

_DEVICE_NAME = r"\b(rtx ?\d{4}(?: ?ti)?(?: super)?|[abhlpvt]\d{2,3}(?:[- ]\d{2}gb)?|gh?b?200|tpu ?v\d[ep]?|mi\d{3}x?)\b"
_RANGE = r"(\d[\d.,]*)\s*(?:to|-|–|and)\s*(\d[\d.,]*)(?=\s*gi?b)"
"""Of a range of memory the upper end is taken: what the claim grants at most."""
_HOURS = {"hours": 1.0, "days": DAY / HOUR, "years": YEAR / HOUR}


def read_claim(text: str) -> ClaimText:
    """The figures of a claim in running English; `BadInput` where there are none.

    >>> said = read_claim("7B on 2T tokens: 84 quintillion FLOP, 104 A100-days, $7,500")
    >>> said.params, said.tokens, said.flop, said.device_hours, said.usd, said.device
    (7000000000.0, 2000000000000.0, 8.4e+19, 2496.0, 7500.0, 'A100')
    """
    found = _figures(re.sub(_RANGE, r"\\2", text))
    named = re.search(_DEVICE_NAME, text, re.IGNORECASE)
    if not found and named is None:
        raise BadInput(
            Text("No figure was recognised in the claim."),
            Text("Give its figures: --params 8B --tokens 15T --device H100 --device-hours 1.3M."),
        )
    return ClaimText(
        params=found.get("params"),
        tokens=found.get("tokens"),
        flop=found.get("flop", found.get("bare_flop")),
        usd=found.get("usd"),
        flop_per_param_token=found.get("flop_per_param_token"),
        memory_bytes=found["memory"] * GB if "memory" in found else None,
        text=text,
        device=named[0] if named else None,
        devices=int(found["devices"]) if "devices" in found else None,
        device_hours=_in_hours(found, "device_"),
        wall_hours=_in_hours(found, ""),
    )


def _figures(text: str) -> dict[str, float]:
    """Each kind of figure once, the first of its kind in the text."""
    rest, found = text, {}
    for name, pattern in _PATTERNS:
        match = re.search(pattern, rest, re.IGNORECASE)
        if match is not None:
            found[name] = _value(match["number"].rstrip(".,"), (match["size"] or "").lower())
            rest = f"{rest[: match.start()]} ; {rest[match.end() :]}"
    return found


def _value(number: str, size: str) -> float:
    return read_count(number) * _BIG_WORDS[size] if size in _BIG_WORDS else read_count(f"{number} {size}".strip())


def _in_hours(found: Mapping[str, float], prefix: str) -> float | None:
    return next((found[prefix + unit] * scale for unit, scale in _HOURS.items() if prefix + unit in found), None)
