"""A plan as text: the best layout, those that come next, the obvious ones, and what memory buys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cardyears.base.text import N_, Text, Value
from cardyears.layout.layout import Layout
from cardyears.layout.written import brief, written
from cardyears.render.labels import LINES, TIME
from cardyears.render.page import SEMICOLON, Cell, Page, Titles
from cardyears.render.report.estimate import equations, layout_words, machine, source_keys
from cardyears.render.report.explain import assumption_rows
from cardyears.render.report.neighbours import neighbour_rows
from cardyears.verbs.obvious import obvious
from cardyears.verbs.plan import Planned, RunnerUp
from cardyears.verbs.single import longest, optimised

if TYPE_CHECKING:
    from cardyears.base.units import Scalar
    from cardyears.verbs.ways import MixedPlanned

BAR = 20
LINES_SHOWN = 6
"""Lines of a ledger in short."""
POINTS_SHOWN = 8
"""Points of the frontier that are drawn, evenly apart."""

_HEADLINES = {
    True: N_("{model} on {machine}: the best of {legal:integer} layouts takes {step:duration} a step, at an MFU of "
             "{mfu:percent}."),
    False: N_("{model} on {machine}: none of {legal:integer} layouts fits; the smallest takes {need:bytes} of "
              "{have:bytes}."),
}  # fmt: skip


def plan(
    made: Planned, page: Page, *, explained: bool = False, titles: Titles = None, besides: Sequence[Text] = ()
) -> None:
    """The best layout as it can be pasted, its ledgers in short, and what it stands against.

    `besides` is what else was looked at.
    """
    page.line(_headline(made), "bold")
    pasted = written(made.best.estimate.layout, made.usual).replace(",", ", ")
    page.line(Text("{line}", line=f'--layout "{pasted}"'), indent=2)
    page.line(page.listed((page.say(part) for part in layout_words(made.best)), SEMICOLON), indent=2)
    _numbers(page, made)
    short_ledger(page, N_("Where the time of a step goes"), made.best.estimate.time, TIME)
    short_ledger(page, N_("Memory of the fullest device"), made.best.estimate.memory, LINES)
    _runners_up(page, made)
    _obvious(page, made)
    _frontier(page, made)
    _single(page, made)
    _searched(page, made, besides)
    if explained:
        page.heading(N_("Equations"))
        page.rows(([page.say(name), f"{page.say(text)} [{key}]"] for name, text, key in equations(made.best)), wrap=1)
        neighbour_rows(page, made.best.neighbours)
        assumption_rows(page, made.best.assumptions)
    page.sources(source_keys(made.best), titles)


def _headline(made: Planned) -> Text:
    best = made.best
    return Text(
        _HEADLINES[made.fits], model=best.model, machine=machine(best), legal=made.found.legal, step=best.step_s.mid,
        mfu=best.mfu.mid, need=best.peak.mid, have=best.available,
    )  # fmt: skip


def _numbers(page: Page, made: Planned) -> None:
    best = made.best
    rows: list[tuple[str, Text]] = [
        (N_("Step"), Text("{step:duration}", step=best.step_s)),
        ("MFU", Text("{mfu:percent}", mfu=best.mfu)),
        (N_("Memory"), Text("{need:bytes} of {have:bytes}", need=best.peak, have=best.available)),
        (N_("Batch"), batch(made)),
    ]
    if made.training_s is not None:
        rows.append((N_("Training"), _training(made)))
    if made.in_time is not None:
        rows.append((N_("In time"), in_time(made.training_s or 0.0, made.question.duration_s or 0.0)))
    page.rows(([page.say(name), page.say(text)] for name, text in rows), wrap=1)
    for one in made.unlike:
        page.line(Text("Not sure: {why}.", why=one), "yellow", indent=2)
    for one in best.remarks:
        page.line(one, indent=2)
    bolder = made.bolder
    if bolder is not None:
        page.line(
            Text(
                "Bolder: {layout} takes {step:duration} a step and fits if its {need:bytes} come out as estimated.",
                layout=brief(bolder.layout, made.usual), step=bolder.seconds * made.batch, need=bolder.peak_bytes,
            ),
            indent=2,
        )  # fmt: skip


def in_time(needed: float, allowed: float) -> Text:
    """Whether a training is done in the time that was named."""
    values: dict[str, Value] = {"needed": needed, "allowed": allowed}
    if needed <= allowed:
        return Text("yes: {needed:duration} of the {allowed:duration} that are allowed", **values)
    return Text("no: {needed:duration}, and {allowed:duration} are allowed", **values)


def batch(made: Planned | MixedPlanned) -> Text:
    """Sequences of a step, and why so many."""
    values: dict[str, Value] = {"batch": made.batch, "near": made.batch_near}
    if made.batch_said:
        return Text("{batch:integer} sequences a step, as said", **values)
    if made.batch == made.batch_near:
        return Text("{batch:integer} sequences a step", **values)
    return Text(
        "{batch:integer} sequences a step, near {near:integer}, so that many layouts can divide it; --global-batch "
        "names another",
        **values,
    )


def _training(made: Planned) -> Text:
    values: dict[str, Value] = {"time": made.training_s or 0.0, "tokens": made.tokens, "devices": made.devices}
    if made.cost_usd is None:
        return Text("{time:duration} for {tokens:count} tokens without interruptions", **values)
    return Text(
        "{time:duration} for {tokens:count} tokens without interruptions, {usd:usd} of rent",
        usd=made.cost_usd,
        **values,
    )


def short_ledger(page: Page, title: str | Text, ledger: Mapping[str, Scalar], names: Mapping[str, str]) -> None:
    """The largest lines as shares with bars, and the others together."""
    lines = sorted(((name, float(value)) for name, value in ledger.items() if value), key=lambda line: -line[1])
    total = sum(value for _, value in lines)
    shown = lines if len(lines) <= LINES_SHOWN + 1 else lines[:LINES_SHOWN]
    rest = total - sum(value for _, value in shown)
    rows = [*shown, *([("others", rest)] if len(shown) < len(lines) else [])]
    page.heading(title)
    page.rows(
        (
            [page.say(names[name]), page.say(Text("{x:percent}", x=value / total)), page.bar(value / total, BAR)]
            for name, value in rows
        ),
        right=(1,),
        wrap=0,
    )


def _runners_up(page: Page, made: Planned) -> None:
    if not made.runners_up:
        return
    page.heading(N_("What comes next, each the best of its own degrees, and where it loses"))
    by_memory = made.objective == "memory"
    page.rows(
        ([_said(page, one.estimate.layout, made), page.say(lost(one, by_memory=by_memory))] for one in made.runners_up),
        wrap=0,
    )


def _said(page: Page, layout: Layout, made: Planned) -> str:
    """A layout in a cell, isolated from a right-to-left line around it."""
    return page.say(Text("{layout}", layout=brief(layout, made.usual)))


def lost(one: RunnerUp, *, by_memory: bool = False) -> Text:
    """By how much, and by which line, a layout lost."""
    values: dict[str, Value] = {"slower": one.slower - 1.0, "lost": one.lost}
    if by_memory:
        return Text("{lost:bytes} more: {line:word}", line=LINES[one.line], **values)
    if one.slower < 1.0:
        why = one.unlike[0] if one.unlike else Text("it may not fit")
        return Text("{faster:percent} faster, but not sure: {why}", faster=1.0 - one.slower, why=why)
    return Text("{slower:percent} slower: {line:word}", line=TIME[one.line], **values)


def _obvious(page: Page, made: Planned) -> None:
    rows = [[page.say(one.name), page.say(one.why)] for one in obvious(made)]
    if rows:
        page.heading(N_("Why not the obvious layouts?"))
        page.rows(rows, wrap=1)


def _frontier(page: Page, made: Planned) -> None:
    """The fastest within each amount of memory, from the smallest to the largest."""
    points = made.frontier
    if len(points) < 2:
        return
    page.heading(N_("What memory buys: the fastest step within so much of it"))
    at = sorted({round(place * (len(points) - 1) / (POINTS_SHOWN - 1)) for place in range(POINTS_SHOWN)})
    slowest = points[0].seconds
    rows: list[list[Cell]] = [
        [
            page.say(Text("{x:bytes}", x=points[index].peak_bytes)),
            page.say(Text("{x:duration}", x=points[index].seconds * made.batch)),
            page.bar(points[index].seconds / slowest, BAR, "green"),
            _said(page, points[index].layout, made),
        ]
        for index in at
    ]
    page.rows(rows, right=(0, 1), wrap=3)


def _single(page: Page, made: Planned) -> None:
    """Other optimisers and the longest sequence, on one device."""
    rows = []
    for one in optimised(made):
        if one.estimate is None:
            continue
        values: dict[str, Value] = {"need": float(one.estimate.peak_bytes), "step": float(one.estimate.step_s)}
        text = (
            Text("{need:bytes}, {step:duration} a step", **values)
            if one.fits
            else Text("does not fit: {need:bytes} at the least", **values)
        )
        rows.append([page.say(one.recipe.label), page.say(text)])
    if rows:
        page.heading(N_("With other optimisers"))
        page.rows(rows, wrap=0)
    length = longest(made)
    if length is not None:
        page.heading(N_("The longest sequence that fits"))
        page.line(Text("{n:integer} tokens, of the powers of two", n=length), indent=2)


def _searched(page: Page, made: Planned, besides: Sequence[Text]) -> None:
    page.heading(N_("What was looked at"))
    for text in (*_counts(made), *besides):
        page.line(text, indent=2)


def _counts(made: Planned) -> Iterator[Text]:
    found = made.found
    yield Text(
        "{legal:integer} legal layouts: full ledgers of {searched:integer}, of which {fitting:integer} fit; "
        "{pruned:integer} excluded by bounds",
        legal=found.legal, searched=found.searched, fitting=found.fitting, pruned=found.pruned,
    )  # fmt: skip
    if len(made.tried) > 1:
        yield Text(
            "Looked at {first:integer} to {last:integer} devices, {n:integer} numbers of them.",
            first=made.tried[0], last=made.tried[-1], n=len(made.tried),
        )  # fmt: skip
    if made.needed:
        yield Text("Opened, as nothing fits without: {names}.", names=", ".join(made.needed))
    by_hand = [name for name in made.opened if name not in made.needed]
    if by_hand:
        yield Text("Opened: {names}.", names=", ".join(by_hand))
    yield Text("Engine: {engine:word}. What it does not vary stays as it has it; --open AXIS searches that too.",
               engine=made.best.job.engine.name)  # fmt: skip
