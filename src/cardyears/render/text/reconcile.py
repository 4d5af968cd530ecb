"""The readings of memory figures as text."""

from __future__ import annotations

from cardyears.base.text import N_, Text, Voice
from cardyears.render.text.page import Page, Titles
from cardyears.verbs.reconcile import Reading, Reconciled


def reconcile(
    found: Reconciled,
    voice: Voice,
    *,
    width: int = 100,
    colour: bool = False,
    explained: bool = False,
    titles: Titles = None,
) -> str:
    """Each figure with the assumptions under which it is right."""
    page = Page(voice, width=width, colour=colour)
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
    return str(page)


def _assumptions(page: Page, one: Reading) -> str:
    size = (one.size,) if one.size is not None else ()
    slip = (Text(N_("its GB are GiB")),) if one.unit_slip else ()
    return "; ".join(page.say(text) for text in (*one.assumptions, *size, *slip))
