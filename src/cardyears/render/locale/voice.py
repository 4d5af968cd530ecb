"""Which languages can the answer be said in, and how are numbers written there?"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from cardyears.base.errors import UnknownName, listed
from cardyears.base.text import ENGLISH, Text, Voice

HERE = Path(__file__).parent
RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")
_DIGITS = {"arab": "٠١٢٣٤٥٦٧٨٩", "arabext": "۰۱۲۳۴۵۶۷۸۹"}
"""Digits of a numbering system: Babel takes only the decimal mark and the grouping from it."""
_VALUE = re.compile(r"\{[^{}]*\}")
_ISOLATED = "\u2068\\g<0>\u2069"
"""A value is isolated from the direction around it, or "2.94 TB (321 GB to 4.7 TB)" comes out in three orders."""


def languages() -> list[str]:
    """Codes of all languages that have a catalogue, English first."""
    return ["en", *sorted(path.name for path in HERE.iterdir() if (path / "LC_MESSAGES").is_dir())]


@lru_cache(maxsize=8)
def voice(language: str) -> Voice:
    """The voice of a language such as "ar" or "ar_EG"; the region decides the digits.

    >>> voice("en").language
    'en'
    """
    base = language.replace("-", "_").split("_")[0].lower()
    if base == "en":
        return ENGLISH
    if base not in languages():
        raise UnknownName(
            Text("No translation into {language}.", language=repr(language)),
            Text("Take one of {names}.", names=listed(languages())),
        )
    return _BabelVoice(language.replace("-", "_"), base)


class _BabelVoice(Voice):
    """Sentences by gettext, numbers by Babel."""

    def __init__(self, tag: str, base: str) -> None:
        import gettext

        from babel import Locale, UnknownLocaleError

        try:
            self._locale = Locale.parse(tag)
        except (UnknownLocaleError, ValueError):
            self._locale = Locale.parse(base)
        self.language = base
        self._catalogue = gettext.translation("cardyears", HERE, languages=[base])
        self._digits = str.maketrans("0123456789", _DIGITS.get(self._locale.default_numbering_system, "0123456789"))

    def translate(self, msgid: str) -> str:
        said = self._catalogue.gettext(msgid) if msgid else ""
        return _VALUE.sub(_ISOLATED, said) if self.language in RIGHT_TO_LEFT else said

    def plural(self, singular: str, plural: str, number: float) -> str:
        # Arabic plural forms are for whole numbers; a fraction takes the form of what it is counted from.
        whole = number == int(number)
        said = self._catalogue.ngettext(singular, plural, int(number) if whole else 100)
        return _VALUE.sub(_ISOLATED, said) if self.language in RIGHT_TO_LEFT else said

    def number(self, value: float, decimals: int) -> str:
        from babel.numbers import format_decimal

        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        written = format_decimal(
            round(value, decimals), format=pattern, locale=self._locale, numbering_system="default"
        )
        return written.translate(self._digits)
