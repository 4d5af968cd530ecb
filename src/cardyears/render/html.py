"""A report as a fragment of HTML, for notebooks: each section a table, so that right-to-left text keeps its columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from cardyears.base.text import Text, Voice
from cardyears.render.locale.voice import RIGHT_TO_LEFT
from cardyears.render.page import Cell, Page, Strip, Styled
from cardyears.render.report.writers import report

_CELL = "padding:1px 12px 1px 0;vertical-align:top;border:none;background:none"
_COLOURS = {"green": "#1a7f37", "red": "#cf222e", "yellow": "#9a6700", "magenta": "#8250df", "cyan": "#0969da"}
_DRAWN = "white-space:pre;font-family:monospace;line-height:1.15;text-align:left"
_BAR = "▬"
"""What marks a cell as a bar; it is drawn as a box of its length."""


def fragment(subject: Any, voice: Voice) -> str:
    """An answer as one ``<section>`` with its own direction and language."""
    direction = "rtl" if voice.language in RIGHT_TO_LEFT else "ltr"
    body = report(subject, HtmlPage(voice))
    return (
        f'<section class="cardyears" dir="{direction}" lang="{voice.language}" style="max-width:60em">{body}</section>'
    )


class HtmlPage(Page):
    """A page whose rows are tables; colours and weight as in a terminal."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(voice)
        self._parts: list[str] = []

    def __str__(self) -> str:
        return "".join(self._parts)

    def line(self, text: Text | str, style: str = "", *, indent: int = 0) -> None:
        """One sentence as a paragraph."""
        inner = f"margin:.2em 0;margin-inline-start:{indent * 0.6}em;{_css(style)}"
        self._parts.append(f'<p style="{inner}">{escape(self.say(text))}</p>')

    def heading(self, text: Text | str) -> None:
        """A heading."""
        self._parts.append(f'<h4 style="margin:.9em 0 .2em">{escape(self.say(text))}</h4>')

    def rows(self, rows: Iterable[Sequence[Cell]], *, right: Sequence[int] = (), wrap: int | None = None) -> None:
        """Columns as a table; all but the one that wraps keep to one line."""
        lines = []
        for row in rows:
            cells = [cell if isinstance(cell, Styled) else Styled(cell) for cell in row]
            lines.append(
                "".join(_cell(cell, number=index in right, one_line=index != wrap) for index, cell in enumerate(cells))
            )
        body = "".join(f"<tr style='background:none'>{line}</tr>" for line in lines)
        self._parts.append(f'<table style="border-collapse:collapse;margin:0">{body}</table>')

    def strips(self, strips: Sequence[Strip]) -> None:
        """A table whose middle column is drawn in characters of one width, from left to right in every language."""
        lines = []
        for label, pieces, remark in strips:
            drawn = "".join(f'<span style="{_css(piece.style)}">{escape(piece.text)}</span>' for piece in pieces)
            lines.append(
                _cell(Styled(label), number=True, one_line=True)
                + f'<td dir="ltr" style="{_CELL};{_DRAWN}">{drawn}</td>'
                + _cell(Styled(remark), number=True, one_line=True)
            )
        body = "".join(f"<tr style='background:none'>{line}</tr>" for line in lines)
        self._parts.append(f'<table style="border-collapse:collapse;margin:0">{body}</table>')

    def bar(self, share: float, length: int, style: str = "cyan") -> Styled:
        """A box of a share of so many half-ems."""
        return Styled(f"{_BAR}{min(1.0, max(share, 0.01)) * length * 0.5:.2f}" if share > 0 else "", style)


def _cell(cell: Styled, *, number: bool, one_line: bool) -> str:
    align = "text-align:end;" if number else "text-align:start;"
    nowrap = "white-space:nowrap;" if one_line else ""
    if cell.text.startswith(_BAR):
        colour = _COLOURS.get(cell.style, "gray")
        box = f"display:inline-block;height:.7em;width:{cell.text.removeprefix(_BAR)}em;background:{colour}"
        return f'<td style="{_CELL};{nowrap}"><span style="{box}"></span></td>'
    return f'<td style="{_CELL};{align}{nowrap}{_css(cell.style)}">{escape(cell.text)}</td>'


def _css(style: str) -> str:
    words = style.split()
    colour = next((_COLOURS[word] for word in words if word in _COLOURS), None)
    return ("font-weight:bold;" if "bold" in words else "") + (f"color:{colour};" if colour else "")
