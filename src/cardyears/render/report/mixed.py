"""A plan on two kinds of device as text: the ways to use them, which is best, and what the second kind brings."""

from __future__ import annotations

from collections.abc import Iterator

from cardyears.base.text import N_, Text, Value
from cardyears.layout.written import brief
from cardyears.render.labels import LINES, TIME
from cardyears.render.page import Cell, Page, Titles
from cardyears.render.report.estimate import source_keys
from cardyears.render.report.explain import assumption_rows
from cardyears.render.report.neighbours import neighbour_rows
from cardyears.render.report.plan import batch, in_time, lost, plan, short_ledger
from cardyears.verbs.ways import UNMEASURED, MixedPlanned, Way, runners_up, unsure


def mixed(made: MixedPlanned, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """The best way with its layout and ledgers, and what it stands against."""
    page.line(_headline(made), "bold")
    page.line(Text("Batch: {batch}.", batch=batch(made)), indent=2)
    _ways(page, made)
    _brings(page, made)
    best = made.best
    if best.planned is not None:
        page.heading(Text("The best layout on {name}", name=best.name))
        plan(best.planned, page, explained=explained, titles=titles, besides=tuple(_left_out(made)))
        return
    _together(page, made)
    _searched(page, made)
    assert best.best is not None
    if explained:
        neighbour_rows(page, best.best.neighbours)
        assumption_rows(page, best.best.assumptions)
    page.sources(source_keys(best.best), titles)


_BEST = {
    "time": N_("{model} on {machine}: best is {way}, {step:duration} a step; {than}."),
    "cost": N_("{model} on {machine}: best is {way}, {usd:usd} for the training, {step:duration} a step; {than}."),
    "late": N_("{model} on {machine}: nothing is done in {allowed:duration}; the fastest is {way}, {training:duration} "
               "for the training; {than}."),
}  # fmt: skip
_THAN = {
    "no other alone": N_("on one kind alone no layout fits, or none makes this batch"),
    "no other together": N_("no layout over both fits"),
    "none legal together": N_("no layout over both can be"),
    "apart": N_("{one} and {other} devices cannot be joined in one training"),
    "late": N_("{rival} would take {time:duration} for the training, too long"),
    "as estimated": N_("{rival} would take {longer:duration}, but fits only if its memory comes out as estimated"),
    "lower": N_("{rival} would take {longer:duration}, but fits only if its memory comes out lower than estimated"),
    "faster": N_("{gain:percent} more speed than {rival}"),
    "time": N_("{rival} would take {longer:duration}"),
    "time unsure": N_("{rival} would take {longer:duration}, too little less to be sure of it"),
    "cost": N_("{rival} would cost {price:usd}"),
    "cost unsure": N_("{rival} would cost {price:usd}, too little less to be sure of it"),
}  # fmt: skip
_LEVELS = ("", "as estimated", "lower")
"""What `Way.level` asks of the memory."""


def _headline(made: MixedPlanned) -> Text:
    best = made.best
    values: dict[str, Value] = {"model": made.model, "machine": made.machine}
    if not best.fits:
        return Text("{model} on {machine}: nothing fits, neither on both kinds together nor on one alone.", **values)
    late = made.objective == "cost" and made.in_time is False
    return Text(
        _BEST["late" if late else made.objective], way=best.name, step=best.step_s, usd=best.cost_usd or 0.0,
        allowed=made.question.duration_s or 0.0, training=best.training_s or 0.0, than=_than(made, late=late), **values,
    )  # fmt: skip


def _than(made: MixedPlanned, *, late: bool) -> Text:
    """What the best stands against, and why that comes after it."""
    best, rival = made.best, made.rival
    if rival is None:
        one, other = made.pair.makers
        return Text(_THAN[_no_rival(made)], one=one, other=other)
    return Text(
        _THAN[_reason(made, best, rival, late=late)], rival=rival.name, time=rival.training_s or 0.0,
        longer=rival.step_s, price=rival.cost_usd or 0.0, gain=rival.step_s / best.step_s - 1.0,
    )  # fmt: skip


def _no_rival(made: MixedPlanned) -> str:
    if made.best.mixed:
        return "no other alone"
    if not made.pair.talking:
        return "apart"
    return "no other together" if any(way.legal for way in made.ways if way.planned is None) else "none legal together"


def _reason(made: MixedPlanned, best: Way, rival: Way, *, late: bool) -> str:
    """The key that decided the rank, in the words of `_THAN`."""
    by = made.decided_by
    if by == "late":
        return "late"
    if by == "level":
        return _LEVELS[rival.level]
    if made.objective == "cost" and not late:
        return "cost unsure" if (rival.cost_usd or 0.0) < (best.cost_usd or 0.0) else "cost"
    if rival.step_s < best.step_s:
        return "time unsure"
    return "faster" if best.mixed else "time"


def _ways(page: Page, made: MixedPlanned) -> None:
    """A row for each way: step, speed, utilisation, memory, rent, and the whole training where time or rent matters."""
    timed = made.objective == "cost" or made.question.duration_s is not None
    page.heading(
        N_("Ways to use them: a step, tokens a second, MFU, memory of the fullest device, training, its rent")
        if timed
        else N_("Ways to use them: a step, tokens a second, MFU, memory of the fullest device, rent of the training")
    )
    last = 7 if timed else 6
    rows: list[list[Cell]] = []
    for way in made.ways:
        if way.best is None or not way.fits:
            blank = [""] * (last - 1)
            rows.append([page.say(way.name), *blank, page.say(way.why or Text("does not fit"))])
            continue
        found, cost, training = way.best, way.cost_usd, way.training_s
        duration = "" if training is None else page.say(Text("{x:duration}", x=training))
        rows.append([
            page.say(way.name), page.say(Text("{x:duration}", x=way.step_s)),
            page.say(Text("{x:count}", x=found.tokens_per_s_per_device.mid * way.devices)),
            page.say(Text("{x:percent}", x=found.mfu.mid)),
            page.say(Text("{x:percent}", x=found.peak.mid / found.available)), *([duration] if timed else []),
            "" if cost is None else page.say(Text("{x:usd}", x=cost)), _note(page, way),
        ])  # fmt: skip
    page.rows(rows, right=tuple(range(1, last)), wrap=last)
    page.line(
        Text(
            "All by one engine, that of both kinds together: {engine:word}. Asked for one kind, plan may take another.",
            engine=made.engine.name,
        ),
        indent=2,
    )
    if any(way.mixed for way in made.ways):
        page.line(_FOOTNOTE, indent=2)


_FOOTNOTE = Text(
    "¹ Not sure: no measured run trains on two kinds of device, so they are ranked by the slow end of their time."
)


def _note(page: Page, way: Way) -> str:
    """What speaks against a way: bold in memory, or unlike all that was measured."""
    others = [why for why in unsure(way) if why != UNMEASURED]
    if way.level:
        said = page.say(_ONLY_IF[way.level])
    else:
        said = page.say(Text("not sure: {why}", why=others[0])) if others else ""
    return f"¹ {said}".strip() if way.mixed else said


_ONLY_IF = {
    1: Text("fits only if memory comes out as estimated"),
    2: Text("fits only if memory comes out lower than estimated"),
}


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
    rows.append([page.say(N_("Batch")), page.say(_sequences(made))])
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
        if why != UNMEASURED:
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


def _sequences(made: MixedPlanned) -> Text:
    """How the sequences of a step are made up."""
    one = made.best.mixed[0]
    layout = one.estimate.layout
    values: dict[str, Value] = {"batch": made.batch, "micro": layout.micro_batch, "replicas": layout.dp}
    if one.way == "replicas":
        return Text("{batch:integer} sequences a step, {micro:integer} in each micro-batch", **values)
    return Text(
        "{micro:integer} × {batches:integer} micro-batches × {replicas:integer} replicas = {batch:integer} sequences a "
        "step",
        batches=layout.accumulation, **values,
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
    by_hand = [name for name in made.opened if name not in made.needed]
    if by_hand:
        page.line(Text("Opened: {names}.", names=", ".join(by_hand)), indent=2)
    for text in _left_out(made):
        page.line(text, indent=2)


def _left_out(made: MixedPlanned) -> Iterator[Text]:
    """What is looked at on one kind alone and never over both."""
    if made.pair.talking:
        yield Text("Over both kinds no DualPipe, no sharding in groups (HSDP) and no tensor parallelism inside an "
                   "expert is looked at, even where it is opened.")  # fmt: skip
