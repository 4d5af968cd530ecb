"""The answer to `check` on one screen, readable by somebody who is no engineer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from cardyears.answer.alternatives import Alternative
from cardyears.answer.answer import Answer, machine_name
from cardyears.base.interval import Interval
from cardyears.base.text import N_, Text
from cardyears.case import Landmark
from cardyears.render.labels import LINES, METHODS, RECOMPUTE
from cardyears.render.page import SEMICOLON, Page, Titles
from cardyears.render.report.explain import explain, source_keys

LANDMARKS_SHOWN = 3
LEDGER_LINES = 5
ENOUGH_MANY_TIMES = 10
"""From this on a share is said as so many trainings."""
ADAM_8BIT = N_("8-bit Adam")
SCALE_BAR = 34


def check(answer: Answer, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """The whole answer as text."""
    page.line(answer.headline, "bold")
    _verdicts(page, answer)
    _scale(page, answer)
    _takes(page, answer)
    _memory(page, answer, explained=explained)
    _other_sums(page, answer)
    _levers(page, answer)
    _ladder(page, answer)
    _instead(page, answer)
    if explained:
        explain(page, answer)
    page.sources(source_keys(answer), titles)


def _verdicts(page: Page, answer: Answer) -> None:
    three = answer.judgement.verdicts
    rows = (
        (N_("Fits"), three.fits),
        (N_("Fast enough"), three.fast_enough),
        (N_("Connected enough"), three.connected_enough),
    )
    page.rows(
        ([page.say(name), page.verdict(finding.verdict.value), page.say(finding.why)] for name, finding in rows), wrap=2
    )
    if answer.case.workload.undisclosed:
        readings = page.listed(
            (page.say(_reading(one.label, one.flop, one.parameters)) for one in answer.case.workload.readings),
            SEMICOLON,
        )
        page.line(
            Text("{model} is undisclosed. Readings: {readings}.", model=answer.case.workload.name, readings=readings),
            indent=2,
        )


def _reading(label: str, flop: float | None, parameters: float | None) -> Text:
    if flop is not None:
        return Text("{label:word} {flop:flop}", label=label, flop=flop)
    return Text("{label:word} {n:count} parameters", label=label, n=parameters or 0.0)


def _scale(page: Page, answer: Answer) -> None:
    """Required and available FLOP on a logarithmic scale, with known runs as landmarks."""
    work, judged = answer.case.workload, answer.judgement
    if judged.available is None:
        return
    have, need = judged.available.mid, work.flop.mid
    ours = [
        (
            page.say(Text("{machine}, {time:duration}", machine=machine_name(answer.case), time=answer.case.seconds)),
            have,
            "yellow",
        ),
        (page.say(Text("{model} needs", model=work.name)), need, "red"),
    ]
    known = [(page.say(mark.name), mark.flop, "cyan") for mark in _near(answer.case.landmarks, have, need)]
    rows = sorted([*ours, *known], key=lambda row: row[1])
    low = math.floor(math.log10(rows[0][1])) - 1
    high = math.ceil(math.log10(rows[-1][1]))
    page.heading(N_("Computation, each step of the scale ten times more"))
    page.rows(
        (
            [
                name,
                page.say(Text("{x:flop}", x=flop)),
                page.bar((math.log10(flop) - low) / (high - low), SCALE_BAR, style),
            ]
            for name, flop, style in rows
        ),
        right=(1,),
    )


def _near(landmarks: tuple[Landmark, ...], have: float, need: float) -> Iterator[Landmark]:
    """Landmarks around the two numbers, no two closer than a factor of three, and the largest run of all."""
    chosen: list[Landmark] = []
    for mark in landmarks:
        close = any(
            max(mark.flop, other) / min(mark.flop, other) < 3 for other in (have, need, *(one.flop for one in chosen))
        )
        if not close and min(have, need) / 1e4 < mark.flop:
            chosen.append(mark)
    if len(chosen) > LANDMARKS_SHOWN:
        chosen = [*chosen[: LANDMARKS_SHOWN - 1], chosen[-1]]
    return iter(chosen)


def _takes(page: Page, answer: Answer) -> None:
    """Share, card-years, days, energy, money; what the time allowed takes, where it is not enough."""
    judged, case = answer.judgement, answer.case
    if judged.share is None or judged.card_years is None or judged.time is None:
        return
    short = judged.time.mid > case.seconds
    rows: list[tuple[str, Text]] = [_share(answer, judged.share)]
    rows.append((N_("Card-years"), Text("{years:number}", years=judged.card_years)))
    rows.append((N_("Time"), Text("{time:duration} on this machine", time=judged.time)))
    if judged.energy is not None:
        rows.append(
            (
                N_("Energy"),
                Text("{all:kwh} for the whole training", all=_spread(float(judged.energy.total), judged.time)),
            )
        )
        if short:
            alone = float(judged.energy["cards"]) * case.seconds / judged.time.mid
            rows.append(
                (
                    "",
                    Text(
                        "{alone:kwh} for the cards alone in {time:duration}, at {w:power}",
                        alone=alone,
                        time=case.seconds,
                        w=case.terms.board_w or 0.0,
                    ),
                )
            )
    rows.extend(_money(page, answer, judged.time, short=short))
    page.heading(N_("What it takes"))
    page.rows(([page.say(name) if name else "", page.say(text)] for name, text in rows), wrap=1)


def _share(answer: Answer, share: Interval) -> tuple[str, Text]:
    span = answer.case.seconds
    if share.mid >= ENOUGH_MANY_TIMES:
        return N_("Share"), Text("{time:duration} is enough for {n:count} such trainings", time=span, n=share.mid)
    return N_("Share"), Text("{share:percent} of what is needed, in {time:duration}", share=share, time=span)


def _money(page: Page, answer: Answer, time: Interval, *, short: bool) -> Iterator[tuple[str, Text]]:
    judged, span = answer.judgement, answer.case.seconds
    if judged.cost is not None:
        yield N_("Money"), Text("{all:usd} for the whole training", all=judged.cost)
    elif judged.cost_lines:
        yield N_("Money"), Text("no source gives {device} a price", device=answer.case.cluster.device.name)
    if judged.cost_lines and (short or judged.cost is None):
        scale = span / time.mid if short else 1.0
        parts = page.listed(
            f"{page.say(LINES[name])} {page.say(Text('{x:usd}', x=value * scale))}"
            for name, value in judged.cost_lines.items()
        )
        yield "", Text("{parts} in {time:duration}", parts=parts, time=span if short else time.mid)


def _spread(value: float, like: Interval) -> Interval:
    """A value that is proportional to another, with its relative spread."""
    return like / like.mid * value


def _memory(page: Page, answer: Answer, *, explained: bool) -> None:
    memory = answer.judgement.memory
    if memory is None:
        return
    page.heading(
        Text(
            "Memory of one device: {need:bytes} of {have:bytes} ({have:gib}); micro-batch {b:integer}, {how:word}",
            need=memory.required.mid,
            have=memory.available,
            b=memory.layout.micro_batch,
            how=RECOMPUTE[memory.layout.recompute],
        )
    )
    ordered = sorted(((name, float(value)) for name, value in memory.ledger.items()), key=lambda line: -line[1])
    shown = dict(ordered if explained else ordered[:LEDGER_LINES])
    if len(shown) < len(ordered):
        shown["others"] = sum(value for _, value in ordered[LEDGER_LINES:])
    page.ledger(shown, LINES, "bytes", length=SCALE_BAR)


def _other_sums(page: Page, answer: Answer) -> None:
    """The sums that others do, beside ours: the fp32 rate, the meanings of a percentage, published claims."""
    lines = [
        *_naive(answer),
        *(
            Text(
                "{meaning}: {have:flop}, {years:number} card-years",
                meaning=one.meaning,
                have=one.available.mid,
                years=one.card_years.mid,
            )
            for one in answer.readings
        ),
        *(
            Text(
                '"{name:word}": {time:duration} on {n:integer} {device} takes {mfu:percent} of its {dtype} peak, '
                "{w:word}; as such devices run it is {usual:duration}",
                name=one.name,
                time=one.seconds,
                n=one.devices,
                device=one.device,
                mfu=one.implied_mfu,
                dtype=one.dtype,
                w=one.plausibility.sentence,
                usual=one.usual_seconds,
            )
            for one in answer.claims
        ),
    ]
    if not lines:
        return
    page.heading(N_("The same sum as others do it"))
    page.rows((["·", page.say(line)] for line in lines), wrap=1)


def _naive(answer: Answer) -> Iterator[Text]:
    naive = answer.naive
    if naive is None:
        return
    yield Text(
        "at {p:percent} of the fp32 rate, {peak:rate}: {have:flop}, {share:percent}, {years:number} card-years",
        p=naive.utilization,
        peak=naive.peak,
        have=naive.available,
        share=naive.share,
        years=naive.card_years,
    )
    ending = (
        N_("which such cards do attain: the two agree by accident")
        if naive.by_accident
        else N_("which is not what such cards attain")
    )
    # One value, so that a right-to-left sentence keeps its order.
    quotient = Text(
        "{p:number} × {fp32:rate} / {peak:rate}", p=naive.utilization, fp32=naive.peak, peak=naive.training_peak
    )
    yield Text(
        "it equals an MFU of {mfu:percent} in {dtype} ({quotient}), {ending:word}",
        mfu=naive.equal_mfu,
        dtype=naive.training_dtype,
        quotient=quotient,
        ending=ending,
    )


def _levers(page: Page, answer: Answer) -> None:
    if not answer.levers:
        return
    page.heading(N_("What moves the answer most (card-years)"))
    page.rows(
        (
            [
                page.say(Text("{low:number} to {high:number}", low=lever.low_card_years, high=lever.high_card_years)),
                page.say(lever.what),
            ]
            for lever in answer.levers
        ),
        wrap=1,
    )


def _ladder(page: Page, answer: Answer) -> None:
    if not answer.ladder or answer.verdict.value in ("yes", "probably"):
        return
    page.heading(N_("What each saving brings, one on top of the other (card-years, memory of one card)"))
    page.rows(
        (
            [
                page.say(rung.label),
                page.say(Text("{x:number}", x=rung.card_years)),
                page.say(Text("{x:bytes}", x=rung.memory_bytes)),
                page.verdict(rung.verdict.value),
                page.say(rung.brings),
            ]
            for rung in answer.ladder
        ),
        right=(1, 2),
        wrap=4,
    )


def _instead(page: Page, answer: Answer) -> None:
    if answer.verdict.value in ("yes", "probably"):
        return
    page.heading(Text("Instead, on this machine within {time:duration}", time=answer.case.seconds))
    if not answer.alternatives:
        page.line(N_("Nothing in the catalogue fits."), indent=2)
        return
    alternative_rows(page, brief(answer.alternatives))


def brief(alternatives: Iterable[Alternative]) -> list[Alternative]:
    """For each way the one that surely works, else the one that probably does; from scratch both."""
    shown: dict[tuple[str, str], Alternative] = {}
    both: list[Alternative] = []
    for one in alternatives:
        if one.method == "pretrain":
            both.append(one)
        else:
            shown[one.method, one.recipe] = one  # the surer one comes second
    return [*both, *shown.values()]


def way(page: Page, method: str, recipe: str) -> str:
    """A method with its optimiser where that is not the usual one."""
    words = [METHODS[method], *([ADAM_8BIT] if recipe == "adamw-8bit" else [])]
    return page.listed(page.say(word) for word in words)


def alternative_rows(page: Page, alternatives: Iterable[Alternative]) -> None:
    """Alternatives as rows: model, method, time, memory, tokens, verdict."""
    page.rows(
        (
            [
                one.model,
                way(page, one.method, one.recipe),
                page.say(Text("{x:duration}", x=one.time.mid)),
                page.say(Text("{x:bytes}", x=one.peak_memory.mid)),
                page.say(Text("{x:count} tokens", x=one.tokens)),
                page.verdict(one.verdict.value),
            ]
            for one in alternatives
        ),
        right=(2, 3, 4),
    )
