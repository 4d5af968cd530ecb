"""Which measured runs is it like, and how far off were those estimated? A few rows for `--explain`."""

from __future__ import annotations

from collections.abc import Sequence

from cardyears.base.text import N_, Text
from cardyears.case import Neighbour
from cardyears.render.labels import METHODS
from cardyears.render.page import Page


def neighbour_rows(page: Page, some: Sequence[Neighbour]) -> None:
    """Each run with its model's size, machine, engine, length and error, and the source that measured it."""
    if not some:
        return
    page.heading(N_("Nearest measured runs, and how far off they are when they are left out of the fit"))
    page.rows(([page.say(_off(one)), f"{page.say(_who(one))} [{one.source}]"] for one in some), wrap=1)


def _who(one: Neighbour) -> Text:
    return Text(
        "{n:count} parameters on {devices:integer} × {device}, {kind:word}, {engine:word}, {precision}, "
        "{length:integer} tokens",
        n=one.parameters, devices=one.devices, device=one.device, kind=METHODS[one.method], engine=one.engine,
        precision=one.precision, length=one.seq_len,
    )  # fmt: skip


def _off(one: Neighbour) -> Text:
    """The error as a share; of several runs their mean."""
    share = round(one.error, 3)
    if one.runs == 1:
        return Text("off by {x:percent}", x=share)
    return Text("{n:integer} runs, off by {x:percent}", x=share, n=one.runs)
