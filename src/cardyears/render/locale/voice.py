"""Which languages can the answer be said in, and how are numbers written there?"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cardyears.base.errors import UnknownName, listed
from cardyears.base.text import ENGLISH, Text, Voice

HERE = Path(__file__).parent
RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")


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

    def translate(self, msgid: str) -> str:
        return self._catalogue.gettext(msgid) if msgid else ""

    def plural(self, singular: str, plural: str, number: float) -> str:
        # Arabic plural forms are for whole numbers; a fraction takes the form of what it is counted from.
        whole = number == int(number)
        return self._catalogue.ngettext(singular, plural, int(number) if whole else 100)

    def number(self, value: float, decimals: int) -> str:
        from babel.numbers import format_decimal

        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        return format_decimal(round(value, decimals), format=pattern, locale=self._locale, numbering_system="default")
