"""One layout's step as text: what it takes, where the time goes, what fills the memory, what that rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cardyears.answer.verdict import Verdict
from cardyears.base.interval import Interval
from cardyears.base.text import N_, Text, Value
from cardyears.machine.cluster import Link
from cardyears.render.labels import KINDS, LINES, METHODS, OFFLOAD, RECOMPUTE, TIME, ZERO
from cardyears.render.page import SEMICOLON, Cell, Page, Titles
from cardyears.render.report.explain import Equation, assumption_rows
from cardyears.render.report.neighbours import neighbour_rows
from cardyears.verbs.estimate import Estimated

if TYPE_CHECKING:
    from cardyears.base.units import Scalar

LEDGER_BAR = 26
ALL = N_("all together")
IN_MILLISECONDS_BELOW = 10.0
"""Seconds of a step."""
FEWEST_TOGETHER = 2
"""Tiny lines that are worth a line of their own together."""
SHOWN_FROM = 0.002
"""Share of a ledger below which its lines are drawn together, unless everything is explained."""

_PEAKS = {"mxfp8": "fp8", "nvfp4": "fp4"}
"""Precisions that have the peak of another name."""

_HEADLINES = {
    Verdict.YES: N_("{model} on {machine} fits: one step takes {step:duration}, {speed}, at an MFU of {mfu:percent}."),
    Verdict.PROBABLY: N_(
        "{model} on {machine} probably fits: one step takes {step:duration}, {speed}, at an MFU of {mfu:percent}."
    ),
    Verdict.UNLIKELY: N_(
        "{model} on {machine} hardly fits ({need:bytes} of {have:bytes}): if it does, one step takes {step:duration}, "
        "{speed}, at an MFU of {mfu:percent}."
    ),
    Verdict.NO: N_(
        "{model} on {machine} does not fit ({need:bytes} of {have:bytes}): if it did, one step would take "
        "{step:duration}, {speed}, at an MFU of {mfu:percent}."
    ),
}


def estimate(found: Estimated, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """The sentence, the layout, both ledgers, the findings, what they rest on, and what to change."""
    page.line(_headline(found), "bold")
    page.line(page.listed((page.say(part) for part in layout_words(found)), SEMICOLON), indent=2)
    _speed(page, found)
    _time(page, found, explained=explained)
    _memory(page, found, explained=explained)
    _findings(page, found)
    _rests(page, found)
    _advice(page, found)
    if explained:
        page.heading(N_("Equations"))
        page.rows(([page.say(name), f"{page.say(text)} [{source}]"] for name, text, source in equations(found)), wrap=1)
        neighbour_rows(page, found.neighbours)
        assumption_rows(page, found.assumptions)
    page.sources(source_keys(found), titles)


def _headline(found: Estimated) -> Text:
    words: dict[str, Value] = {
        "model": found.model,
        "machine": machine(found),
        "step": found.step_s.mid,
        "speed": _tokens(found, found.tokens_per_s_per_device.mid),
        "mfu": found.mfu.mid,
        "need": found.peak.mid,
        "have": found.available,
    }
    return Text(_HEADLINES[found.fits.verdict], **words)


def machine(found: Estimated) -> Text:
    """How many of which device."""
    cluster = found.job.cluster
    if cluster.count == 1:
        return Text("one {device}", device=cluster.device.name)
    return Text("{count:integer} {device}", count=cluster.count, device=cluster.device.name)


def layout_words(found: Estimated) -> Iterator[Text | str]:
    """The layout in words, piece by piece."""
    one = found.estimate.layout
    yield METHODS[found.method]
    if one.tp > 1:
        yield Text("{n:integer}-way tensor parallel", n=one.tp)
    if one.pp > 1:
        values: dict[str, Value] = {"n": one.pp, "schedule": one.schedule, "chunks": one.virtual_stages}
        if one.virtual_stages > 1:
            yield Text("{n:integer} pipeline stages of {chunks:integer} chunks each ({schedule})", **values)
        else:
            yield Text("{n:integer} pipeline stages ({schedule})", **values)
    if one.cp > 1:
        yield Text("{n:integer}-way context parallel ({kind})", n=one.cp, kind=one.context_kind)
    if one.ep > 1:
        yield Text("experts spread over {n:integer} devices", n=one.ep)
    if one.etp > 1:
        yield Text("each expert split over {n:integer} devices", n=one.etp)
    yield from _replicas(found)
    yield from _batch(found)
    yield RECOMPUTE[one.recompute]
    if one.recompute_every > 1:
        yield Text("of every {n:integer}th layer", n=one.recompute_every)
    if one.kernel == "eager":
        yield N_("attention without a fused kernel")
    if one.chunked_loss:
        yield N_("loss in chunks")
    if one.offload != "none":
        yield OFFLOAD[one.offload]
    yield Text("products in {precision}", precision=one.precision)


def _replicas(found: Estimated) -> Iterator[Text]:
    one = found.estimate.layout
    if one.dp > 1:
        yield Text("{n:integer} replicas, {zero:word}", n=one.dp, zero=ZERO[int(one.zero)])
    elif one.zero and one.replicas > 1:
        yield Text("{zero:word}", zero=ZERO[int(one.zero)])
    if one.zero and one.shard_group is not None and one.shard_group < one.replicas:
        yield Text("sharded in groups of {n:integer}", n=one.shard_group)


def _batch(found: Estimated) -> Iterator[Text]:
    one = found.estimate.layout
    values: dict[str, Value] = {"b": one.micro_batch, "a": one.accumulation, "length": found.job.seq_len}
    if one.dp == 1 and one.accumulation == 1:
        yield Text("{b:integer} × {length:integer} tokens a step", **values)
        return
    if one.dp == 1:
        yield Text(
            "{b:integer} × {a:integer} micro-batches = {all:integer} sequences of {length:integer} tokens a step",
            all=one.global_batch,
            **values,
        )
        return
    yield Text(
        "{b:integer} × {a:integer} micro-batches × {dp:integer} replicas = {all:integer} sequences of {length:integer} "
        "tokens a step",
        dp=one.dp, all=one.global_batch, **values,
    )  # fmt: skip


def _speed(page: Page, found: Estimated) -> None:
    """Step, speed and utilisation with their intervals."""
    rows: list[tuple[str, Text]] = [
        (N_("Step"), Text("{step:duration}", step=found.step_s)),
        (N_("Speed"), _tokens(found, found.tokens_per_s_per_device)),
        ("MFU", _utilisation(found)),
    ]
    if found.hfu.mid > found.mfu.mid:
        rows.append(("HFU", Text("{hfu:percent}, with what is computed again", hfu=found.hfu)))
    page.rows(([page.say(name), page.say(text)] for name, text in rows), wrap=1)


def _tokens(found: Estimated, each: float | Interval) -> Text:
    count = found.job.cluster.count
    if count == 1:
        return Text("{each:count} tokens/s", each=each)
    whole = found.tokens_per_s_per_device.mid * count
    return Text("{each:count} tokens/s on each device and {all:count} in all", each=each, all=whole)


def _utilisation(found: Estimated) -> Text:
    values: dict[str, Value] = {"mfu": found.mfu, "dtype": _dtype(found)}
    if found.usual_mfu is None:
        return Text("{mfu:percent} of the {dtype} peak", **values)
    return Text(
        "{mfu:percent} of the {dtype} peak; runs on such devices attain {low:percent} to {high:percent}",
        low=found.usual_mfu.low,
        high=found.usual_mfu.high,
        **values,
    )


def _dtype(found: Estimated) -> str:
    """The type whose peak the utilisation is a share of."""
    device, precision = found.job.cluster.device, found.estimate.layout.precision
    peak = _PEAKS.get(precision, precision)
    return peak if peak in device.peaks else device.training_dtype or precision


def _time(page: Page, found: Estimated, *, explained: bool) -> None:
    lines = _brief(found.estimate.time, explained=explained)
    total = float(found.estimate.step_s)
    short = total < IN_MILLISECONDS_BELOW
    scale = 1e3 if short else 1.0
    page.heading(
        N_("Where the time of a step goes, in milliseconds")
        if short
        else N_("Where the time of a step goes, in seconds")
    )
    rows: list[list[Cell]] = [
        [
            page.say(TIME[name]),
            page.say(Text("{x:number}", x=value * scale)),
            page.say(Text("{x:percent}", x=value / total)),
            page.bar(value / total, LEDGER_BAR),
        ]
        for name, value in lines
    ]
    rows.append([page.say(ALL), page.say(Text("{x:number}", x=total * scale)), "", ""])
    page.rows(rows, right=(1, 2), wrap=0)


def _memory(page: Page, found: Estimated, *, explained: bool) -> None:
    lines = _brief(found.estimate.memory, explained=explained)
    total, have = float(found.estimate.peak_bytes), found.available
    values: dict[str, Value] = {"need": total, "have": have}
    page.heading(
        Text("Memory of the fullest device: {need:bytes} of {have:bytes}", **values)
        if found.job.cluster.count > 1
        else Text("Memory: {need:bytes} of {have:bytes}", **values)
    )
    style = "cyan" if total <= have else "red"
    named = [(LINES[name], value) for name, value in lines]
    rows: list[list[Cell]] = [
        [
            page.say(name),
            page.say(Text("{x:bytes}", x=value)),
            page.say(Text("{x:percent}", x=value / have)),
            page.bar(value / max(total, have), LEDGER_BAR, style),
        ]
        for name, value in [*named, (ALL, total)]
    ]
    page.rows(rows, right=(1, 2), wrap=0)


def _brief(ledger: Mapping[str, Scalar], *, explained: bool) -> list[tuple[str, float]]:
    """Lines that are not zero, the largest first; the tiny ones as one line unless everything is explained."""
    lines = sorted(((name, float(value)) for name, value in ledger.items()), key=lambda line: -line[1])
    lines = [line for line in lines if line[1]]
    least = SHOWN_FROM * sum(value for _, value in lines)
    tiny = [line for line in lines if line[1] < least]
    if explained or len(tiny) < FEWEST_TOGETHER:
        return lines
    return [*lines[: -len(tiny)], ("others", sum(value for _, value in tiny))]


def _findings(page: Page, found: Estimated) -> None:
    page.heading(N_("Is it enough?"))
    rows = ((N_("Fits"), found.fits), (N_("Connected enough"), found.connected))
    page.rows(
        ([page.say(name), page.verdict(finding.verdict.value), page.say(finding.why)] for name, finding in rows), wrap=2
    )
    for remark in found.remarks:
        page.line(remark, indent=2)


def _rests(page: Page, found: Estimated) -> None:
    """Engine, device and links, with the kind of their coefficients."""
    job = found.job
    page.heading(N_("What this rests on"))
    share = Text("{share:percent} of the step rests on rates that nobody measured", share=found.assumed_share)
    rows = [
        (N_("Engine"), _engine(found)),
        (
            N_("Device"),
            Text("{device}, attained rates: {kind:word}", device=job.cluster.device.name, kind=KINDS[job.silicon.kind]),
        ),
        *((N_("Link"), _link(link)) for link in _links(found)),
        (N_("Assumed"), share),
    ]
    page.rows(([page.say(name), page.say(text)] for name, text in rows), wrap=1)
    if found.chosen:
        page.line(
            N_("The layout was chosen here. --layout names another, and cardyears plan compares them all."), indent=2
        )


def _engine(found: Estimated) -> Text:
    engine = found.job.engine
    values: dict[str, Value] = {"engine": engine.name, "kind": KINDS[engine.kind], "year": str(int(engine.year))}
    if any(one.key == "engine" for one in found.assumptions):
        return Text("{engine:word} of {year}, assumed, as none was named; its coefficients: {kind:word}", **values)
    return Text("{engine:word} of {year}, its coefficients: {kind:word}", **values)


def _links(found: Estimated) -> list[Link]:
    """The wires that the devices are joined by."""
    cluster = found.job.cluster
    return [link for link in (cluster.inside, cluster.between) if link is not None and cluster.count > 1]


def _link(link: Link) -> Text:
    return Text(
        "{link:word}, {bandwidth:bandwidth} one way for each device, attained share: {kind:word}",
        link=link.name,
        bandwidth=link.bandwidth.value,
        kind=KINDS["assumed" if link.attained is None else link.attained.kind],
    )


def _advice(page: Page, found: Estimated) -> None:
    if found.advice is not None:
        page.heading(N_("What would help"))
        page.line(found.advice.text, indent=2)


def equations(found: Estimated) -> Iterator[Equation]:
    """The equations behind the main numbers, with their values."""
    layout, step = found.estimate.layout, float(found.estimate.step_s)
    each, batch = found.tokens_per_s_per_device.mid, float(layout.global_batch)
    text = Text(
        "micro-batch · accumulation · replicas = {b:integer} · {a:integer} · {dp:integer} = {all:integer}",
        b=layout.micro_batch, a=layout.accumulation, dp=layout.dp, all=batch,
    )  # fmt: skip
    yield Equation(N_("batch"), text, "megatron-core")
    text = Text("sum of the lines of the time ledger = {step:duration}", step=step)
    yield Equation(N_("step"), text, "narayanan-2021")
    text = Text(
        "tokens of a step / (step · devices) = {n:count} / ({step:duration} · {devices:integer}) = "
        "{each:count} tokens/s",
        n=batch * found.job.seq_len * found.job.useful_tokens, step=step, devices=layout.devices, each=each,
    )  # fmt: skip
    yield Equation(N_("speed"), text, "palm-2022")
    text = Text(
        "tokens/s · model FLOP of a token / peak = {each:count} · {flop:flop} / {peak:rate} = {mfu:percent}",
        each=each, mfu=found.mfu.mid, **_flop(found),
    )  # fmt: skip
    yield Equation("MFU", text, "palm-2022")
    if layout.pp > 1:
        ideal = (layout.pp - 1) / (layout.virtual_stages * layout.accumulation)
        text = Text(
            "(stages - 1) / (chunks · micro-batches) = {p:integer} / ({v:integer} · {m:integer}) = {share:percent} of "
            "the ideal time, with even stages and 1F1B",
            p=layout.pp - 1, v=layout.virtual_stages, m=layout.accumulation, share=ideal,
        )  # fmt: skip
        yield Equation(N_("bubble"), text, "narayanan-2021")
    text = Text(
        "sum of its lines = {all:bytes}; {low:bytes} to {high:bytes} as measured peaks lie around such ledgers",
        all=found.peak.mid, low=found.peak.low, high=found.peak.high,
    )  # fmt: skip
    yield Equation(N_("memory"), text, "korthikanti-2022, zero-2020, measured-runs")


def _flop(found: Estimated) -> dict[str, Value]:
    """Peak rate, and model FLOP of a token as the utilisation counts it."""
    peak = found.peak_rate
    return {"peak": peak, "flop": float(found.estimate.mfu) * peak / float(found.estimate.tokens_per_s_per_device)}


def source_keys(found: Estimated) -> list[str]:
    """Keys of every source that the estimate rests on, in the order met."""
    job = found.job
    device = job.cluster.device
    figures = [
        device.memory,
        device.bandwidth,
        device.peaks.get(device.training_dtype or ""),
        *(figure for link in _links(found) for figure in (link.bandwidth, link.attained)),
    ]
    keys = [
        *(one.source for one in found.assumptions),
        *(figure.source for figure in figures if figure is not None),
        job.engine.source,
        job.silicon.source,
        job.training.recipe.source,
        "palm-2022",
        "korthikanti-2022",
        "narayanan-2021",
    ]
    return list(dict.fromkeys(key for key in keys if key))
