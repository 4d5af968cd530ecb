"""The readings of memory figures as text."""

from __future__ import annotations

from cardyears.base.text import N_, Text
from cardyears.render.page import SEMICOLON, Page, Titles
from cardyears.verbs.reconcile import Reading, Reconciled


def reconcile(found: Reconciled, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """Each figure with the assumptions under which it is right."""
    page.line(Text("Memory of {model}: which assumptions give each figure?", model=found.model), "bold")
    for figure, readings in zip(found.figures, found.readings, strict=True):
        page.heading(Text("{x:bytes}", x=figure))
        if not readings:
            page.line(N_("none that we know"), indent=2)
        shown = readings if explained else readings[:3]
        page.rows(
            ([page.say(Text("{x:bytes}", x=one.ours)), _assumptions(page, one)] for one in shown), right=(0,), wrap=1
        )
    page.sources(["zero-2020", "korthikanti-2022", "lora-2021", "qlora-2023"], titles)


def _assumptions(page: Page, one: Reading) -> str:
    size = (one.size,) if one.size is not None else ()
    slip = (Text(N_("its GB are GiB")),) if one.unit_slip else ()
    return page.listed((page.say(text) for text in (*one.assumptions, *size, *slip)), SEMICOLON)
