"""A plan on two kinds of device as text: the ways to use them, which is best, and what the second kind brings."""

from __future__ import annotations

from collections.abc import Iterator

from cardyears.base.text import N_, Text, Value
from cardyears.layout.written import brief
from cardyears.render.labels import LINES, TIME
from cardyears.render.page import Cell, Page, Titles
from cardyears.render.report.estimate import source_keys
from cardyears.render.report.explain import assumption_rows
from cardyears.render.report.plan import batch, in_time, lost, plan, short_ledger
from cardyears.verbs.ways import MixedPlanned, runners_up, unsure


def mixed(made: MixedPlanned, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """The best way with its layout and ledgers, and what it stands against."""
    page.line(_headline(made), "bold")
    page.line(Text("Batch: {batch}.", batch=batch(made)), indent=2)
    _ways(page, made)
    _brings(page, made)
    best = made.best
    if best.planned is not None:
        page.heading(Text("The best layout on {name}", name=best.name))
        plan(best.planned, page, explained=explained, titles=titles)
        return
    _together(page, made)
    _searched(page, made)
    assert best.best is not None
    if explained:
        assumption_rows(page, best.best.assumptions)
    page.sources(source_keys(best.best), titles)


_HEADLINES = {
    "none": N_("{model} on {machine}: nothing fits, neither on both kinds together nor on one alone."),
    "only together": N_("{model} on {machine}: best is {way}, {step:duration} a step; on one kind alone no layout "
                        "fits, or none makes this batch."),
    "together": N_("{model} on {machine}: best is {way}, {step:duration} a step: {gain:percent} more speed than "
                   "{alone}."),
    "slower": N_("{model} on {machine}: best is {way}, {step:duration} a step; {alone} would take {other:duration}."),
    "only alone": N_("{model} on {machine}: best is {way}, {step:duration} a step. No layout over both fits."),
    "unsure": N_("{model} on {machine}: best is {way}, {step:duration} a step; {together} would take "
                 "{longer:duration}, too little less to be sure of it."),
    "alone": N_("{model} on {machine}: best is {way}, {step:duration} a step; {together} would take "
                "{longer:duration}."),
}  # fmt: skip


def _headline(made: MixedPlanned) -> Text:
    alone, together = made.alone, made.together
    return Text(
        _HEADLINES[_outcome(made)], model=made.model, machine=made.machine, way=made.best.name,
        step=made.best.step_s, gain=made.gain or 0.0, alone="" if alone is None else alone.name,
        other=0.0 if alone is None else alone.step_s, together="" if together is None else together.name,
        longer=0.0 if together is None else together.step_s,
    )  # fmt: skip


def _outcome(made: MixedPlanned) -> str:
    """Which headline it is."""
    best, together = made.best, made.together
    if not best.fits:
        return "none"
    if best.mixed:
        return "only together" if made.gain is None else "together" if made.gain >= 0.0 else "slower"
    if together is None:
        return "only alone"
    return "unsure" if together.step_s < best.step_s else "alone"


def _ways(page: Page, made: MixedPlanned) -> None:
    """A row for each way: step, speed, utilisation, rent."""
    page.heading(N_("Ways to use them: a step, tokens a second, MFU, rent of the whole training"))
    rows: list[list[Cell]] = []
    for way in made.ways:
        if way.best is None or not way.fits:
            rows.append([page.say(way.name), "", "", "", "", page.say(way.why or Text("does not fit"))])
            continue
        found, cost = way.best, way.cost_usd
        rows.append([
            page.say(way.name), page.say(Text("{x:duration}", x=way.step_s)),
            page.say(Text("{x:count}", x=found.tokens_per_s_per_device.mid * way.devices)),
            page.say(Text("{x:percent}", x=found.mfu.mid)), "" if cost is None else page.say(Text("{x:usd}", x=cost)),
            page.say(Text("not sure: {why}", why=unsure(way)[0])) if unsure(way) else "",
        ])  # fmt: skip
    page.rows(rows, right=(1, 2, 3, 4), wrap=5)


def _brings(page: Page, made: MixedPlanned) -> None:
    """What the kind that is not the better one alone adds, in speed and in money."""
    alone, together, gain = made.alone, made.together, made.gain
    if alone is None or together is None or gain is None:
        return
    better = 0 if alone.key == "first" else 1
    kind, other = made.pair.kinds[better], made.pair.kinds[1 - better]
    page.heading(Text("What {device} adds", device=other.device.name))
    peak = {each: float(made.peaks[each]) * made.pair.kinds[each].count for each in (0, 1)}
    values: dict[str, Value] = {
        "gain": abs(gain), "most": peak[1 - better] / peak[better], "way": together.name, "device": kind.device.name,
    }  # fmt: skip
    speed = (
        N_("{gain:percent} more than {device} alone, as {way}; by the peaks alone {most:percent}")
        if gain >= 0.0
        else N_("{gain:percent} less than {device} alone, as {way}; by the peaks alone {most:percent} more")
    )
    rows = [[page.say(N_("Speed")), page.say(Text(speed, **values))]]
    if alone.cost_usd is not None and together.cost_usd is not None:
        money = Text("{usd:usd} for the training instead of {less:usd}", usd=together.cost_usd, less=alone.cost_usd)
        rows.append([page.say(N_("Rent")), page.say(money)])
    page.rows(rows, wrap=1)


def _together(page: Page, made: MixedPlanned) -> None:
    """The best layout over both kinds."""
    best = made.best
    found = best.best
    assert found is not None
    page.heading(N_("The best layout"))
    page.line(Text("{line}", line=brief(found.estimate.layout, made.usual)), indent=2)
    rows = [[page.say(_kind(made, at)), page.say(text)] for at, text in enumerate(_parts(made))]
    rows.append([page.say(N_("Step")), page.say(Text("{step:duration}", step=found.step_s))])
    rows.append(["MFU", page.say(Text("{mfu:percent}", mfu=found.mfu))])
    if best.training_s is not None:
        values: dict[str, Value] = {"time": best.training_s, "tokens": made.tokens}
        text = Text("{time:duration} for {tokens:count} tokens without interruptions", **values)
        rows.append([page.say(N_("Training")), page.say(text)])
    if made.in_time is not None:
        text = in_time(best.training_s or 0.0, made.question.duration_s or 0.0)
        rows.append([page.say(N_("In time")), page.say(text)])
    page.rows(rows, wrap=1)
    for why in unsure(best):
        page.line(Text("Not sure: {why}.", why=why), "yellow", indent=2)
    for remark in found.remarks:
        page.line(remark, indent=2)
    short_ledger(page, N_("Where the time of a step goes"), found.estimate.time, TIME)
    title = Text("Memory of the fullest {device}", device=found.job.cluster.device.name)
    short_ledger(page, title, found.estimate.memory, LINES)
    after = runners_up(best)
    if after:
        page.heading(N_("What comes next, each the best of its own degrees, and where it loses"))
        page.rows(
            ([page.say(Text("{layout}", layout=brief(one.estimate.layout, made.usual))), page.say(lost(one))]
             for one in after), wrap=0,
        )  # fmt: skip


def _kind(made: MixedPlanned, at: int) -> Text:
    cluster = made.pair.kinds[at]
    return Text("{count:integer} {device}", count=cluster.count, device=cluster.device.name)


def _parts(made: MixedPlanned) -> Iterator[Text]:
    """What each kind does, in the order in which they were named."""
    one = made.best.mixed[0]
    for at, kind in enumerate(one.kinds):
        values: dict[str, Value] = {
            "stages": kind.layout.pp, "layers": kind.layers, "replicas": kind.layout.dp,
            "need": float(kind.memory.total), "batches": kind.layout.accumulation, "have": made.available[at],
        }  # fmt: skip
        if one.way == "replicas":
            text = N_(
                "replicas: {replicas:integer}, micro-batches of each: {batches:integer}; {need:bytes} of {have:bytes}"
            )
        elif at == one.front:
            text = N_("stages at the front: {stages:integer}, layers: {layers:integer}; {need:bytes} of {have:bytes}")
        else:
            text = N_("stages at the end: {stages:integer}, layers: {layers:integer}; {need:bytes} of {have:bytes}")
        yield Text(text, **values)


def _searched(page: Page, made: MixedPlanned) -> None:
    page.heading(N_("What was looked at"))
    for way in made.ways:
        text = Text(
            "{name}: {legal:integer} legal layouts, full ledgers of {searched:integer}", name=way.name, legal=way.legal,
            searched=way.searched,
        )  # fmt: skip
        page.line(text, indent=2)
    if made.needed:
        page.line(Text("Opened, as nothing fits without: {names}.", names=", ".join(made.needed)), indent=2)
