"""What of a table was not used, as text: rows that were skipped and why, and cells that were taken as empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cardyears.base.text import N_, Text
from cardyears.render.page import Page
from cardyears.validate.report import Validation
from cardyears.validate.skips import shown_names
from cardyears.validate.whole import WholeRuns

REASONS_SHOWN = 20
"""Of the reasons for which rows were skipped, so many; the JSON has all."""
UNREAD_SHOWN = 12
"""Of the cells that do not read, so many."""


def skipped(page: Page, found: Validation) -> None:
    """Rows of measured steps that were skipped, and words that nobody knows."""
    _skipped(page, found, N_("Rows that were skipped: {n:integer}"))
    if found.unheard:
        page.heading(N_("Words that their columns do not know, taken as empty cells"))
        page.rows(_counted(page, found.unheard), right=(0,), wrap=1)


def skipped_trainings(page: Page, found: WholeRuns) -> None:
    """Whole trainings that were skipped."""
    _skipped(page, found, N_("Whole trainings that were skipped: {n:integer}"))


def not_read(page: Page, columns: Mapping[str, str]) -> None:
    """Columns that were left alone, and the ones of ours that they may be."""
    if columns:
        page.heading(N_("Columns that were not read, and what they may have meant"))
        page.rows(([column, near] for column, near in columns.items()), wrap=1)


def _skipped(page: Page, found: Validation | WholeRuns, heading: str) -> None:
    """Rows that were skipped by reason, and cells that do not read."""
    if found.skipped:
        page.heading(Text(heading, n=sum(found.skipped.values())))
        page.rows(_reasons(page, found), right=(0,), wrap=1)
    if found.unread:
        page.heading(N_("Cells that cannot be read"))
        page.rows(_unread(page, found), right=(0,), wrap=1)


def _reasons(page: Page, found: Validation | WholeRuns) -> Iterator[list[str]]:
    """Each reason with its rows and the models or devices that it is about."""
    every = list(found.skipped.items())
    for reason, count in every[:REASONS_SHOWN]:
        some, rest = shown_names(found.skipped_names.get(reason, {}))
        said = page.say(Text("{why:word}", why=reason)).rstrip(".")
        if rest:
            some = page.say(Text("{names} and {n:integer} others", names=some, n=rest))
        yield [page.say(Text("{n:integer}", n=count)), f"{said}: {some}" if some else said]
    rest = sum(count for _, count in every[REASONS_SHOWN:])
    if rest:
        yield [page.say(Text("{n:integer}", n=rest)), page.say(N_("others"))]


def _unread(page: Page, found: Validation | WholeRuns) -> Iterator[list[str]]:
    for one in found.unread[:UNREAD_SHOWN]:
        said = Text(
            '{column} "{cell}", first in row {row:integer}', column=one.column, cell=one.value, row=one.first_row
        )
        yield [page.say(Text("{n:integer}", n=one.rows)), page.say(said)]
    rest = sum(one.rows for one in found.unread[UNREAD_SHOWN:])
    if rest:
        yield [page.say(Text("{n:integer}", n=rest)), page.say(N_("others"))]


def _counted(page: Page, some: Mapping[str, int]) -> Iterator[list[str]]:
    """A line for each with its number."""
    for reason, count in some.items():
        yield [page.say(Text("{n:integer}", n=count)), page.say(Text("{why:word}", why=reason))]
