"""What can go wrong, in one sentence each: the rule, the values, the remedy.

Only these reach a user. The command line prints one line and exits with `exit_code`; the API answers with
the same sentence and `code`. Add a class here, not a message elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from cardyears.base.text import Text


class CardyearsError(Exception):
    """A rule that was broken and what to do about it."""

    code: ClassVar[str] = "fault"
    exit_code: ClassVar[int] = 1

    def __init__(self, rule: Text, remedy: Text, *, details: str = "") -> None:
        super().__init__(rule, remedy)
        self.rule, self.remedy = rule, remedy
        self.details = details
        """Something to copy, such as a file that would mend it; shown below the sentence."""

    def __str__(self) -> str:
        return str(self.sentence)

    @property
    def sentence(self) -> Text:
        """Rule and remedy, to be said in any language."""
        return Text("{rule} {remedy}", rule=self.rule, remedy=self.remedy)


class BadInput(CardyearsError):
    """Something that the person wrote cannot be used."""

    code = "bad-input"
    exit_code = 2


class UnreadableValue(BadInput):
    """A number, duration, share, amount or machine that does not read as one."""

    code = "unreadable-value"


class UnknownName(BadInput):
    """A model, device, link or key that the catalogue does not have."""

    code = "unknown-name"


class AmbiguousName(BadInput):
    """A name that fits several rows of the catalogue."""

    code = "ambiguous-name"


class MissingFigure(BadInput):
    """A figure that no source gives: it is missing, and never guessed."""

    code = "missing-figure"


class Contradiction(BadInput):
    """Two statements that cannot hold at once."""

    code = "contradiction"


class BadCatalogue(BadInput):
    """A row of the catalogue, ours or the user's own, that breaks the schema."""

    code = "bad-catalogue"


class UnusableFile(BadInput):
    """A file or folder that cannot be read or written."""

    code = "unusable-file"


class MissingExtra(BadInput):
    """A part of the product that is installed on request only."""

    code = "missing-extra"


def listed(names: Iterable[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["a", "b", "c"])
    'a, b, c'
    """
    return ", ".join(names)


LONGEST_SHOWN = 60


def shown(text: str) -> str:
    """What a person wrote, as a message quotes it: printable, on one line, cut where it is long.

    >>> shown("a" + chr(10) + "b")
    'a b'
    """
    clean = " ".join("".join(char if char.isprintable() else " " for char in text[:4_096]).split())
    return clean if len(clean) <= LONGEST_SHOWN else f"{clean[: LONGEST_SHOWN - 1]}…"
