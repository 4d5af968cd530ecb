"""Which report belongs to which answer?"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cardyears.base.text import Voice
from cardyears.render.page import Page, TextPage, Titles

REPORTS = {
    "Answer": ("check", "check"),
    "Estimated": ("estimate", "estimate"),
    "Planned": ("plan", "plan"),
    "MixedPlanned": ("mixed", "mixed"),
    "ParameterCount": ("counts", "params"),
    "FlopCount": ("counts", "flops"),
    "Audit": ("verdicts", "audit"),
    "Need": ("inverse", "need"),
    "Instead": ("inverse", "instead"),
    "Reconciled": ("reconcile", "reconcile"),
    "Validated": ("cardyears.validate.page", "validated"),
    "Listing": ("rows", "rows"),
}
"""File, or module where it lies above this part, and function for each kind of answer; imported when one is written,
so that none waits for the others."""


def report(subject: Any, page: Page, *, explained: bool = False, titles: Titles = None) -> str:
    """An answer of any kind on a page."""
    file, function = REPORTS[type(subject).__name__]
    module = file if "." in file else f"cardyears.render.report.{file}"
    written = getattr(import_module(module), function)
    written(subject, page, explained=explained, titles=titles)
    return str(page)


def write(
    subject: Any,
    voice: Voice,
    *,
    width: int = 100,
    colour: bool = False,
    explained: bool = False,
    titles: Titles = None,
) -> str:
    """An answer of any kind as text for a terminal or a pipe."""
    return report(subject, TextPage(voice, width=width, colour=colour), explained=explained, titles=titles)
