"""A page of text: headings, aligned rows, bars. What every text answer is written with.

A page knows its width and whether it may use colour; `str` gives it whole. Columns are few and short, so the layout is
a sum of widths: a table library would take as long to start as the whole answer.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from cardyears.base.text import N_, Text, Voice
from cardyears.render.labels import VERDICT_STYLES, VERDICTS

BAR = "█"
Titles = Mapping[str, str] | None
"""Titles of the bibliography by key, where they are wanted."""
NARROW = 64
"""Below this width bars are left out."""
NARROWEST_WRAP = 16
GAP = 2


class Styled(NamedTuple):
    """Words with a style: colour and weight as `click.style` names them, such as "bold red"."""

    text: str
    style: str = ""


Cell: TypeAlias = "Styled | str"


class Page:
    """Collects lines; `str` gives the page."""

    def __init__(self, voice: Voice, *, width: int = 100, colour: bool = False) -> None:
        self.voice, self.width, self.colour = voice, max(40, width), colour
        self._lines: list[str] = []

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self._lines) + "\n"

    def say(self, text: Text | str) -> str:
        """A sentence in the page's language."""
        return self.voice.say(text)

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
        """Aligned columns, indented; `right` are aligned to the right, `wrap` takes the width that is left.

        A table that is wider than the page wraps its widest column.
        """
        table = [[cell if isinstance(cell, Styled) else Styled(cell) for cell in row] for row in rows]
        if not table:
            return
        widths = [max(_columns(row[index].text) for row in table) for index in range(len(table[0]))]
        room = self.width - GAP * len(widths)
        if sum(widths) > room:
            flexible = widths.index(max(widths)) if wrap is None else wrap
            widths[flexible] = max(NARROWEST_WRAP, room - (sum(widths) - widths[flexible]))
        for row in table:
            self._row(row, widths, right)

    def _row(self, row: Sequence[Styled], widths: Sequence[int], right: Sequence[int]) -> None:
        cells = [_wrapped(cell.text, width) for cell, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, cells))):
            parts = []
            for index, (lines, width) in enumerate(zip(cells, widths, strict=True)):
                text = lines[number] if number < len(lines) else ""
                space = " " * max(0, width - _columns(text))
                painted = self._paint(text, row[index].style)
                parts.append(space + painted if index in right else painted + space)
            self._lines.append(" " * GAP + (" " * GAP).join(parts))

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
            self.line(Text("{keys}", keys=", ".join(known)), indent=GAP)
        else:
            self.rows(([key, titles.get(key, "")] for key in known), wrap=1)

    def verdict(self, key: str) -> Styled:
        """A verdict's word in its colour."""
        return Styled(self.say(VERDICTS[key]), VERDICT_STYLES[key])

    def bar(self, share: float, length: int, style: str = "cyan") -> Styled:
        """A bar of a share of `length`; never longer, and visible if not zero."""
        if self.width < NARROW:
            return Styled("")
        filled = min(length, max(1 if share > 0 else 0, round(share * length)))
        return Styled(BAR * filled, style)

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

    def _paint(self, text: str, style: str) -> str:
        if not self.colour or not style or not text:
            return text
        from click import style as paint

        words = style.split()
        return paint(text, bold="bold" in words or None, fg=next((word for word in words if word != "bold"), None))


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(1, width), break_long_words=True, break_on_hyphens=False) or [""]


def _columns(text: str) -> int:
    """Columns that a terminal gives to a text: marks on letters take none."""
    return len(text) if text.isascii() else sum(not unicodedata.combining(char) for char in text)
