"""Pages of text and of HTML: no line too wide, no word lost, columns in their order in both directions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import pytest

import cardyears
from cardyears.base.text import ENGLISH, Text, Voice
from cardyears.render.html import HtmlPage, fragment
from cardyears.render.locale.voice import voice
from cardyears.render.page import BAR, Cell, Page, Styled, TextPage

ROWS = (
    ("a first column", "1,000", "words that are long enough to be wrapped on a page of forty columns"),
    ("b", "20 GB", "few words"),
)


def written(rows: Sequence[Sequence[Cell]], *, width: int, right: Sequence[int] = (), wrap: int | None = None) -> str:
    page = TextPage(ENGLISH, width=width)
    page.rows(rows, right=right, wrap=wrap)
    return str(page)


@pytest.mark.parametrize("width", [1, 40, 41, 60, 100])
@pytest.mark.parametrize("wrap", [None, 0, 2])
def test_a_table_is_never_wider_than_the_page_and_keeps_every_letter(width: int, wrap: int | None) -> None:
    text = written(ROWS, width=width, right=(1,), wrap=wrap)
    assert max(map(len, text.splitlines())) <= max(40, width)
    assert sorted("".join(text.split())) == sorted("".join("".join(row) for row in ROWS).replace(" ", ""))


def test_the_column_that_wraps_gives_way_before_the_others() -> None:
    lines = written(ROWS, width=60, right=(1,), wrap=2).splitlines()
    assert [line[:24] for line in lines] == ["  a first column  1,000 ", " " * 24, "  b               20 GB "]


def test_without_a_column_to_wrap_the_widest_gives_way() -> None:
    rows = [("k" * 4, "w" * 60, "v" * 10)]
    first, *_ = written(rows, width=40).splitlines()
    assert first.split() == ["k" * 4, "w" * (40 - 3 * 2 - 14), "v" * 10]


def test_rows_that_fit_are_aligned() -> None:
    assert written([("a", "1"), ("bcd", "20")], width=40, right=(1,)) == "  a     1\n  bcd  20\n"


def test_no_rows_write_nothing() -> None:
    assert str(TextPage(ENGLISH)) == "\n"
    assert written([], width=40) == "\n"


@pytest.mark.parametrize(("share", "blocks"), [(0.0, 0), (1e-9, 1), (0.5, 10), (1.0, 20), (7.0, 20)])
def test_a_bar_is_never_too_long_and_seen_unless_it_is_nothing(share: float, blocks: int) -> None:
    assert TextPage(ENGLISH, width=100).bar(share, 20).text == BAR * blocks
    assert TextPage(ENGLISH, width=50).bar(share, 20).text == ""


def test_only_a_page_that_takes_colour_has_codes() -> None:
    def shown(*, colour: bool) -> str:
        page = TextPage(ENGLISH, colour=colour)
        page.rows([[Styled("yes", "bold green"), "x"]])
        return str(page)

    assert shown(colour=False) == "  yes  x\n"
    assert shown(colour=True) == "  \x1b[32m\x1b[1myes\x1b[0m  x\n"


def test_what_is_written_on_html_is_escaped() -> None:
    page = HtmlPage(ENGLISH)
    page.line(Text("{x}", x="<b>&"))
    page.heading("<i>")
    page.rows([["<td>", Styled("a & b", "bold")]])
    assert "<b>" not in str(page)
    for part in ("&lt;b&gt;&amp;", "&lt;i&gt;", "&lt;td&gt;", "a &amp; b"):
        assert part in str(page)


def test_rows_of_html_are_a_table_whose_numbers_stand_at_the_end() -> None:
    page = HtmlPage(ENGLISH)
    page.rows([["a", "1"], ["b", "2"]], right=(1,))
    assert re.findall(r"<td style=\"[^\"]*text-align:(\w+)[^\"]*\">(\w)</td>", str(page)) == [
        ("start", "a"),
        ("end", "1"),
        ("start", "b"),
        ("end", "2"),
    ]


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_a_fragment_says_its_language_and_direction(language: str, direction: str) -> None:
    found = fragment(cardyears.params("gpt2").subject, voice(language))
    assert re.match(rf'<section class="cardyears" dir="{direction}" lang="{language}"', found)
    assert found.endswith("</section>")
    assert "<table" in found
    assert "<pre" not in found


def test_arabic_letters_count_without_their_marks() -> None:
    word = "مُدَرَّب"
    assert any(unicodedata.combining(char) for char in word)
    text = written([(word, "x"), ("مدرب", "x")], width=40)
    columns = [sum(unicodedata.category(char) != "Mn" for char in line) for line in text.splitlines()]
    assert columns[0] == columns[1]


@pytest.mark.parametrize("kind", [TextPage, HtmlPage])
def test_both_pages_are_written_on_in_the_same_way(kind: Callable[[Voice], Page]) -> None:
    page = kind(ENGLISH)
    page.line("a line", "bold", indent=2)
    page.heading("a heading")
    page.table(["one", "two"], [["1", "2"]], right=(1,))
    page.ledger({"a": 1.0, "b": 3.0, "nothing": 0.0}, {"a": "the smaller", "b": "the larger"}, "number")
    page.sources(["gpt-3-2020", "gpt-3-2020", ""], None)
    text = str(page)
    parts = ("a line", "a heading", "one", "two", "the larger", "the smaller", "Sources", "gpt-3-2020")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "nothing" not in text
    assert text.count("gpt-3-2020") == 1
