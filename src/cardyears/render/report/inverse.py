"""What it would take, and what to train instead, as text."""

from __future__ import annotations

from cardyears.answer.answer import machine_name
from cardyears.base.text import N_, Text, Value
from cardyears.render.labels import METHODS
from cardyears.render.page import Page, Titles
from cardyears.render.report.check import alternative_rows, way
from cardyears.render.report.explain import assumption_rows
from cardyears.verbs.inverse import OPTIONS_SHOWN, Instead, LeastMemory, Need, Option


def need(found: Need, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """Devices and how many of them it takes, the cheapest first; the least memory by method."""
    if found.options:
        _options(page, found)
    else:
        page.line(
            Text("None of {n:integer} devices can train {model} so.", n=found.tried, model=found.question.model), "bold"
        )
        page.line(N_("Allow more time or money, or ask: cardyears instead --on DEVICE."), indent=2)
    if found.memory:
        page.heading(N_("Least memory of one device"))
        page.rows(_memory_cells(page, one) for one in found.memory)
    if explained:
        assumption_rows(page, found.assumptions)
    page.sources([one.source for one in found.assumptions], titles)


def _options(page: Page, found: Need) -> None:
    first = found.options[0].case
    words: dict[str, Value] = {"model": first.workload.name, "method": METHODS[first.method], "time": first.seconds}
    title = (
        Text("{model}, {method:word}, {n:count} tokens, within {time:duration}", n=first.workload.tokens, **words)
        if first.workload.tokens
        else Text("{model}, {method:word}, within {time:duration}", **words)
    )
    page.line(title, "bold")
    page.line(N_("The fewest of each device that do it, the cheapest first: time, money, memory of each."), indent=2)
    shown = found.options[:OPTIONS_SHOWN]
    page.rows((_cells(page, one) for one in shown), right=(1, 2, 3))
    page.line(
        Text("{shown:integer} of {n:integer} kinds of device that do it, of {tried:integer} tried",
             shown=len(shown), n=len(found.options), tried=found.tried), indent=2)  # fmt: skip
    single = min((one for one in found.options if one.devices == 1), key=_nominal_memory, default=None)
    if single is not None and single.judgement.memory is not None:
        page.line(
            Text("The smallest memory that does it on one device: {device} with {have:bytes} ({need:bytes} needed)",
                 device=single.case.cluster.device.name, have=single.judgement.memory.available,
                 need=single.judgement.memory.required), indent=2)  # fmt: skip
    if any(one.devices > 1 for one in shown):
        page.line(
            N_("The traffic between several devices is not estimated yet: their times are lower bounds."), indent=2
        )


def _cells(page: Page, one: Option) -> list[str]:
    judged = one.judgement
    assert judged.time is not None
    assert judged.memory is not None
    name = Text("{n:integer} × {device}", n=one.devices, device=one.case.cluster.device.name)
    cost = Text("{x:usd}", x=judged.cost.mid) if judged.cost is not None else Text(N_("no price known"))
    texts = (name, Text("{x:duration}", x=judged.time.mid), cost, Text("{x:bytes}", x=judged.memory.required.mid))
    return [page.say(text) for text in texts]


def _nominal_memory(one: Option) -> float:
    return one.case.cluster.device.memory.value


def _memory_cells(page: Page, one: LeastMemory) -> list[str]:
    return [way(page, one.method, one.recipe), page.say(Text("{x:bytes}", x=one.need))]


def instead(found: Instead, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """What a machine trains from scratch or fine-tunes, the largest of each kind."""
    page.line(
        Text("{machine} within {time:duration}", machine=machine_name(found.case), time=found.case.seconds), "bold"
    )
    for heading, rows in ((N_("From scratch"), found.pretrain), (N_("Fine-tuning"), found.finetune)):
        page.heading(heading)
        if rows:
            alternative_rows(page, rows)
        else:
            page.line(N_("Nothing in the catalogue fits."), indent=2)
    if explained:
        assumption_rows(page, found.case.assumptions)
    page.sources([one.source for one in found.case.assumptions], titles)
