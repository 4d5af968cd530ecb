"""What it would take, and what to train instead, as text."""

from __future__ import annotations

from cardyears.answer.answer import machine_name
from cardyears.base.text import N_, Text, Voice
from cardyears.render.labels import METHODS
from cardyears.render.text.check import alternative_rows
from cardyears.render.text.explain import assumption_rows
from cardyears.render.text.page import Page, Titles
from cardyears.verbs.inverse import OPTIONS_SHOWN, Instead, Need, Option


def need(
    found: Need, voice: Voice, *, width: int = 100, colour: bool = False, explained: bool = False, titles: Titles = None
) -> str:
    """Devices and how many of them it takes, the cheapest first."""
    page = Page(voice, width=width, colour=colour)
    if not found.options:
        page.line(
            Text(
                "None of {n:integer} devices trains {model} in these bounds.", n=found.tried, model=found.question.model
            ),
            "bold",
        )
        page.line(N_("Allow more time or money, or ask: cardyears instead --on DEVICE."), indent=2)
        return str(page)
    first = found.options[0].case
    page.line(
        Text(
            "{model}, {method:word}, {tokens:count} tokens, within {time:duration}: the fewest of each device",
            method=METHODS[first.method],
            model=first.workload.name,
            tokens=first.workload.tokens,
            time=first.seconds,
        ),
        "bold",
    )
    page.rows(
        (
            [page.say(cell) if isinstance(cell, Text) else cell for cell in _cells(one)]
            for one in found.options[:OPTIONS_SHOWN]
        ),
        right=(1, 2, 3),
    )
    page.line(
        Text(
            "{shown:integer} of {n:integer} devices that do it; {tried:integer} tried",
            shown=min(OPTIONS_SHOWN, len(found.options)),
            n=len(found.options),
            tried=found.tried,
        ),
        indent=2,
    )
    single = _least_memory(found)
    if single is not None and single.judgement.memory is not None:
        page.line(
            Text(
                "The smallest memory that does it on one device: {device} with {have:bytes} ({need:bytes} needed)",
                device=single.case.cluster.device.name,
                have=single.judgement.memory.available,
                need=single.judgement.memory.required,
            ),
            indent=2,
        )
    if any(one.devices > 1 for one in found.options[:OPTIONS_SHOWN]):
        page.line(
            N_("The traffic between several devices is not estimated yet: their times are lower bounds."), indent=2
        )
    if explained:
        assumption_rows(page, found.assumptions)
    page.sources([one.source for one in found.assumptions], titles)
    return str(page)


def _cells(one: Option) -> list[Text | str]:
    judged = one.judgement
    assert judged.time is not None
    assert judged.memory is not None
    cost = Text("{x:usd}", x=judged.cost) if judged.cost is not None else Text(N_("no price known"))
    return [
        Text("{n:integer} × {device}", n=one.devices, device=one.case.cluster.device.name),
        Text("{x:duration}", x=judged.time),
        cost,
        Text("{x:bytes}", x=judged.memory.required.mid),
    ]


def _least_memory(found: Need) -> Option | None:
    single = [one for one in found.options if one.devices == 1]
    return min(single, key=lambda one: one.case.cluster.device.memory.value, default=None)


def instead(
    found: Instead,
    voice: Voice,
    *,
    width: int = 100,
    colour: bool = False,
    explained: bool = False,
    titles: Titles = None,
) -> str:
    """What a machine trains from scratch or fine-tunes, the largest of each kind."""
    page = Page(voice, width=width, colour=colour)
    page.line(
        Text("{machine} within {time:duration}", machine=machine_name(found.case), time=found.case.seconds), "bold"
    )
    page.heading(N_("From scratch"))
    alternative_rows(page, found.pretrain)
    page.heading(N_("Fine-tuning"))
    alternative_rows(page, found.finetune)
    if explained:
        assumption_rows(page, found.case.assumptions)
    page.sources([one.source for one in found.case.assumptions], titles)
    return str(page)
