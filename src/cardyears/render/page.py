"""A page of text: headings, aligned rows, bars. What every report is written on.

`TextPage` knows its width and whether it may use colour. Columns are few and short, so the layout is a sum of widths: a
table library would take as long to start as the whole answer. `render.html` has the page for a browser.
"""

from __future__ import annotations

import textwrap
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from cardyears.base.text import N_, Text, Voice
from cardyears.render.labels import VERDICT_STYLES, VERDICTS
from cardyears.render.locale.voice import RIGHT_TO_LEFT

BAR = "█"
SEMICOLON = N_("; ")
Titles = Mapping[str, str] | None
"""Titles of the bibliography by key, where they are wanted."""
NARROW = 64
"""Below this width bars are left out."""
NARROWEST, NARROWEST_WRAP = 40, 16
GAP = 2
_NO_WIDTH = ("Mn", "Me", "Cf")


class Styled(NamedTuple):
    """Words with a style: colour and weight as `click.style` names them, such as "bold red"."""

    text: str
    style: str = ""
    whole: bool = False
    """Never broken: its column does not give way."""


Cell: TypeAlias = "Styled | str"


class Strip(NamedTuple):
    """A row of a drawing: what it is, its pieces from left to right in every language, what is said of it."""

    label: str
    pieces: Sequence[Styled]
    remark: str = ""


LEFT_TO_RIGHT, ISOLATE_END = "\u2066", "\u2069"


class Page(ABC):
    """What a report is written on: lines, headings, rows. `str` gives it whole."""

    width = 100
    """Characters of a line."""

    def __init__(self, voice: Voice) -> None:
        self.voice = voice

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    def line(self, text: Text | str, style: str = "", *, indent: int = 0) -> None:
        """One sentence."""

    @abstractmethod
    def heading(self, text: Text | str) -> None:
        """A heading, apart from what is before it."""

    @abstractmethod
    def rows(self, rows: Iterable[Sequence[Cell]], *, right: Sequence[int] = (), wrap: int | None = None) -> None:
        """Aligned columns; `right` hold numbers, `wrap` takes the width that is left."""

    @abstractmethod
    def bar(self, share: float, length: int, style: str = "cyan") -> Styled:
        """A bar of a share of `length`; never longer, and visible if not zero."""

    @abstractmethod
    def strips(self, strips: Sequence[Strip]) -> None:
        """A drawing in characters, row under row; never broken, so it is for the one who draws to fit the width."""

    def say(self, text: Text | str) -> str:
        """A sentence in the page's language."""
        return self.voice.say(text)

    def table(
        self,
        headings: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        right: Sequence[int] = (),
        wrap: int | None = None,
    ) -> None:
        """Aligned columns under headings."""
        self.rows([[Styled(self.say(name), "bold") for name in headings], *rows], right=right, wrap=wrap)

    def sources(self, keys: Sequence[str], titles: Titles) -> None:
        """The sources' keys in a line, or each with its title."""
        known = list(dict.fromkeys(key for key in keys if key))
        if not known:
            return
        self.heading(N_("Sources"))
        if titles is None:
            self.line(Text("{keys}", keys=self.listed(known)), indent=GAP)
        else:
            self.rows(([key, titles.get(key, "")] for key in known), wrap=1)

    def listed(self, parts: Iterable[str], separator: str = N_(", ")) -> str:
        """Several words or sentences in a row, with the language's own comma or semicolon."""
        return self.say(separator).join(parts)

    def verdict(self, key: str) -> Styled:
        """A verdict's word in its colour."""
        return Styled(self.say(VERDICTS[key]), VERDICT_STYLES[key], whole=True)

    def ledger(self, lines: Mapping[str, float], labels: Mapping[str, str], spec: str, *, length: int = 30) -> None:
        """Lines of a ledger, the largest first, with bars as shares of the total."""
        total = sum(lines.values())
        ordered = sorted(lines.items(), key=lambda item: -item[1])
        self.rows(
            (
                [
                    self.say(labels.get(name, name)),
                    self.say(Text("{x:" + spec + "}", x=value)),
                    self.bar(value / total if total else 0.0, length),
                ]
                for name, value in ordered
                if value
            ),
            right=(1,),
        )


class TextPage(Page):
    """A page for a terminal or a pipe: so many columns, colour or none."""

    def __init__(self, voice: Voice, *, width: int = 100, colour: bool = False) -> None:
        super().__init__(voice)
        self.width, self.colour = max(NARROWEST, width), colour
        self._lines: list[str] = []

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self._lines) + "\n"

    def line(self, text: Text | str, style: str = "", *, indent: int = 0) -> None:
        """One sentence, wrapped."""
        for part in _wrapped(self.say(text), self.width - indent):
            self._lines.append(" " * indent + self._paint(part, style))

    def heading(self, text: Text | str) -> None:
        """A heading with a blank line before it."""
        if self._lines:
            self._lines.append("")
        self.line(text, "bold")

    def rows(self, rows: Iterable[Sequence[Cell]], *, right: Sequence[int] = (), wrap: int | None = None) -> None:
        """Aligned columns, indented. Where they are too wide `wrap` gives way, then the widest, space by space."""
        table = [[cell if isinstance(cell, Styled) else Styled(cell) for cell in row] for row in rows]
        if not table:
            return
        widths = [max(columns_of(row[index].text) for row in table) for index in range(len(table[0]))]
        room = self.width - GAP * len(widths)
        if wrap is not None and sum(widths) > room:
            widths[wrap] = max(min(widths[wrap], NARROWEST_WRAP), room - (sum(widths) - widths[wrap]))
        least = [max(columns_of(row[at].text) if row[at].whole else 1 for row in table) for at in range(len(widths))]
        while sum(widths) > room and any(map(int.__gt__, widths, least)):
            spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
            widths[spare.index(max(spare))] -= 1
        for row in table:
            self._row(row, widths, right)

    def _row(self, row: Sequence[Styled], widths: Sequence[int], right: Sequence[int]) -> None:
        cells = [_wrapped(cell.text, width) for cell, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, cells))):
            parts = []
            for index, (lines, width) in enumerate(zip(cells, widths, strict=True)):
                text = lines[number] if number < len(lines) else ""
                space = " " * max(0, width - columns_of(text))
                painted = self._paint(text, row[index].style)
                parts.append(space + painted if index in right else painted + space)
            self._lines.append(" " * GAP + (" " * GAP).join(parts))

    def strips(self, strips: Sequence[Strip]) -> None:
        """Labels, drawing and remarks side by side; the drawing is isolated from a right-to-left line around it."""
        widest = max((columns_of(strip.label) for strip in strips), default=0)
        before, after = (LEFT_TO_RIGHT, ISOLATE_END) if self.voice.language in RIGHT_TO_LEFT else ("", "")
        longest = max((columns_of(strip.remark) for strip in strips), default=0)
        for strip in strips:
            remark = " " * (longest - columns_of(strip.remark)) + strip.remark
            label = " " * (widest - columns_of(strip.label)) + strip.label
            drawn = "".join(self._paint(piece.text, piece.style) for piece in strip.pieces)
            self._lines.append(" " * GAP + (" " * GAP).join((label, f"{before}{drawn}{after}", remark)))

    def bar(self, share: float, length: int, style: str = "cyan") -> Styled:
        """A bar of blocks; none on a narrow page."""
        if self.width < NARROW:
            return Styled("")
        return Styled(BAR * min(length, max(1 if share > 0 else 0, round(share * length))), style)

    def _paint(self, text: str, style: str) -> str:
        if not self.colour or not style or not text:
            return text
        from click import style as paint

        words = style.split()
        return paint(text, bold="bold" in words or None, fg=next((word for word in words if word != "bold"), None))


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken at spaces; a longer word is cut."""
    if text.isascii():
        return textwrap.wrap(text, max(1, width), break_long_words=True, break_on_hyphens=False) or [""]
    lines = [""]
    for word in text.split():
        if lines[-1] and columns_of(f"{lines[-1]} {word}") > width:
            lines.append("")
        line = f"{lines[-1]} {word}".lstrip()
        while columns_of(line) > max(1, width):
            lines[-1:] = [line[:width], ""]
            line = line[width:]
        lines[-1] = line
    return lines


def columns_of(text: str) -> int:
    """Columns that a terminal gives to a text: marks on letters and marks of direction take none."""
    return len(text) if text.isascii() else sum(unicodedata.category(char) not in _NO_WIDTH for char in text)
